package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// codeAppMissing is why an account cannot be renewed whose OAuth client was deleted.
const codeAppMissing = "provider_app_missing"

const (
	// expiryWarning is how long ahead the end of a credential is told that cannot be renewed.
	expiryWarning = 7 * 24 * time.Hour
	// storeTimeout bounds how long the writing of a rotated credential is tried.
	storeTimeout = 2 * time.Minute
	// renewalsFailed in a row, over an hour at least, are a reason to warn.
	renewalsFailed = 3
	// shortestRest keeps a provider whose tokens are born expired from being asked without end.
	shortestRest = 30 * time.Second
)

// renewal is what came of asking the provider for one account.
type renewal struct {
	used latchkey.Account // as it was claimed
	connector.Refreshed
	outage error
	// trust is how far a refusal is to be believed now.
	trust trust
	// asked says that somebody waits for the answer: two refusals in a row then are one.
	asked bool
}

// changed tells whether the provider gave something new.
func (r renewal) changed() bool { return len(r.Secret) > 0 && !bytes.Equal(r.Secret, r.used.Secret) }

// renew renews the credential of an account that is claimed, because it is due or because somebody
// asked for it, and writes what came of it. The account
// returned is as it is stored. An error means that nothing could be written.
func (s *Service) renew(ctx context.Context, a latchkey.Account, asked bool) (latchkey.Account, error) {
	refresher, ok := s.cfg.Connectors[a.Provider].(connector.Refresher)
	if !ok {
		return a, fmt.Errorf("the connector of %s cannot refresh any more", a.Provider)
	}
	r := renewal{used: a, asked: asked}
	cred, err := s.credential(ctx, a)
	switch {
	case errs.Is(err, errs.CodeNotFound):
		r.RefusedApp = codeAppMissing
	case err != nil:
		r.outage = err
	default:
		r.Refreshed, r.outage = s.askTwice(ctx, refresher, cred)
	}
	l := s.laneOf(a.Provider, a.Params)
	switch {
	case r.outage != nil || r.RefusedApp != "" || refused(a.Status):
	case r.Refused != nil:
		r.trust = s.refusal(ctx, l)
	case r.changed():
		s.works(l)
	}
	s.flag(ctx, r)
	return s.settle(ctx, r)
}

// askTwice asks again before a refusal is believed, as checks do.
func (s *Service) askTwice(ctx context.Context, refresher connector.Refresher, c connector.Credential) (connector.Refreshed, error) {
	first, err := s.ask(ctx, refresher, c)
	if err != nil || first.Refused == nil {
		return first, err
	}
	if err := pause(ctx, s.cfg.RefusalPause); err != nil {
		return first, err
	}
	return s.ask(ctx, refresher, c)
}

func (s *Service) ask(ctx context.Context, refresher connector.Refresher, c connector.Credential) (connector.Refreshed, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RefreshTimeout)
	defer cancel()
	return refresher.Refresh(ctx, c)
}

// flag tells of the OAuth client what the provider said of it.
func (s *Service) flag(ctx context.Context, r renewal) {
	works := r.outage == nil && r.changed()
	if s.cfg.Apps == nil || r.used.ProviderApp == "" || r.RefusedApp == codeAppMissing || !works && r.RefusedApp == "" {
		return
	}
	if err := s.cfg.Apps.Flag(ctx, r.used.ApplicationID, string(r.used.ProviderApp), r.RefusedApp); err != nil {
		s.cfg.Log.ErrorContext(ctx, "provider app not flagged", slog.String("provider_app_id", string(r.used.ProviderApp)), slog.Any("error", err))
	}
}

// settle writes what came of a renewal. A rotated credential exists nowhere else: it is written
// again and again before it is given up.
func (s *Service) settle(ctx context.Context, r renewal) (latchkey.Account, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		a, err := s.writeRenewal(ctx, r)
		if err == nil || errs.Is(err, errs.CodeNotFound) {
			return a, err
		}
		if !r.changed() || pause(ctx, wait) != nil {
			if r.changed() {
				s.cfg.Log.ErrorContext(ctx, "a renewed credential could not be stored; the account may have to be reconnected",
					slog.String("account_id", string(r.used.ID)), slog.Any("error", err))
			}
			return r.used, err
		}
	}
}

func (s *Service) writeRenewal(ctx context.Context, r renewal) (latchkey.Account, error) {
	var a latchkey.Account
	gone := false
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		gone = false
		a, err = tx.Accounts().ForUpdate(ctx, r.used.ApplicationID, string(r.used.ID))
		if errors.Is(err, store.ErrNotFound) {
			gone = true
			return s.orphan(ctx, tx, r)
		}
		if err != nil {
			return err
		}
		if r.changed() && bytes.Equal(a.Secret, r.Secret) {
			return nil // written before, by a try that was thought to have failed
		}
		if !bytes.Equal(a.Secret, r.used.Secret) {
			return s.yield(ctx, tx, &a, r)
		}
		was := a
		if err := s.outcome(ctx, tx, &a, r); err != nil {
			return err
		}
		return s.keep(ctx, tx, &a, was, latchkey.CauseRefresh)
	})
	if err == nil && gone {
		return a, errs.NotFoundf("account")
	}
	if err == nil {
		s.logRenewal(ctx, a, r)
	}
	return a, err
}

