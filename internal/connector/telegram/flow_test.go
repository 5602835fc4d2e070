package telegram_test

import (
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/connector/telegram"
	"latchkey/internal/connector/telegram/sim"
)

func TestQRConnects(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin()
	qr := f.qr()
	if !strings.HasPrefix(qr, "tg://login?token=") {
		t.Fatalf("code %q", qr)
	}
	must(t, r.sim.Scan(anna, qr))
	f.run().want("grant Anna Adler")
	g := f.turn.Grant
	if g.Proof != "provider" || strings.Contains(string(g.Params), "1510000001") || !strings.Contains(string(g.Params), `"username":"anna"`) {
		t.Errorf("grant: %s, %s", g.Proof, g.Params)
	}
	devices, err := r.sim.Sessions(anna)
	must(t, err)
	if len(devices) != 1 || devices[0].Device != "Northwind" || devices[0].APIID != 4242 {
		t.Errorf("the phone lists %+v", devices)
	}
}

// The code is scanned while a connection waits for that: no look at the clock is needed.
func TestQRIsPushed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin()
	f.qr()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.doOne(t.Context())
	}()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		f.mu.Lock()
		qr := f.shown.Payload
		f.mu.Unlock()
		if qr == "" {
			time.Sleep(time.Millisecond)
			continue
		}
		scanned := time.Now()
		must(t, r.sim.Scan(anna, qr))
		<-done
		t.Logf("scan to grant: %v", time.Since(scanned))
		break
	}
	f.want("grant Anna Adler")
}

func TestQRMovesToTheDataCentreOfTheAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin()
	must(t, r.sim.Scan(berta, f.qr()))
	f.run().want("telegram.password")
	if f.turn.Step.Args["hint"] != "the usual one" {
		t.Errorf("hint %q", f.turn.Step.Args["hint"])
	}
	f.answer(connector.ActSubmit, "password", "wrong").want("telegram.password wrong_password")
	f.answer(connector.ActSubmit, "password", password).want("grant Berta")
	devices, err := r.sim.Sessions(berta)
	must(t, err)
	if len(devices) != 1 || devices[0].DC != 4 {
		t.Errorf("sessions: %+v", devices)
	}
}

func TestQRRenewsItselfAndEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *sim.Config, _ *telegram.Config) { s.TokenTTL = time.Second })
	f := r.begin()
	first := f.qr()
	f.doOne(t.Context())
	second := f.qr()
	if first == second {
		t.Error("the code is the same after its time")
	}
	f.run().want("telegram.qr code_expired")
	if n := r.sim.Count("exchange"); n != 1 {
		t.Errorf("%d keys were made for one flow", n)
	}
	if err := r.sim.Scan(anna, first); err == nil {
		t.Error("an old code can be scanned")
	}
}

func TestPhoneAndCode(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin(handheld).want("telegram.phone")
	f.answer(connector.ActSubmit, "phone", "0151 0000001").want("telegram.phone invalid_phone")
	f.answer(connector.ActSubmit, "phone", "0049 (0)151 000-0001").want("telegram.code")
	if f.turn.Step.Args["way"] != "app" || f.turn.Step.Notes[0].Code != "telegram_code_app" || strings.Contains(f.turn.Step.Args["phone"], "000000") {
		t.Errorf("step: %+v", f.turn.Step)
	}
	f.answer(connector.ActSubmit, "code", "no digits").want("telegram.code wrong_code")
	f.typeCode(anna).want("grant Anna Adler")
}

func TestPhoneMovesAndAsksForThePassword(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", berta).want("telegram.code")
	f.typeCode(berta).want("telegram.password")
	f.answer(connector.ActSubmit, "password", password).want("grant Berta")
}

func TestCodeIsSentAnotherWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *sim.Config, _ *telegram.Config) { s.ResendAfter = time.Second })
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", anna).want("telegram.code")
	if f.turn.Step.ResendAt.IsZero() {
		t.Error("nothing says when it can be sent again")
	}
	for _, way := range []string{"sms", "call"} {
		if f.answer(connector.ActResend).want("telegram.code"); f.turn.Step.Args["way"] != way {
			t.Errorf("way %q, want %q", f.turn.Step.Args["way"], way)
		}
	}
	if f.turn.Step.Offers(connector.ActResend) {
		t.Error("there is no other way left, and one is offered")
	}
	f.typeCode(anna).want("grant Anna Adler")
}

func TestWaysOfSending(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i, way := range []string{"sms", "call", "missed_call", "email", "fragment", "word", "payment", "email_setup", "flash_call"} {
		phone := "+49 151 111110" + string(rune('0'+i))
		_, err := r.sim.Add(sim.Person{Phone: phone, First: way, Codes: []string{way}})
		must(t, err)
		f := r.begin(handheld).answer(connector.ActSubmit, "phone", phone)
		switch way {
		case "payment", "email_setup", "flash_call":
			f.want("telegram.use_qr").answer(connector.ActBack).want("telegram.phone")
		default:
			if f.want("telegram.code"); f.turn.Step.Args["way"] != way {
				t.Errorf("way %q, want %q", f.turn.Step.Args["way"], way)
			}
			f.typeCode(phone).want("grant " + way)
		}
	}
}

func TestWrongCodeThreeTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *sim.Config, _ *telegram.Config) { s.Code = "11111" })
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", anna)
	f.answer(connector.ActSubmit, "code", "22222").want("telegram.code wrong_code")
	f.answer(connector.ActSubmit, "code", "33333").want("telegram.code wrong_code")
	f.answer(connector.ActSubmit, "code", "44444").want("failure too_many_tries")
	if n := r.sim.Count("auth.signIn"); n != 3 {
		t.Errorf("%d codes were tried", n)
	}
}

func TestWrongPasswordFiveTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", berta).typeCode(berta)
	for range 4 {
		f.answer(connector.ActSubmit, "password", "wrong").want("telegram.password wrong_password")
	}
	f.answer(connector.ActSubmit, "password", "wrong").want("failure too_many_tries")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct {
		at   string
		code int
		said string
		want string
	}{
		{"auth.sendCode", 400, "PHONE_NUMBER_INVALID", "telegram.phone invalid_phone"},
		{"auth.sendCode", 400, "PHONE_NUMBER_BANNED", "failure account_blocked"},
		{"auth.sendCode", 400, "PHONE_NUMBER_FLOOD", "failure too_many_tries"},
		{"auth.sendCode", 406, "PHONE_PASSWORD_FLOOD", "failure too_many_tries"},
		{"auth.sendCode", 406, "UPDATE_APP_TO_LOGIN", "telegram.use_qr"},
		{"auth.sendCode", 400, "API_ID_INVALID", "failure provider_unavailable"},
		{"auth.sendCode", 400, "API_ID_PUBLISHED_FLOOD", "failure provider_unavailable"},
		{"auth.sendCode", 500, "AUTH_RESTART", "telegram.phone connection_closed"},
		{"auth.sendCode", 401, "AUTH_KEY_UNREGISTERED", "telegram.phone interrupted"},
		{"auth.sendCode", 420, "FLOOD_WAIT_77", "telegram.flood"},
		{"auth.sendCode", 303, "PHONE_MIGRATE_9", "telegram.phone connection_closed"},
		{"auth.sendCode", 400, "SOMETHING_NEW", "failure credential_rejected"},
	} {
		r.misbehave(sim.Fault{At: c.at, Kind: sim.FaultError, Code: c.code, Message: c.said, Times: 1})
		f := r.begin(handheld).answer(connector.ActSubmit, "phone", anna).want(c.want)
		if c.said == "API_ID_INVALID" && f.turn.Failure.RefusedApp == "" {
			t.Error("the operator is not told that the api_id is wrong")
		}
	}
	for said, want := range map[string]string{
		"PHONE_CODE_EXPIRED": "telegram.phone code_expired", "USER_DEACTIVATED_BAN": "failure account_blocked", "FLOOD_WAIT_5": "telegram.flood",
	} {
		f := r.begin(handheld).answer(connector.ActSubmit, "phone", anna).want("telegram.code")
		code := map[string]int{"FLOOD_WAIT_5": 420, "USER_DEACTIVATED_BAN": 401}[said]
		if code == 0 {
			code = 400
		}
		r.misbehave(sim.Fault{At: "auth.signIn", Kind: sim.FaultError, Code: code, Message: said, Times: 1})
		f.typeCode(anna).want(want)
	}
}

func TestNoAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", nobody).want("telegram.code")
	f.typeCode(nobody).want("telegram.no_account")
	f.answer(connector.ActSubmit).want("telegram.phone")
}

func TestFloodWaitIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.misbehave(sim.Fault{At: "auth.sendCode", Kind: sim.FaultError, Code: 420, Message: "FLOOD_WAIT_77", Times: 1})
	f := r.begin(handheld).answer(connector.ActSubmit, "phone", anna).want("telegram.flood")
	if left := time.Until(f.turn.Step.ResendAt); left < 70*time.Second || left > 78*time.Second || f.turn.Step.Args["minutes"] != "2" {
		t.Errorf("wait %v, %v", left, f.turn.Step.Args)
	}
	n := r.sim.Count("auth.sendCode")
	if f.answer(connector.ActResend).want("telegram.flood"); r.sim.Count("auth.sendCode") != n {
		t.Error("Telegram was asked before its time")
	}
	turn, err := r.conn.Resume(f.turn.State, connector.Input{StepID: "telegram.flood", Action: connector.ActSwitchMethod})
	must(t, err)
	if turn.Work == nil || turn.Work.Name != "qr" {
		t.Error("the other way is not the QR code")
	}
}
