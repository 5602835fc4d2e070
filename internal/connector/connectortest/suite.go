// Package connectortest is the suite that every connector passes: its Turns are well-formed and
// survive being stored, deciding is pure, nonsense is refused without a panic, and every step has
// its words.
package connectortest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Script is one run through the connector, as an end user would make it.
type Script struct {
	Name    string
	Start   connector.Start
	Answers []Answer
	// WantGrant is the identity of the Grant at the end, or "".
	WantGrant string
	// WantFailure is the code of the Failure at the end, or "".
	WantFailure errs.Code
	// WantStep is the id of the Step that the run rests at, where it ends in neither.
	WantStep string
	// WantErrors are the codes that the last Step shows.
	WantErrors []errs.Code
}

// Answer answers the step of that id.
type Answer struct {
	Step   string
	Action connector.Action
	Values map[string]string
}

// Suite is what a connector brings.
type Suite struct {
	// New makes a fresh connector.
	New func(t *testing.T) connector.Connector
	// Scripts must between them reach every step of the connector.
	Scripts []Script
	// SharedText tells whether the wizard has a text of that key (codes common to all connectors).
	SharedText func(key string) bool
}

// maxDoings ends a script whose Works never end.
const maxDoings = 200

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	texts := loadTexts(t, s.New(t).Describe())
	has := func(key string) bool {
		_, own := texts[key]
		return own || (s.SharedText != nil && s.SharedText(key))
	}
	t.Run("Descriptor", func(t *testing.T) { checkDescriptor(t, s.New(t).Describe(), has) })
	for _, sc := range s.Scripts {
		t.Run("Script/"+sc.Name, func(t *testing.T) {
			r := &run{t: t, conn: s.New(t), has: has, start: sc.Start}
			r.play(sc)
		})
	}
	t.Run("Nonsense", func(t *testing.T) { checkNonsense(t, s.New(t)) })
}

func loadTexts(t *testing.T, d connector.Descriptor) map[string]string {
	t.Helper()
	raw, err := fs.ReadFile(d.Texts, "en.json")
	if err != nil {
		t.Fatalf("every connector has its words in en.json: %v", err)
	}
	out := map[string]string{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("en.json: %v", err)
	}
	return out
}

func checkDescriptor(t *testing.T, d connector.Descriptor, has func(string) bool) {
	if d.Provider == "" || len(d.Scopes) == 0 {
		t.Errorf("a descriptor names its provider and its scopes: %+v", d)
	}
	if !has("provider."+string(d.Provider)) || !has("provider."+string(d.Provider)+".hint") {
		t.Errorf("texts need provider.%s and its hint", d.Provider)
	}
	dec := xml.NewDecoder(strings.NewReader(d.Icon))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("icon is not well-formed: %v", err)
		}
		if el, ok := tok.(xml.StartElement); ok && slices.Contains([]string{"script", "image", "foreignObject", "style", "use"}, el.Name.Local) {
			t.Errorf("icon must not contain <%s>", el.Name.Local)
		}
	}
}

// run plays one script.
type run struct {
	t     *testing.T
	conn  connector.Connector
	has   func(string) bool
	start connector.Start
	turn  connector.Turn
}

func (r *run) play(sc Script) {
	r.t.Helper()
	sc.Start.Entropy = make([]byte, 32)
	r.take(r.twice("Begin", func() (connector.Turn, error) { return r.conn.Begin(sc.Start) }))
	for i, a := range sc.Answers {
		if r.turn.Step == nil {
			r.t.Fatalf("answer %d is for %s, but the turn is %s", i, a.Step, kindOf(r.turn))
		}
		if r.turn.Step.ID != a.Step {
			r.t.Fatalf("answer %d is for %s, but the step is %s (errors %v)", i, a.Step, r.turn.Step.ID, r.turn.Step.Errors)
		}
		action := a.Action
		if action == "" {
			action = connector.ActSubmit
		}
		if action != connector.ActReturn && !r.turn.Step.Offers(action) {
			r.t.Fatalf("step %s does not offer %s", a.Step, action)
		}
		in := connector.Input{StepID: a.Step, Action: action, Values: a.Values, Entropy: make([]byte, 32)}
		state := r.turn.State
		r.take(r.twice("Resume", func() (connector.Turn, error) { return r.conn.Resume(state, in) }))
	}
	r.end(sc)
}

