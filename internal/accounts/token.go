package accounts

import (
	"context"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

const (
	// freshFor is how long an access token must live still when it is handed out.
	freshFor = 5 * time.Minute
	// freshTimeout bounds how long a caller waits for a fresh one.
	freshTimeout = 40 * time.Second
	// othersPause lies between two looks at what another replica is renewing.
	othersPause = 100 * time.Millisecond
	// failureRest is how long after an outage callers get the token there is, without a new try.
	failureRest = 10 * time.Second
)

// AccessToken returns a token with which the application calls the provider itself. One that is about
// to end is renewed first, once for all who ask, over all replicas. The key is written down.
func (s *Service) AccessToken(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, key latchkey.KeyID) (connector.AccessToken, error) {
	a, err := s.Get(ctx, app, idOrExternal)
	if err != nil {
		return connector.AccessToken{}, err
	}
	if a.AuthServer {
		return s.lentToken(ctx, a, key)
	}
	refresher, ok := s.cfg.Connectors[a.Provider].(connector.Refresher)
	if !ok {
		return connector.AccessToken{}, errs.New(errs.Conflict, errs.CodeUnsupported, "Accounts of this provider have no access token: they are not connected by OAuth.")
	}
	if s.stale(a) && !refused(a.Status) {
		if a, err = s.fresh(ctx, a, true); err != nil {
			return connector.AccessToken{}, err
		}
	}
	if a.Status == latchkey.AccountCredentials || s.dead(a) {
		return connector.AccessToken{}, noToken(a)
	}
	token, err := refresher.Token(connector.Credential{AccountID: a.ID, Identity: a.Identity, Params: a.Params, Secret: a.Secret})
	if err != nil {
		return token, errs.Wrap(err, errs.Internal, errs.CodeInternal, "The access token could not be read. It has been logged.")
	}
	if token.Token == "" {
		return token, errs.New(errs.Conflict, errs.CodeUnsupported, "This account has no access token: it is not connected by OAuth.")
	}
	if err := s.writeDown(ctx, a, key); err != nil {
		return connector.AccessToken{}, err
	}
	return token, nil
}

// noToken says why there is none.
func noToken(a latchkey.Account) error {
	switch a.Status {
	case latchkey.AccountCredentials, latchkey.AccountPermissions:
		return errs.New(errs.Conflict, errs.CodeCredentialRejected,
			"The provider does not take this account's credential any more. Send its user through a reconnect link.")
	case latchkey.AccountError, latchkey.AccountStopped:
		return errs.New(errs.Conflict, errs.CodeProviderUnavailable,
			"The access token has ended, and the provider refuses the provider app that would renew it. Verify it with POST /v1/provider-apps/{id}/verify.")
	case latchkey.AccountOK, latchkey.AccountConnecting:
	}
	return &errs.Error{
		Kind: errs.Unavailable, Code: errs.CodeUnavailable, RetryAfter: failureRest,
		Detail: "The access token has ended, and the provider cannot be reached to renew it. Try again in a while.",
	}
}

func (s *Service) dead(a latchkey.Account) bool {
	return !a.ExpiresAt.IsZero() && !s.now().Before(a.ExpiresAt)
}

// stale tells whether the credential ends so soon that it should be renewed before it is used. Tokens
// that never live long are stale in the second half of their life.
func (s *Service) stale(a latchkey.Account) bool {
	if a.ExpiresAt.IsZero() {
		return false
	}
	margin := freshFor
	if life := a.ExpiresAt.Sub(a.UpdatedAt); life > 0 {
		margin = min(margin, life/2)
	}
	return a.ExpiresAt.Sub(s.now()) < margin
}

// fresh renews the account's credential now, on somebody's request or for a scheduled check, unless somebody does already; then it waits for them.
// What it returns may still be stale, where renewing did not work.
func (s *Service) fresh(ctx context.Context, a latchkey.Account, asked bool) (latchkey.Account, error) {
	if s.failures.lately(a.ID, s.now()) {
		return a, nil
	}
	// The caller may hang up; what was begun for others too goes on.
	done := s.renewing.DoChan(string(a.ID), func() (any, error) {
		s.inFlight.Add(1)
		defer s.inFlight.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), freshTimeout)
		defer cancel()
		return s.renewNow(ctx, a, asked)
	})
	select {
	case <-ctx.Done():
		return a, errs.Wrap(ctx.Err(), errs.Unavailable, errs.CodeTimedOut, "Renewing the access token took too long. Try again.")
	case r := <-done:
		got, ok := r.Val.(latchkey.Account)
		if !ok {
			got = a
		}
		return got, r.Err
	}
}

func (s *Service) renewNow(ctx context.Context, a latchkey.Account, asked bool) (latchkey.Account, error) {
	app, id := a.ApplicationID, string(a.ID)
	for {
		a, err := s.Get(ctx, app, id)
		if err != nil || !s.stale(a) || refused(a.Status) {
			return a, err
		}
		if !a.Refreshing(s.now()) {
			if claimed, ok := s.claimRefresh(ctx, a); ok {
				return s.renewClaimed(ctx, claimed, asked)
			}
		}
		if pause(ctx, othersPause) != nil {
			return a, nil //nolint:nilerr // the token there is may do
		}
	}
}

func (s *Service) renewClaimed(ctx context.Context, a latchkey.Account, asked bool) (latchkey.Account, error) {
	if err := s.pace[a.Provider].wait(ctx); err != nil {
		return a, nil //nolint:nilerr // the provider is busy; the token there is may do
	}
	got, err := s.renew(ctx, a, asked)
	if err == nil && s.stale(got) {
		s.failures.note(a.ID, s.now())
	}
	return got, err
}

// freshForCheck has a check look at a token that lives. What cannot be renewed is checked as it is.
func (s *Service) freshForCheck(ctx context.Context, a latchkey.Account, asked bool) latchkey.Account {
	if _, ok := s.cfg.Connectors[a.Provider].(connector.Refresher); !ok || !s.stale(a) {
		return a
	}
	if got, err := s.fresh(ctx, a, asked); err == nil {
		return got
	}
	return a
}

// failures remembers which accounts could not be renewed a moment ago, so that callers in a hurry do
// not add to an outage.
type failures struct {
	mu sync.Mutex
	at map[latchkey.AccountID]time.Time
}

const maxFailures = 10_000

func (f *failures) note(id latchkey.AccountID, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.at) >= maxFailures {
		clear(f.at)
	}
	f.at[id] = now
}

func (f *failures) lately(id latchkey.AccountID, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.at[id]
	age := now.Sub(at)
	if ok && (age < 0 || age >= failureRest) {
		delete(f.at, id)
		return false
	}
	return ok
}
