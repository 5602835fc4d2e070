package hosted

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// The runner's rhythm.
const (
	idleLook    = 500 * time.Millisecond // how often due Works are looked for
	flushEvery  = 2 * time.Second        // how often views of links are added up
	expireEvery = time.Second            // how often links that have expired are told of
	sweepEvery  = time.Minute            // how often dead flows are ended and old ones removed
	sweepBatch  = 500
	// sweepRounds bounds one sweep; what is left waits for the next.
	sweepRounds = 200
	// flushBatch is how many links' views are written at once: others wait that long for one of them.
	flushBatch = 50
	// keepFinished is how long the browser of a finished flow is still shown how it ended.
	keepFinished = 24 * time.Hour
	// farAhead is further than any lease or pause between polls reaches: a Work that is due then
	// was written down before the clock was put back.
	farAhead = 5 * time.Minute
	dueBatch = 64
)

// Run picks up Works that are due: polls whose time has come, and Works whose holder died. It
// returns when ctx ends, after every Work that this process holds has ended or was given up.
func (e *Engine) Run(ctx context.Context) error {
	defer e.flushOpened(context.WithoutCancel(ctx))
	defer e.running.close(stopGrace)
	// Beside it, so that many views or old rows do not keep a Work waiting.
	var upkeep sync.WaitGroup
	upkeep.Go(func() { e.upkeep(ctx) })
	defer upkeep.Wait()
	look := time.NewTicker(idleLook)
	defer look.Stop()
	for {
		e.pickUp(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
}

func (e *Engine) upkeep(ctx context.Context) {
	flush, sweep, expire := time.NewTicker(flushEvery), time.NewTicker(sweepEvery), time.NewTicker(expireEvery)
	defer expire.Stop()
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			e.flushOpened(ctx)
		case <-expire.C:
			e.expireLinks(ctx)
		case <-sweep.C:
			e.sweep(ctx)
		}
	}
}

// pickUp claims every Work that is due.
func (e *Engine) pickUp(ctx context.Context) {
	for {
		ids, err := e.cfg.Store.Flows().Due(ctx, e.cfg.Now(), dueBatch)
		if err != nil {
			if ctx.Err() == nil {
				e.cfg.Log.ErrorContext(ctx, "due work not read", logFlow(latchkey.Flow{}, err)...)
			}
			return
		}
		for _, id := range ids {
			if err := e.claim(ctx, id); err != nil && ctx.Err() == nil {
				e.cfg.Log.ErrorContext(ctx, "due work not taken up", logFlow(latchkey.Flow{ID: id}, err)...)
			}
		}
		if len(ids) < dueBatch || ctx.Err() != nil {
			return
		}
	}
}

// claim takes one due Work up: a poll goes on, an interrupted Work becomes what its Interrupt says.
func (e *Engine) claim(ctx context.Context, id latchkey.FlowID) error {
	var t *transit
	f, err := e.cfg.Store.Flows().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var apps clients
	if f.LeaseOwner != "" { // it was interrupted, and may begin its connector anew; a poll does not
		if apps, err = e.clientsOf(ctx, f); err != nil {
			return err
		}
	}
	err = e.inTx(ctx, func(ctx context.Context, tx store.Tx) error {
		t = nil
		f, err := tx.Flows().Get(ctx, id)
		if err != nil {
			return err
		}
		now := e.cfg.Now()
		due := !f.WorkDue.After(now) || f.WorkDue.After(now.Add(farAhead))
		if f.Status != latchkey.FlowInProgress || f.WorkDue.IsZero() || !due {
			return errLost
		}
		if t, err = e.reopen(ctx, tx, id, f.Fence); err != nil {
			return err
		}
		t.apps = apps
		if t.body.Work == nil || !now.Before(f.ExpiresAt) {
			t.stop() // nothing to do any more; the sweep ends the flow
			return t.save(ctx, tx)
		}
		if err := e.takeUp(ctx, tx, t); err != nil {
			return err
		}
		return t.save(ctx, tx)
	})
	if errors.Is(err, errLost) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
		return nil // another replica was quicker, or the flow has moved on
	}
	e.launch(ctx, t, err)
	return err
}

// takeUp decides what a due Work becomes.
func (e *Engine) takeUp(ctx context.Context, tx store.Tx, t *transit) error {
	interrupted := t.flow.LeaseOwner != ""
	w := t.body.Work
	if !interrupted {
		e.hand(t)
		return nil
	}
	t.body.Runs++
	runs := t.body.Runs
	e.cfg.Log.WarnContext(ctx, "work was interrupted", append(logFlow(t.flow, nil), logInterrupt(w, runs)...)...)
	switch {
	case runs > maxRuns:
		return e.take(ctx, tx, t, connector.Turn{Failure: &connector.Failure{Code: errs.CodeInterrupted, Retryable: true}})
	case w.Interrupt == connector.Rerun:
		e.hand(t)
		return nil
	case w.Interrupt == connector.Ask && t.body.Asked != nil:
		return e.take(ctx, tx, t, askAgain(t.body, errs.CodeInterrupted))
	default:
		if err := e.begin(ctx, tx, t, t.flow.Provider); err != nil {
			return err
		}
		t.body.Runs = runs
		if t.body.Asking && len(t.body.Step.Errors) == 0 {
			// Or the first question would be there again without a word.
			t.body.Step.Errors = []connector.FieldIssue{{Code: errs.CodeInterrupted}}
		}
		return nil
	}
}

// hand gives the Work to this process, under a new fence.
func (e *Engine) hand(t *transit) {
	t.flow.Fence++
	t.flow.LeaseOwner = e.cfg.Owner
	t.flow.LeaseUntil = t.now.Add(e.cfg.Lease)
	t.flow.WorkDue = t.flow.LeaseUntil
	t.launch = true
}

func (e *Engine) flushOpened(ctx context.Context) {
	counts := e.opened.drain()
	// In one order, so that two replicas do not lock each other out.
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(counts)), flushBatch) {
		var first []store.FunnelCount
		err := e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
			first = nil
			for _, id := range ids {
				app, err := e.countOpened(ctx, tx, id, counts[id])
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if app != "" {
					first = append(first, store.FunnelCount{
						ApplicationID: app, Day: id.Time().Truncate(24 * time.Hour), Stage: stageOpened, Links: 1, Times: 1,
					})
				}
			}
			if len(first) == 0 {
				return nil
			}
			return tx.Funnel().Add(ctx, first...)
		})
		if err == nil {
			e.cfg.Observe.Link(stageOpened, len(first))
		}
		if err != nil {
			if ctx.Err() == nil {
				e.cfg.Log.WarnContext(ctx, "views not counted", logFlow(latchkey.Flow{LinkID: ids[0]}, err)...)
			}
			return
		}
	}
}

// stageOpened is the funnel's name for links that were opened: they are counted here, where it is known
// which view was the first.
const stageOpened = "opened"

// countOpened adds views of a link, and tells of the first: whose link it is.
func (e *Engine) countOpened(ctx context.Context, tx store.Tx, id latchkey.LinkID, n int64) (latchkey.ApplicationID, error) {
	total, err := tx.Links().AddOpened(ctx, id, n)
	if err != nil || total > n {
		return "", err
	}
	link, err := tx.Links().ForUpdate(ctx, id)
	if err != nil || e.cfg.Listeners == nil {
		return link.ApplicationID, err
	}
	return link.ApplicationID, e.emitLink(ctx, tx, link, latchkey.EventLinkOpened, linkData(link, map[string]any{"opened_count": total}))
}

// sweep ends flows whose time is over, and forgets what is no longer shown to anybody.
func (e *Engine) sweep(ctx context.Context) {
	now := e.cfg.Now()
	stranded, err := e.cfg.Store.Flows().Stranded(ctx, now.Add(farAhead), sweepBatch)
	for _, id := range stranded {
		if err := e.claim(ctx, id); err != nil {
			e.cfg.Log.ErrorContext(ctx, "stranded work not taken up", logFlow(latchkey.Flow{ID: id}, err)...)
		}
	}
	for _, remove := range []func() (int, error){
		func() (int, error) { return e.cfg.Store.Flows().Expire(ctx, now, sweepBatch) },
		func() (int, error) {
			return e.cfg.Store.Flows().DeleteFinished(ctx, now.Add(-keepFinished), sweepBatch)
		},
		func() (int, error) { return e.cfg.Store.Tries().DeleteExpired(ctx, now, sweepBatch) },
	} {
		n := sweepBatch
		for round := 0; err == nil && n == sweepBatch && round < sweepRounds; round++ {
			n, err = remove()
		}
	}
	if err != nil && ctx.Err() == nil {
		e.cfg.Log.ErrorContext(ctx, "old flows not removed", logFlow(latchkey.Flow{}, err)...)
	}
}
