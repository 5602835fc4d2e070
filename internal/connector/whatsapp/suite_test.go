package whatsapp_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/connectortest"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/errs"
	"latchkey/internal/web/wizard"
)

func TestTextsInAllLanguages(t *testing.T) {
	connectortest.CheckTexts(t, whatsapp.New(whatsapp.Config{Now: time.Now}).Describe().Texts, wizard.Texts())
}

// TestContract plays the suite: phones in hand scan and type what is shown.
func TestContract(t *testing.T) {
	shared := map[string]string{}
	raw, err := os.ReadFile("../../web/wizard/texts/en.json")
	if err == nil {
		err = json.Unmarshal(raw, &shared)
	}
	if err != nil {
		t.Fatal(err)
	}
	short := func(sc *sim.Config, wc *whatsapp.Config) {
		sc.FirstRef, sc.NextRef = 500*time.Millisecond, 300*time.Millisecond
		wc.FirstCode, wc.NextCode = 500*time.Millisecond, 300*time.Millisecond
	}
	for name, x := range map[string]struct {
		edit  func(*sim.Config, *whatsapp.Config)
		hand  bool
		fault sim.Faults
		list  []connectortest.Script
	}{
		"a phone at hand": {hand: true, list: []connectortest.Script{
			{Name: "QR", WantGrant: ada},
			{Name: "reconnect", Start: connector.Start{Mode: connector.ModeReconnect, Prior: &connector.Prior{Identity: ada, Status: latchkey.AccountCredentials}}, WantGrant: ada},
			{Name: "on a phone", Start: connector.Start{Handheld: true}, Answers: []connectortest.Answer{{Step: "whatsapp.phone", Values: map[string]string{"phone": "+" + ada}}}, WantGrant: ada},
			{Name: "national number", Start: connector.Start{Handheld: true}, Answers: []connectortest.Answer{{Step: "whatsapp.phone", Values: map[string]string{"phone": "0151 12345678"}}}, WantStep: "whatsapp.phone", WantErrors: []errs.Code{errs.CodePhoneNotInternational}},
			{Name: "no number", Start: connector.Start{Handheld: true}, Answers: []connectortest.Answer{{Step: "whatsapp.phone", Values: map[string]string{"phone": "call me"}}}, WantStep: "whatsapp.phone", WantErrors: []errs.Code{errs.CodeInvalidPhone}},
			{Name: "a phone's owner would rather scan", Start: connector.Start{Handheld: true}, Answers: []connectortest.Answer{{Step: "whatsapp.phone", Action: connector.ActSwitchMethod}}, WantGrant: ada},
			{Name: "only codes", Start: connector.Start{Options: connector.Options{Disabled: []string{"qr"}}}, WantStep: "whatsapp.phone"},
			{Name: "no way left", Start: connector.Start{Options: connector.Options{Disabled: []string{"qr", "pairing_code"}}}, WantFailure: errs.CodeProviderUnavailable},
		}},
		"nobody scans": {edit: short, list: []connectortest.Script{
			{Name: "QR", WantStep: "whatsapp.qr", WantErrors: []errs.Code{errs.CodeCodeExpired}},
			{Name: "again", Answers: []connectortest.Answer{{Step: "whatsapp.qr", Action: connector.ActRefresh}}, WantStep: "whatsapp.qr", WantErrors: []errs.Code{errs.CodeCodeExpired}},
			{Name: "then by code", Answers: []connectortest.Answer{{Step: "whatsapp.qr", Action: connector.ActSwitchMethod}, {Step: "whatsapp.phone", Values: map[string]string{"phone": ada}}}, WantStep: "whatsapp.code", WantErrors: []errs.Code{errs.CodeCodeExpired}},
			{Name: "another number", Start: connector.Start{Handheld: true}, Answers: []connectortest.Answer{{Step: "whatsapp.phone", Values: map[string]string{"phone": ada}}, {Step: "whatsapp.code", Action: connector.ActBack}}, WantStep: "whatsapp.phone"},
		}},
		"outdated": {fault: sim.Faults{RegisterFailure: 405}, list: []connectortest.Script{{Name: "QR", WantFailure: errs.CodeClientOutdated}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, x.edit)
			l.sim.SetFaults(x.fault)
			connectortest.Run(t, connectortest.Suite{
				New: func(t *testing.T) connector.Connector {
					if x.hand {
						return &inHand{Connector: l.conn, l: l}
					}
					return l.conn
				},
				SharedText: func(key string) bool { _, ok := shared[key]; return ok },
				Scripts:    x.list,
			})
		})
	}
}

// inHand does what a phone's owner does with what is shown.
type inHand struct {
	*whatsapp.Connector
	l *lab
}

func (h *inHand) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	return h.Connector.Do(ctx, w, &hand{Reporter: r, l: h.l})
}

type hand struct {
	connector.Reporter
	l    *lab
	done bool
}

func (h *hand) Show(ctx context.Context, s connector.Step) error {
	if err := h.Reporter.Show(ctx, s); err != nil || h.done || s.Payload == "" {
		return err
	}
	h.done = true
	if s.Display == connector.DisplayQR {
		return h.l.sim.Scan(ada, s.Payload)
	}
	return h.l.sim.TypeCode(ada, s.Payload)
}

func TestNumbers(t *testing.T) {
	c := whatsapp.New(whatsapp.Config{Now: time.Now})
	for typed, want := range map[string]string{
		"+49 151 12345678": "4915112345678", "0049-151-12345678": "4915112345678", "(49) 151/123.456.78": "4915112345678",
		" +49 151 12345678 ": "4915112345678", "٤٩١٥١١٢٣٤٥٦٧٨": "4915112345678", "۴۹۱۵۱۱۲۳۴۵۶۷۸": "4915112345678", "\u202a+49 151 12345678\u202c": "4915112345678",
		"0151 12345678": "phone_not_international", "+0151": "phone_not_international", "": "required", "+": "required", "00": "required",
		"123456": "invalid_phone", "1234567890123456": "invalid_phone", "49151x2345678": "invalid_phone", "1+4915112345678": "invalid_phone",
		"49 151 12345678\r\n": "4915112345678", "<script>": "invalid_phone",
	} {
		turn, err := c.Resume([]byte("{}"), connector.Input{StepID: "whatsapp.phone", Action: connector.ActSubmit, Values: map[string]string{"phone": typed}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if turn.Work != nil {
			var s struct{ Phone string }
			if err := json.Unmarshal(turn.Work.Input, &s); err != nil {
				t.Fatal(err)
			}
			got = s.Phone
		} else if turn.Step != nil && len(turn.Step.Errors) == 1 {
			got = string(turn.Step.Errors[0].Code)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", typed, got, want)
		}
	}
}

// FuzzResume: no answer makes the connector panic or forget to answer.
func FuzzResume(f *testing.F) {
	f.Add(`{"phone":"4915112345678"}`, "whatsapp.code", "refresh", "x")
	f.Add(`{}`, "whatsapp.phone", "submit", "+49 151")
	c := whatsapp.New(whatsapp.Config{Now: time.Now})
	f.Fuzz(func(t *testing.T, state, step, action, phone string) {
		turn, err := c.Resume([]byte(state), connector.Input{StepID: step, Action: connector.Action(action), Values: map[string]string{"phone": phone}})
		if err == nil && turn.Step == nil && turn.Work == nil {
			t.Error("neither an error nor a turn")
		}
	})
}
