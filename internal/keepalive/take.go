package keepalive

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"latchkey/internal/store"
)

// Bounds of taking.
const (
	// batch is how many due accounts are taken at one look, at most.
	batch = 256
	// maxWaiting is how far a backlog is counted.
	maxWaiting = 100_000
	// slack is how many accounts more than its share a replica may hold before it gives some up.
	slack = 4
	// handOver is how many it gives up at one look: connections should not all move at once.
	handOver = 2
	// minRate is how many connections a second are always allowed.
	minRate = 20
	// stranded is how long an account may wait for the replica whose turn it is, before any takes it.
	stranded = 10 * time.Second
)

// atOnce is when accounts are due that somebody waits for: before all others, and without regard to
// the pace.
func atOnce() time.Time { return time.UnixMilli(1).UTC() }

// pace spreads what becomes due together. It keeps the rate that the backlog wanted at its largest, so
// that the last does not come ever later.
type pace struct {
	perSecond float64
	credit    float64
	last      time.Time
}

// allow says how many may be begun now.
func (p *pace) allow(now time.Time, backlog int, window time.Duration) int {
	if backlog == 0 {
		p.perSecond = 0
	}
	p.perSecond = max(p.perSecond, minRate, float64(backlog)/window.Seconds())
	if !p.last.IsZero() {
		p.credit += now.Sub(p.last).Seconds() * p.perSecond
	}
	p.last = now
	p.credit = min(p.credit, max(1, p.perSecond)) // what was not used is not saved for more than a second
	return int(p.credit)
}

// take claims accounts that are due, as many as are this replica's to hold, and gives up what is too many.
func (r *Runner) take(ctx context.Context) {
	if !r.alive() {
		// Others may take what we hold from now on.
		r.dropAll(ctx)
		return
	}
	if err := r.tryTake(ctx); err != nil && ctx.Err() == nil {
		r.cfg.Log.ErrorContext(ctx, "accounts to keep connected not read", slog.Any("error", err))
	}
}

func (r *Runner) tryTake(ctx context.Context) error {
	keeps, now := r.cfg.Store.Keeps(), r.cfg.Now()
	if n, err := keeps.Bury(ctx, now); err != nil {
		return err
	} else if n > 0 {
		r.cfg.Log.WarnContext(ctx, "a process that kept accounts connected is gone", slog.Int("accounts", n))
	}
	waiting, err := keeps.Waiting(ctx, now, maxWaiting)
	if err != nil {
		return err
	}
	share, err := r.share(ctx, now)
	if err != nil {
		return err
	}
	held := r.Held()
	// Once it is far too many, it goes down to the share, so that it ends even.
	if r.shedding = held > share+max(slack, share/20) || r.shedding && held > share; r.shedding {
		r.giveUp(min(handOver, held-share))
	}
	if waiting == 0 {
		r.pace.allow(now, 0, r.cfg.Window)
		return nil
	}
	allowed := r.pace.allow(now, min(waiting, max(share-held, 0)), r.cfg.Window)
	due, err := keeps.Due(ctx, now, batch)
	if err != nil {
		return err
	}
	for _, k := range due {
		urgent := k.Due.Equal(atOnce())
		switch {
		case !urgent && allowed < 1:
			return nil
		case held >= share && !urgent && now.Sub(k.Due) < stranded:
			continue
		case held >= share+max(slack, share/20):
			return nil
		}
		claimed, err := keeps.Claim(ctx, k, r.name())
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err != nil {
			return err
		}
		if !urgent {
			allowed--
			r.pace.credit--
		}
		held++
		r.begin(claimed)
	}
	return nil
}

func (r *Runner) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owner
}

// share is how many accounts are this replica's to hold.
func (r *Runner) share(ctx context.Context, now time.Time) (int, error) {
	all, err := r.cfg.Store.Keeps().Count(ctx)
	if err != nil {
		return 0, err
	}
	alive, err := r.cfg.Store.Keeps().Alive(ctx, now)
	if err != nil {
		return 0, err
	}
	alive = max(alive, 1)
	return (all + alive - 1) / alive, nil
}

// giveUp hangs up on n accounts, so that others who hold fewer can take them.
func (r *Runner) giveUp(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*session, 0, len(r.sessions))
	for _, s := range r.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.keep.AccountID, b.keep.AccountID) })
	for _, s := range all[:min(n, len(all))] {
		s.cancel()
	}
}

// Pauses after connections that came to nothing.
const (
	firstPause = 2 * time.Second
	lastPause  = 10 * time.Minute
)

// backOff is how long to wait after so many failures in a row: between half and all of it, so that
// those who failed together do not meet again.
func backOff(fails int) time.Duration {
	d := lastPause
	if fails < 9 {
		d = min(firstPause<<max(fails-1, 0), lastPause)
	}
	return d/2 + rand.N(d/2) //nolint:gosec // spreading needs no secrecy
}
