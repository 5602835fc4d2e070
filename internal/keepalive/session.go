package keepalive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Bounds of one session.
const (
	writeTime = 15 * time.Second
	// settled is how long a connection must have lasted for the failures before it to be forgotten.
	settled = 30 * time.Second
	// quietFails is how many connections may fail before the account is said to be CONNECTING: sockets
	// break every day, and nobody needs to hear of each.
	quietFails = 3
	// unreadablePause is how often it is tried whether a credential can be read again.
	unreadablePause = 10 * time.Minute
)

// begin starts the session of a Keep that was claimed.
func (r *Runner) begin(k store.Keep) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{keep: k, cancel: cancel, done: make(chan struct{})}
	r.mu.Lock()
	old := r.sessions[k.AccountID]
	if r.closed {
		r.mu.Unlock()
		cancel() // leave gives it up with all the others
		return
	}
	r.sessions[k.AccountID] = s
	r.wg.Add(1)
	r.mu.Unlock()
	go func() {
		defer r.wg.Done()
		defer close(s.done)
		defer cancel()
		if old != nil { // it lost the account, and has not hung up yet
			old.cancel()
			<-old.done
		}
		r.hold(ctx, s)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.sessions[k.AccountID] == s {
			delete(r.sessions, k.AccountID)
		}
	}()
}

// hold keeps one account connected until that ends, and writes down how it did.
func (r *Runner) hold(ctx context.Context, s *session) {
	a, err := r.cfg.Store.Accounts().Get(ctx, s.keep.ApplicationID, string(s.keep.AccountID))
	if errors.Is(err, store.ErrNotFound) {
		r.forget(s.keep)
		return
	}
	began := time.Now() //nolint:forbidigo // a monotonic span
	var end connector.Ending
	if err == nil {
		end, err = r.connect(ctx, s.keep, a)
	}
	if ctx.Err() != nil {
		r.release(s.keep, r.cfg.Now(), s.keep.Fails) // handed over: it was connected, and may be at once
		return
	}
	if errors.Is(err, store.ErrStale) {
		return // somebody else's by now
	}
	fails := s.keep.Fails + 1
	if time.Since(began) > settled { //nolint:forbidigo // as above
		fails = 1
	}
	switch {
	case errors.Is(err, store.ErrUnreadable):
		end = connector.Ending{Health: connector.Health{Status: latchkey.AccountError, Reason: latchkey.ReasonSealedUnreadable, Detail: "the credential cannot be read"}}
		end.NotBefore = r.cfg.Now().Add(unreadablePause)
	case err != nil:
		r.cfg.Log.ErrorContext(ctx, "connection not kept", slog.String("account_id", string(s.keep.AccountID)), slog.Any("error", err))
		r.release(s.keep, r.cfg.Now().Add(backOff(fails)), fails)
		return
	}
	r.ended(s.keep, end, fails)
}

// connect calls the connector; its panic is an error like any other.
func (r *Runner) connect(ctx context.Context, k store.Keep, a latchkey.Account) (end connector.Ending, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("keepalive: connector panicked: %v\n%s", x, debug.Stack())
		}
	}()
	keeper := r.keeper(k.Provider)
	if keeper == nil {
		return end, fmt.Errorf("keepalive: the connector of %s keeps no accounts any more", k.Provider)
	}
	return keeper.Keep(ctx, connector.Kept{
		Credential: connector.Credential{AccountID: a.ID, Identity: a.Identity, Params: a.Params, Secret: a.Secret},
		Memory:     memory{r.cfg.Store.Memories(), store.MemoryRef{AccountID: k.AccountID, ApplicationID: k.ApplicationID, Fence: k.Fence}},
		Tell: func(ctx context.Context, h connector.Health) error {
			return r.note(ctx, k, h, func(context.Context, store.Tx) error { return nil })
		},
	})
}

