package imap_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/errs"
)

func (l *lab) toPassword(start connector.Start) connector.Turn {
	l.t.Helper()
	turn := l.at(l.begin(start), "imap.email")
	return l.at(l.answer(turn, map[string]string{"email": email, "name": "Maria  Lindgren\n"}), "imap.password")
}

func TestJourney(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	if f := field(t, turn.Step, "imap_host"); f.Value != "mail.demo.test" || f.Group != "settings" {
		t.Errorf("%+v", f)
	}
	g := l.granted(l.answer(turn, map[string]string{"password": password}))
	if g.Identity != email || g.Proof != latchkey.ProofTyped || g.Name != "Maria Lindgren" || len(g.Warnings) != 0 || g.ServerChanged {
		t.Errorf("%+v", g)
	}
	want := fmt.Sprintf(`{"mail":{"imap_host":"mail.demo.test","imap_port":%d,"imap_user":"maria@demo.test","imap_encryption":"tls","smtp_host":"mail.demo.test","smtp_port":%d,"smtp_user":"maria@demo.test","smtp_encryption":"tls"}}`,
		l.host.Port(mailhost.IMAPS), l.host.Port(mailhost.SMTPS))
	if string(g.Params) != want {
		t.Errorf("params %s", g.Params)
	}
	if len(g.Sources) != 2 || g.Sources[0].ID != "IMAP" || g.Sources[1].ID != "SMTP" || strings.Join(g.Scopes, " ") != "mail.read mail.send" {
		t.Errorf("sources %v, scopes %v", g.Sources, g.Scopes)
	}
	var secret map[string]map[string]any
	if err := json.Unmarshal(g.Secret, &secret); err != nil || secret["imap"]["password"] != password || secret["smtp"]["user"] != email {
		t.Errorf("secret: %v, %v", err, secret["imap"]["user"])
	}
	if n := l.host.Counts(); n.IMAPLogins != 1 || n.SMTPLogins != 1 {
		t.Errorf("%+v", n)
	}
	if strings.Contains(l.log.String(), canary) {
		t.Error("the log holds the password")
	}
}

// TestProgressIsTold: what is shown while the domain is looked up is what happened.
func TestProgressIsTold(t *testing.T) {
	l := newLab(t)
	l.answer(l.toPassword(connector.Start{}), map[string]string{"password": password})
	var hello, done bool
	for _, s := range l.shown {
		for _, p := range s.Progress {
			hello = hello || (strings.HasPrefix(p.Code, "imap_hello") && p.State == connector.ProgressNow && p.Args["host"] == "mail.demo.test")
			done = done || (p.Code == "imap_done_imap" && p.State == connector.ProgressOK)
		}
	}
	if !hello || !done {
		t.Errorf("hello %v, done %v of %d steps", hello, done, len(l.shown))
	}
}

func TestEmailIsChecked(t *testing.T) {
	l := newLab(t)
	turn := l.begin(connector.Start{Email: "pre@demo.test", Name: "Pre"})
	if f := field(t, turn.Step, "email"); f.Value != "pre@demo.test" {
		t.Errorf("%+v", f)
	}
	for typed, want := range map[string]string{"": "email:required", "maria": "email:invalid_email", "a@b c.test": "email:invalid_email"} {
		turn = l.at(l.answer(turn, map[string]string{"email": typed}), "imap.email", want)
		if f := field(t, turn.Step, "email"); f.Value != typed {
			t.Errorf("what was typed is gone: %+v", f)
		}
	}
	turn = l.at(l.answer(turn, map[string]string{"email": email, "name": strings.Repeat("n", 300)}), "imap.email", "name:too_long")
	l.at(l.answer(turn, map[string]string{"email": " Maria@DEMO.test "}), "imap.password")
}

