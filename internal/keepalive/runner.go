package keepalive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/store"
)

// Accounts writes down what a connection says of an account, with its event, in the caller's transaction.
type Accounts interface {
	Note(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.AccountID, h connector.Health) error
}

// Config is what a Runner needs. All but the times is required.
type Config struct {
	Store      store.Store
	Connectors map[latchkey.Provider]connector.Connector
	Accounts   Accounts
	// Owner names this process among the replicas.
	Owner string
	Now   func() time.Time
	Log   *slog.Logger
	// Lease is how long a replica holds its accounts without a sign of life; 15 s if zero.
	Lease time.Duration
	// Window is over how long connections are spread that become due together; 30 s if zero.
	Window time.Duration
	// Look is how often to look for due accounts; 250 ms if zero.
	Look time.Duration
}

// Runner stays connected. Make it with New, and let Run run.
type Runner struct {
	cfg Config

	mu       sync.Mutex
	sessions map[latchkey.AccountID]*session
	owner    string
	joined   int
	// lifeUntil is when others may think us dead, by the monotonic clock; zero before we have joined.
	lifeUntil time.Time
	closed    bool
	wg        sync.WaitGroup

	// What follows is only touched by Run.
	pace     pace
	shedding bool
}

// session is one account that this process holds.
type session struct {
	keep   store.Keep
	cancel context.CancelFunc
	done   chan struct{}
}

// New makes a Runner.
func New(cfg Config) *Runner {
	if cfg.Lease == 0 {
		cfg.Lease = 15 * time.Second
	}
	if cfg.Window == 0 {
		cfg.Window = 30 * time.Second
	}
	if cfg.Look == 0 {
		cfg.Look = 250 * time.Millisecond
	}
	return &Runner{cfg: cfg, sessions: map[latchkey.AccountID]*session{}, owner: cfg.Owner}
}

// Wanted has an account kept from now on that was connected or reconnected, if its connector keeps
// accounts. It takes part in the caller's transaction.
func (r *Runner) Wanted(ctx context.Context, tx store.Tx, a latchkey.Account) error {
	if r.keeper(a.Provider) == nil {
		return nil
	}
	return tx.Keeps().Want(ctx, store.Keep{AccountID: a.ID, ApplicationID: a.ApplicationID, Provider: a.Provider, Due: atOnce()})
}

func (r *Runner) keeper(p latchkey.Provider) connector.Keeper {
	k, _ := r.cfg.Connectors[p].(connector.Keeper)
	return k
}

// Held is how many accounts this process holds.
func (r *Runner) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// Run stays connected until ctx ends, then hangs up and hands over.
func (r *Runner) Run(ctx context.Context) error {
	if !r.needed() {
		<-ctx.Done()
		return nil
	}
	defer r.leave()
	beat, look := time.NewTicker(r.cfg.Lease/3), time.NewTicker(r.cfg.Look)
	defer beat.Stop()
	defer look.Stop()
	r.live(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			r.live(ctx)
		case <-look.C:
			r.take(ctx)
		}
	}
}

func (r *Runner) needed() bool {
	for p := range r.cfg.Connectors {
		if r.keeper(p) != nil {
			return true
		}
	}
	return false
}

// live gives a sign of life, and looks whether what we hold is still ours.
func (r *Runner) live(ctx context.Context) {
	began := time.Now() //nolint:forbidigo // a monotonic span: the wall clock may jump
	bctx, cancel := context.WithTimeout(ctx, r.cfg.Lease/3)
	defer cancel()
	err := r.beat(bctx)
	switch {
	case err == nil:
		r.mu.Lock()
		// A little less than what others wait for.
		r.lifeUntil = began.Add(r.cfg.Lease - r.cfg.Lease/5)
		r.mu.Unlock()
	case ctx.Err() != nil:
		return
	default:
		r.cfg.Log.WarnContext(ctx, "no sign of life could be given", slog.Any("error", err))
	}
	if !r.alive() {
		r.dropAll(ctx)
		return
	}
	if err := r.reconcile(bctx); err != nil && ctx.Err() == nil {
		r.cfg.Log.WarnContext(ctx, "kept accounts not compared", slog.Any("error", err))
	}
}

// alive tells whether nobody can think us dead yet.
func (r *Runner) alive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.lifeUntil.IsZero() && time.Now().Before(r.lifeUntil) //nolint:forbidigo // as above
}

// beat joins, or gives a sign of life. One who was buried joins anew, under another name: what the old
// one held is others'.
func (r *Runner) beat(ctx context.Context) error {
	until := r.cfg.Now().Add(r.cfg.Lease)
	r.mu.Lock()
	owner, joined := r.owner, r.joined
	r.mu.Unlock()
	if joined > 0 {
		err := r.cfg.Store.Keeps().Beat(ctx, owner, until)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		r.cfg.Log.WarnContext(ctx, "this process was taken for dead; what it kept connected is others' now")
		r.dropAll(ctx)
	}
	owner = fmt.Sprintf("%s#%d", r.cfg.Owner, joined+1)
	if err := r.cfg.Store.Keeps().Join(ctx, owner, until); err != nil {
		return err
	}
	r.mu.Lock()
	r.owner, r.joined = owner, joined+1
	r.mu.Unlock()
	return nil
}

// reconcile hangs up what is no longer ours, or is not to be connected any more.
func (r *Runner) reconcile(ctx context.Context) error {
	r.mu.Lock()
	before := make(map[latchkey.AccountID]*session, len(r.sessions))
	for id, s := range r.sessions {
		before[id] = s
	}
	owner := r.owner
	r.mu.Unlock()
	held, err := r.cfg.Store.Keeps().Held(ctx, owner)
	if err != nil {
		return err
	}
	for _, k := range held {
		s, ok := before[k.AccountID]
		switch {
		case ok && s.keep.Fence == k.Fence && !k.Due.IsZero():
			delete(before, k.AccountID)
		case !ok && !r.holds(k):
			// Claimed, but the answer was lost on its way.
			if err := r.cfg.Store.Keeps().Release(ctx, k, k.Due, k.Fails); err != nil && !errors.Is(err, store.ErrStale) {
				return err
			}
		}
	}
	for _, s := range before {
		s.cancel()
	}
	return nil
}

// holds tells whether there is a session of the Keep by now.
func (r *Runner) holds(k store.Keep) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sessions[k.AccountID]
	return ok && s.keep.Fence >= k.Fence
}

// dropAll hangs up everything, and waits until it has.
func (r *Runner) dropAll(ctx context.Context) {
	r.mu.Lock()
	all := make([]*session, 0, len(r.sessions))
	for _, s := range r.sessions {
		all = append(all, s)
		s.cancel()
	}
	r.mu.Unlock()
	if len(all) > 0 {
		r.cfg.Log.WarnContext(ctx, "kept connections were ended", slog.Int("accounts", len(all)))
	}
	for _, s := range all {
		<-s.done
	}
}

// leaveTime bounds the handing over at the end.
const leaveTime = 10 * time.Second

// leave hangs up first and hands over then: the next holder must not meet us.
func (r *Runner) leave() {
	r.mu.Lock()
	r.closed = true
	for _, s := range r.sessions {
		s.cancel()
	}
	owner, joined := r.owner, r.joined
	r.mu.Unlock()
	r.wg.Wait()
	if joined == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := r.cfg.Store.Keeps().Leave(ctx, owner, r.cfg.Now()); err != nil {
		r.cfg.Log.WarnContext(ctx, "kept accounts not handed over; others take them when our signs of life have run out", slog.Any("error", err))
	}
}
