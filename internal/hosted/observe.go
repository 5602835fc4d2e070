package hosted

import (
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

// fact is something that a transition has written into its link's history. It is counted when the
// transition is committed.
type fact struct {
	typ        latchkey.EventType
	provider   latchkey.Provider
	step, code string
}

// factOf takes from an event's data what is counted.
func factOf(typ latchkey.EventType, p latchkey.Provider, data map[string]any) fact {
	f := fact{typ: typ, provider: p}
	f.step = asText(data["step"])
	f.code = asText(data["code"])
	return f
}

// asText is the text of a value of ours, whose type may be a named one.
func asText(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case errs.Code:
		return string(s)
	}
	return ""
}

// observe counts what a committed transition has told.
func (e *Engine) observe(facts []fact) {
	o := e.cfg.Observe
	for _, f := range facts {
		switch f.typ {
		case latchkey.EventFlowStep, latchkey.EventFlowStepFailed:
			o.Step(string(f.provider), f.step, f.code)
			continue
		case latchkey.EventLinkCompleted, latchkey.EventLinkFailed, latchkey.EventLinkCanceled:
			o.Flow(string(f.provider), outcome(f.typ), f.step, f.code)
		}
		o.Link(outcome(f.typ), 1)
	}
}

// outcome is the last word of an event's type.
func outcome(typ latchkey.EventType) string {
	_, word, _ := strings.Cut(string(typ), ".")
	return word
}

// unobserved is the Observer of an engine that nobody watches.
type unobserved struct{}

func (unobserved) Link(string, int)                    {}
func (unobserved) Step(string, string, string)         {}
func (unobserved) Flow(string, string, string, string) {}
func (unobserved) Work(string, string, time.Duration)  {}
