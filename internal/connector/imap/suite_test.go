package imap_test

import (
	"encoding/json"
	"testing"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/connectortest"
	"latchkey/internal/errs"
)

func TestContract(t *testing.T) {
	shared := map[string]string{}
	if err := json.Unmarshal(readFile(t, "../../web/wizard/texts/en.json"), &shared); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	g := l.granted(l.direct(connector.Start{}, l.fields(nil)))
	submit := func(step string, values map[string]string) connectortest.Answer {
		return connectortest.Answer{Step: step, Values: values}
	}
	mail := submit("imap.email", map[string]string{"email": email})
	connectortest.Run(t, connectortest.Suite{
		New:        func(*testing.T) connector.Connector { return l.conn },
		SharedText: func(key string) bool { _, ok := shared[key]; return ok },
		Scripts: []connectortest.Script{
			{Name: "good", Answers: []connectortest.Answer{mail, submit("imap.password", map[string]string{"password": password})}, WantGrant: email},
			{Name: "wrong", Answers: []connectortest.Answer{mail, submit("imap.password", map[string]string{"password": "no"})}, WantStep: "imap.password", WantErrors: []errs.Code{errs.CodeWrongPassword}},
			{Name: "reading only", Answers: []connectortest.Answer{mail, submit("imap.password", map[string]string{"password": password, "smtp_host": ""})}, WantGrant: email},
			{Name: "half", Answers: []connectortest.Answer{mail, submit("imap.password", map[string]string{"password": password, "smtp_port": "1"})}, WantStep: "imap.partial"},
			{
				Name:    "half on purpose",
				Answers: []connectortest.Answer{mail, submit("imap.password", map[string]string{"password": password, "smtp_port": "1"}), submit("imap.partial", map[string]string{"choice": "imap_only"})}, WantGrant: email,
			},
			{Name: "unknown domain", Answers: []connectortest.Answer{submit("imap.email", map[string]string{"email": "a@nowhere.test"})}, WantStep: "imap.settings"},
			{Name: "settings", Answers: []connectortest.Answer{submit("imap.email", map[string]string{"email": "a@nowhere.test"}), submit("imap.settings", l.typed(nil))}, WantGrant: "a@nowhere.test"},
			{Name: "proton", Answers: []connectortest.Answer{submit("imap.email", map[string]string{"email": "a@proton.me"})}, WantStep: "imap.bridge"},
			{
				Name: "google", Start: connector.Start{OAuthOffered: []latchkey.Provider{latchkey.Google}},
				Answers: []connectortest.Answer{submit("imap.email", map[string]string{"email": "a@firm.test"})}, WantStep: "imap.oauth",
			},
			{Name: "pinned", Start: connector.Start{ExpectedIdentity: email}, Answers: []connectortest.Answer{submit("imap.password", map[string]string{"password": password})}, WantGrant: email},
			{
				Name: "locked", Start: connector.Start{ExpectedIdentity: email},
				Answers:  []connectortest.Answer{submit("imap.password", map[string]string{"password": password, "imap_host": "other.demo.test"})},
				WantStep: "imap.password", WantErrors: []errs.Code{errs.CodeServerLocked},
			},
			{Name: "nothing to lock to", Start: connector.Start{ExpectedIdentity: "a@nowhere.test"}, WantFailure: errs.CodeNothingFound},
			{
				Name: "reconnect", Start: connector.Start{Mode: connector.ModeReconnect, Prior: prior(g)},
				Answers: []connectortest.Answer{submit("imap.reconnect", map[string]string{"password": password})}, WantGrant: email,
			},
		},
	})
}

// FuzzResume: no answer to any step makes the connector panic, show a password, or forget to answer.
func FuzzResume(f *testing.F) {
	f.Add("imap.password", "submit", "imap_host", "mail.demo.test", "993")
	f.Add("imap.email", "submit", "email", "a@b.test", "")
	f.Add("imap.partial", "back", "choice", "edit", "x")
	f.Fuzz(func(t *testing.T, at, action, name, value, port string) {
		l := &lab{t: t}
		c := bare()
		state, err := json.Marshal(map[string]any{
			"at": at, "form": "imap.password", "email": map[string]string{"local": "m", "domain": "d.test", "shown": "d.test"},
			"mail": map[string]any{"imap": map[string]any{"host": "h.test", "port": 993, "user": "u", "password": canary}}, "found": map[string]any{},
		})
		if err != nil {
			t.Fatal(err)
		}
		turn, err := c.Resume(state, connector.Input{
			StepID: at, Action: connector.Action(action), Values: map[string]string{name: value, "imap_port": port, "password": canary},
		})
		if err != nil {
			return
		}
		if turn.Step == nil && turn.Work == nil && turn.Failure == nil && turn.Switch == nil {
			t.Fatalf("%+v", turn)
		}
		if turn.Step != nil {
			l.noSecrets(*turn.Step)
		}
		if turn.Work != nil {
			l.noSecrets(turn.Work.Show)
		}
	})
}
