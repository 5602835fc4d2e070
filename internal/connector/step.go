package connector

import (
	"encoding/json"
	"time"

	"latchkey/internal/errs"
)

// StepKind is how a step is rendered. The set is closed: the wizard renders kinds and knows no provider.
type StepKind string

// The kinds of steps.
const (
	KindChoose    StepKind = "choose"    // one of Options, answered in Fields[0].Name
	KindForm      StepKind = "form"      // Fields
	KindRedirect  StepKind = "redirect"  // the browser goes to URL and comes back
	KindDisplay   StepKind = "display"   // Payload, to be scanned or typed elsewhere
	KindWait      StepKind = "wait"      // something is being done; Progress names it
	KindChallenge StepKind = "challenge" // a captcha, described by Extra
	KindExtension StepKind = "extension" // proof held by the browser or an extension, described by Extra
	KindNotice    StepKind = "notice"    // something to read
)

// Action is what an end user may do on a step.
type Action string

// The actions. start, cancel and take_over are the engine's own; back is the engine's on steps
// that do not list it themselves, where there is a picker to go back to.
const (
	ActStart        Action = "start"
	ActSubmit       Action = "submit"
	ActBack         Action = "back"
	ActResend       Action = "resend"
	ActSwitchMethod Action = "switch_method"
	ActRefresh      Action = "refresh"
	ActCancel       Action = "cancel"
	ActTakeOver     Action = "take_over"
	// ActReturn is not pressed: it is what a connector is told when the browser comes back from a
	// redirect step. Its Values are the query parameters of the callback, without state.
	ActReturn Action = "return"
)

// Step is what is asked or shown now. Its words are not in it: they are looked up by its ID (and
// by the codes in it) when it is rendered, in the reader's language.
//
// Texts: "<id>.title" and "<id>.text" for the step, "<id>.submit" for its main button (falls back to
// "action.submit"), "<id>.field.<name>" for a field's label (falls back to "field.<name>"),
// "<id>.option.<id>" for an option (and "….hint" below it), "progress.<code>", "note.<code>",
// "error.<code>" and "verdict.<code>". Args fill their {placeholders}.
type Step struct {
	Kind StepKind `json:"kind"`
	// ID is stable: texts, metrics and tests are keyed by it ("imap.password").
	ID   string            `json:"id"`
	Args map[string]string `json:"args,omitempty"`
	// Fields of a form. A choose step has exactly one, named provider, method or choice.
	Fields  []Field  `json:"fields,omitempty"`
	Options []Option `json:"options,omitempty"`
	// URL is where a redirect step goes. The engine puts a fresh state, bound to flow and browser,
	// where the URL says StatePlaceholder.
	URL string `json:"url,omitempty"`
	// Payload is what a display step shows, as Display says: the text of a QR code, or a code.
	Payload string  `json:"payload,omitempty"`
	Display Display `json:"display,omitempty"`
	// ExpiresAt and Attempt describe a payload that is renewed: "code 2 of 6" is Attempt 2, Attempts 6.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Attempt   int       `json:"attempt,omitempty"`
	Attempts  int       `json:"attempts,omitempty"`
	// Poll asks the page to look again after this time. Set by the engine while a Work runs.
	Poll     time.Duration `json:"poll,omitempty"`
	Progress []Progress    `json:"progress,omitempty"`
	Verdicts []Verdict     `json:"verdicts,omitempty"`
	Notes    []Note        `json:"notes,omitempty"`
	Actions  []Action      `json:"actions,omitempty"`
	// ResendAt is when resend may be pressed.
	ResendAt time.Time    `json:"resend_at,omitzero"`
	Errors   []FieldIssue `json:"errors,omitempty"`
	// Extra describes a challenge or an extension to the page.
	Extra json.RawMessage `json:"extra,omitempty"`
}

// StatePlaceholder stands in a redirect step's URL where the engine's state goes.
const StatePlaceholder = "LATCHKEY_STATE"

// AdminStatePlaceholder stands in a display step's Payload (a link for an administrator to open in a
// browser that has no cookie of ours) where the engine puts a state of its own kind: whoever comes
// back with it has said that an organisation consented, and nothing else.
const AdminStatePlaceholder = "LATCHKEY_ADMIN_STATE"

