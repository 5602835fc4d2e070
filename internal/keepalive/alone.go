package keepalive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// ErrBusy says that another process is still connected for the account. It was told to let go.
var ErrBusy = errors.New("keepalive: the account is still kept connected elsewhere")

// aloneTime bounds how long an account is held for Alone by a process that may have died.
const aloneTime = 2 * time.Minute

// Alone runs fn while nobody is connected for the account, and ends its being kept: it is for what uses
// the account's keys for the last time. Where another process holds the account it is ErrBusy, and worth
// trying again in some seconds.
func (r *Runner) Alone(ctx context.Context, id latchkey.AccountID, fn func(ctx context.Context) error) error {
	keeps := r.cfg.Store.Keeps()
	if id == "" {
		return fn(ctx) // it never was an account
	}
	err := keeps.Stop(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return fn(ctx)
	}
	if err != nil {
		return err
	}
	r.hangUp(id)
	k, err := keeps.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return fn(ctx)
	}
	if err != nil {
		return err
	}
	if k.Owner != "" {
		return ErrBusy
	}
	owner := fmt.Sprintf("%s alone %s", r.cfg.Owner, id)
	// A visitor of its own name, which the others bury if this process dies.
	if err := keeps.Join(ctx, owner, r.cfg.Now().Add(aloneTime)); err != nil {
		return err
	}
	defer func() { _ = keeps.Leave(context.WithoutCancel(ctx), owner, r.cfg.Now()) }() // where it fails, the others bury it
	if k, err = keeps.Claim(ctx, k, owner); errors.Is(err, store.ErrStale) {
		return ErrBusy
	} else if err != nil {
		return err
	}
	fctx, cancel := context.WithTimeout(ctx, aloneTime/2)
	defer cancel()
	if err := fn(fctx); err != nil {
		return err
	}
	if err := keeps.Delete(ctx, k); err != nil && !errors.Is(err, store.ErrStale) {
		return err
	}
	return nil
}

// hangUp ends this process's own session of the account, and waits for its end.
func (r *Runner) hangUp(id latchkey.AccountID) {
	r.mu.Lock()
	s := r.sessions[id]
	r.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.done
	}
}
