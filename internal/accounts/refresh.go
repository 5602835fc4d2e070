package accounts

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
)

// DefaultRefreshRate is how many credentials of one provider are renewed in a second, unless
// the operator says otherwise: few enough not to be mistaken for an attack.
const DefaultRefreshRate = 50

const (
	// refreshBatch is how many due accounts are listed at once.
	refreshBatch = 256
	// refreshLease is how long a claim keeps other replicas away. It outlasts everything that
	// renewing one credential may take (two tries, and writing the result under trouble).
	refreshLease = 5 * time.Minute
	// refreshNeeds is how much of it must be left when the provider is asked: its pace may have had the
	// account wait for long, and two that ask with one refresh token lose the grant.
	refreshNeeds = 2 * time.Minute
)

// Run checks accounts, renews credentials ahead of their end, and writes down the access tokens that were handed
// out, until ctx ends. It returns when what was begun is finished: a rotated credential that is not
// stored would be lost. End it after the last call of AccessToken and Check.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for p, c := range s.cfg.Connectors {
		if _, ok := c.(connector.Refresher); ok {
			wg.Go(func() { s.refreshProvider(ctx, p) })
		}
		if checker, ok := c.(connector.Checker); ok && s.cfg.CheckEvery > 0 {
			wg.Go(func() { s.checkProvider(ctx, p, checker) })
		}
	}
	wg.Go(func() { s.keepLedger(ctx) })
	wg.Wait()
	s.inFlight.Wait()
	return nil
}

// refreshProvider works off one provider's due accounts, and looks for more now and then.
func (s *Service) refreshProvider(ctx context.Context, p latchkey.Provider) {
	slots := make(chan struct{}, s.cfg.RefreshWorkers)
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		n, err := s.refreshDue(ctx, p, slots, &wg)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "due accounts not listed", slog.String("provider", string(p)), slog.Any("error", err))
		}
		if n == refreshBatch {
			continue
		}
		if pause(ctx, s.cfg.RefreshEvery) != nil {
			return
		}
	}
}

// refreshDue begins one batch. It returns when each account of it is claimed (or was by another), so
// that the next batch lists others; what goes on with them goes on beside.
func (s *Service) refreshDue(ctx context.Context, p latchkey.Provider, slots chan struct{}, wg *sync.WaitGroup) (int, error) {
	due, err := s.cfg.Store.Accounts().DueForRefresh(ctx, p, s.now(), refreshBatch)
	if err != nil {
		return 0, err
	}
	var claims sync.WaitGroup
	for _, a := range due {
		select {
		case <-ctx.Done():
			claims.Wait()
			return 0, ctx.Err()
		case slots <- struct{}{}:
		}
		claims.Add(1)
		wg.Go(func() {
			defer func() { <-slots }()
			claimed, ok := s.claimRefresh(ctx, a)
			claims.Done()
			if ok {
				s.refreshClaimed(ctx, claimed)
			}
		})
	}
	claims.Wait()
	return len(due), nil
}

// refreshClaimed waits for the provider's pace, and renews. Where the process ends before, the claim
// runs out and somebody else does it.
func (s *Service) refreshClaimed(ctx context.Context, a latchkey.Account) {
	if err := s.pace[a.Provider].wait(ctx); err != nil {
		if ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "credential not renewed", slog.String("account_id", string(a.ID)), slog.Any("error", err))
		}
		return
	}
	if s.now().Add(refreshNeeds).After(a.RefreshAt) {
		return // the claim runs out; whoever claims it next does it
	}
	if _, err := s.renew(context.WithoutCancel(ctx), a, false); err != nil {
		s.cfg.Log.ErrorContext(ctx, "credential not renewed", slog.String("account_id", string(a.ID)), slog.Any("error", err))
	}
}

// claimRefresh takes the account's turn over all replicas, and reads it as it then is.
func (s *Service) claimRefresh(ctx context.Context, a latchkey.Account) (latchkey.Account, bool) {
	// Errors are others' claims and deletions, or trouble that the next look meets again.
	if err := s.cfg.Store.Accounts().ClaimRefresh(ctx, a.ID, a.RefreshAt, s.now().Add(refreshLease)); err != nil {
		return a, false
	}
	now, err := s.Get(ctx, a.ApplicationID, string(a.ID))
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "an account that is due cannot be read", slog.String("account_id", string(a.ID)), slog.Any("error", err))
		return a, false
	}
	return now, true
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
