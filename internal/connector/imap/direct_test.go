package imap_test

import (
	"strconv"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/mailhost"
)

func (l *lab) direct(start connector.Start, values map[string]string) connector.Turn {
	l.t.Helper()
	turn, err := l.conn.Direct(start, values)
	return l.settle(turn, err)
}

func (l *lab) fields(change map[string]string) map[string]string {
	v := l.typed(map[string]string{"imap_password": password, "smtp_password": password})
	delete(v, "password")
	for k, x := range change {
		if x == "-" {
			delete(v, k)
		} else {
			v[k] = x
		}
	}
	return v
}

func TestDirect(t *testing.T) {
	l := newLab(t)
	for name, change := range map[string]map[string]string{
		"all":                {},
		"ssl":                {"imap_encryption": "ssl", "smtp_encryption": "default"},
		"starttls":           {"imap_port": strconv.Itoa(l.host.Port(mailhost.IMAP)), "imap_encryption": "starttls", "smtp_port": strconv.Itoa(l.host.Port(mailhost.Submission)), "smtp_encryption": "default"},
		"default starttls":   {"imap_port": strconv.Itoa(l.host.Port(mailhost.IMAP)), "imap_encryption": "default"},
		"one password":       {"smtp_password": "-"},
		"login from address": {"imap_user": "-", "smtp_user": "-", "email": email},
		"no encryption said": {"imap_encryption": "-", "smtp_encryption": "-"},
		"reading only":       {"smtp_host": "-", "smtp_port": "-", "smtp_encryption": "-", "smtp_user": "-", "smtp_password": "-"},
		"looked up": {
			"imap_host": "-", "imap_port": "-", "imap_encryption": "-", "smtp_host": "-", "smtp_port": "-", "smtp_encryption": "-", "smtp_user": "-", "smtp_password": "-",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := l.granted(l.direct(connector.Start{}, l.fields(change)))
			if g.Identity != email {
				t.Errorf("%q", g.Identity)
			}
			wantSources := 2
			if name == "reading only" {
				wantSources = 1
			}
			if len(g.Sources) != wantSources {
				t.Errorf("%+v", g.Sources)
			}
		})
	}
}

func TestDirectErrors(t *testing.T) {
	l := newLab(t)
	for name, tc := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"everything": {
			map[string]string{"email": "x", "imap_host": "a b", "imap_port": "0", "imap_encryption": "x", "imap_password": "-", "smtp_password": "-", "smtp_port": "x"},
			[]string{"email:invalid_email", "imap_host:invalid_value", "imap_encryption:invalid_value", "imap_port:out_of_range", "smtp_port:invalid_type", "imap_password:required", "smtp_password:required"},
		},
		"no address":     {map[string]string{"imap_user": "maria", "smtp_user": "maria"}, []string{"email:required"}},
		"wrong":          {map[string]string{"imap_password": "wrong", "smtp_password": "wrong"}, []string{"imap_password:wrong_password", "smtp_password:wrong_password"}},
		"one side wrong": {map[string]string{"smtp_password": "wrong"}, []string{"smtp_password:wrong_password"}},
		"host":           {map[string]string{"imap_host": "nowhere.demo.test"}, []string{"imap_host:host_not_found"}},
		"nothing found":  {map[string]string{"imap_host": "-", "smtp_host": "-", "email": "a@nowhere.test"}, []string{"imap_host:settings_not_found"}},
		"not allowed":    {map[string]string{"imap_host": "192.168.1.1", "imap_port": "993"}, []string{"imap_host:host_not_allowed"}},
		"port":           {map[string]string{"imap_host": "93.184.216.34", "imap_port": "22"}, []string{"imap_port:port_not_allowed"}},
	} {
		t.Run(name, func(t *testing.T) {
			turn := l.direct(connector.Start{}, l.fields(tc.change))
			if turn.Step == nil {
				t.Fatalf("%+v", turn)
			}
			l.at(turn, "imap.settings", tc.want...)
		})
	}
	other := l.direct(connector.Start{ExpectedIdentity: "eve@demo.test"}, l.fields(map[string]string{"email": email}))
	l.at(other, "imap.settings", "email:wrong_account")
	if args := other.Step.Errors[0].Args; args["expected"] != "eve@demo.test" || args["actual"] != email {
		t.Errorf("another account: %v does not name both", args)
	}
}

