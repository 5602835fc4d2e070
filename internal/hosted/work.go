package hosted

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
	"latchkey/internal/tracing"
)

// Edges of a Work, for crash tests.
const (
	EdgeCommitted = "work.committed" // the Work is written down, not begun
	EdgeBegun     = "work.begun"     // just before Do
	EdgeDone      = "work.done"      // Do has returned, nothing is written down
	EdgeTaken     = "work.taken"     // its Turn is written down
)

// maxRuns ends a Work that brings its holder down again and again.
const maxRuns = 5

// running is a Work that this process does.
type running struct {
	cancel context.CancelFunc
	fence  int64
	inbox  chan struct{}
	live   bool
	// news is called when there is something new to show, or the end.
	news func()
}

type runningWorks struct {
	mu     sync.Mutex
	works  map[latchkey.FlowID]*running
	wg     sync.WaitGroup
	closed bool
}

func (r *runningWorks) add(id latchkey.FlowID, w *running) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.wg.Add(1)
	r.works[id] = w
	return true
}

func (r *runningWorks) remove(id latchkey.FlowID, w *running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.works[id] == w {
		delete(r.works, id)
	}
	r.wg.Done()
}

// poke tells the local holder of a Live Work that an answer has come.
func (r *runningWorks) poke(id latchkey.FlowID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w, ok := r.works[id]; ok {
		select {
		case w.inbox <- struct{}{}:
		default:
		}
	}
}

// cancelBefore ends the local Work of a flow whose fence has moved on.
func (r *runningWorks) cancelBefore(id latchkey.FlowID, fence int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w, ok := r.works[id]; ok && w.fence < fence {
		w.cancel()
	}
}

// stopGrace is how long Works may go on after the engine was told to stop: a login that is under way
// is better ended than asked for again. Works that wait for the end user are handed over at once.
const stopGrace = 5 * time.Second

// close takes no more Works, and waits for those that there are. What has not ended within the grace
// is given up, and taken up elsewhere.
func (r *runningWorks) close(grace time.Duration) {
	r.mu.Lock()
	r.closed = true
	for _, w := range r.works {
		if w.live {
			w.cancel()
		}
	}
	r.mu.Unlock()
	late := time.AfterFunc(grace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, w := range r.works {
			w.cancel()
		}
	})
	defer late.Stop()
	r.wg.Wait()
}

// launch begins the Work that a transition left to this process. The channel closes when it has ended,
// or, where it goes on for as long as the flow, when it first has something to show.
func (e *Engine) launch(ctx context.Context, t *transit, err error) <-chan struct{} {
	if err != nil || t == nil {
		return nil
	}
	e.observe(t.told)
	e.running.cancelBefore(t.flow.ID, t.flow.Fence)
	if !t.launch || t.body.Work == nil {
		return nil
	}
	e.cfg.Edge(EdgeCommitted)
	w := &running{fence: t.flow.Fence, inbox: make(chan struct{}, 1), live: t.body.Work.Live}
	// The Work outlives the request that began it: its end is the flow's matter.
	ctx, cancel := context.WithCancel(tracing.Detach(ctx))
	w.cancel = cancel
	if !e.running.add(t.flow.ID, w) {
		cancel() // shutting down: another replica takes it when the lease ends
		return nil
	}
	done := make(chan struct{})
	w.news = sync.OnceFunc(func() { close(done) })
	go func() {
		defer w.news()
		defer e.running.remove(t.flow.ID, w)
		defer cancel()
		e.do(ctx, t.flow, t.body, w)
	}()
	return done
}

// do runs one Work under its lease and commits what comes of it.
func (e *Engine) do(ctx context.Context, f latchkey.Flow, b body, w *running) {
	work := *b.Work
	limit := work.Deadline
	if limit <= 0 {
		limit = 30 * time.Second
	}
	if left := f.ExpiresAt.Sub(e.cfg.Now()); work.Live || left < limit {
		limit = left
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		e.keepLease(ctx, cancel, f)
	}()
	// What is shown meanwhile was committed with the Work just now: progress of a Work that ends at
	// once is never written.
	rep := &reporter{engine: e, flow: f.ID, fence: f.Fence, inbox: w.inbox, last: time.Now()} //nolint:forbidigo // a monotonic span
	if work.Live {                                                                            // what it shows is why it is done: somebody waits for it
		rep.last, rep.news = time.Time{}, w.news
	}
	e.cfg.Edge(EdgeBegun)
	begun := time.Now() //nolint:forbidigo // a monotonic span
	turn, err := e.callDo(ctx, f.Provider, work, rep)
	rep.close()
	ended := ctx.Err()
	e.cfg.Observe.Work(string(f.Provider), workOutcome(ended, err), time.Since(begun)) //nolint:forbidigo // as above
	cancel()
	<-kept
	e.cfg.Edge(EdgeDone)
	switch {
	case errors.Is(ended, context.Canceled) && turn.Grant == nil && turn.Unused == nil:
		// Lost to an answer of the end user, or shutting down. What a connector says after it was
		// interrupted is about the interruption, not about the account.
		e.release(f)
	case err == nil:
		e.commit(tracing.Detach(ctx), f, turn)
	case errors.Is(ended, context.DeadlineExceeded):
		e.commit(tracing.Detach(ctx), f, timedOut(b, work))
	default:
		e.cfg.Log.ErrorContext(ctx, "work failed", logFlow(f, err)...)
		e.commit(tracing.Detach(ctx), f, connector.Turn{Failure: &connector.Failure{Code: errs.CodeInternal, Retryable: true}})
	}
}

