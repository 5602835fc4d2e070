package hosted

import (
	"context"
	"maps"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// resume takes an answer that may be taken. The channel, if any, closes when the Work that the
// answer led to has ended.
func (e *Engine) resume(ctx context.Context, s seat, a connector.Action, values map[string]string) (<-chan struct{}, error) {
	in := connector.Input{StepID: s.body.Step.ID, Action: a, Values: values, Entropy: entropy()}
	var t *transit
	err := e.inTx(ctx, func(ctx context.Context, tx store.Tx) error {
		b, err := decodeBody(*s.flow) // afresh: fn may run twice
		if err != nil {
			return err
		}
		t = &transit{now: s.now, app: s.app, apps: s.apps, link: s.link, flow: *s.flow, body: b, version: s.flow.Version, fence: s.flow.Fence}
		if err := e.answer(ctx, tx, t, in); err != nil {
			return err
		}
		return t.save(ctx, tx)
	})
	if err == nil && t.body.Work != nil && t.body.Work.Live && !t.launch {
		e.running.poke(t.flow.ID)
	}
	return e.launch(ctx, t, err), err
}

// maxInbox bounds the answers to a Live Work that its holder has not read: they are kept in the
// flow's row, and a holder may be slow, or no longer there.
const maxInbox = 16

// answer decides what an answer leads to.
func (e *Engine) answer(ctx context.Context, tx store.Tx, t *transit, in connector.Input) error {
	b := &t.body
	switch {
	case in.Action == connector.ActCancel:
		t.stop()
		t.flow.Version++
		return e.fail(ctx, tx, t, connector.Failure{Code: errs.CodeCanceled, Retryable: true}, latchkey.FlowCanceled)
	case in.Action == connector.ActBack && !b.Step.Offers(connector.ActBack):
		return e.showPicker(ctx, tx, t, e.choices(t.app, t.link, t.apps))
	case b.Step.ID == StepPicker && b.Own:
		return e.answerPicker(ctx, tx, t, in)
	case b.Own: // the wrong account: once more, from the connector's first step
		return e.begin(ctx, tx, t, t.flow.Provider)
	case b.Work != nil && b.Work.Live && slices.Contains(b.Work.LiveActions, in.Action):
		// The holder of the Work reads it; the version moves so that a double click is stale.
		if len(b.Inbox) >= maxInbox {
			return &errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyTries, RetryAfter: time.Second, Detail: "Your last answers are still being read. Try again in a moment."}
		}
		b.Inbox = append(b.Inbox, in)
		t.flow.Version++
		return nil
	}
	if in.Action == connector.ActSubmit {
		if issues := checkValues(b.Step, in.Values); len(issues) > 0 {
			return e.take(ctx, tx, t, connector.Turn{Step: keepTyped(b.Step, in.Values, issues), State: b.State})
		}
	}
	conn, ok := e.cfg.Connectors[t.flow.Provider]
	if !ok {
		return e.take(ctx, tx, t, connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}})
	}
	turn, err := conn.Resume(b.State, in)
	if err != nil {
		return e.broken(ctx, tx, t, err)
	}
	return e.take(ctx, tx, t, turn)
}

func (e *Engine) answerPicker(ctx context.Context, tx store.Tx, t *transit, in connector.Input) error {
	choices := e.choices(t.app, t.link, t.apps)
	picked, err := pick(choices, in.Values["provider"])
	if err == nil && picked != "" {
		return e.begin(ctx, tx, t, picked)
	}
	if err := e.showPicker(ctx, tx, t, choices); err != nil {
		return err
	}
	code := errs.CodeRequired
	if in.Values["provider"] != "" {
		code = errs.CodeInvalidValue
	}
	t.body.Step.Errors = []connector.FieldIssue{{Field: "provider", Code: code}}
	return nil
}

// unknownValues names values that the step has no field for.
func unknownValues(s connector.Step, values map[string]string) []errs.FieldError {
	var out []errs.FieldError
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(s.Fields, func(f connector.Field) bool { return f.Name == name }) {
			out = append(out, errs.FieldError{Field: "values." + name, Code: errs.CodeUnknownField, Message: "This step has no such field."})
		}
	}
	return out
}

// defaultMaxLength bounds a field that names no bound of its own.
const defaultMaxLength = 1024

// checkValues finds what can be told to be wrong without knowing the provider.
func checkValues(s connector.Step, values map[string]string) []connector.FieldIssue {
	var out []connector.FieldIssue
	add := func(f connector.Field, c errs.Code) {
		out = append(out, connector.FieldIssue{Field: f.Name, Code: c})
	}
	for _, f := range s.Fields {
		v := values[f.Name]
		limit := f.MaxLength
		if limit == 0 {
			limit = defaultMaxLength
		}
		options := f.Options
		if f.Type == connector.FieldChoice {
			options = s.Options
		}
		switch {
		case v == "" && f.Required && f.Type != connector.FieldReadonly:
			add(f, errs.CodeRequired)
		case len(v) > limit:
			add(f, errs.CodeTooLong)
		case v != "" && len(options) > 0 && !slices.ContainsFunc(options, func(o connector.Option) bool { return o.ID == v }):
			add(f, errs.CodeInvalidValue)
		}
	}
	return out
}

// keepTyped shows the step again with what was typed, but for secrets.
func keepTyped(s connector.Step, values map[string]string, issues []connector.FieldIssue) *connector.Step {
	s.Fields = slices.Clone(s.Fields)
	for i, f := range s.Fields {
		if v, ok := values[f.Name]; ok && !f.Secret() && f.Type != connector.FieldReadonly {
			if len(v) > defaultMaxLength {
				v = ""
			}
			s.Fields[i].Value = v
		}
	}
	s.Errors = issues
	return &s
}