// note writes what was found of the account, where it is still ours, together with what else there is.
func (r *Runner) note(ctx context.Context, k store.Keep, h connector.Health, also func(ctx context.Context, tx store.Tx) error) error {
	return r.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := tx.Keeps().ForUpdate(ctx, k.AccountID)
		if errors.Is(err, store.ErrNotFound) || err == nil && (now.Fence != k.Fence || now.Owner != k.Owner) {
			return store.ErrStale
		}
		if err != nil {
			return err
		}
		err = r.cfg.Accounts.Note(ctx, tx, k.ApplicationID, k.AccountID, h)
		if errs.Is(err, errs.CodeNotFound) {
			return store.ErrStale
		}
		if err != nil {
			return err
		}
		return also(ctx, tx)
	})
}

// ended writes how a connection ended, and when there is to be the next.
func (r *Runner) ended(k store.Keep, end connector.Ending, fails int) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	due := r.cfg.Now().Add(backOff(fails))
	if end.NotBefore.After(due) {
		due = end.NotBefore.Add(backOff(1) - firstPause/2) // not all of them in the same moment
	}
	if end.Final {
		due = time.Time{}
	}
	release := func(ctx context.Context, tx store.Tx) error { return tx.Keeps().Release(ctx, k, due, fails) }
	var err error
	if end.Health.Status == latchkey.AccountConnecting && fails < quietFails {
		err = r.cfg.Store.Keeps().Release(ctx, k, due, fails)
	} else {
		err = r.note(ctx, k, end.Health, release)
	}
	level := slog.LevelInfo
	if end.Health.Status == latchkey.AccountConnecting {
		level = slog.LevelDebug
	}
	r.cfg.Log.LogAttrs(ctx, level, "kept connection ended", slog.String("account_id", string(k.AccountID)), slog.String("provider", string(k.Provider)),
		slog.String("status", string(end.Health.Status)), slog.String("reason", string(end.Health.Reason)), slog.String("detail", end.Health.Detail),
		slog.Int("fails", fails), slog.Time("next", due))
	if err != nil && !errors.Is(err, store.ErrStale) {
		r.cfg.Log.ErrorContext(ctx, "the end of a kept connection not written down", slog.String("account_id", string(k.AccountID)), slog.Any("error", err))
		r.release(k, due, fails)
	}
}

func (r *Runner) release(k store.Keep, due time.Time, fails int) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	now, err := r.cfg.Store.Keeps().Get(ctx, k.AccountID)
	if err == nil && now.Due.IsZero() {
		due = time.Time{} // stopped meanwhile
	}
	if err == nil {
		err = r.cfg.Store.Keeps().Release(ctx, k, due, fails)
	}
	if err != nil && !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
		r.cfg.Log.WarnContext(ctx, "a kept account not given up; it is found when this process compares what it holds", slog.String("account_id", string(k.AccountID)), slog.Any("error", err))
	}
}

func (r *Runner) forget(k store.Keep) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	if err := r.cfg.Store.Keeps().Delete(ctx, k); err != nil && !errors.Is(err, store.ErrStale) {
		r.cfg.Log.WarnContext(ctx, "the lease of an account that is gone not removed", slog.String("account_id", string(k.AccountID)), slog.Any("error", err))
	}
}

// memory is one account's, under one fence.
type memory struct {
	all store.Memories
	ref store.MemoryRef
}

func (m memory) Get(ctx context.Context, kind, group string, names ...string) (map[string][]byte, error) {
	out, err := m.all.Get(ctx, m.ref, kind, group, names...)
	return out, readable(err)
}

func (m memory) List(ctx context.Context, kind, group string) (map[string][]byte, error) {
	out, err := m.all.List(ctx, m.ref, kind, group)
	return out, readable(err)
}

func (m memory) Put(ctx context.Context, kind, group string, values map[string][]byte) error {
	return m.all.Put(ctx, m.ref, kind, group, values)
}

func (m memory) Delete(ctx context.Context, kind, group string, names ...string) error {
	return m.all.Delete(ctx, m.ref, kind, group, names...)
}

func (m memory) Clear(ctx context.Context) error { return m.all.Clear(ctx, m.ref) }

func readable(err error) error {
	if errors.Is(err, store.ErrUnreadable) {
		return fmt.Errorf("%w: %w", connector.ErrUnreadable, err)
	}
	return err
}
