package hooks

import (
	"context"
	"log/slog"
	"time"
)

// keepBeat shows the other replicas that this one lives, and tells the dispatcher which shares are
// its own.
func (h *Hooks) keepBeat(ctx context.Context, d *dispatcher) {
	r := newRoster(h.owner, h.deadAfter)
	every := h.beatEvery
	if h.sole {
		every = max(every, beatEverySole)
		h.clearRoll(ctx)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		begun := h.now()
		roll, err := h.store.Shares().Beat(ctx, h.owner)
		if err == nil {
			p := r.note(roll, h.now())
			taken := h.takeShares(ctx, p)
			d.tryPost(ctx, func() { d.shared(p, taken, begun) })
			if h.forgetDead(ctx, p) {
				continue // their shares are free now
			}
		} else if ctx.Err() == nil {
			h.log.ErrorContext(ctx, "the sign of life could not be given", slog.String("cause", err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// clearRoll removes who was here before: nobody else serves this database.
func (h *Hooks) clearRoll(ctx context.Context) {
	roll, err := h.store.Shares().Beat(ctx, h.owner)
	if err != nil {
		h.log.ErrorContext(ctx, "the sign of life could not be given", slog.String("cause", err.Error()))
		return
	}
	for _, m := range roll.Members {
		if m.ID == h.owner {
			continue
		}
		if err := h.store.Shares().Forget(ctx, m); isOurs(err) {
			h.log.ErrorContext(ctx, "a process of before could not be forgotten", slog.String("cause", err.Error()))
		}
	}
}

func (h *Hooks) takeShares(ctx context.Context, p plan) []int {
	var taken []int
	for _, s := range p.take {
		switch err := h.store.Shares().Take(ctx, s, h.owner); {
		case err == nil:
			taken = append(taken, s.Number)
		case isOurs(err):
			h.log.ErrorContext(ctx, "a share of the queues could not be taken", slog.String("cause", err.Error()))
		}
	}
	return taken
}

// forgetDead tells whether somebody was.
func (h *Hooks) forgetDead(ctx context.Context, p plan) (forgot bool) {
	for _, m := range p.forget {
		switch err := h.store.Shares().Forget(ctx, m); {
		case err == nil:
			forgot = true
			h.log.WarnContext(ctx, "a replica is gone; its deliveries are shared", slog.String("replica", m.ID))
		case isOurs(err):
			h.log.ErrorContext(ctx, "a replica that is gone could not be forgotten", slog.String("cause", err.Error()))
		}
	}
	return forgot
}

// tryPost posts, unless the dispatcher may have ended.
func (d *dispatcher) tryPost(ctx context.Context, f func()) {
	select {
	case d.posts <- f:
	case <-ctx.Done():
	}
}

// shared is told which shares are ours.
func (d *dispatcher) shared(p plan, taken []int, begun time.Time) {
	if d.stopping {
		return
	}
	d.beat = begun
	was := d.mine
	d.mine, d.leaving = [shares]bool{}, [shares]bool{}
	for _, list := range [][]int{p.mine, taken} {
		for _, n := range list {
			d.mine[n%shares] = true
		}
	}
	busy := [shares]bool{}
	for _, q := range d.queues {
		if len(q.held) > len(q.waiting) {
			busy[q.share] = true
		}
	}
	for _, n := range p.release {
		n %= shares
		d.leaving[n] = true
		if busy[n] {
			continue // once what is under way has been recorded
		}
		d.mine[n] = false
		d.aside(func() {
			if err := d.h.store.Shares().Release(d.tries, n, d.h.owner); isOurs(err) {
				d.h.log.Error("a share of the queues could not be given back", slog.String("cause", err.Error()))
			}
		})
	}
	if d.mine != was {
		d.lookAt = time.Time{}
		d.look()
	}
	for _, q := range d.queues {
		d.pump(q)
	}
}
