package hosted_test

import (
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/mock"
	"latchkey/internal/hosted"
)

var mockPhoneFast = mock.PhoneConfig{CodeTTL: 120 * time.Millisecond}

func TestThousandParallelEndsMakeOneAccount(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	b := r.browser(l.Token)
	b.login("2fa")
	version := b.last.Version
	var wg sync.WaitGroup
	var mu sync.Mutex
	completed := 0
	for range 1000 {
		wg.Go(func() {
			own := &browser{r: r, token: b.token, jar: b.jar}
			v, _ := r.engine.Answer(t.Context(), own.token, own.cookies, hosted.Answer{
				Version: version, Action: connector.ActSubmit, Values: map[string]string{"code": "123456"},
			})
			if v.Status == latchkey.FlowCompleted {
				mu.Lock()
				completed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b.awaitStatus(latchkey.FlowCompleted)
	if n := len(r.accounts()); n != 1 {
		t.Fatalf("%d accounts", n)
	}
	if n := r.worksBegun("finish"); n != 1 {
		t.Errorf("the work was begun %d times", n)
	}
	if n := len(r.heard.kinds()); n != 1 {
		t.Errorf("%d notices", n)
	}
}

func TestManyBrowsersStartOneLink(t *testing.T) {
	r := newRig(t, options{})
	l := r.link()
	var wg sync.WaitGroup
	var mu sync.Mutex
	bound := 0
	for range 50 {
		wg.Go(func() {
			v, _ := r.browser(l.Token).try(connector.ActStart)
			if v.Bound {
				mu.Lock()
				bound++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if bound != 1 {
		t.Errorf("%d browsers are bound", bound)
	}
}

// TestClockJumps moves the clock an hour on and back while a poll waits for its turn and a Work is
// held: nothing is doubled, and nothing waits for the clock to catch up.
func TestClockJumps(t *testing.T) {
	r := newRig(t, options{wait: -1})
	ahead := r.browser(r.link().Token)
	ahead.login("qr")
	r.clock.move(40 * time.Minute)
	ahead.awaitStatus(latchkey.FlowCompleted)

	back := r.browser(r.link().Token)
	back.login("qr")
	back.await("a code", func(v hosted.View) bool { return v.Step.ID == "mock.qr" })
	r.clock.move(-40 * time.Minute)
	r.engine.Sweep(t.Context())
	back.await("the next code, or the end", func(v hosted.View) bool {
		r.engine.Sweep(t.Context())
		return v.Status == latchkey.FlowCompleted
	})
	if n := len(r.accounts()); n != 2 {
		t.Errorf("%d accounts", n)
	}
}