func TestBackEverywhere(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	if !turn.Step.Offers(connector.ActBack) {
		t.Fatal("no way back from the password")
	}
	back := l.at(l.act(turn, connector.ActBack, nil), "imap.email")
	if f := field(t, back.Step, "email"); f.Value != email {
		t.Errorf("the address is gone: %+v", f)
	}
	// While the login is tried.
	work, err := l.conn.Resume(turn.State, connector.Input{StepID: "imap.password", Action: connector.ActSubmit, Values: map[string]string{"password": password}})
	if err != nil || work.Work == nil || work.Work.Interrupt != connector.Ask {
		t.Fatalf("%+v, %v", work, err)
	}
	if strings.Contains(string(work.State), canary) {
		t.Error("the state to go back to holds the password")
	}
	again, err := l.conn.Resume(work.State, connector.Input{StepID: "imap.verify", Action: connector.ActBack})
	l.at(l.settle(again, err), "imap.password")
	// While the domain is looked up.
	work, err = l.conn.Resume(back.State, connector.Input{StepID: "imap.email", Action: connector.ActSubmit, Values: map[string]string{"email": email}})
	if err != nil || work.Work == nil || work.Work.Interrupt != connector.Rerun {
		t.Fatalf("%+v, %v", work, err)
	}
	again, err = l.conn.Resume(work.State, connector.Input{StepID: "imap.detect", Action: connector.ActBack})
	l.at(l.settle(again, err), "imap.email")
	byHand, err := l.conn.Resume(work.State, connector.Input{StepID: "imap.detect", Action: connector.ActSwitchMethod})
	byHandTurn := l.at(l.settle(byHand, err), "imap.settings")
	if f := field(t, byHandTurn.Step, "imap_host"); f.Value != "imap.demo.test" {
		t.Errorf("no guess: %+v", f)
	}
}

func TestWrongPassword(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	turn = l.at(l.answer(turn, l.typed(map[string]string{"password": "wrong " + canary, "imap_user": "maria@demo.test"})), "imap.password", "password:wrong_password")
	if len(turn.Step.Verdicts) != 2 || turn.Step.Verdicts[0].OK || turn.Step.Verdicts[1].Code != errs.CodeWrongPassword {
		t.Errorf("verdicts %+v", turn.Step.Verdicts)
	}
	if turn.Step.Errors[0].Args["host"] != "mail.demo.test" {
		t.Errorf("args %v", turn.Step.Errors[0].Args)
	}
	turn = l.at(l.answer(turn, map[string]string{"password": ""}), "imap.password", "password:required")
	l.granted(l.answer(turn, map[string]string{"password": password}))
}

// TestSeparatePasswords: each error stands at the password that it is about.
func TestSeparatePasswords(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	turn = l.at(l.answer(turn, map[string]string{"password": "a", "imap_password": "b", "smtp_password": "c"}),
		"imap.password", "imap_password:wrong_password", "smtp_password:wrong_password")
	l.granted(l.answer(turn, map[string]string{"password": "x", "imap_password": password, "smtp_password": password}))
}

func TestBadInputKeepsWhatWasTyped(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	bad := l.typed(map[string]string{
		"imap_host": "not a host!", "imap_port": "nine", "smtp_port": "70000", "smtp_encryption": "rot13", "smtp_user": strings.Repeat("u", 400), "imap_password": "a\r\nb",
	})
	turn = l.at(l.answer(turn, bad), "imap.password",
		"imap_host:invalid_value", "imap_port:invalid_type", "smtp_encryption:invalid_value", "smtp_port:out_of_range", "smtp_user:too_long", "imap_password:invalid_value")
	for _, name := range []string{"imap_host", "imap_port", "smtp_port"} {
		if f := field(t, turn.Step, name); f.Value != bad[name] {
			t.Errorf("%s: %q", name, f.Value)
		}
	}
	turn = l.at(l.answer(turn, l.typed(map[string]string{"imap_host": "", "smtp_host": ""})), "imap.password", "imap_host:required")
	l.granted(l.answer(turn, l.typed(map[string]string{
		"imap_host": fmt.Sprintf("imaps://MAIL.demo.test.:%d/", l.host.Port(mailhost.IMAPS)), "imap_port": "", "smtp_port": strconv.Itoa(l.host.Port(mailhost.SMTPS)) + ".0",
	})))
}

