package whatsapp

import (
	"encoding/json"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

const (
	stepPhone      = "whatsapp.phone"
	stepConnecting = "whatsapp.connecting"
	stepQR         = "whatsapp.qr"
	stepCode       = "whatsapp.code"
	stepPasskey    = "whatsapp.passkey"
	stepConfirm    = "whatsapp.confirm"
)

// scanPoll is how soon the page looks whether the phone has agreed: who has just scanned is waiting.
// firstPoll is how soon it looks for the first code: nothing else is on the page.
const (
	scanPoll  = 250 * time.Millisecond
	firstPoll = 100 * time.Millisecond
)

// notes say what linking means, and that nobody at WhatsApp has agreed to it.
func notes() []connector.Note {
	return []connector.Note{{Level: connector.NoteInfo, Code: "whatsapp.linked"}, {Level: connector.NoteWarn, Code: "whatsapp.unofficial"}}
}

func (s state) ways(own ...connector.Action) []connector.Action {
	if !s.QROff && !s.CodeOff {
		own = append(own, connector.ActSwitchMethod)
	}
	return own
}

func phoneStep(s state) *connector.Step {
	f := connector.Field{Name: "phone", Type: connector.FieldTel, Required: true, MaxLength: 40, Autocomplete: "tel", Value: s.Typed}
	if f.Value == "" && s.Prior != "" {
		f.Value = "+" + s.Prior
	}
	return &connector.Step{
		Kind: connector.KindForm, ID: stepPhone, Fields: []connector.Field{f}, Notes: notes(),
		Actions: s.ways(connector.ActSubmit),
	}
}

func connectingStep(s state) *connector.Step {
	return &connector.Step{
		Kind: connector.KindWait, ID: stepConnecting, Actions: s.ways(), Poll: firstPoll,
		Progress: []connector.Progress{{Code: "whatsapp.reach", State: connector.ProgressNow}, {Code: "whatsapp.code", State: connector.ProgressNext}},
	}
}

// display is the step of the method, with nothing on it yet.
func (s state) display() *connector.Step {
	if s.Phone == "" {
		return &connector.Step{Kind: connector.KindDisplay, ID: stepQR, Display: connector.DisplayQR, Actions: s.ways(), Notes: notes(), Poll: scanPoll}
	}
	return &connector.Step{
		Kind: connector.KindDisplay, ID: stepCode, Display: connector.DisplayCode, Args: map[string]string{"phone": "+" + s.Phone},
		Actions: s.ways(connector.ActBack), Notes: notes(), Poll: scanPoll,
	}
}

// over is the step of the method when its codes are of no more use.
func (s state) over(code errs.Code) *connector.Step {
	step := s.display()
	step.Poll, step.Notes = 0, nil
	step.Errors = []connector.FieldIssue{{Code: code}}
	step.Actions = append([]connector.Action{connector.ActRefresh}, step.Actions...)
	return step
}

// passkeyStep asks for what only a browser on WhatsApp's own site can make.
func passkeyStep(ask *types.WebAuthnPublicKey, until time.Time) (*connector.Step, error) {
	options, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	extra, err := json.Marshal(map[string]any{"type": "webauthn", "url": "https://web.whatsapp.com/", "public_key": json.RawMessage(options)})
	if err != nil {
		return nil, err
	}
	return &connector.Step{
		Kind: connector.KindExtension, ID: stepPasskey, Extra: extra, ExpiresAt: until,
		Display: connector.DisplayCode, Payload: snippet(options),
		Fields:  []connector.Field{{Name: "proof", Type: connector.FieldPassword, Required: true, MaxLength: maxProof, Autocomplete: "off"}},
		Notes:   []connector.Note{{Level: connector.NoteInfo, Code: "whatsapp.passkey"}},
		Actions: []connector.Action{connector.ActSubmit, connector.ActRefresh},
	}, nil
}

// snippet is what the account's owner runs on WhatsApp's own site: it asks the browser for the passkey
// and copies the answer, which is good once, for this linking only.
func snippet(options []byte) string {
	return "copy(JSON.stringify((await navigator.credentials.get({publicKey:PublicKeyCredential.parseRequestOptionsFromJSON(" +
		strings.ReplaceAll(string(options), "</", `<\/`) + ")})).toJSON()))"
}

func confirmStep(code string) *connector.Step {
	return &connector.Step{
		Kind: connector.KindDisplay, ID: stepConfirm, Display: connector.DisplayCode, Payload: code,
		Actions: []connector.Action{connector.ActSubmit},
	}
}

// waitingStep is shown while the phone and the server do their part.
func waitingStep(s state) *connector.Step {
	step := connectingStep(s)
	step.Progress = []connector.Progress{
		{Code: "whatsapp.reach", State: connector.ProgressOK}, {Code: "whatsapp.confirm", State: connector.ProgressNow},
	}
	step.Poll = scanPoll
	return step
}