// orphan ends what was renewed for an account that was deleted meanwhile: the revocation that went
// with the deletion knew the old credential only.
func (s *Service) orphan(ctx context.Context, tx store.Tx, r renewal) error {
	if !r.changed() {
		return nil
	}
	a := r.used
	a.Secret = r.Secret
	return s.enqueueRevocation(ctx, tx, a, false)
}

// yield leaves an account alone that was reconnected meanwhile; only a claim of ours is given back.
func (s *Service) yield(ctx context.Context, tx store.Tx, a *latchkey.Account, r renewal) error {
	if !a.RefreshAt.Equal(r.used.RefreshAt) {
		return nil
	}
	a.RefreshAt = latchkey.RefreshTime(a.ID, s.now(), a.ExpiresAt)
	return tx.Accounts().Update(ctx, *a)
}

// outcome puts what came of the renewal on the account.
func (s *Service) outcome(ctx context.Context, tx store.Tx, a *latchkey.Account, r renewal) error {
	now := s.now()
	dead := !a.ExpiresAt.IsZero() && !now.Before(a.ExpiresAt)
	works := a.Status == latchkey.AccountOK || a.Status == latchkey.AccountConnecting
	switch {
	case r.outage != nil:
		notRenewed(a, now)
		a.RefreshAt = now.Add(backOff(now, a.ExpiresAt))
		if dead && works {
			a.Status, a.Reason = latchkey.AccountConnecting, latchkey.ReasonHostUnreachable
		}
	case r.RefusedApp != "":
		notRenewed(a, now)
		a.RefreshAt = now.Add(max(backOff(now, a.ExpiresAt), time.Minute))
		if dead && works {
			a.Status, a.Reason = latchkey.AccountError, latchkey.ReasonProviderApp
		}
	case r.Refused != nil:
		s.renewalRefused(a, *r.Refused, now, r)
	default:
		return s.renewed(ctx, tx, a, r)
	}
	if w := a.Watch; w.Renewals >= renewalsFailed && now.Sub(w.RenewalsSince) >= time.Hour && a.RefreshAt.After(now) {
		return s.warn(ctx, tx, a, a.ExpiresAt, now)
	}
	return nil
}

// notRenewed counts renewals in a row that failed.
func notRenewed(a *latchkey.Account, now time.Time) {
	if w := &a.Watch; w.Renewals == 0 || w.RenewalsSince.After(now) {
		w.RenewalsSince = now
	}
	a.Watch.Renewals++
}

// warn tells ahead, once, that the account's credential will end and nobody but the end user is known
// to be able to renew it.
func (s *Service) warn(ctx context.Context, tx store.Tx, a *latchkey.Account, end, now time.Time) error {
	if end.IsZero() || !end.After(now) || end.Sub(now) > expiryWarning || a.Watch.Warned.Equal(end.Truncate(time.Millisecond)) || refused(a.Status) {
		return nil
	}
	a.Watch.Warned = end.Truncate(time.Millisecond)
	data, err := eventData(*a, map[string]any{"expires_at": end, "action": latchkey.ActionReconnect})
	if err != nil {
		return err
	}
	_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{
		ApplicationID: a.ApplicationID, Type: latchkey.EventAccountExpiring, AccountID: a.ID, Data: data,
	})
	return err
}

// renewed keeps the new credential. Where it ends no later than the old one, there was nothing to
// renew it with.
func (s *Service) renewed(ctx context.Context, tx store.Tx, a *latchkey.Account, r renewal) error {
	now := s.now()
	if r.changed() {
		a.Secret, a.UpdatedAt = r.Secret, now
	}
	if len(r.Secret) == 0 || !r.ExpiresAt.IsZero() && !a.ExpiresAt.IsZero() && !r.ExpiresAt.Truncate(time.Millisecond).After(a.ExpiresAt) {
		return s.unrenewable(ctx, tx, a, now)
	}
	a.ExpiresAt = r.ExpiresAt
	a.RefreshAt = latchkey.RefreshTime(a.ID, now, r.ExpiresAt)
	a.Watch.Renewals, a.Watch.RenewalsSince = 0, time.Time{}
	undoubt(a)
	// The grant itself may end: then renewing does not help for long.
	if end := r.GrantEnds; !end.IsZero() {
		if left := end.Sub(now) - expiryWarning; left > 0 && (a.RefreshAt.IsZero() || end.Add(-expiryWarning).Before(a.RefreshAt)) {
			a.RefreshAt = end.Add(-expiryWarning).Truncate(time.Millisecond)
		}
		if err := s.warn(ctx, tx, a, end, now); err != nil {
			return err
		}
	}
	if least := now.Add(shortestRest); !a.RefreshAt.IsZero() && a.RefreshAt.Before(least) {
		a.RefreshAt = least
	}
	mend(a)
	return nil
}

