package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/connectortest"
	"latchkey/internal/connector/telegram"
	"latchkey/internal/connector/telegram/sim"
	"latchkey/internal/errs"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	manual := startSim(t, sim.Config{Now: time.Now, Code: "12345", ResendAfter: time.Second})
	scanned := startSim(t, sim.Config{Now: time.Now, AutoScan: anna})
	locked := startSim(t, sim.Config{Now: time.Now, AutoScan: berta})
	var at *sim.Sim
	conn := func(*testing.T) connector.Connector { return connectorTo(at) }
	start := connector.Start{Mode: connector.ModeCreate, ApplicationID: "app_1", LinkID: "lnk_1", ApplicationName: "Northwind"}
	phone := start
	phone.Handheld = true
	number := func(n string) connectortest.Answer {
		return connectortest.Answer{Step: "telegram.phone", Values: map[string]string{"phone": n}}
	}
	code := func(c string) connectortest.Answer {
		return connectortest.Answer{Step: "telegram.code", Values: map[string]string{"code": c}}
	}
	shared := map[string]bool{"error.code_expired": true, "error.too_many_tries": true, "error.wrong_code": true, "error.wrong_password": true, "error.required": true}
	suite := func(s *sim.Sim, scripts ...connectortest.Script) {
		at = s
		connectortest.Run(t, connectortest.Suite{New: conn, Scripts: scripts, SharedText: func(k string) bool { return shared[k] }})
	}
	suite(scanned, connectortest.Script{Name: "qr", Start: start, WantGrant: "770000001"})
	suite(locked, connectortest.Script{Name: "qr and password", Start: start, Answers: []connectortest.Answer{
		{Step: "telegram.password", Values: map[string]string{"password": password}},
	}, WantGrant: "770000002"})
	suite(
		manual,
		connectortest.Script{Name: "code", Start: phone, Answers: []connectortest.Answer{number(anna), code("12345")}, WantGrant: "770000001"},
		connectortest.Script{Name: "resent", Start: phone, Answers: []connectortest.Answer{
			number(anna), {Step: "telegram.code", Action: connector.ActResend}, code("1 2-3 45"),
		}, WantGrant: "770000001"},
		connectortest.Script{Name: "wrong code", Start: phone, Answers: []connectortest.Answer{number(anna), code("99999")}, WantStep: "telegram.code", WantErrors: []errs.Code{errs.CodeWrongCode}},
		connectortest.Script{Name: "wrong number", Start: phone, Answers: []connectortest.Answer{number("12")}, WantStep: "telegram.phone", WantErrors: []errs.Code{errs.CodeInvalidPhone}},
		connectortest.Script{Name: "nobody", Start: phone, Answers: []connectortest.Answer{number(nobody), code("12345")}, WantStep: "telegram.no_account"},
		connectortest.Script{Name: "password", Start: phone, Answers: []connectortest.Answer{
			number(berta), code("12345"), {Step: "telegram.password", Values: map[string]string{"password": password}},
		}, WantGrant: "770000002"},
		connectortest.Script{Name: "password back", Start: phone, Answers: []connectortest.Answer{
			number(berta), code("12345"), {Step: "telegram.password", Action: connector.ActBack},
		}, WantStep: "telegram.phone"},
	)
}

func connectorTo(s *sim.Sim) *telegram.Connector {
	return newConnector(s, tcp{})
}

// The socket is cut at every step, before and after the server has done what was asked. Nothing that
// was good is asked for twice, and no key is used from two places.
func TestSocketCutAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, kind := range []sim.FaultKind{sim.FaultCut, sim.FaultCutAfter} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			cut := func(at string) { r.misbehave(sim.Fault{At: at, Kind: kind, Times: 1}) }

			cut("connect")
			f := r.begin(handheld).answer(connector.ActSubmit, "phone", berta).want("telegram.phone connection_closed")
			cut("exchange")
			f.answer(connector.ActSubmit, "phone", berta).want("telegram.phone connection_closed")
			cut("auth.sendCode")
			f.answer(connector.ActSubmit, "phone", berta).want("telegram.phone connection_closed")
			f.answer(connector.ActSubmit, "phone", berta).want("telegram.code")
			cut("auth.signIn")
			f.typeCode(berta)
			if kind == sim.FaultCut {
				f.want("telegram.code connection_closed").typeCode(berta)
			}
			f.want("telegram.password")
			cut("account.getPassword")
			f.answer(connector.ActSubmit, "password", password).want("telegram.password connection_closed")
			cut("auth.checkPassword")
			f.answer(connector.ActSubmit, "password", password)
			if kind == sim.FaultCut {
				f.want("telegram.password connection_closed").answer(connector.ActSubmit, "password", password)
			}
			f.want("grant Berta")

			for _, at := range []string{"connect", "exchange", "auth.exportLoginToken"} {
				cut(at)
				f = r.begin()
				must(t, r.sim.Scan(anna, f.qr()))
				f.run().want("grant Anna Adler")
			}
			cut("auth.importLoginToken")
			f = r.begin()
			must(t, r.sim.Scan(berta, f.qr()))
			f.run().want("telegram.password")
		})
	}
}