// TestPortsRepairThemselves: the encryption does not go with the port.
func TestPortsRepairThemselves(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	g := l.granted(l.answer(turn, l.typed(map[string]string{
		"imap_encryption": "starttls", "smtp_port": strconv.Itoa(l.host.Port(mailhost.Submission)), "smtp_encryption": "tls",
	})))
	if s := string(g.Params); !strings.Contains(s, `"imap_encryption":"tls"`) || !strings.Contains(s, `"smtp_encryption":"starttls"`) {
		t.Errorf("params %s", s)
	}
}

func TestOneSideByChoice(t *testing.T) {
	for side, other := range map[string]string{"imap": "smtp", "smtp": "imap"} {
		t.Run(side, func(t *testing.T) {
			l := newLab(t)
			turn := l.toPassword(connector.Start{})
			g := l.granted(l.answer(turn, l.typed(map[string]string{other + "_host": ""})))
			if len(g.Sources) != 1 || strings.Contains(string(g.Params), other) || strings.Join(g.Warnings, "") != other+"_not_connected" {
				t.Errorf("%+v %s", g, g.Params)
			}
		})
	}
}

func TestPartial(t *testing.T) {
	l := newLab(t)
	l.host.Misbehave(mailhost.SMTPS, mailhost.Fault{Kind: mailhost.Reset})
	turn := l.toPassword(connector.Start{})
	turn = l.at(l.answer(turn, l.typed(nil)), "imap.partial")
	v := turn.Step.Verdicts
	if len(v) != 2 || !v[0].OK || v[1].OK || v[1].Code != errs.CodeConnectionClosed {
		t.Errorf("verdicts %+v", v)
	}
	if got := optionIDs(turn.Step); got != "edit* imap_only" {
		t.Errorf("options %q", got)
	}
	l.at(l.answer(turn, nil), "imap.partial", "choice:required")
	l.at(l.answer(turn, map[string]string{"choice": "smtp_only"}), "imap.partial", "choice:invalid_value")
	edit := l.at(l.answer(turn, map[string]string{"choice": "edit"}), "imap.password")
	if strings.Contains(string(edit.State), canary) {
		t.Error("the form's state holds the password")
	}
	g := l.granted(l.answer(turn, map[string]string{"choice": "imap_only"}))
	if len(g.Sources) != 1 || g.Sources[0].ID != "IMAP" {
		t.Errorf("%+v", g.Sources)
	}
	l.host.Misbehave(mailhost.SMTPS, mailhost.Fault{})
	l.granted(l.answer(edit, map[string]string{"password": password}))
}

