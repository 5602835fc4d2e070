package mock_test

import (
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/connectortest"
	"latchkey/internal/connector/mock"
	"latchkey/internal/errs"
)

func newMock(t *testing.T) connector.Connector {
	t.Helper()
	p, err := mock.StartPhone(mock.PhoneConfig{CodeTTL: 40 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return mock.New(mock.Config{Now: time.Now, Pace: 2 * time.Millisecond, DialPhone: p.Dial})
}

func login(user, password string) connectortest.Answer {
	return connectortest.Answer{Step: "mock.login", Values: map[string]string{"username": user, "password": password}}
}

func on(step string, kv ...string) connectortest.Answer {
	a := connectortest.Answer{Step: step, Values: map[string]string{}}
	for i := 0; i < len(kv); i += 2 {
		a.Values[kv[i]] = kv[i+1]
	}
	return a
}

func press(step string, a connector.Action) connectortest.Answer {
	return connectortest.Answer{Step: step, Action: a}
}

func TestContract(t *testing.T) {
	start := connector.Start{Mode: connector.ModeCreate, CallbackURL: "http://127.0.0.1/oauth/callback"}
	again := connector.Start{Mode: connector.ModeReconnect, Prior: &connector.Prior{AccountID: "acc_1", Identity: "anna@mock.test"}}
	script := func(name, grant string, answers ...connectortest.Answer) connectortest.Script {
		return connectortest.Script{Name: name, Start: start, Answers: answers, WantGrant: grant}
	}
	fails := func(name string, code errs.Code, answers ...connectortest.Answer) connectortest.Script {
		return connectortest.Script{Name: name, Start: start, Answers: answers, WantFailure: code}
	}
	rests := func(name, step string, code errs.Code, answers ...connectortest.Answer) connectortest.Script {
		return connectortest.Script{Name: name, Start: start, Answers: answers, WantStep: step, WantErrors: []errs.Code{code}}
	}
	connectortest.Run(t, connectortest.Suite{
		New: newMock,
		// Codes that all connectors share have their texts in the wizard, whose tests check them.
		SharedText: func(key string) bool { return strings.HasPrefix(key, "error.") },
		Scripts: []connectortest.Script{
			script("plain", "anna@mock.test", login("anna", "x")),
			script("own address", "anna@example.com", login("anna@example.com", "x")),
			script("two factors", "2fa@mock.test", login("2fa", "x"), on("mock.code", "code", "123456")),
			script("other method", "2fa@mock.test", login("2fa", "x"), press("mock.code", connector.ActSwitchMethod), on("mock.method", "method", "app"), on("mock.code", "code", "123456")),
			script("resend", "2fa@mock.test", login("2fa", "x"), press("mock.code", connector.ActResend), on("mock.code", "code", "123456")),
			rests("wrong code", "mock.code", errs.CodeWrongCode, login("2fa", "x"), on("mock.code", "code", "111111")),
			rests("expired code", "mock.code", errs.CodeCodeExpired, login("2fa", "x"), on("mock.code", "code", "000000")),
			fails("three wrong codes", errs.CodeTooManyTries, login("2fa", "x"), on("mock.code", "code", "1"), on("mock.code", "code", "2"), on("mock.code", "code", "3")),
			rests("wrong password", "mock.login", errs.CodeWrongPassword, login("anna", "wrong")),
			script("contract", "choose@mock.test", login("choose", "x"), on("mock.contract", "choice", "c2")),
			script("partial", "partial@mock.test", login("partial", "x"), on("mock.partial", "choice", "go_on")),
			script("notice", "notice@mock.test", login("notice", "x"), on("mock.notice")),
			script("captcha", "captcha@mock.test", login("captcha", "x"), on("mock.captcha", "solution", "pass")),
			rests("captcha failed", "mock.captcha", errs.CodeCaptchaFailed, login("captcha", "x"), on("mock.captcha", "solution", "fail")),
			script("extension", "extension@mock.test", login("extension", "x"), on("mock.extension", "proof", "p")),
			script("qr", "qr@mock.test", login("qr", "x")),
			rests("qr never scanned", "mock.qr", errs.CodeCodeExpired, login("qr-never", "x")),
			script("pairing code", "code@mock.test", login("code", "x")),
			script("approval", "approve@mock.test", login("approve", "x")),
			script("live", "live@mock.test", login("live", "x")),
			rests("live never scanned", "mock.live", errs.CodeCodeExpired, login("live-manual", "x")),
			script("redirect", "redirect@mock.test", login("redirect", "x"), connectortest.Answer{Step: "mock.redirect", Action: connector.ActReturn, Values: map[string]string{"code": "mock"}}),
			fails("redirect denied", errs.CodeAccessDenied, login("redirect-denied", "x"), connectortest.Answer{Step: "mock.redirect", Action: connector.ActReturn, Values: map[string]string{"error": "access_denied"}}),
			script("slow", "slow@mock.test", login("slow", "x")),
			script("warning", "warn@mock.test", login("warn", "x")),
			script("wrong account", "someone-else@mock.test", login("wrong-account", "x")),
			fails("expired", errs.CodeCodeExpired, login("expired", "x")),
			fails("denied", errs.CodeAccessDenied, login("denied", "x")),
			fails("blocked", errs.CodeAccountBlocked, login("blocked", "x")),
			{Name: "reconnect", Start: again, Answers: []connectortest.Answer{login("ignored", "x")}, WantGrant: "anna@mock.test"},
			rests("nothing typed", "mock.login", errs.CodeRequired, login("anna", "")),
		},
	})
}

func TestCheckTellsOutageFromRefusal(t *testing.T) {
	c := newMock(t).(connector.Checker)
	for identity, want := range map[string]latchkey.AccountStatus{
		"broken@mock.test": latchkey.AccountCredentials, "down@mock.test": latchkey.AccountConnecting, "anna@mock.test": latchkey.AccountOK,
	} {
		h, err := c.Check(t.Context(), connector.Credential{Identity: identity})
		if err != nil || h.Status != want {
			t.Errorf("Check(%s) = %v, %v; want %v", identity, h.Status, err, want)
		}
	}
}
