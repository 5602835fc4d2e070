package accounts

import (
	"context"
	"fmt"
	"math"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// paceAhead is how much of a pace a process takes from all replicas' at once: four writes a second
// for each provider, however many credentials that is.
const paceAhead = 250 * time.Millisecond

// slowestPace bounds the time between two moments.
const slowestPace = time.Hour

// pace spreads what is asked of one provider evenly in time, over all replicas: each process reserves
// a stretch of it in the store, and hands out the moments in it. Its time is the machine's own, as the
// provider's is: a clock that tests set has no say here.
type pace struct {
	name     string
	store    store.Paces
	interval time.Duration // between two moments
	batch    int           // moments of a stretch

	// turn holds the token of who may look at what follows; a channel, so that waiting can be given up.
	turn chan struct{}
	next time.Time // the next moment
	left int       // moments that are left of the stretch
}

func newPace(s store.Paces, p latchkey.Provider, perSecond float64) *pace {
	interval := max(time.Duration(min(float64(time.Second)/perSecond, float64(slowestPace))), time.Nanosecond)
	batch := int(math.Ceil(float64(paceAhead) / float64(interval)))
	out := &pace{name: "refresh:" + string(p), store: s, interval: interval, batch: batch, turn: make(chan struct{}, 1)}
	out.turn <- struct{}{}
	return out
}

// wait returns when it is this caller's moment.
func (p *pace) wait(ctx context.Context) error {
	at, err := p.reserve(ctx)
	if err != nil {
		return err
	}
	if d := time.Until(at); d > 0 {
		return pause(ctx, d)
	}
	return nil
}

func (p *pace) reserve(ctx context.Context) (time.Time, error) {
	select {
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	case <-p.turn:
	}
	defer func() { p.turn <- struct{}{} }()
	now := time.Now() //nolint:forbidigo // the provider's time runs, whatever the injected clock says
	// Moments that passed while nobody wanted one are gone: given out late, they would be a burst on
	// top of what others do now. One interval late is only a slow scheduler.
	if late := now.Sub(p.next) - p.interval; p.left > 0 && late > 0 {
		gone := min(int(late/p.interval)+1, p.left)
		p.left -= gone
		p.next = p.next.Add(time.Duration(gone) * p.interval)
	}
	if p.left == 0 {
		start, err := p.store.Reserve(ctx, p.name, time.Duration(p.batch)*p.interval, now)
		if err != nil {
			return time.Time{}, fmt.Errorf("reserve the pace of renewals: %w", err)
		}
		p.next, p.left = start, p.batch
	}
	at := p.next
	p.next, p.left = p.next.Add(p.interval), p.left-1
	return at, nil
}