// workOutcome says in a word how a Work ended.
func workOutcome(ended, err error) string {
	switch {
	case errors.Is(ended, context.Canceled):
		return "interrupted"
	case err == nil:
		return "done"
	case errors.Is(ended, context.DeadlineExceeded):
		return "timed_out"
	}
	return "failed"
}

// callDo calls the connector; its panic is an error like any other.
func (e *Engine) callDo(ctx context.Context, p latchkey.Provider, w connector.Work, r connector.Reporter) (turn connector.Turn, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("hosted: connector panicked: %v\n%s", x, debug.Stack())
		}
	}()
	conn, ok := e.cfg.Connectors[p]
	if !ok {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}}, nil
	}
	ctx, span := tracing.Start(ctx, "work "+w.Name, "latchkey.provider", string(p))
	turn, err = conn.Do(ctx, w, r)
	if err != nil {
		span.End(string(errs.CodeInternal))
	} else {
		span.End("")
	}
	return turn, err
}

// timedOut is what a Work becomes that did not end in time: the question again where there is one.
func timedOut(b body, w connector.Work) connector.Turn {
	if b.Asked == nil || w.Interrupt != connector.Ask {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeTimedOut, Retryable: true}}
	}
	return askAgain(b, errs.CodeTimedOut)
}

// askAgain shows the last question with a word of explanation.
func askAgain(b body, code errs.Code) connector.Turn {
	s := b.Asked.Step
	s.Errors = []connector.FieldIssue{{Code: code}}
	return connector.Turn{Step: &s, State: b.Asked.State}
}

// keepLease renews the lease until ctx ends, and ends ctx when the lease is lost: the fence has
// moved on, or the database has been out of reach for the lease's length.
func (e *Engine) keepLease(ctx context.Context, cancel context.CancelFunc, f latchkey.Flow) {
	every := e.cfg.Lease / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now() //nolint:forbidigo // a monotonic span: the wall clock may jump
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		rctx, stop := context.WithTimeout(ctx, every)
		err := e.cfg.Store.Flows().Renew(rctx, f.ID, f.Fence, e.cfg.Now().Add(e.cfg.Lease))
		stop()
		switch {
		case err == nil:
			last = time.Now() //nolint:forbidigo // as above
		case errors.Is(err, store.ErrStale) || time.Since(last) > e.cfg.Lease: //nolint:forbidigo // as above
			cancel()
			return
		}
	}
}

// commitTimeout bounds the writing down of a result after its Work's own time is over.
const commitTimeout = 15 * time.Second

// commit takes the Turn of a Work, if the Work is still this process's.
func (e *Engine) commit(ctx context.Context, f latchkey.Flow, turn connector.Turn) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var t *transit
	var apps clients
	if turn.Switch != nil { // nothing else begins a connector here
		var err error
		if apps, err = e.clientsOf(ctx, f); err != nil {
			e.cfg.Log.WarnContext(ctx, "oauth clients not read", logFlow(f, err)...)
		}
	}
	err := e.inTx(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if t, err = e.reopen(ctx, tx, f.ID, f.Fence); err != nil {
			return err
		}
		t.apps = apps
		if again(t.body.Work, turn) {
			if err := e.reschedule(ctx, tx, t, turn); err != nil {
				return err
			}
		} else if err := e.take(ctx, tx, t, turn); err != nil {
			return err
		}
		return t.save(ctx, tx)
	})
	e.cfg.Edge(EdgeTaken)
	e.flag(ctx, f, turn)
	switch {
	case err == nil:
		e.launch(ctx, t, nil)
	case errors.Is(err, errLost) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound):
		e.dropGrant(ctx, f, turn)
	default:
		// The lease runs out and the next runner does what the Work's Interrupt says.
		e.cfg.Log.ErrorContext(ctx, "result of work not written down", logFlow(f, err)...)
		if turn.Grant != nil || turn.Unused != nil {
			e.dropUnlessKept(f, turn)
		}
	}
}

