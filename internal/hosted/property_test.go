package hosted_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// TestWhateverHappens lets three browsers do random things with one link, and checks after each
// what must hold whatever happens.
func TestWhateverHappens(t *testing.T) {
	r := newRig(t, options{phoneOf: mockPhoneFast})
	users := []string{"anna", "2fa", "choose", "notice", "captcha", "qr", "approve", "denied", "blocked", "error", "redirect", "wrong-account", "live-manual", "slow"}
	actions := []connector.Action{
		connector.ActStart, connector.ActSubmit, connector.ActSubmit, connector.ActSubmit, connector.ActBack, connector.ActCancel,
		connector.ActTakeOver, connector.ActSwitchMethod, connector.ActRefresh, connector.ActResend, connector.ActReturn, "nonsense",
	}
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		l := r.link(func(s *hosted.LinkSpec) {
			if seed%3 == 0 {
				s.Terms.Providers = []string{"*"}
			}
			if seed%4 == 0 {
				s.Terms.ExpectedIdentity = "anna@mock.test"
			}
		})
		before := len(r.accounts())
		w := &watch{t: t, name: fmt.Sprintf("seed %d", seed), link: l}
		browsers := []*browser{r.browser(l.Token), r.browser(l.Token), r.browser(l.Token)}
		for step := range 40 {
			b := browsers[rnd.IntN(len(browsers))]
			version := b.last.Version
			if rnd.IntN(8) == 0 {
				version -= int64(rnd.IntN(3))
			}
			kv := answersFor(rnd, b.last, users)
			v, err := b.tryAt(version, actions[rnd.IntN(len(actions))], kv...)
			w.check(step, b, v, err)
		}
		// What still runs is ended, so that the count is of something that stands still.
		if _, err := r.engine.ExpireLink(t.Context(), r.app.ID, l.Link.ID); err != nil && !errs.Is(err, errs.CodeLinkUsed) {
			t.Fatal(err)
		}
		link, events := r.linkNow(l.Link.ID)
		made := len(r.accounts()) - before
		if completed := link.Status == latchkey.LinkCompleted; (made == 1) != completed || made > 1 {
			t.Fatalf("%s: link is %s, and %d accounts were made", w.name, link.Status, made)
		}
		ends := 0
		for _, ev := range events {
			if ev.Type == latchkey.EventLinkCompleted {
				ends++
			}
		}
		if ends != made {
			t.Errorf("%s: told of %d ends, %d accounts", w.name, ends, made)
		}
	}
}

func answersFor(rnd *rand.Rand, v hosted.View, users []string) []string {
	var out []string
	for _, f := range v.Step.Fields {
		var value string
		switch f.Name {
		case "username":
			value = users[rnd.IntN(len(users))]
		case "code":
			value = []string{"123456", "000000", "1"}[rnd.IntN(3)]
		case "solution":
			value = []string{"pass", "fail"}[rnd.IntN(2)]
		case "provider", "method", "choice":
			if len(v.Step.Options) > 0 {
				value = v.Step.Options[rnd.IntN(len(v.Step.Options))].ID
			}
		case "password":
			value = []string{"x", "x", "wrong"}[rnd.IntN(3)]
		default:
			value = "42"
		}
		if f.Type != connector.FieldReadonly && rnd.IntN(10) > 0 {
			out = append(out, f.Name, value)
		}
	}
	return out
}

type watch struct {
	t    *testing.T
	name string
	link hosted.CreatedLink
	// seen is the highest version of each flow.
	seen map[latchkey.FlowID]int64
	done bool
}

func (w *watch) check(step int, b *browser, v hosted.View, err error) {
	w.t.Helper()
	fail := func(format string, args ...any) {
		w.t.Fatalf("%s, step %d: %s", w.name, step, fmt.Sprintf(format, args...))
	}
	if err != nil {
		if e := errs.As(err); e.Code == errs.CodeInternal {
			fail("an internal error: %v", err)
		}
		if v.Link.ID == "" {
			return
		}
	}
	if !v.Bound && (v.Version != 0 || len(v.Step.Fields) > 0 || v.Step.Payload != "" || v.Result != nil || v.Step.URL != "" || v.FlowID != "") {
		fail("a browser that is not bound sees %+v", v)
	}
	for _, f := range v.Step.Fields {
		if f.Secret() && f.Value != "" {
			fail("the secret %s is shown", f.Name)
		}
	}
	if v.Bound {
		if w.seen == nil {
			w.seen = map[latchkey.FlowID]int64{}
		}
		if v.Version < w.seen[v.FlowID] {
			fail("version went from %d to %d", w.seen[v.FlowID], v.Version)
		}
		w.seen[v.FlowID] = v.Version
	}
	if w.done && v.Link.StatusAt(b.r.clock.now()) != latchkey.LinkCompleted {
		fail("a completed link became %s", v.Link.Status)
	}
	w.done = w.done || v.Link.Status == latchkey.LinkCompleted
}
