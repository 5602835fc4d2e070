package accounts

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

const (
	// checkInterval is the least time between two checks of one account, over all replicas: mail
	// hosts lock out those who knock too often.
	checkInterval = 5 * time.Second
	// checkTimeout bounds both tries of a check.
	checkTimeout = 45 * time.Second
)

// Check tries the account's credential now, and writes down what was found. It returns the account
// as it then is. Too soon after another check it is errs.CodeTooManyRequests.
func (s *Service) Check(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error) {
	a, err := s.Get(ctx, app, idOrExternal)
	if err != nil {
		return a, err
	}
	if _, kept := s.cfg.Connectors[a.Provider].(connector.Keeper); kept {
		return a, nil // whoever stays connected for it writes down each change
	}
	checker, ok := s.cfg.Connectors[a.Provider].(connector.Checker)
	if !ok {
		return a, errs.New(errs.Conflict, errs.CodeUnsupported, "Accounts of this provider cannot be checked on demand.")
	}
	if !s.begin(a.ID) {
		return a, tooSoon(checkInterval)
	}
	defer s.end(a.ID)
	if a, err = s.claim(ctx, app, a.ID); err != nil {
		return a, err
	}
	before := a.Status
	if a = s.freshForCheck(ctx, a, true); refused(a.Status) && !refused(before) {
		return a, nil // the provider has just said so, twice
	}
	health, err := s.try(ctx, checker, a)
	if err != nil {
		return a, err
	}
	held := s.weigh(ctx, s.laneOf(a.Provider, a.Params), a, health)
	return s.write(ctx, a, health, held == suspected)
}

// begin takes the account's turn in this process; claim takes it over all replicas.
func (s *Service) begin(id latchkey.AccountID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.running[id]; busy {
		return false
	}
	s.running[id] = struct{}{}
	return true
}

func (s *Service) end(id latchkey.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// claim marks the account as checked now, before it is: of two replicas one does the check.
func (s *Service) claim(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID) (latchkey.Account, error) {
	var a latchkey.Account
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if a, err = tx.Accounts().ForUpdate(ctx, app, string(id)); err != nil {
			return known(err)
		}
		now := s.now()
		// What connected or mended the account was no check: the first one need not wait for it.
		// A check in the future was before somebody set the clock back.
		if wait := a.CheckedAt.Add(checkInterval).Sub(now); wait > 0 && wait <= checkInterval && !a.CheckedAt.Equal(a.UpdatedAt) {
			return tooSoon(wait)
		}
		a.CheckedAt = now
		return tx.Accounts().Update(ctx, a)
	})
	return a, err
}

func tooSoon(wait time.Duration) error {
	return &errs.Error{
		Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: wait,
		Detail: "This account is being checked, or was a moment ago. Its status is at GET /v1/accounts/{id}.",
	}
}

// try asks the connector, and asks again before a refusal is believed: providers refuse a right
// password now and then, and a wrong CREDENTIALS sends an end user through the wizard for nothing.
func (s *Service) try(ctx context.Context, checker connector.Checker, a latchkey.Account) (connector.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cred, err := s.credential(ctx, a)
	if err != nil && !errs.Is(err, errs.CodeNotFound) {
		return connector.Health{}, err
	}
	h, err := checker.Check(ctx, cred)
	if err != nil {
		return h, errs.Wrap(err, errs.Internal, errs.CodeInternal, "The check could not be done. It has been logged.")
	}
	if !refused(h.Status) {
		return h, nil
	}
	if h.Secret != nil {
		cred.Secret = h.Secret
	}
	pause := time.NewTimer(s.cfg.RefusalPause)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return h, errs.Wrap(ctx.Err(), errs.Unavailable, errs.CodeTimedOut, "The check took too long. Try again.")
	case <-pause.C:
	}
	second, err := checker.Check(ctx, cred)
	if err != nil {
		return h, errs.Wrap(err, errs.Internal, errs.CodeInternal, "The check could not be done. It has been logged.")
	}
	if second.Secret == nil {
		second.Secret = h.Secret
	}
	return second, nil
}

func refused(st latchkey.AccountStatus) bool {
	return st == latchkey.AccountCredentials || st == latchkey.AccountPermissions
}

// write keeps what the check found, with the event if anything changed. If the account was mended
// or deleted in the meantime, the check was of a credential that is no more, and says nothing.
func (s *Service) write(ctx context.Context, checked latchkey.Account, h connector.Health, held bool) (latchkey.Account, error) {
	var a latchkey.Account
	// The caller may have gone while the provider was slow; what was found is true all the same.
	ctx = context.WithoutCancel(ctx)
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if a, err = tx.Accounts().ForUpdate(ctx, checked.ApplicationID, string(checked.ID)); err != nil {
			return known(err)
		}
		if !a.UpdatedAt.Equal(checked.UpdatedAt) {
			return nil
		}
		return s.apply(ctx, tx, &a, h, held)
	})
	if err == nil {
		s.observe(checked, h)
		s.logChange(ctx, checked, a, latchkey.CauseAPI, h.Detail)
	}
	return a, err
}

func (s *Service) apply(ctx context.Context, tx store.Tx, a *latchkey.Account, h connector.Health, held bool) error {
	was, before := *a, a.Status
	works := before == latchkey.AccountOK || before == latchkey.AccountConnecting
	if held && works && h.Status != latchkey.AccountOK && h.Status != latchkey.AccountConnecting {
		h = connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonProviderTrouble, Secret: h.Secret}
	}
	now := s.now()
	a.CheckedAt = now
	if h.Secret != nil {
		a.Secret = h.Secret
		a.UpdatedAt = now
	}
	// An outage tells nothing about a credential that was refused before it: the end user still
	// has to act, and must not be told to wait.
	if h.Status != latchkey.AccountConnecting || !refused(before) {
		put(a, h)
	}
	undoubt(a)
	if h.Status == latchkey.AccountOK {
		well(a)
	} else {
		failed(a, now)
	}
	if !a.CheckAt.IsZero() || a.Status == latchkey.AccountOK {
		a.CheckAt = s.checkAfter(*a, now)
	}
	return s.keep(ctx, tx, a, was, latchkey.CauseAPI)
}

// tellStatus writes the event of a changed status or reason.
func (s *Service) tellStatus(ctx context.Context, tx store.Tx, a latchkey.Account, before latchkey.AccountStatus, why latchkey.Reason) error {
	data, err := eventData(a, map[string]any{
		"status": a.Status, "reason": nullable(string(a.Reason)), "action": nullable(string(latchkey.ActionFor(a.Status, a.Reason))),
		"previous": map[string]any{"status": before, "reason": nullable(string(why))},
	})
	if err != nil {
		return err
	}
	_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{
		ApplicationID: a.ApplicationID, Type: latchkey.EventAccountStatusChanged, AccountID: a.ID, Data: data,
	})
	return err
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }
