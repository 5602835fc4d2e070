package telegram

import (
	"strconv"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// The steps.
const (
	stepOpening   = "telegram.opening"
	stepQR        = "telegram.qr"
	stepPhone     = "telegram.phone"
	stepCode      = "telegram.code"
	stepPassword  = "telegram.password"
	stepFlood     = "telegram.flood"
	stepNoAccount = "telegram.no_account"
	stepUseQR     = "telegram.use_qr"
	stepChecking  = "telegram.checking"
)

// The Works.
const (
	workQR       = "qr"
	workSend     = "send_code"
	workResend   = "resend"
	workSignIn   = "sign_in"
	workPassword = "password"
)

const codeUnsupportedMethod = errs.CodeUnsupported

const (
	// workTime bounds a Work: some calls, at most two data centres, and a second look after a cut.
	workTime = time.Minute
	// qrRest is the pause between two looks at a QR code; the connection is held in between.
	qrRest = time.Millisecond
	// codesShown is how many QR codes there are before somebody has to ask for more: five minutes.
	codesShown = 10
	maxCode    = 64
	maxTyped   = 64
	// maxPassword is Telegram's own bound, many times over.
	maxPassword = 1024
	wrongCodes  = 3
	wrongPass   = 5
)

func actions(a ...connector.Action) []connector.Action { return a }

func withError(s *connector.Step, field string, code errs.Code) *connector.Step {
	s.Errors = append(s.Errors, connector.FieldIssue{Field: field, Code: code})
	return s
}

func waitStep(name string) *connector.Step {
	if name == workQR {
		return &connector.Step{
			Kind: connector.KindWait, ID: stepOpening, Actions: actions(connector.ActSwitchMethod), Poll: pollFirst,
			Progress: []connector.Progress{{Code: "telegram.reach", State: connector.ProgressNow}},
		}
	}
	return &connector.Step{
		Kind: connector.KindWait, ID: stepChecking, Poll: pollQR,
		Progress: []connector.Progress{{Code: "telegram." + name, State: connector.ProgressNow}},
	}
}

// qrStep shows the code that is good now.
func qrStep(s state) *connector.Step {
	return &connector.Step{
		Kind: connector.KindDisplay, ID: stepQR, Display: connector.DisplayQR, Payload: loginURL(s.Token), ExpiresAt: s.Expires,
		Attempt: s.Codes, Attempts: codesShown, Poll: pollQR, Actions: actions(connector.ActSwitchMethod),
		Notes: notes(),
	}
}

// pollQR is how soon a page looks whether the code was scanned, or was right. pollFirst is how soon it
// looks for the first code: nothing else is on the page.
const (
	pollQR    = 250 * time.Millisecond
	pollFirst = 100 * time.Millisecond
)

// qrEnded is shown after the last code.
func qrEnded() *connector.Step {
	return withError(&connector.Step{
		Kind: connector.KindDisplay, ID: stepQR, Display: connector.DisplayQR, Attempt: codesShown, Attempts: codesShown,
		Actions: actions(connector.ActRefresh, connector.ActSwitchMethod),
	}, "", errs.CodeCodeExpired)
}

// notes say what linking means, and that nobody at Telegram has agreed to it.
func notes() []connector.Note {
	return []connector.Note{{Level: connector.NoteInfo, Code: "telegram_device"}, {Level: connector.NoteWarn, Code: "telegram_unofficial"}}
}

func phoneStep(s state) *connector.Step {
	return &connector.Step{
		Notes: notes(),
		Kind:  connector.KindForm, ID: stepPhone, Actions: actions(connector.ActSubmit, connector.ActSwitchMethod),
		Fields: []connector.Field{{
			Name: "phone", Type: connector.FieldTel, Required: true, Value: s.Phone, Autocomplete: "tel", MaxLength: maxTyped,
		}},
	}
}

// codeStep asks for the code, and says where it went.
func codeStep(s state) *connector.Step {
	step := &connector.Step{
		Kind: connector.KindForm, ID: stepCode, Actions: actions(connector.ActSubmit), Args: map[string]string{"phone": masked(s.Phone), "way": s.Sent.Way},
		Fields:  []connector.Field{{Name: "code", Type: connector.FieldCode, Required: true, MaxLength: maxCode, Autocomplete: "one-time-code"}},
		Attempt: s.Wrong + 1, Attempts: wrongCodes,
	}
	if s.Sent.Way == "word" || s.Sent.Way == "phrase" {
		step.Fields[0].Type, step.Fields[0].Label = connector.FieldText, "word"
	}
	args := map[string]string{"phone": masked(s.Phone), "detail": s.Sent.Detail, "length": strconv.Itoa(s.Sent.Length)}
	step.Notes = []connector.Note{{Level: connector.NoteInfo, Code: "telegram_code_" + s.Sent.Way, Args: args, URL: s.Sent.URL}}
	if s.Sent.More {
		step.Actions = append(step.Actions, connector.ActResend)
		step.ResendAt = s.Sent.Again
	}
	step.Actions = append(step.Actions, connector.ActSwitchMethod, connector.ActBack)
	return step
}

func passwordStep(s state) *connector.Step {
	step := &connector.Step{
		Kind: connector.KindForm, ID: stepPassword, Actions: actions(connector.ActSubmit, connector.ActBack),
		Fields: []connector.Field{{
			Name: "password", Type: connector.FieldPassword, Required: true, MaxLength: maxPassword, Autocomplete: "current-password",
		}},
	}
	if s.Hint != "" {
		step.Args = map[string]string{"hint": s.Hint}
		step.Notes = []connector.Note{{Level: connector.NoteInfo, Code: "telegram_hint", Args: step.Args}}
	}
	return step
}

// floodStep says how long Telegram wants us to wait.
func floodStep(s state, wait time.Duration) *connector.Step {
	minutes := int((wait + time.Minute - 1) / time.Minute)
	return &connector.Step{
		Kind: connector.KindNotice, ID: stepFlood, Args: map[string]string{"minutes": strconv.Itoa(minutes)}, ResendAt: s.Until,
		Actions: actions(connector.ActResend, connector.ActSwitchMethod),
	}
}

func noAccountStep(s state) *connector.Step {
	return &connector.Step{
		Kind: connector.KindNotice, ID: stepNoAccount, Args: map[string]string{"phone": masked(s.Phone)},
		Actions: actions(connector.ActSubmit, connector.ActSwitchMethod),
	}
}

func useQRStep() *connector.Step {
	return &connector.Step{Kind: connector.KindNotice, ID: stepUseQR, Actions: actions(connector.ActSubmit, connector.ActBack)}
}
