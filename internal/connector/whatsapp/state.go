package whatsapp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// workLink is the one Work: it holds the socket over which a phone links us.
const workLink = "link"

// linkTime bounds one Work: all codes, and a passkey's ten minutes.
const linkTime = 15 * time.Minute

// state is what the connector keeps between turns.
type state struct {
	// Phone is the number that a pairing code is for, digits only; empty shows QR codes.
	Phone string `json:"phone,omitempty"`
	// Prior is the number of the account to mend, and PriorSecret its linked device.
	Prior       string `json:"prior,omitempty"`
	PriorSecret []byte `json:"prior_secret,omitempty"`
	// Device is what the phone is to list.
	Device string `json:"device,omitempty"`
	// Proxy is what the device connects through, now and later.
	Proxy *latchkey.Proxy `json:"proxy,omitempty"`
	// QROff and CodeOff are methods that the application does not want.
	QROff   bool `json:"qr_off,omitempty"`
	CodeOff bool `json:"code_off,omitempty"`
	// Typed is what stood in the form.
	Typed string `json:"typed,omitempty"`
}

func (s state) encode() []byte {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always encode
	}
	return out
}

func decodeState(raw []byte) (state, error) {
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("whatsapp: state: %w", err)
	}
	return s, nil
}

// Names of methods in Options.Disabled.
const (
	methodQR   = "qr"
	methodCode = "pairing_code"
)

// Begin implements connector.Connector. Who holds the phone in the hand that shows this page cannot
// scan it.
func (c *Connector) Begin(start connector.Start) (connector.Turn, error) {
	s := begin(start)
	s.QROff = slices.Contains(start.Options.Disabled, methodQR)
	s.CodeOff = slices.Contains(start.Options.Disabled, methodCode)
	if s.QROff && s.CodeOff {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}}, nil
	}
	if (start.Handheld || s.QROff) && !s.CodeOff {
		return ask(phoneStep(s), s), nil
	}
	return linking(s), nil
}

// begin is what every way of linking begins with.
func begin(start connector.Start) state {
	s := state{Device: start.ApplicationName, Proxy: start.Proxy}
	if start.Prior == nil {
		return s
	}
	s.Prior, s.PriorSecret = start.Prior.Identity, start.Prior.Secret
	if s.Proxy == nil {
		var was credential
		if json.Unmarshal(start.Prior.Secret, &was) == nil { // else there is none to keep
			s.Proxy = was.Proxy
		}
	}
	return s
}

// Direct implements connector.DirectConnector: with a number a code is made, without one a QR code,
// unless the method says otherwise.
func (c *Connector) Direct(start connector.Start, values map[string]string) (connector.Turn, error) {
	s := begin(start)
	if typed := values["phone"]; typed != "" {
		return s.withNumber(typed), nil
	}
	if values["method"] == methodCode {
		return ask(phoneStep(s), s), nil
	}
	return linking(s), nil
}

// Resume implements connector.Connector.
func (c *Connector) Resume(raw []byte, in connector.Input) (connector.Turn, error) {
	s, err := decodeState(raw)
	if err != nil {
		return connector.Turn{}, err
	}
	switch in.StepID {
	case stepPhone:
		switch in.Action {
		case connector.ActSubmit:
			return s.withNumber(in.Values["phone"]), nil
		case connector.ActSwitchMethod:
			s.Phone = ""
			return linking(s), nil
		}
	case stepQR, stepCode, stepConnecting, stepPasskey, stepConfirm:
		switch in.Action {
		case connector.ActRefresh:
			return linking(s), nil
		case connector.ActSwitchMethod:
			if s.Phone == "" && !s.CodeOff {
				return ask(phoneStep(s), s), nil
			}
			s.Phone = ""
			return linking(s), nil
		case connector.ActBack:
			if s.Phone != "" {
				return ask(phoneStep(s), s), nil
			}
			return linking(s), nil
		}
	}
	return connector.Turn{}, fmt.Errorf("whatsapp: %s does not lead on from step %q", in.Action, in.StepID)
}

func (s state) withNumber(typed string) connector.Turn {
	number, code := normalise(typed)
	s.Typed = typed
	if code != "" {
		step := phoneStep(s)
		step.Errors = []connector.FieldIssue{{Field: "phone", Code: code}}
		return ask(step, s)
	}
	s.Phone = number
	return linking(s)
}

func ask(step *connector.Step, s state) connector.Turn {
	return connector.Turn{Step: step, State: s.encode()}
}

// linking begins the Work. It lives in a socket: a lost one begins anew, with a fresh code.
func linking(s state) connector.Turn {
	return connector.Turn{State: s.encode(), Work: &connector.Work{
		Name: workLink, Input: s.encode(), Show: *connectingStep(s), Deadline: linkTime, Interrupt: connector.Restart,
		Live: true, LiveActions: []connector.Action{connector.ActSubmit},
	}}
}

// Lengths of a number in international form: E.164 §6.1 allows 15 digits; 7 is the shortest in use.
const (
	minNumber = 7
	maxNumber = 15
)

// normalise turns what people type into digits in international form. The code is empty, or says what
// is wrong.
func normalise(typed string) (string, errs.Code) {
	var b strings.Builder
	plus := false
	for _, r := range strings.TrimSpace(typed) {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '٠' && r <= '٩': // Arabic-Indic
			b.WriteRune('0' + r - '٠')
		case r >= '۰' && r <= '۹': // Persian
			b.WriteRune('0' + r - '۰')
		case r == '+' && b.Len() == 0 && !plus:
			plus = true
		case strings.ContainsRune(" -().\u00a0\u202f\u2010\u2011\u200e\u200f\u202a\u202c\u2066\u2069/", r):
		default:
			return "", errs.CodeInvalidPhone
		}
	}
	n := b.String()
	// 00 is how most countries dial abroad.
	n = strings.TrimPrefix(n, "00")
	switch {
	case n == "":
		return "", errs.CodeRequired
	case n[0] == '0':
		return "", errs.CodePhoneNotInternational
	case len(n) < minNumber || len(n) > maxNumber:
		return "", errs.CodeInvalidPhone
	}
	return n, ""
}