func (r *run) end(sc Script) {
	r.t.Helper()
	switch {
	case sc.WantGrant != "":
		if r.turn.Grant == nil || r.turn.Grant.Identity != sc.WantGrant {
			r.t.Fatalf("want a grant of %s, have %s", sc.WantGrant, describe(r.turn))
		}
	case sc.WantFailure != "":
		if r.turn.Failure == nil || r.turn.Failure.Code != sc.WantFailure {
			r.t.Fatalf("want failure %s, have %s", sc.WantFailure, describe(r.turn))
		}
	default:
		if r.turn.Step == nil || r.turn.Step.ID != sc.WantStep {
			r.t.Fatalf("want step %s, have %s", sc.WantStep, describe(r.turn))
		}
	}
	if r.turn.Step == nil {
		return
	}
	var have []errs.Code
	for _, e := range r.turn.Step.Errors {
		have = append(have, e.Code)
	}
	if diff := cmp.Diff(sc.WantErrors, have); diff != "" {
		r.t.Errorf("errors of step %s (-want +have):\n%s", r.turn.Step.ID, diff)
	}
}

// twice checks that deciding is pure.
func (r *run) twice(what string, decide func() (connector.Turn, error)) connector.Turn {
	r.t.Helper()
	one, err := decide()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	two, err := decide()
	if err != nil {
		r.t.Fatalf("%s, again: %v", what, err)
	}
	timeless(&one)
	timeless(&two)
	if diff := cmp.Diff(one, two); diff != "" {
		r.t.Errorf("%s is not pure (-first +second):\n%s", what, diff)
	}
	again, err := decide()
	if err != nil {
		r.t.Fatal(err)
	}
	return again
}

// timeless removes what a clock may change between two calls.
func timeless(t *connector.Turn) {
	if t.Step != nil {
		t.Step.ExpiresAt, t.Step.ResendAt = time.Time{}, time.Time{}
	}
	if t.Work != nil {
		t.Work.Show.ExpiresAt, t.Work.Show.ResendAt = time.Time{}, time.Time{}
	}
}

// take checks a turn, stores and reads it as the engine would, and does its Works.
func (r *run) take(turn connector.Turn) {
	r.t.Helper()
	for range maxDoings {
		CheckTurn(r.t, turn, r.has)
		turn = stored(r.t, turn)
		if turn.Work == nil {
			r.turn = turn
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), turn.Work.Deadline)
		next, err := r.conn.Do(ctx, *turn.Work, &watcher{t: r.t, has: r.has})
		cancel()
		if err != nil {
			r.t.Fatalf("Do(%s): %v", turn.Work.Name, err)
		}
		turn = next
	}
	r.t.Fatalf("no end after %d works", maxDoings)
}

// stored sends a turn through JSON, as the flow's row does. Grants are not stored.
func stored(t *testing.T, turn connector.Turn) connector.Turn {
	t.Helper()
	raw, err := json.Marshal(turn)
	if err != nil {
		t.Fatalf("a turn must encode: %v", err)
	}
	var out connector.Turn
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("a turn must decode: %v", err)
	}
	out.Grant = turn.Grant
	return out
}

type watcher struct {
	t   *testing.T
	has func(string) bool
}

func (w *watcher) Show(_ context.Context, s connector.Step) error {
	checkStep(w.t, s, w.has)
	return nil
}

func (w *watcher) Next(ctx context.Context) (connector.Input, error) {
	<-ctx.Done()
	return connector.Input{}, ctx.Err()
}

func checkNonsense(t *testing.T, c connector.Connector) {
	for _, state := range []string{"", "null", "{", `{"x":1}`, "[]", strings.Repeat("a", 1<<16)} {
		for _, in := range []connector.Input{
			{},
			{StepID: "no.such.step", Action: connector.ActSubmit},
			{StepID: "no.such.step", Action: "no_such_action", Values: map[string]string{"": ""}},
		} {
			turn, err := c.Resume([]byte(state), in)
			if err == nil && turn.Step == nil && turn.Work == nil && turn.Failure == nil && turn.Switch == nil {
				t.Errorf("Resume(%.20q, %+v) is neither an error nor a turn", state, in)
			}
		}
	}
	if _, err := c.Do(t.Context(), connector.Work{Name: "no such work", Input: []byte("{}")}, &watcher{t: t}); err == nil {
		t.Error("Do of an unknown work must be an error")
	}
}
