package accounts

import (
	"context"
	"log/slog"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Change is what an application may change about an account. What is nil stays as it is.
type Change struct {
	// NotifyEmail is where its end user is told by mail when it breaks; empty for nowhere.
	NotifyEmail *string
	// NotifyLocale is the end user's language, as far as it is known.
	NotifyLocale *string
}

// Change changes what an application may change about an account. A mail that waits for another address
// than the new one is not sent.
func (s *Service) Change(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, want Change) (latchkey.Account, error) {
	if e := want.NotifyEmail; e != nil && *e != "" {
		if _, err := address.Parse(*e); err != nil {
			return latchkey.Account{}, errs.InvalidFields(errs.FieldError{
				Field: "notify_email", Code: errs.CodeInvalidEmail, Message: "This must be an email address like ada@example.org.",
			})
		}
	}
	var a latchkey.Account
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if a, err = tx.Accounts().ForUpdate(ctx, app, idOrExternal); err != nil {
			return known(err)
		}
		store.AuditOf(ctx).Target(app, string(a.ID))
		if want.NotifyLocale != nil {
			a.Notify.Locale = *want.NotifyLocale
		}
		if want.NotifyEmail != nil && *want.NotifyEmail != a.Notify.Email {
			a.Notify.Email = *want.NotifyEmail
			if s.cfg.Reminders != nil {
				if err := s.cfg.Reminders.TakeBack(ctx, tx, &a); err != nil {
					return err
				}
			}
		}
		return tx.Accounts().Update(ctx, a)
	})
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "account changed", slog.String("account_id", string(a.ID)), slog.String("application_id", string(app)))
	}
	return a, err
}
