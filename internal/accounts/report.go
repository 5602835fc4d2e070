package accounts

import (
	"context"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/store"
)

// Report writes down what somebody found of an account who holds a connection to it open, with the
// event and the line of its history where anything changed. It returns the account as it then is.
// Nothing is confirmed here: whoever reports a refusal has made sure of it. STOPPED ends its checks.
func (s *Service) Report(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID, h connector.Health, cause latchkey.Cause) (latchkey.Account, error) {
	var a, was latchkey.Account
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		a, was, err = s.report(ctx, tx, app, id, h, cause)
		return err
	})
	if err == nil {
		s.logChange(ctx, was, a, cause, h.Detail)
	}
	return a, err
}

// Note is Report for who holds the connection, in the caller's transaction.
func (s *Service) Note(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.AccountID, h connector.Health) error {
	_, _, err := s.report(ctx, tx, app, id, h, latchkey.CauseConnection)
	return err
}

func (s *Service) report(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.AccountID, h connector.Health, cause latchkey.Cause) (a, was latchkey.Account, err error) {
	if a, err = tx.Accounts().ForUpdate(ctx, app, string(id)); err != nil {
		return a, was, known(err)
	}
	was = a
	a.CheckedAt = s.now()
	if h.Secret != nil {
		a.Secret, a.UpdatedAt = h.Secret, s.now()
	}
	if h.Name != "" {
		a.Name, a.UpdatedAt = h.Name, s.now()
	}
	if h.Status == latchkey.AccountOK {
		well(&a)
	}
	put(&a, h)
	return a, was, s.keep(ctx, tx, &a, was, cause)
}

// well forgets what checks held against the account.
func well(a *latchkey.Account) {
	a.Watch = latchkey.Watch{Renewals: a.Watch.Renewals, RenewalsSince: a.Watch.RenewalsSince, Warned: a.Watch.Warned}
}

// put puts what was found on the account.
func put(a *latchkey.Account, h connector.Health) {
	a.Status, a.Reason = h.Status, h.Reason
	if len(h.Sources) > 0 {
		a.Sources = h.Sources
	}
}

// keep writes an account that is locked. Where its status or reason is another than it was, the event
// and the line of its history go with it: this is the one way in which this package changes a status.
func (s *Service) keep(ctx context.Context, tx store.Tx, a *latchkey.Account, was latchkey.Account, cause latchkey.Cause) error {
	if a.Status == was.Status && a.Reason == was.Reason {
		return tx.Accounts().Update(ctx, *a)
	}
	now := s.now()
	a.StatusAt, a.UpdatedAt = now, now
	if a.Status == latchkey.AccountStopped {
		a.CheckAt = time.Time{}
	}
	if err := tx.Accounts().Update(ctx, *a); err != nil {
		return err
	}
	err := tx.StatusChanges().Add(ctx, latchkey.StatusChange{
		ID: latchkey.NewStatusChangeID(now), ApplicationID: a.ApplicationID, AccountID: a.ID, From: was.Status, FromReason: was.Reason,
		To: a.Status, ToReason: a.Reason, Cause: cause, At: now,
	}, latchkey.HistoryKept)
	if err != nil {
		return err
	}
	if err := s.tellStatus(ctx, tx, *a, was.Status, was.Reason); err != nil || s.cfg.Reminders == nil {
		return err
	}
	return s.cfg.Reminders.Changed(ctx, tx, a, was)
}

func (s *Service) logChange(ctx context.Context, was, a latchkey.Account, cause latchkey.Cause, detail string) {
	level := slog.LevelInfo
	if was.Status == a.Status && cause == latchkey.CauseCheck {
		level = slog.LevelDebug
	}
	s.cfg.Log.LogAttrs(ctx, level, "account checked", slog.String("account_id", string(a.ID)), slog.String("provider", string(a.Provider)),
		slog.String("from", string(was.Status)), slog.String("to", string(a.Status)), slog.String("reason", string(a.Reason)),
		slog.String("cause", string(cause)), slog.String("detail", detail))
}

func (s *Service) observe(a latchkey.Account, h connector.Health) {
	if s.cfg.Observe != nil {
		s.cfg.Observe.Check(string(a.Provider), string(h.Status))
	}
}

// History returns a page of an account's changes of status, newest first.
func (s *Service) History(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, p store.Page) ([]latchkey.StatusChange, error) {
	a, err := s.Get(ctx, app, idOrExternal)
	if err != nil {
		return nil, err
	}
	return s.cfg.Store.StatusChanges().List(ctx, app, a.ID, p)
}
