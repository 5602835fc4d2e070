package mock

import (
	"encoding/json"
	"fmt"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

const (
	stepLogin     = "mock.login"
	stepCode      = "mock.code"
	stepMethod    = "mock.method"
	stepContract  = "mock.contract"
	stepPartial   = "mock.partial"
	stepNotice    = "mock.notice"
	stepCaptcha   = "mock.captcha"
	stepExtension = "mock.extension"
	stepQR        = "mock.qr"
	stepPairing   = "mock.pairing"
	stepRedirect  = "mock.redirect"
	stepLive      = "mock.live"
)

// codesShown is how many QR codes there are before the end user has to ask for new ones.
const codesShown = 6

func submit(more ...connector.Action) []connector.Action {
	return append([]connector.Action{connector.ActSubmit}, more...)
}

func loginStep(s state) *connector.Step {
	user := connector.Field{Name: "username", Type: connector.FieldText, Required: true, Value: s.Username, Autocomplete: "username"}
	if s.Prior != "" {
		user.Type, user.Required = connector.FieldReadonly, false
	}
	return &connector.Step{
		Kind: connector.KindForm, ID: stepLogin, Actions: submit(),
		Fields: []connector.Field{user, {Name: "password", Type: connector.FieldPassword, Required: true, Autocomplete: "current-password"}},
	}
}

func codeStep(now time.Time, s state, method string) *connector.Step {
	if method == "" {
		method = "sms"
	}
	return &connector.Step{
		Kind: connector.KindForm, ID: stepCode, Args: map[string]string{"identity": s.identity(), "method": method},
		Fields:   []connector.Field{{Name: "code", Type: connector.FieldCode, Required: true, MaxLength: 10, Autocomplete: "one-time-code"}},
		Actions:  submit(connector.ActResend, connector.ActSwitchMethod, connector.ActBack),
		ResendAt: now.Add(30 * time.Second), Attempt: s.Wrong + 1, Attempts: 3,
	}
}

func methodStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindChoose, ID: stepMethod, Actions: submit(connector.ActBack),
		Fields:  []connector.Field{{Name: "method", Type: connector.FieldChoice, Required: true}},
		Options: []connector.Option{{ID: "sms"}, {ID: "app"}},
	}
}

func contractStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindChoose, ID: stepContract, Actions: submit(connector.ActBack),
		Fields:  []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}},
		Options: []connector.Option{{ID: "c1", Label: "Northwind Recruiting"}, {ID: "c2", Label: "Northwind Sales"}},
	}
}

func partialStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindChoose, ID: stepPartial, Actions: submit(connector.ActBack),
		Fields:  []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}},
		Options: []connector.Option{{ID: "retry", Primary: true}, {ID: "go_on"}},
		Verdicts: []connector.Verdict{
			{Source: "imap", OK: true, Server: "mail.mock.test:993"},
			{Source: "smtp", Server: "mail.mock.test:25", Code: errs.CodeConnectionTimeout, Args: map[string]string{"host": "mail.mock.test", "port": "25"}},
		},
	}
}

func noticeStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindNotice, ID: stepNotice, Actions: submit(connector.ActBack),
		Notes: []connector.Note{{Level: connector.NoteInfo, Code: "mock_notice", URL: "https://example.com/help"}},
	}
}

func captchaStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindChallenge, ID: stepCaptcha, Actions: submit(connector.ActRefresh, connector.ActBack),
		Fields: []connector.Field{{Name: "solution", Type: connector.FieldText, Required: true}},
		Extra:  json.RawMessage(`{"type":"text","prompt":"Type the word pass"}`),
	}
}

func extensionStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindExtension, ID: stepExtension, Actions: submit(connector.ActBack),
		Fields: []connector.Field{{Name: "proof", Type: connector.FieldPassword, Required: true, MaxLength: 8192}},
		Extra:  json.RawMessage(`{"type":"paste"}`),
	}
}

func redirectStep(url string) *connector.Step {
	return &connector.Step{Kind: connector.KindRedirect, ID: stepRedirect, URL: url, Actions: []connector.Action{connector.ActBack}}
}

func approveStep() *connector.Step {
	return &connector.Step{
		Kind: connector.KindWait, ID: "mock.approve", Actions: []connector.Action{connector.ActBack},
		Progress: []connector.Progress{{Code: "mock.asked", State: connector.ProgressOK}, {Code: "mock.approval", State: connector.ProgressNow}},
	}
}

// waitStep lists what is being done, the first line as what is done now.
func waitStep(lines ...string) *connector.Step {
	s := &connector.Step{Kind: connector.KindWait, ID: "mock.verifying"}
	for i, l := range lines {
		st := connector.ProgressNext
		if i == 0 {
			st = connector.ProgressNow
		}
		s.Progress = append(s.Progress, connector.Progress{Code: l, State: st})
	}
	return s
}

func withError(s *connector.Step, field string, code errs.Code) *connector.Step {
	s.Errors = []connector.FieldIssue{{Field: field, Code: code}}
	return s
}

// qrStep shows the code of a beat; a code lasts five beats.
func (c *Connector) qrStep(s state) *connector.Step {
	n := s.Beat/beatsPerCode + 1
	left := beatsPerCode - s.Beat%beatsPerCode
	return &connector.Step{
		Kind: connector.KindDisplay, ID: stepQR, Display: connector.DisplayQR,
		Payload: fmt.Sprintf("MOCK:%s:%d", s.identity(), n), Attempt: n, Attempts: codesShown,
		ExpiresAt: c.cfg.Now().Add(time.Duration(left) * c.cfg.Pace),
		Actions:   []connector.Action{connector.ActSwitchMethod, connector.ActBack}, Poll: c.cfg.Pace,
	}
}

func (c *Connector) pairingStep(s state) *connector.Step {
	return &connector.Step{
		Kind: connector.KindDisplay, ID: stepPairing, Display: connector.DisplayCode, Payload: "MOCK-2468",
		ExpiresAt: c.cfg.Now().Add(time.Duration(20-s.Beat) * c.cfg.Pace),
		Actions:   []connector.Action{connector.ActSwitchMethod, connector.ActBack}, Poll: c.cfg.Pace,
	}
}

func liveStep(payload string, n, of int, until time.Time) connector.Step {
	return connector.Step{
		Kind: connector.KindDisplay, ID: stepLive, Display: connector.DisplayQR, Payload: payload,
		Attempt: n, Attempts: of, ExpiresAt: until, Actions: []connector.Action{connector.ActBack},
	}
}

// confirmStep is shown while the socket stays open; its answer goes to the holder of the socket.
func confirmStep() connector.Step {
	return connector.Step{
		Kind: connector.KindForm, ID: "mock.confirm", Actions: submit(connector.ActBack),
		Fields: []connector.Field{{Name: "number", Type: connector.FieldText, Required: true, MaxLength: 8}},
	}
}