// TestPartialOffersAnOpenDoor runs where the usual ports are the host's, on an address of its own.
func TestPartialOffersAnOpenDoor(t *testing.T) {
	addrs := map[mailhost.Service]string{mailhost.IMAPS: "127.0.0.77:993", mailhost.IMAP: "127.0.0.77:143", mailhost.SMTPS: "127.0.0.77:465", mailhost.Submission: "127.0.0.77:587"}
	h, err := mailhost.Start(mailhost.Config{Users: map[string]string{email: password}, Names: []string{"mail.doors.test"}, Addrs: addrs})
	if err != nil {
		t.Fatalf("this test needs root or net.ipv4.ip_unprivileged_port_start=0, for the usual mail ports on 127.0.0.77: %v", err)
	}
	t.Cleanup(func() { _ = h.Close() })
	l := newLab(t, func(_ *mailhost.Host, _ *imap.Config, zone *[]string) {
		*zone = append(*zone, "mail.doors.test. 60 IN A 127.0.0.77")
	}, alsoTrusting(h))
	turn := l.at(l.answer(l.begin(connector.Start{}), map[string]string{"email": "maria@doors.test"}), "imap.password")
	turn = l.at(l.answer(turn, map[string]string{
		"password": password, "imap_user": email, "smtp_user": email, "smtp_host": "mail.doors.test", "smtp_port": "25", "smtp_encryption": "starttls",
	}), "imap.partial")
	if got := optionIDs(turn.Step); got != "port_465* port_587 edit imap_only" {
		t.Fatalf("options %q, verdicts %+v", got, turn.Step.Verdicts)
	}
	g := l.granted(l.answer(turn, map[string]string{"choice": "port_587"}))
	if !strings.Contains(string(g.Params), `"smtp_port":587`) || !strings.Contains(string(g.Params), `"smtp_encryption":"starttls"`) {
		t.Errorf("params %s", g.Params)
	}
	// 143 with TLS and 993 with STARTTLS: the well-known pair is tried first.
	turn = l.at(l.answer(l.begin(connector.Start{}), map[string]string{"email": "maria@doors.test"}), "imap.password")
	g = l.granted(l.answer(turn, map[string]string{
		"password": password, "imap_user": email, "imap_host": "mail.doors.test", "imap_port": "143", "imap_encryption": "tls",
		"smtp_user": email, "smtp_host": "mail.doors.test", "smtp_port": "465", "smtp_encryption": "starttls",
	}))
	if s := string(g.Params); !strings.Contains(s, `"imap_encryption":"starttls"`) || !strings.Contains(s, `"smtp_encryption":"tls"`) {
		t.Errorf("params %s", s)
	}
}

func TestErrorsOnTheirFields(t *testing.T) {
	refuse := func(text string) mailhost.Fault { return mailhost.Fault{Kind: mailhost.Refuse, Text: text} }
	for name, tc := range map[string]struct {
		fault  mailhost.Fault
		change map[string]string
		want   []string
	}{
		"host not found":    {change: map[string]string{"imap_host": "nowhere.demo.test", "smtp_host": "nowhere.demo.test"}, want: []string{"imap_host:host_not_found", "smtp_host:host_not_found"}},
		"refused":           {change: map[string]string{"imap_port": "1", "smtp_port": "1"}, want: []string{"imap_host:connection_refused", "smtp_host:connection_refused"}},
		"wrong certificate": {fault: mailhost.Fault{Kind: mailhost.WrongCertificate}, want: []string{"imap_host:certificate_invalid", "smtp_host:certificate_invalid"}},
		"no encryption":     {fault: mailhost.Fault{Kind: mailhost.PlainOnly}, want: []string{"imap_encryption:starttls_unavailable", "smtp_encryption:starttls_unavailable"}},
		"garbage":           {fault: mailhost.Fault{Kind: mailhost.Garbage}, want: []string{"imap_host:not_imap", "smtp_host:not_smtp"}},
		"app password":      {fault: refuse("Application-specific password required"), want: []string{"password:app_password_required"}},
		"imap off":          {fault: refuse("IMAP access is disabled"), want: []string{":imap_disabled"}},
		"blocked":           {fault: refuse("Account is locked"), want: []string{":account_blocked"}},
		"connections":       {fault: refuse("Too many simultaneous connections"), want: []string{":too_many_connections"}},
		"oauth":             {fault: refuse("basic authentication is disabled"), want: []string{":oauth_required"}},
		"sides swapped":     {change: map[string]string{"swap": "1"}, want: []string{"imap_host:not_imap", "smtp_host:not_smtp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			turn := l.toPassword(connector.Start{})
			for s := range mailhost.Submission + 1 {
				l.host.Misbehave(s, tc.fault)
			}
			v := l.typed(tc.change)
			if v["swap"] != "" {
				v["imap_port"], v["smtp_port"] = v["smtp_port"], v["imap_port"]
			}
			l.at(l.answer(turn, v), "imap.password", tc.want...)
			if strings.Contains(l.log.String(), canary) {
				t.Error("the log holds the password")
			}
		})
	}
}