// dropUnlessKept withdraws a Grant whose commit failed, but only where it is certain that it did: a
// database that goes away at COMMIT may have committed, and then an account lives by the Grant.
func (e *Engine) dropUnlessKept(f latchkey.Flow, turn connector.Turn) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	// Renew waits for a commit that is still going on. It succeeds where the flow has not moved.
	err := e.cfg.Store.Flows().Renew(ctx, f.ID, f.Fence, e.cfg.Now().Add(e.cfg.Lease))
	if errors.Is(err, store.ErrStale) {
		var now latchkey.Flow
		if now, err = e.cfg.Store.Flows().Get(ctx, f.ID); err == nil && now.Status == latchkey.FlowCompleted {
			return
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		e.cfg.Log.ErrorContext(ctx, "grant left alone: it is not known whether it was kept", logFlow(f, err)...)
		return
	}
	e.dropGrant(ctx, f, turn)
}

// flag tells the operator's side that a try ended because the provider refused the OAuth client.
func (e *Engine) flag(ctx context.Context, f latchkey.Flow, turn connector.Turn) {
	if turn.Failure == nil || turn.Failure.RefusedApp == "" || e.cfg.Apps == nil {
		return
	}
	b, err := decodeBody(f)
	if err == nil && b.Start.App != nil {
		err = e.cfg.Apps.Flag(ctx, f.ApplicationID, b.Start.App.ID, turn.Failure.RefusedApp)
	}
	if err != nil {
		e.cfg.Log.ErrorContext(ctx, "refused oauth client not flagged", logFlow(f, err)...)
	}
}

// clientsOf is clients for a flow whose link is not at hand.
func (e *Engine) clientsOf(ctx context.Context, f latchkey.Flow) (clients, error) {
	if e.cfg.Apps == nil {
		return nil, nil
	}
	link, err := e.cfg.Store.Links().Get(ctx, f.ApplicationID, f.LinkID)
	if err != nil {
		return nil, err
	}
	app, err := e.application(ctx, f.ApplicationID)
	if err != nil {
		return nil, err
	}
	return e.clients(ctx, app, link)
}

// reopen reads a flow whose Work this process holds under the fence.
func (e *Engine) reopen(ctx context.Context, tx store.Tx, id latchkey.FlowID, fence int64) (*transit, error) {
	f, err := tx.Flows().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.Fence != fence || f.Status != latchkey.FlowInProgress {
		return nil, errLost
	}
	b, err := decodeBody(f)
	if err != nil {
		return nil, err
	}
	link, err := tx.Links().Get(ctx, f.ApplicationID, f.LinkID)
	if err != nil {
		return nil, err
	}
	app, err := tx.Applications().Get(ctx, f.ApplicationID)
	if err != nil {
		return nil, err
	}
	return &transit{now: e.cfg.Now(), app: app, link: link, flow: f, body: b, version: f.Version, fence: f.Fence}, nil
}

// again tells whether a poll asked to be repeated.
func again(w *connector.Work, turn connector.Turn) bool {
	return w != nil && w.Repeat > 0 && turn.Work != nil && turn.Work.Name == w.Name && turn.Work.Repeat > 0
}

// reschedule lets a poll rest. The version stays: the end user is asked nothing new, and an answer
// that is on its way stays good.
func (e *Engine) reschedule(ctx context.Context, tx store.Tx, t *transit, turn connector.Turn) error {
	t.body.Work, t.body.Step, t.body.State = turn.Work, turn.Work.Show, turn.State
	t.flow.LeaseOwner, t.flow.LeaseUntil = "", time.Time{}
	t.flow.WorkDue = t.now.Add(turn.Work.Repeat)
	return e.tellShown(ctx, tx, t)
}

// dropGrant withdraws what the end user granted in a Turn that was not taken.
func (e *Engine) dropGrant(ctx context.Context, f latchkey.Flow, turn connector.Turn) {
	late := turn.Grant
	if late == nil {
		late = turn.Unused
	}
	if late == nil {
		return
	}
	var app *connector.App
	if b, err := decodeBody(f); err == nil {
		app = b.Start.App
	}
	err := e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		return e.revoke(ctx, tx, f.Provider, f.ApplicationID, app, *late)
	})
	if err != nil {
		e.cfg.Log.ErrorContext(ctx, "late grant not revoked", logFlow(f, err)...)
	}
}

// release gives a Work up before its end, so that another replica need not wait for the lease.
func (e *Engine) release(f latchkey.Flow) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := e.cfg.Store.Flows().Renew(ctx, f.ID, f.Fence, e.cfg.Now())
	if err != nil && !errors.Is(err, store.ErrStale) {
		e.cfg.Log.WarnContext(ctx, "lease not released", logFlow(f, err)...)
	}
}

// Running lists the flows whose Works this process does now.
func (e *Engine) Running() []string {
	e.running.mu.Lock()
	defer e.running.mu.Unlock()
	out := make([]string, 0, len(e.running.works))
	for id := range e.running.works {
		out = append(out, string(id))
	}
	return out
}