// LinkPlaceholder stands in a display step's Payload where the address of the end user's own link
// belongs, for going on in another browser.
const LinkPlaceholder = "LATCHKEY_LINK_ADDRESS"

// Display is how a payload is shown.
type Display string

// The ways to show a payload.
const (
	DisplayQR   Display = "qr"
	DisplayCode Display = "code"
)

// FieldType is the type of a field; the wizard maps it to an input.
type FieldType string

// The types of fields.
const (
	FieldText     FieldType = "text"
	FieldEmail    FieldType = "email"
	FieldPassword FieldType = "password"
	FieldNumber   FieldType = "number"
	FieldTel      FieldType = "tel"
	FieldCode     FieldType = "code" // a short one-time code
	FieldSelect   FieldType = "select"
	FieldCheckbox FieldType = "checkbox"
	FieldReadonly FieldType = "readonly"
	FieldChoice   FieldType = "choice" // the field of a choose step
)

// Field is one thing to type or pick.
type Field struct {
	Name     string    `json:"name"`
	Type     FieldType `json:"type"`
	Required bool      `json:"required,omitempty"`
	// Value is what was typed or is suggested. Never set on a password or code.
	Value        string   `json:"value,omitempty"`
	Options      []Option `json:"options,omitempty"`
	Autocomplete string   `json:"autocomplete,omitempty"`
	MaxLength    int      `json:"max_length,omitempty"`
	// Group folds fields together ("settings"); a group is open if one of its fields has an error,
	// or if the step is named after it (imap.settings).
	Group string `json:"group,omitempty"`
	// Label overrides the key of the label's text ("app_password").
	Label string `json:"label,omitempty"`
}

// Secret tells whether the field's value must never be shown again.
func (f Field) Secret() bool { return f.Type == FieldPassword || f.Type == FieldCode }

// Option is one thing to choose. Label is only set where the words come from outside (a contract's
// name); otherwise they are looked up by ID.
type Option struct {
	ID      string            `json:"id"`
	Label   string            `json:"label,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	Primary bool              `json:"primary,omitempty"`
}

// ProgressState is where one line of a list of progress stands.
type ProgressState string

// The states of a line of progress.
const (
	ProgressOK   ProgressState = "ok"
	ProgressNow  ProgressState = "now"
	ProgressNext ProgressState = "next"
)

// Progress is one line of what is being done.
type Progress struct {
	Code  string            `json:"code"`
	State ProgressState     `json:"state"`
	Args  map[string]string `json:"args,omitempty"`
}

// Verdict is the outcome of one of several checks that stand apart (incoming and outgoing mail).
type Verdict struct {
	// Source is the key of what was checked ("imap", "smtp").
	Source string            `json:"source"`
	OK     bool              `json:"ok"`
	Server string            `json:"server,omitempty"`
	Code   errs.Code         `json:"code,omitempty"`
	Args   map[string]string `json:"args,omitempty"`
	// Detail is what the server said, cleaned; shown behind a fold only where it helps the reader.
	Detail string `json:"detail,omitempty"`
}

// NoteLevel is the tone of a note.
type NoteLevel string

// The levels of notes.
const (
	NoteInfo NoteLevel = "info"
	NoteWarn NoteLevel = "warn"
	NoteGood NoteLevel = "good"
	NoteBad  NoteLevel = "bad"
)

// Note is a boxed remark on a step, such as "this provider needs an app password".
type Note struct {
	Level NoteLevel         `json:"level"`
	Code  string            `json:"code"`
	Args  map[string]string `json:"args,omitempty"`
	URL   string            `json:"url,omitempty"`
}

// FieldIssue says what is wrong with one answer. Field is empty for the step as a whole.
type FieldIssue struct {
	Field string            `json:"field,omitempty"`
	Code  errs.Code         `json:"code"`
	Args  map[string]string `json:"args,omitempty"`
}

// Offers tells whether the step lists the action.
func (s Step) Offers(a Action) bool {
	for _, x := range s.Actions {
		if x == a {
			return true
		}
	}
	return false
}