func TestPrivateAddressIsNotReached(t *testing.T) {
	l := newLab(t)
	turn := l.toPassword(connector.Start{})
	turn = l.at(l.answer(turn, l.typed(map[string]string{"imap_host": "10.1.2.3", "imap_port": "993", "smtp_host": "169.254.169.254", "smtp_port": "465"})),
		"imap.password", "imap_host:host_not_allowed", "smtp_host:host_not_allowed")
	l.granted(l.answer(turn, l.typed(nil)))
}

func TestNothingFound(t *testing.T) {
	l := newLab(t)
	turn := l.answer(l.begin(connector.Start{}), map[string]string{"email": "maria@nowhere.test"})
	turn = l.at(turn, "imap.settings")
	if f := field(t, turn.Step, "imap_host"); f.Value != "imap.nowhere.test" {
		t.Errorf("%+v", f)
	}
	if len(turn.Step.Notes) != 1 || turn.Step.Notes[0].Code != "settings_not_found" {
		t.Errorf("%+v", turn.Step.Notes)
	}
	l.granted(l.answer(turn, l.typed(nil)))
}

func TestGoogleAndMicrosoftRouteToOAuth(t *testing.T) {
	l := newLab(t)
	start := connector.Start{OAuthOffered: []latchkey.Provider{latchkey.Google}}
	turn := l.at(l.answer(l.begin(start), map[string]string{"email": "maria@firm.test"}), "imap.oauth")
	sw := l.answer(turn, map[string]string{"choice": "oauth"})
	if sw.Switch == nil || sw.Switch.Provider != latchkey.Google || sw.Switch.Email != "maria@firm.test" {
		t.Errorf("%+v", sw)
	}
	l.at(l.answer(turn, map[string]string{"choice": "x"}), "imap.oauth", "choice:invalid_value")
	l.at(l.act(turn, connector.ActBack, nil), "imap.email")
	byPassword := l.at(l.answer(turn, map[string]string{"choice": "password"}), "imap.settings")
	if len(byPassword.Step.Notes) == 0 || byPassword.Step.Notes[0].Code != "app_password" || byPassword.Step.Notes[0].URL == "" {
		t.Errorf("%+v", byPassword.Step.Notes)
	}
	if f := field(t, byPassword.Step, "password"); f.Label != "app_password" {
		t.Errorf("%+v", f)
	}
	// Not offered: a password it is, with a warning.
	turn = l.answer(l.begin(connector.Start{}), map[string]string{"email": "maria@outlook.com"})
	l.at(turn, "imap.settings")
	if turn.Step.Notes[0].Code != "no_passwords" {
		t.Errorf("%+v", turn.Step.Notes)
	}
}

func TestBridge(t *testing.T) {
	l := newLab(t)
	turn := l.at(l.answer(l.begin(connector.Start{}), map[string]string{"email": "maria@quiet.test"}), "imap.bridge")
	l.at(l.act(turn, connector.ActSwitchMethod, nil), "imap.settings")
	l.at(l.act(turn, connector.ActBack, nil), "imap.email")
}

