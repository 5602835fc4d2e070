package hosted

import (
	"context"
	"errors"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/store"
)

// reportEvery bounds how often progress is written to the flow's row.
const reportEvery = 150 * time.Millisecond

// inboxEvery is how soon an answer to a Live Work is found that another replica took.
const inboxEvery = 300 * time.Millisecond

// reporter writes what a Work shows into the flow's row, under the Work's fence.
type reporter struct {
	engine *Engine
	flow   latchkey.FlowID
	fence  int64
	inbox  chan struct{}

	mu      sync.Mutex
	waiting *connector.Step
	timer   *time.Timer
	last    time.Time
	lost    error
	closed  bool
	writing sync.Mutex
	// news, if set, is called after something new was written.
	news func()
}

// Show implements connector.Reporter. A Step that comes too soon after the last is written a
// little later, unless a newer one replaces it first.
func (r *reporter) Show(ctx context.Context, s connector.Step) error {
	r.mu.Lock()
	if r.lost != nil || r.closed {
		defer r.mu.Unlock()
		return r.lost
	}
	if gap := time.Since(r.last); gap < reportEvery { //nolint:forbidigo // a monotonic span
		r.waiting = &s
		if r.timer == nil {
			r.timer = time.AfterFunc(reportEvery-gap, func() { r.flush(context.WithoutCancel(ctx)) })
		}
		r.mu.Unlock()
		return nil
	}
	r.waiting = &s
	r.mu.Unlock()
	r.flush(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

func (r *reporter) flush(ctx context.Context) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	s := r.waiting
	r.waiting, r.timer = nil, nil
	if s == nil || r.closed || r.lost != nil {
		r.mu.Unlock()
		return
	}
	r.last = time.Now() //nolint:forbidigo // a monotonic span
	r.mu.Unlock()
	err := r.write(ctx, *s)
	if err != nil {
		r.mu.Lock()
		r.lost = err
		r.mu.Unlock()
	}
	if err == nil && r.news != nil {
		r.news()
	}
}

// write replaces what is shown. The version stays: nothing new is asked.
func (r *reporter) write(ctx context.Context, s connector.Step) error {
	return r.change(ctx, func(b *body) bool {
		b.Step, b.Work.Show = s, s
		return true
	})
}

// change edits the body of the flow while the Work is held; an answer to a Live Work that comes in
// between moves the version, so it is tried again.
func (r *reporter) change(ctx context.Context, edit func(b *body) bool) error {
	for {
		var told []fact
		err := r.engine.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
			t, err := r.engine.reopen(ctx, tx, r.flow, r.fence)
			if err != nil {
				return err
			}
			if t.body.Work == nil {
				return errLost
			}
			if !edit(&t.body) {
				return nil
			}
			if err := r.engine.tellShown(ctx, tx, t); err != nil {
				return err
			}
			told = t.told
			return t.save(ctx, tx)
		})
		if err == nil {
			r.engine.observe(told)
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
}

// Next implements connector.Reporter.
func (r *reporter) Next(ctx context.Context) (connector.Input, error) {
	tick := time.NewTicker(inboxEvery)
	defer tick.Stop()
	for {
		in, ok, err := r.read(ctx)
		if err != nil || ok {
			return in, err
		}
		select {
		case <-ctx.Done():
			return connector.Input{}, ctx.Err()
		case <-r.inbox:
		case <-tick.C:
		}
	}
}

// read takes the oldest answer out of the inbox.
func (r *reporter) read(ctx context.Context) (in connector.Input, ok bool, err error) {
	f, err := r.engine.cfg.Store.Flows().Get(ctx, r.flow)
	if err != nil {
		return in, false, err
	}
	if f.Fence != r.fence {
		return in, false, errLost
	}
	if b, err := decodeBody(f); err != nil || len(b.Inbox) == 0 {
		return in, false, err
	}
	err = r.change(ctx, func(b *body) bool {
		if len(b.Inbox) == 0 {
			return false
		}
		in, ok = b.Inbox[0], true
		b.Inbox = b.Inbox[1:]
		return true
	})
	return in, ok && err == nil, err
}

// close stops the reporter: what Do returned says more than a step that was still waiting.
func (r *reporter) close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	r.writing.Lock() // a write under way must not race with the commit
	defer r.writing.Unlock()
}