// renewalRefused believes a refusal that a later one confirms, as checks do.
func (s *Service) renewalRefused(a *latchkey.Account, h connector.Health, now time.Time, r renewal) {
	if !refused(h.Status) {
		h.Status = latchkey.AccountCredentials
	}
	p := s.policy()
	if refused(a.Status) || p.believe(a, h, now, r.trust) || r.asked && r.trust != suspected {
		undoubt(a)
		refuse(a, h)
		return
	}
	if r.trust == suspected && a.Watch.Doubts >= refusalsSaid && a.Status == latchkey.AccountOK {
		a.Status, a.Reason = latchkey.AccountConnecting, latchkey.ReasonProviderTrouble
	}
	a.RefreshAt = now.Add(p.confirm() + spread(p.confirm()/5))
	if a.Watch.Doubts > refusalsSaid {
		a.RefreshAt = now.Add(spread(grow(p.every/3, a.Watch.Doubts-refusalsSaid, 2*p.every)))
	}
}

// refuse ends the account until its end user reconnects.
func refuse(a *latchkey.Account, h connector.Health) {
	a.Status, a.Reason = h.Status, h.Reason
	if a.Reason == "" {
		a.Reason = latchkey.ReasonConsentRevoked
	}
	if len(h.Sources) > 0 {
		a.Sources = h.Sources
	}
	a.RefreshAt = time.Time{}
}

// mend takes back what an earlier failure to renew said. What a check found of the account's parts
// is the next check's to take back.
func mend(a *latchkey.Account) {
	for _, src := range a.Sources {
		if src.Status != latchkey.AccountOK {
			return
		}
	}
	ours := []latchkey.Reason{latchkey.ReasonHostUnreachable, latchkey.ReasonConsentRevoked, latchkey.ReasonTokenExpired, latchkey.ReasonProviderApp, latchkey.ReasonProviderTrouble}
	if slices.Contains(ours, a.Reason) {
		a.Status, a.Reason = latchkey.AccountOK, latchkey.ReasonNone
	}
}

// unrenewable looks after a credential that only the end user can renew: its end is told ahead, once,
// and said when it has come.
func (s *Service) unrenewable(ctx context.Context, tx store.Tx, a *latchkey.Account, now time.Time) error {
	switch left := a.ExpiresAt.Sub(now); {
	case a.ExpiresAt.IsZero():
		a.RefreshAt = time.Time{}
	case left <= 0:
		refuse(a, connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonTokenExpired})
	case left > expiryWarning:
		a.RefreshAt = a.ExpiresAt.Add(-expiryWarning)
	default:
		a.RefreshAt = a.ExpiresAt
		return s.warn(ctx, tx, a, a.ExpiresAt, now)
	}
	return nil
}

// backOff is how long to wait after an outage: while the token lives, a part of what is left of it,
// so that there are several tries before its end; then ever longer. Half of it is chance.
func backOff(now, expires time.Time) time.Duration {
	wait := 5 * time.Minute
	switch left := expires.Sub(now); {
	case expires.IsZero():
	case left > 0:
		wait = min(max(left/4, 10*time.Second), wait)
	default:
		wait = min(max(-left/2, 30*time.Second), 15*time.Minute)
	}
	return wait/2 + rand.N(wait) //nolint:gosec // spreading needs no secrecy
}

func (s *Service) logRenewal(ctx context.Context, a latchkey.Account, r renewal) {
	attrs := []slog.Attr{
		slog.String("account_id", string(a.ID)), slog.String("provider", string(a.Provider)), slog.String("status", string(a.Status)),
		slog.String("reason", string(a.Reason)),
	}
	outcome := "renewed"
	switch {
	case r.outage != nil:
		outcome = "outage"
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "credential not renewed: the provider was not there", append(attrs, slog.Any("error", r.outage))...)
	case r.RefusedApp != "":
		outcome = "app_refused"
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "credential not renewed: the provider app is refused", append(attrs, slog.String("code", r.RefusedApp))...)
	case r.Refused != nil:
		outcome = "refused"
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "credential refused", append(attrs, slog.String("detail", r.Refused.Detail))...)
	default:
		s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "credential renewed", attrs...)
	}
	if s.cfg.Observe != nil {
		s.cfg.Observe.Refresh(string(r.used.Provider), outcome)
	}
}
