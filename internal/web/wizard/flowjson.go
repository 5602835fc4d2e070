package wizard

import (
	"encoding/json"
	"net/http"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// timeFormat is RFC 3339 in UTC with milliseconds, as everywhere in the API.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// Flow is a link as a JSON client sees it. What does not apply is left out.
type Flow struct {
	Object string `json:"object"`
	ID     string `json:"id,omitempty"`
	// Version is left out where there is nothing to answer: a started link in another browser has none.
	Version *int64       `json:"version,omitempty"`
	Status  string       `json:"status"`
	Step    FlowStep     `json:"step"`
	Result  *FlowResult  `json:"result,omitempty"`
	Failure *FlowFailure `json:"failure,omitempty"`
	// Error says why the answer was not taken; the rest is how things stand.
	Error *FlowFailure `json:"error,omitempty"`
}

// FlowStep is connector.Step with its words.
type FlowStep struct {
	Kind      string             `json:"kind"`
	ID        string             `json:"id"`
	Title     string             `json:"title"`
	Text      string             `json:"text,omitempty"`
	Fields    []FlowField        `json:"fields,omitempty"`
	Options   []FlowOption       `json:"options,omitempty"`
	URL       string             `json:"url,omitempty"`
	Payload   string             `json:"payload,omitempty"`
	Display   string             `json:"display,omitempty"`
	ExpiresAt string             `json:"expires_at,omitempty"`
	Attempt   int                `json:"attempt,omitempty"`
	Attempts  int                `json:"attempts,omitempty"`
	PollMS    int64              `json:"poll_ms,omitempty"`
	Progress  []FlowProgress     `json:"progress,omitempty"`
	Verdicts  []FlowVerdict      `json:"verdicts,omitempty"`
	Notes     []FlowNote         `json:"notes,omitempty"`
	Actions   []connector.Action `json:"actions"`
	ResendAt  string             `json:"resend_at,omitempty"`
	Errors    []errs.FieldError  `json:"errors"`
	Extra     json.RawMessage    `json:"extra,omitempty"`
}

// FlowField is one thing to answer. Value is never set on a secret.
type FlowField struct {
	Name      string       `json:"name"`
	Type      string       `json:"type"`
	Label     string       `json:"label"`
	Hint      string       `json:"hint,omitempty"`
	Required  bool         `json:"required"`
	Value     string       `json:"value,omitempty"`
	Options   []FlowOption `json:"options,omitempty"`
	MaxLength int          `json:"max_length,omitempty"`
	Group     string       `json:"group,omitempty"`
}

// FlowOption is one thing to choose.
type FlowOption struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	Hint    string `json:"hint,omitempty"`
	Primary bool   `json:"primary,omitempty"`
}

// FlowProgress is one line of what is being done.
type FlowProgress struct {
	Code  string `json:"code"`
	State string `json:"state"`
	Text  string `json:"text"`
}

// FlowVerdict is the outcome of one of several checks.
type FlowVerdict struct {
	Source  string `json:"source"`
	OK      bool   `json:"ok"`
	Title   string `json:"title"`
	Server  string `json:"server,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// FlowNote is a remark.
type FlowNote struct {
	Level string `json:"level"`
	Code  string `json:"code"`
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
	URL   string `json:"url,omitempty"`
}

// FlowResult is the good end.
type FlowResult struct {
	AccountID   string   `json:"account_id"`
	State       string   `json:"state"`
	Identity    string   `json:"identity,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	RedirectURL string   `json:"redirect_url,omitempty"`
}

// FlowFailure is the bad end, or a refusal.
type FlowFailure struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	Retryable   bool   `json:"retryable,omitempty"`
	RedirectURL string `json:"redirect_url,omitempty"`
}

func (z *Wizard) flowJSON(r *http.Request, v hosted.View, refused *errs.Error) Flow {
	s := z.speaker(r, v)
	f := Flow{Object: "Flow", ID: string(v.FlowID), Status: string(v.Status), Step: z.stepJSON(s, v)}
	if v.Bound || v.Step.ID == hosted.StepStart {
		f.Version = &v.Version
	}
	if v.Result != nil {
		f.Result = &FlowResult{
			AccountID: string(v.Result.AccountID), State: v.Result.State, Identity: v.Result.Identity,
			Warnings: v.Result.Warnings, RedirectURL: v.Result.RedirectURL,
		}
	}
	if v.Failure != nil {
		f.Failure = &FlowFailure{
			Code: string(v.Failure.Code), Message: join(s.failure(v.Failure)),
			Retryable: v.Failure.Retryable, RedirectURL: v.Failure.RedirectURL,
		}
	}
	if refused != nil {
		f.Error = &FlowFailure{Code: string(refused.Code), Message: refused.Detail}
	}
	return f
}

func (z *Wizard) stepJSON(s speaker, v hosted.View) FlowStep {
	st := v.Step
	out := FlowStep{
		Kind: string(st.Kind), ID: st.ID, Title: join(s.title(v)), Text: join(s.lead(v)),
		URL: st.URL, Payload: st.Payload, Display: string(st.Display), Attempt: st.Attempt, Attempts: st.Attempts,
		PollMS: poll(v).Milliseconds(), Actions: st.Actions, Errors: []errs.FieldError{},
		ExpiresAt: stamp(st.ExpiresAt), ResendAt: stamp(st.ResendAt), Extra: st.Extra,
	}
	if out.Actions == nil {
		out.Actions = []connector.Action{}
	}
	for _, f := range st.Fields {
		out.Fields = append(out.Fields, s.fieldJSON(st, f))
	}
	out.Options = s.optionsJSON(st, z.options(v))
	for _, p := range st.Progress {
		out.Progress = append(out.Progress, FlowProgress{Code: p.Code, State: string(p.State), Text: join(s.progress(p))})
	}
	for _, x := range st.Verdicts {
		out.Verdicts = append(out.Verdicts, FlowVerdict{
			Source: x.Source, OK: x.OK, Title: join(s.source(x)), Server: x.Server, Code: string(x.Code), Message: join(s.verdict(x)),
		})
	}
	for _, n := range st.Notes {
		out.Notes = append(out.Notes, FlowNote{
			Level: string(n.Level), Code: n.Code, Title: join(s.note(n)), Text: join(s.noteText(n)), URL: webURL(n.URL),
		})
	}
	for _, e := range st.Errors {
		out.Errors = append(out.Errors, errs.FieldError{Field: e.Field, Code: e.Code, Message: join(s.issue(st, e))})
	}
	return out
}

func (s speaker) fieldJSON(st connector.Step, f connector.Field) FlowField {
	return FlowField{
		Name: f.Name, Type: string(f.Type), Label: join(s.label(st, f)), Hint: join(s.hint(st, f)), Required: f.Required,
		Value: f.Value, Options: s.optionsJSON(st, f.Options), MaxLength: f.MaxLength, Group: f.Group,
	}
}

func (s speaker) optionsJSON(st connector.Step, options []connector.Option) []FlowOption {
	var out []FlowOption
	for _, o := range options {
		out = append(out, FlowOption{ID: o.ID, Label: join(s.option(st, o)), Hint: join(s.optionHint(st, o)), Primary: o.Primary})
	}
	return out
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// defaultPoll is how soon to look again where the engine does not say.
const defaultPoll = time.Second

// poll is how soon a client should look again; 0 if nothing happens by itself.
func poll(v hosted.View) time.Duration {
	if v.Step.Poll == 0 && v.Busy {
		return defaultPoll
	}
	return v.Step.Poll
}