func TestGarbageAndSilence(t *testing.T) {
	t.Parallel()
	hasty := func(_ *sim.Config, c *telegram.Config) { c.CallTimeout = 2 * time.Second }
	for _, kind := range []sim.FaultKind{sim.FaultGarbage, sim.FaultNonsense, sim.FaultSilent} {
		for _, at := range []string{"connect", "exchange", "auth.sendCode"} {
			r := newRig(t, hasty) // a connection that is still being given up would meet the next fault
			r.misbehave(sim.Fault{At: at, Kind: kind, Times: 1})
			f := r.begin(handheld).answer(connector.ActSubmit, "phone", anna)
			if f.turn.Step == nil || f.turn.Step.ID != "telegram.phone" || len(f.turn.Step.Errors) != 1 {
				t.Errorf("%s at %s: %s", kind, at, f.at())
			}
		}
	}
	r := newRig(t, hasty)
	r.misbehave(sim.Fault{At: "*", Kind: sim.FaultGarbage})
	// Whether the last of the tries was cut or ran out of time is the machine's mood.
	if f := r.begin().run(); f.at() != "failure connection_closed" && f.at() != "failure connection_timeout" {
		t.Errorf("garbage everywhere: %s", f.at())
	}
}

// What was typed is not in any state, and a connector that is asked twice does not send twice.
func TestNothingTypedIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", berta).typeCode(berta).answer(connector.ActSubmit, "password", "canary-wrong")
	if bytes.Contains(f.turn.State, []byte("canary-wrong")) {
		t.Error("the password is in the state")
	}
	f.answer(connector.ActSubmit, "password", password).want("grant Berta")
	if bytes.Contains(f.turn.Grant.Secret, []byte(password)) {
		t.Error("the password is in the credential")
	}
}

func TestCheckAndRevoke(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	connect := func() connector.Credential {
		return r.begin(handheld).answer(connector.ActSubmit, "phone", anna).typeCode(anna).credential()
	}
	check := func(c connector.Credential, status latchkey.AccountStatus, reason latchkey.Reason) {
		t.Helper()
		h, err := r.conn.Check(t.Context(), c)
		must(t, err)
		if h.Status != status || h.Reason != reason {
			t.Errorf("health %s %s, want %s %s (%s)", h.Status, h.Reason, status, reason, h.Detail)
		}
	}
	acc := connect()
	check(acc, latchkey.AccountOK, "")
	for said, want := range map[string]latchkey.Reason{
		"400 SOMETHING_NEW": latchkey.ReasonProtocol, "420 FLOOD_WAIT_9": latchkey.ReasonRateLimited, "500 INTERNAL": latchkey.ReasonHostUnreachable,
	} {
		code := map[byte]int{'4': 400, '5': 500}[said[0]]
		if said[1] == '2' {
			code = 420
		}
		r.misbehave(sim.Fault{At: "users.getUsers", Kind: sim.FaultError, Code: code, Message: said[4:], Times: 1})
		check(acc, latchkey.AccountConnecting, want)
	}
	r.misbehave(sim.Fault{At: "connect", Kind: sim.FaultCut, Times: 1})
	check(acc, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable)
	r.misbehave(sim.Fault{At: "users.getUsers", Kind: sim.FaultError, Code: 406, Message: "AUTH_KEY_DUPLICATED", Times: 1})
	check(acc, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated)
	check(acc, latchkey.AccountOK, "")

	must(t, r.sim.Unlink(anna))
	check(acc, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated)
	must(t, r.conn.Revoke(t.Context(), acc))

	acc = connect()
	must(t, r.conn.Revoke(t.Context(), acc))
	if devices, err := r.sim.Sessions(anna); err != nil || len(devices) != 0 {
		t.Errorf("the session is still there: %v, %v", devices, err)
	}
	check(acc, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated)

	acc = connect()
	must(t, r.sim.Ban(anna))
	check(acc, latchkey.AccountError, latchkey.ReasonBlocked)
	r.begin(handheld).answer(connector.ActSubmit, "phone", anna).want("failure account_blocked")

	check(connector.Credential{Secret: []byte("{}")}, latchkey.AccountCredentials, latchkey.ReasonSealedUnreadable)
	// A server that was made anew knows none of the keys.
	var cr map[string]any
	must(t, json.Unmarshal(acc.Secret, &cr))
	other := newConnector(startSim(t, sim.Config{Now: time.Now}), tcp{})
	if h, err := other.Check(t.Context(), acc); err != nil || h.Reason != latchkey.ReasonSessionTerminated {
		t.Errorf("a key that is not known: %+v, %v", h, err)
	}
}

