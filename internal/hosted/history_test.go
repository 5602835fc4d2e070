package hosted_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/mock"
	"latchkey/internal/funnel"
	"latchkey/internal/hosted"
)

// reached counts how often each step is in the link's history.
func reached(t *testing.T, events []latchkey.Event) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, ev := range events {
		var data struct{ Step string }
		if err := json.Unmarshal(ev.Data, &data); err != nil {
			t.Fatal(err)
		}
		if ev.Type == latchkey.EventFlowStep {
			out[data.Step]++
		}
	}
	return out
}

// TestStepsOfWorksAreTold: a code that a Work shows is in the link's history, once, however often it is
// replaced.
func TestStepsOfWorksAreTold(t *testing.T) {
	r := newRig(t, options{wait: time.Millisecond, phoneOf: mock.PhoneConfig{CodeTTL: time.Second}})
	for user, step := range map[string]string{"live": "mock.live", "qr": "mock.qr", "live-manual": "mock.live"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			l := r.link()
			b := r.browser(l.Token)
			b.login(user)
			if user == "live-manual" {
				first := b.await("a code", func(v hosted.View) bool { return v.Step.ID == step && v.Step.Payload != "" })
				b.await("another code", func(v hosted.View) bool { return v.Step.Payload != first.Step.Payload && v.Step.Payload != "" })
			} else {
				b.awaitStatus(latchkey.FlowCompleted)
			}
			_, events := r.linkNow(l.Link.ID)
			if n := reached(t, events)[step]; n != 1 {
				t.Errorf("%s is told %d times: %v", step, n, reached(t, events))
			}
		})
	}
}

// counted is an Observer that remembers.
type counted struct {
	mu    sync.Mutex
	links map[string]int
	flows map[string]int
	steps map[string]int
}

func (c *counted) Link(outcome string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[outcome] += n
}

func (c *counted) Step(_, step, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps[step+"/"+code]++
}

func (c *counted) Flow(provider, outcome, _, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flows[provider+"/"+outcome+"/"+code]++
}

func (c *counted) Work(string, string, time.Duration) {}

// TestFunnelOfRealFlows lets people get to different places, and compares what is counted.
func TestFunnelOfRealFlows(t *testing.T) {
	for name, url := range map[string]func(*testing.T) string{"sqlite": func(*testing.T) string { return "" }, "postgres": pgURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := &counted{links: map[string]int{}, flows: map[string]int{}, steps: map[string]int{}}
			r := newRig(t, options{url: url(t), observe: seen})
			counter := funnel.New(funnel.Config{Store: r.store, Now: r.clock.now, Horizon: time.Nanosecond})
			connected := r.browser(r.link().Token)
			connected.login("anna")
			connected.awaitStatus(latchkey.FlowCompleted)
			twice := r.browser(r.link().Token) // fails, and then connects
			twice.login("blocked")
			twice.awaitStatus(latchkey.FlowFailed)
			if err := counter.Count(t.Context()); err != nil { // in between: what was seen before is known later
				t.Fatal(err)
			}
			twice.login("anna")
			twice.awaitStatus(latchkey.FlowCompleted)
			left := r.browser(r.link().Token)
			left.view()
			left.do(connector.ActStart)
			left.do(connector.ActCancel)
			wrong := r.browser(r.link().Token)
			wrong.view()
			wrong.do(connector.ActStart)
			wrong.do(connector.ActSubmit, "username", "anna", "password", "")
			opened := r.browser(r.link().Token)
			opened.view()
			opened.view()
			early := r.link() // nobody comes, and the application ends it
			if _, err := r.engine.ExpireLink(t.Context(), r.app.ID, early.Link.ID); err != nil {
				t.Fatal(err)
			}
			r.stop() // adds the views up
			r.clock.move(2 * time.Hour)
			day := funnel.Day(early.Link.ID)
			for range 3 { // again counts nothing again
				if err := counter.Count(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			got, err := counter.Read(t.Context(), r.app.ID, day.AddDate(0, 0, -1), day.AddDate(0, 0, 1))
			if err != nil {
				t.Fatal(err)
			}
			want := funnel.Funnel{Created: 6, Opened: 5, Started: 4, Chosen: 4, Connected: 2, Expired: 4}
			totals := funnel.Funnel{Created: got.Created, Opened: got.Opened, Started: got.Started, Chosen: got.Chosen, Connected: got.Connected, Expired: got.Expired}
			if diff := cmp.Diff(want, totals); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			if len(got.Providers) != 1 || got.Providers[0].Provider != latchkey.Mock || got.Providers[0].Connected != 2 {
				t.Fatalf("providers: %+v", got.Providers)
			}
			mock := got.Providers[0]
			if len(mock.Steps) == 0 || mock.Steps[0].ID != "mock.login" || mock.Steps[0].Links != 4 || mock.Steps[0].Times < 5 {
				t.Errorf("steps: %+v", mock.Steps)
			}
			wantFailures := map[string]int64{"failed account_blocked": 1, "canceled canceled": 1, "step_failed required": 1}
			failures := map[string]int64{}
			for _, f := range mock.Failures {
				failures[f.Kind+" "+f.Code] = f.Links
			}
			if diff := cmp.Diff(wantFailures, failures); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{"created": 6, "opened": 5, "started": 5, "completed": 2, "failed": 1, "canceled": 1}, seen.links); diff != "" {
				t.Errorf("observed links (-want +got):\n%s", diff)
			}
			if seen.flows["MOCK/completed/"] != 2 || seen.flows["MOCK/failed/account_blocked"] != 1 {
				t.Errorf("observed flows: %v", seen.flows)
			}
		})
	}
}