func TestDirectReconnect(t *testing.T) {
	l := newLab(t)
	g := l.granted(l.direct(connector.Start{}, l.fields(nil)))
	l.host.SetPassword(email, "new "+canary)
	start := connector.Start{Mode: connector.ModeReconnect, Prior: prior(g), AllowServerChange: true}
	again := l.granted(l.direct(start, map[string]string{"imap_password": "new " + canary}))
	if string(again.Params) != string(g.Params) || again.ServerChanged {
		t.Errorf("%s", again.Params)
	}
	moved := l.granted(l.direct(start, map[string]string{"imap_password": "new " + canary, "imap_host": "other.demo.test", "imap_port": strconv.Itoa(l.host.Port(mailhost.IMAPS))}))
	if !moved.ServerChanged {
		t.Error("a change of servers was not told")
	}
	start.AllowServerChange = false
	l.at(l.direct(start, map[string]string{"imap_password": "new " + canary, "imap_host": "other.demo.test"}), "imap.settings", "imap_host:server_locked")
}

func TestCheck(t *testing.T) {
	l := newLab(t)
	g := l.granted(l.direct(connector.Start{}, l.fields(nil)))
	cred := connector.Credential{AccountID: "acc_1", Identity: g.Identity, Params: g.Params, Secret: g.Secret}
	refuse := func(text string) mailhost.Fault { return mailhost.Fault{Kind: mailhost.Refuse, Text: text} }
	for name, tc := range map[string]struct {
		imap, smtp mailhost.Fault
		status     latchkey.AccountStatus
		reason     latchkey.Reason
	}{
		"well":            {status: latchkey.AccountOK},
		"outage":          {imap: mailhost.Fault{Kind: mailhost.Reset}, smtp: mailhost.Fault{Kind: mailhost.Reset}, status: latchkey.AccountConnecting, reason: latchkey.ReasonHostUnreachable},
		"certificate":     {imap: mailhost.Fault{Kind: mailhost.WrongCertificate}, status: latchkey.AccountConnecting, reason: latchkey.ReasonTLS},
		"garbage":         {imap: mailhost.Fault{Kind: mailhost.Garbage}, status: latchkey.AccountConnecting, reason: latchkey.ReasonProtocol},
		"app password":    {imap: refuse("app password required"), status: latchkey.AccountCredentials, reason: latchkey.ReasonAppPassword},
		"imap off":        {imap: refuse("imap is disabled"), status: latchkey.AccountCredentials, reason: latchkey.ReasonIMAPDisabled},
		"smtp off":        {smtp: refuse("SmtpClientAuthentication is disabled"), status: latchkey.AccountCredentials, reason: latchkey.ReasonSMTPDisabled},
		"blocked":         {imap: refuse("account is locked"), status: latchkey.AccountError, reason: latchkey.ReasonBlocked},
		"crowded":         {imap: refuse("too many connections"), status: latchkey.AccountConnecting, reason: latchkey.ReasonRateLimited},
		"refusal wins":    {imap: mailhost.Fault{Kind: mailhost.Reset}, smtp: refuse("no"), status: latchkey.AccountCredentials, reason: latchkey.ReasonPasswordChanged},
		"try again later": {imap: refuse("temporarily unavailable"), status: latchkey.AccountConnecting, reason: latchkey.ReasonHostUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			l.host.Misbehave(mailhost.IMAPS, tc.imap)
			l.host.Misbehave(mailhost.SMTPS, tc.smtp)
			h, err := l.conn.Check(t.Context(), cred)
			if err != nil || h.Status != tc.status || h.Reason != tc.reason || len(h.Sources) != 2 {
				t.Errorf("%+v, %v", h, err)
			}
			if strings.Contains(h.Detail, canary) {
				t.Error("the detail holds the password")
			}
		})
	}
	l.host.Misbehave(mailhost.IMAPS, mailhost.Fault{})
	l.host.Misbehave(mailhost.SMTPS, mailhost.Fault{})
	l.host.SetPassword(email, "changed")
	if h, err := l.conn.Check(t.Context(), cred); err != nil || h.Status != latchkey.AccountCredentials || h.Reason != latchkey.ReasonPasswordChanged {
		t.Errorf("%+v, %v", h, err)
	}
	cred.Secret = []byte("x")
	if h, err := l.conn.Check(t.Context(), cred); err != nil || h.Reason != latchkey.ReasonSealedUnreadable {
		t.Errorf("%+v, %v", h, err)
	}
}