func TestOutageIsConnecting(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	acc := r.begin(handheld).answer(connector.ActSubmit, "phone", anna).typeCode(anna).credential()
	refuse := newConnector(r.sim, refusing{})
	h, err := refuse.Check(t.Context(), acc)
	if err != nil || h.Status != latchkey.AccountConnecting || h.Reason != latchkey.ReasonHostUnreachable {
		t.Errorf("%+v, %v", h, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.conn.Check(ctx, acc); err == nil {
		t.Error("a check that was given up says something about the account")
	}
}

type refusing struct{}

func (refusing) DialVia(context.Context, *latchkey.Proxy, string) (net.Conn, error) {
	return nil, errs.New(errs.Unavailable, errs.CodeConnectionRefused, "No.")
}

func TestReconnectEndsTheSessionThatItReplaces(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	old := r.begin(handheld).answer(connector.ActSubmit, "phone", anna).typeCode(anna).credential()
	mend := func(s *connector.Start) {
		s.Handheld, s.Mode = true, connector.ModeReconnect
		s.Prior = &connector.Prior{AccountID: "acc_1", Identity: old.Identity, Secret: old.Secret}
	}
	f := r.begin(mend).answer(connector.ActSubmit, "phone", anna).typeCode(anna).want("grant Anna Adler")
	if f.turn.Unused == nil || !bytes.Equal(f.turn.Unused.Secret, old.Secret) {
		t.Error("the session that is replaced would stay on the phone's list")
	}
	f = r.begin(mend).answer(connector.ActSubmit, "phone", berta).typeCode(berta).answer(connector.ActSubmit, "password", password).want("grant Berta")
	if f.turn.Unused != nil {
		t.Error("somebody else's login ends the account's session")
	}
}

func TestAppIsVerified(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *sim.Config, _ *telegram.Config) { s.APIs = map[int]string{7: "good"} })
	for _, c := range []struct {
		id, hash string
		ok       bool
	}{{"7", "good", true}, {"7", "bad", false}, {"8", "good", false}, {"x", "good", false}} {
		found, err := r.conn.VerifyApp(t.Context(), connector.App{ClientID: c.id, ClientSecret: c.hash}, "")
		if err != nil || len(found) == 0 || found[0].OK != c.ok {
			t.Errorf("%s %s: %+v, %v", c.id, c.hash, found, err)
		}
	}
}

func TestPhoneNumbers(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"+49 151 23456789": "+4915123456789", "0049-151-23456789": "+4915123456789", "+49 (0) 151 234": "+49151234", "＋49151234567": "+49151234567",
		"\u202a+49 151 2345678\u202c": "+491512345678", "+٤٩١٥١٢٣٤٥٦٧": "+49151234567", "0151 23456789": "", "49151234567": "", "+49": "",
		"+0151234567": "", "+49151+234567": "", "anna": "", "": "", "+1234567890123456": "", "+49 151 23456x": "",
	} {
		got, ok := telegram.NormalPhone(typed)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", typed, got, ok)
		}
	}
}
