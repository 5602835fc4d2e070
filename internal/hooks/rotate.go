package hooks

import (
	"context"
	"errors"
	"log/slog"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// preparedName is the application whose secret the configuration may name.
const preparedName = "default"

// RotateApplicationSecret gives the application a new secret for what is signed with its own: notifications
// to notify URLs and requests to its authentication server. The old one signs beside it for a day.
func (h *Hooks) RotateApplicationSecret(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error) {
	var app latchkey.Application
	err := h.changeEndpoints(ctx, id, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Applications().Lock(ctx, id); err != nil {
			return err
		}
		var err error
		if app, err = tx.Applications().Get(ctx, id); err != nil {
			return err
		}
		if h.prepared && app.Name == preparedName {
			// The next start would write the configured one again.
			return errs.New(errs.Conflict, errs.CodeConflict, "The configuration names this secret (LATCHKEY_WEBHOOK_SECRET). Change it there: the one before signs beside it for a day.")
		}
		store.AuditOf(ctx).Target(id, string(id))
		app.Rotate(NewSecret(), h.now())
		return tx.Applications().Update(ctx, app)
	})
	if errors.Is(err, store.ErrNotFound) {
		return latchkey.Application{}, errs.NotFoundf("application")
	}
	if err != nil {
		return latchkey.Application{}, err
	}
	h.log.InfoContext(ctx, "secret of an application rotated", slog.String("application_id", string(id)))
	return app, nil
}
