package connectortest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/connector"
)

// CheckTurn checks that a turn is well-formed: exactly one thing, complete, with words.
func CheckTurn(t *testing.T, turn connector.Turn, has func(string) bool) {
	t.Helper()
	n := 0
	for _, set := range []bool{turn.Step != nil, turn.Work != nil, turn.Grant != nil, turn.Failure != nil, turn.Switch != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("a turn is exactly one thing: %s", describe(turn))
	}
	switch {
	case turn.Step != nil:
		checkStep(t, *turn.Step, has)
		if len(turn.Step.Actions) == 0 && turn.Step.Kind != connector.KindWait {
			t.Errorf("step %s leaves nothing to do", turn.Step.ID)
		}
	case turn.Work != nil:
		checkWork(t, *turn.Work, has)
	case turn.Grant != nil:
		g := turn.Grant
		if g.Identity == "" || g.Proof == "" || len(g.Secret) == 0 || len(g.Sources) == 0 {
			t.Errorf("a grant has identity, proof, secret and sources: %s", describe(turn))
		}
		for _, w := range g.Warnings {
			if !has("warning." + w) {
				t.Errorf("no text warning.%s", w)
			}
		}
	case turn.Failure != nil:
		if !has("error." + string(turn.Failure.Code)) {
			t.Errorf("no text error.%s", turn.Failure.Code)
		}
	}
}

func checkWork(t *testing.T, w connector.Work, has func(string) bool) {
	t.Helper()
	if w.Name == "" || w.Deadline <= 0 {
		t.Errorf("a work has a name and a deadline: %+v", w.Name)
	}
	if !slices.Contains([]connector.Interrupt{connector.Rerun, connector.Ask, connector.Restart}, w.Interrupt) {
		t.Errorf("work %s does not say what an interruption makes of it", w.Name)
	}
	if w.Repeat > 0 && w.Interrupt == connector.Ask {
		t.Errorf("work %s is a poll: asking again after an interruption makes no sense", w.Name)
	}
	checkStep(t, w.Show, has)
}

func checkStep(t *testing.T, s connector.Step, has func(string) bool) {
	t.Helper()
	if s.ID == "" || strings.ToLower(s.ID) != s.ID || !strings.Contains(s.ID, ".") {
		t.Errorf("step id %q: want <provider>.<name>", s.ID)
	}
	need := func(keys ...string) {
		if !slices.ContainsFunc(keys, has) {
			t.Errorf("step %s: no text %s", s.ID, strings.Join(keys, " or "))
		}
	}
	need(s.ID + ".title")
	checkKind(t, s)
	for _, a := range s.Actions {
		if slices.Contains([]connector.Action{connector.ActStart, connector.ActCancel, connector.ActTakeOver, connector.ActReturn}, a) {
			t.Errorf("step %s offers %s, which is the engine's own", s.ID, a)
		}
	}
	for _, f := range s.Fields {
		if f.Secret() && f.Value != "" {
			t.Errorf("step %s echoes the secret field %s", s.ID, f.Name)
		}
		if f.Type == connector.FieldChoice {
			continue
		}
		label := f.Label
		if label == "" {
			label = f.Name
		}
		need(s.ID+".field."+label, "field."+label)
		for _, o := range f.Options {
			if o.Label == "" {
				need(s.ID+".option."+f.Name+"."+o.ID, s.ID+".option."+o.ID, "option."+f.Name+"."+o.ID, "option."+o.ID)
			}
		}
	}
	for _, o := range s.Options {
		if o.Label == "" {
			need(s.ID + ".option." + o.ID)
		}
	}
	for _, p := range s.Progress {
		need("progress." + p.Code)
	}
	for _, n := range s.Notes {
		need("note." + n.Code)
	}
	for _, v := range s.Verdicts {
		if !v.OK {
			need("verdict."+string(v.Code), "error."+string(v.Code))
		}
	}
	for _, e := range s.Errors {
		need(s.ID+".error."+string(e.Code), "error."+string(e.Code))
		if e.Field != "" && !slices.ContainsFunc(s.Fields, func(f connector.Field) bool { return f.Name == e.Field }) {
			t.Errorf("step %s: error on field %s, which it does not have", s.ID, e.Field)
		}
	}
}

func checkKind(t *testing.T, s connector.Step) {
	t.Helper()
	switch s.Kind {
	case connector.KindChoose:
		if len(s.Fields) != 1 || !slices.Contains([]string{"provider", "method", "choice"}, s.Fields[0].Name) || len(s.Options) == 0 {
			t.Errorf("choose step %s needs one field named provider, method or choice, and options", s.ID)
		}
	case connector.KindForm:
		if len(s.Fields) == 0 {
			t.Errorf("form step %s has no fields", s.ID)
		}
	case connector.KindRedirect:
		if !strings.Contains(s.URL, connector.StatePlaceholder) {
			t.Errorf("redirect step %s does not say where the state goes", s.ID)
		}
	case connector.KindDisplay:
		if s.Display == "" || (s.Payload == "" && len(s.Errors) == 0) {
			t.Errorf("display step %s shows nothing", s.ID)
		}
	case connector.KindChallenge, connector.KindExtension:
		if len(s.Extra) == 0 {
			t.Errorf("step %s does not describe itself", s.ID)
		}
	case connector.KindWait, connector.KindNotice:
	default:
		t.Errorf("step %s has the unknown kind %q", s.ID, s.Kind)
	}
}

func kindOf(turn connector.Turn) string {
	switch {
	case turn.Step != nil:
		return "step " + turn.Step.ID
	case turn.Work != nil:
		return "work " + turn.Work.Name
	case turn.Grant != nil:
		return "grant of " + turn.Grant.Identity
	case turn.Failure != nil:
		return "failure " + string(turn.Failure.Code)
	case turn.Switch != nil:
		return "switch to " + string(turn.Switch.Provider)
	}
	return "nothing"
}

func describe(turn connector.Turn) string {
	if turn.Step != nil && len(turn.Step.Errors) > 0 {
		return fmt.Sprintf("%s with errors %v", kindOf(turn), turn.Step.Errors)
	}
	return kindOf(turn)
}
