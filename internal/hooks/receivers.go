package hooks

import (
	"context"
	"net/url"
	"sync"
	"time"
)

// A receiver that is slow, or pretends to be, must not hold all the workers while others wait: so
// many tries at one host may be under way in this process, and one more waits only a moment for a
// place before it makes room.
const (
	perReceiver = 50
	placeWait   = 100 * time.Millisecond
)

// Bounds of the wait of a delivery that made room.
const (
	minWait = 500 * time.Millisecond
	maxWait = 2 * time.Second
)

// receivers hands out places by host.
type receivers struct {
	mu    sync.Mutex
	hosts map[string]*receiver
}

type receiver struct {
	places chan struct{}
	// users counts those who hold or wait for a place; the last one clears up.
	users int
}

// enter takes a place at the URL's host, if one comes free in time, and returns how to give it back.
func (r *receivers) enter(ctx context.Context, raw string) (leave func(), ok bool) {
	host := raw
	if u, err := url.Parse(raw); err == nil {
		host = u.Host
	}
	x := r.use(host)
	wait := time.NewTimer(placeWait)
	defer wait.Stop()
	select {
	case x.places <- struct{}{}:
		return func() {
			<-x.places
			r.done(host, x)
		}, true
	case <-wait.C:
	case <-ctx.Done():
	}
	r.done(host, x)
	return nil, false
}

func (r *receivers) use(host string) *receiver {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.hosts[host]
	if x == nil {
		x = &receiver{places: make(chan struct{}, perReceiver)}
		r.hosts[host] = x
	}
	x.users++
	return x
}

func (r *receivers) done(host string, x *receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(r.hosts, host)
	}
}

// shortWait spreads those who made room.
func (h *Hooks) shortWait() time.Duration {
	return minWait + time.Duration(h.jitter()*float64(maxWait-minWait))
}