func TestPinnedLink(t *testing.T) {
	l := newLab(t)
	turn := l.at(l.begin(connector.Start{ExpectedIdentity: "Maria@Demo.test"}), "imap.password")
	if f := field(t, turn.Step, "imap_host"); f.Type != connector.FieldReadonly || f.Value != "mail.demo.test" || hasField(turn.Step, "imap_password") {
		t.Errorf("%+v", turn.Step.Fields)
	}
	turn = l.at(l.answer(turn, map[string]string{"password": password, "email": "eve@demo.test"}), "imap.password", "email:wrong_account")
	turn = l.at(l.answer(turn, map[string]string{"password": password, "imap_host": "other.demo.test", "smtp_port": "1", "imap_user": "send@demo.test"}),
		"imap.password", "imap_host:server_locked", "imap_user:server_locked", "smtp_port:server_locked")
	if n := l.host.Counts(); n.IMAPLogins+n.IMAPRefused != 0 {
		t.Errorf("a locked server was tried: %+v", n)
	}
	l.host.SetPassword("Maria@demo.test", password)
	g := l.granted(l.answer(turn, map[string]string{"password": password, "email": "maria@demo.test", "imap_host": "mail.demo.test"}))
	if g.Identity != "Maria@Demo.test" {
		t.Errorf("identity %q", g.Identity)
	}
	// Nothing to lock to: the end user must not choose.
	l.failed(l.begin(connector.Start{ExpectedIdentity: "maria@nowhere.test"}), errs.CodeNothingFound)
	l.at(l.begin(connector.Start{ExpectedIdentity: "maria@nowhere.test", AllowServerChange: true}), "imap.settings")
	l.failed(l.begin(connector.Start{ExpectedIdentity: "not an address"}), errs.CodeInvalidEmail)
}

func TestReconnect(t *testing.T) {
	l := newLab(t)
	g := l.granted(l.answer(l.toPassword(connector.Start{}), map[string]string{"password": password}))
	l.host.SetPassword(email, "new "+canary)
	start := connector.Start{Mode: connector.ModeReconnect, Prior: prior(g)}
	turn := l.at(l.begin(start), "imap.reconnect")
	if !hasField(turn.Step, "password") || hasField(turn.Step, "imap_password") || field(t, turn.Step, "imap_host").Type != connector.FieldReadonly {
		t.Errorf("%+v", turn.Step.Fields)
	}
	turn = l.at(l.answer(turn, map[string]string{"password": password}), "imap.reconnect", "password:wrong_password")
	turn = l.at(l.answer(turn, map[string]string{"password": "new " + canary, "imap_host": "other.demo.test"}), "imap.reconnect", "imap_host:server_locked")
	again := l.granted(l.answer(turn, map[string]string{"password": "new " + canary}))
	if again.Identity != g.Identity || again.ServerChanged || string(again.Params) != string(g.Params) {
		t.Errorf("%+v", again)
	}

	// Only sending broke: only its password is asked for, and the other is kept.
	broken := prior(again, latchkey.Source{ID: "IMAP", Status: latchkey.AccountOK}, latchkey.Source{ID: "SMTP", Status: latchkey.AccountCredentials})
	turn = l.at(l.begin(connector.Start{Mode: connector.ModeReconnect, Prior: broken}), "imap.reconnect")
	if hasField(turn.Step, "password") || !hasField(turn.Step, "smtp_password") || hasField(turn.Step, "imap_password") {
		t.Errorf("%+v", turn.Step.Fields)
	}
	turn = l.at(l.answer(turn, nil), "imap.reconnect", "smtp_password:required")
	l.granted(l.answer(turn, map[string]string{"smtp_password": "new " + canary}))

	// With leave to change servers.
	moved := connector.Start{Mode: connector.ModeReconnect, Prior: prior(again), AllowServerChange: true}
	turn = l.at(l.begin(moved), "imap.reconnect")
	g2 := l.granted(l.answer(turn, map[string]string{"password": "new " + canary, "imap_host": "other.demo.test"}))
	if !g2.ServerChanged || !strings.Contains(string(g2.Params), "other.demo.test") {
		t.Errorf("%+v %s", g2.ServerChanged, g2.Params)
	}

	// The secret cannot be read any more: the public part says where to go.
	lost := prior(again)
	lost.Secret = nil
	turn = l.at(l.begin(connector.Start{Mode: connector.ModeReconnect, Prior: lost}), "imap.reconnect")
	l.granted(l.answer(turn, map[string]string{"password": "new " + canary}))
	// Nothing is left at all: the servers are looked up again, for the same address only.
	lost.Params = nil
	l.at(l.begin(connector.Start{Mode: connector.ModeReconnect, Prior: lost}), "imap.password")
}
