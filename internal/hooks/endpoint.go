package hooks

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

const (
	// maxEndpoints bounds what one event can set off.
	maxEndpoints = 20
	// pauseAfter is how long an endpoint may fail without any success.
	pauseAfter = giveUpAfter
)

// CreateEndpoint makes an endpoint with a secret of its own. It misses no event that is written after
// this has returned.
func (h *Hooks) CreateEndpoint(ctx context.Context, app latchkey.ApplicationID, spec EndpointSpec) (latchkey.Endpoint, error) {
	now := h.now().UTC()
	e, problems := spec.Apply(latchkey.Endpoint{
		ID: latchkey.NewEndpointID(now), ApplicationID: app, Payload: latchkey.PayloadNative, Secret: NewSecret(),
		CreatedAt: now.Truncate(time.Millisecond), UpdatedAt: now.Truncate(time.Millisecond),
	}, now)
	if len(problems) > 0 {
		return latchkey.Endpoint{}, errs.InvalidFields(problems...)
	}
	err := h.changeEndpoints(ctx, app, func(ctx context.Context, tx store.Tx) error {
		// Or requests side by side would each count without the others.
		if err := tx.Applications().Lock(ctx, app); err != nil {
			return err
		}
		all, err := tx.Endpoints().List(ctx, app)
		if err != nil {
			return err
		}
		if len(all) >= maxEndpoints {
			return errs.New(errs.Conflict, errs.CodeConflict, "This application has as many webhooks as it may. Delete one first.")
		}
		if err := tx.Endpoints().Create(ctx, e); err != nil {
			return err
		}
		return h.watchLinks(ctx, tx, e)
	})
	if err != nil {
		return latchkey.Endpoint{}, err
	}
	h.log.InfoContext(ctx, "webhook created", logged(e)...)
	return e, nil
}

// Endpoints lists all of the application's, oldest first.
func (h *Hooks) Endpoints(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Endpoint, error) {
	return h.store.Endpoints().List(ctx, app)
}

// Endpoint finds one.
func (h *Hooks) Endpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error) {
	e, err := h.store.Endpoints().Get(ctx, app, id)
	return e, knownEndpoint(err)
}

// UpdateEndpoint changes what the spec names. Deliveries that are on their way go to the new address.
func (h *Hooks) UpdateEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, spec EndpointSpec) (latchkey.Endpoint, error) {
	return h.changeEndpoint(ctx, app, id, "webhook changed", func(e *latchkey.Endpoint) error {
		next, problems := spec.Apply(*e, h.now().UTC())
		if len(problems) > 0 {
			return errs.InvalidFields(problems...)
		}
		*e = next
		return nil
	})
}

// RotateSecret gives the endpoint a new secret. The old one signs beside it for a day.
func (h *Hooks) RotateSecret(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error) {
	return h.changeEndpoint(ctx, app, id, "webhook secret rotated", func(e *latchkey.Endpoint) error {
		e.OldSecret, e.OldSecretUntil = e.Secret, h.now().UTC().Add(latchkey.BothSecrets)
		e.Secret = NewSecret()
		return nil
	})
}

// ResumeEndpoint ends a pause, whatever its reason. What was not sent meanwhile can be replayed.
func (h *Hooks) ResumeEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error) {
	return h.changeEndpoint(ctx, app, id, "webhook resumed", func(e *latchkey.Endpoint) error {
		e.Paused, e.PausedAt = "", time.Time{}
		return nil
	})
}

// DeleteEndpoint forgets an endpoint. What is still to be sent is canceled; its log stays.
func (h *Hooks) DeleteEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) error {
	err := h.changeEndpoints(ctx, app, func(ctx context.Context, tx store.Tx) error {
		return knownEndpoint(tx.Endpoints().Delete(ctx, app, id))
	})
	if err == nil {
		h.log.InfoContext(ctx, "webhook deleted", slog.String("application_id", string(app)), slog.String("endpoint_id", string(id)))
	}
	return err
}

// changeEndpoint changes one endpoint. One that is not paused any more begins with a clean slate.
func (h *Hooks) changeEndpoint(
	ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, what string, change func(e *latchkey.Endpoint) error,
) (latchkey.Endpoint, error) {
	var e latchkey.Endpoint
	err := h.changeEndpoints(ctx, app, func(ctx context.Context, tx store.Tx) error {
		var err error
		if e, err = tx.Endpoints().ForUpdate(ctx, app, id); err != nil {
			return knownEndpoint(err)
		}
		was := e
		if err := change(&e); err != nil {
			return err
		}
		e.UpdatedAt = h.now().UTC().Truncate(time.Millisecond)
		if err := tx.Endpoints().Update(ctx, e); err != nil {
			return err
		}
		// Another address has its own days: Update does not write this.
		if was.Paused != "" && e.Paused == "" || was.URL != e.URL {
			e.FailingSince = time.Time{}
			if err := tx.Endpoints().MarkFailing(ctx, id, time.Time{}); err != nil {
				return err
			}
		}
		return h.watchLinks(ctx, tx, e)
	})
	if err != nil {
		return latchkey.Endpoint{}, err
	}
	h.log.InfoContext(ctx, what, logged(e)...)
	return e, nil
}

// changeEndpoints runs fn in a transaction and returns when every replica sees what it did.
func (h *Hooks) changeEndpoints(ctx context.Context, app latchkey.ApplicationID, fn func(ctx context.Context, tx store.Tx) error) error {
	err := h.store.InTx(ctx, fn)
	h.listeners.forget(app)
	if err != nil || h.sole {
		return err
	}
	// The change is made: a caller who hangs up changes nothing about it.
	wait := time.NewTimer(listenersTTL + listenersTTL/4)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil
}

// Follow has scarce events written, too, until the time.
func (h *Hooks) Follow(ctx context.Context, app latchkey.ApplicationID, until time.Time) error {
	have, err := h.store.Applications().FollowedUntil(ctx, app)
	// Not with every call: it is a write.
	if err != nil || until.Sub(have) < until.Sub(h.now())/2 {
		return err
	}
	if err := h.store.Applications().Follow(ctx, app, until); err != nil {
		return err
	}
	h.listeners.forget(app)
	return nil
}

// JobWatchLinks is the kind of the job that has links watched for their expiry.
const JobWatchLinks = "watch_links"

// WatchLinksArgs are the arguments of JobWatchLinks.
type WatchLinksArgs struct {
	ApplicationID latchkey.ApplicationID `json:"application_id"`
	After         time.Time              `json:"after"`
}

// watchLinks has the expiry told of links that were made before anybody wanted to know.
func (h *Hooks) watchLinks(ctx context.Context, tx store.Tx, e latchkey.Endpoint) error {
	if e.Paused != "" || !e.MayWant(latchkey.EventLinkExpired) {
		return nil
	}
	return enqueue(ctx, tx, JobWatchLinks, WatchLinksArgs{ApplicationID: e.ApplicationID, After: h.now().UTC().Truncate(time.Millisecond)})
}

// watchBatch is how many links are written to in one transaction.
const watchBatch = 500

// WatchLinks is the handler of JobWatchLinks.
func (h *Hooks) WatchLinks(ctx context.Context, args WatchLinksArgs) error {
	for {
		n, err := h.store.Links().WatchExpiry(ctx, args.ApplicationID, args.After, watchBatch)
		if err != nil || n < watchBatch {
			return err
		}
	}
}

// watchEndpoint notes since when an endpoint fails, and pauses it after days, or where it asked for it.
func (h *Hooks) watchEndpoint(ctx context.Context, t tried) {
	e := t.target.endpoint
	if e.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	now := h.now().UTC().Truncate(time.Millisecond)
	var err error
	switch failed := t.attempt.Error != ""; {
	case t.now.Status == latchkey.DeliveryGone:
		err = h.pause(ctx, e, latchkey.PausedGone, now)
	case failed && e.FailingSince.IsZero():
		err = h.markFailing(ctx, e, t.attempt.At)
	case failed && now.Sub(e.FailingSince) >= pauseAfter:
		err = h.pause(ctx, e, latchkey.PausedFailing, now)
	case !failed && !e.FailingSince.IsZero():
		err = h.markFailing(ctx, e, time.Time{})
	}
	if isOurs(err) {
		h.log.ErrorContext(ctx, "the state of a webhook was not written", append(logged(e), slog.String("cause", err.Error()))...)
	}
}

// markFailing writes once for what many tries find in the same moment.
func (h *Hooks) markFailing(ctx context.Context, e latchkey.Endpoint, since time.Time) error {
	to, err := h.listeners.of(ctx, h.store, e.ApplicationID)
	if err != nil {
		return err
	}
	if now, ok := to.endpoint(e.ID); !ok || now.FailingSince.IsZero() == since.IsZero() {
		return nil
	}
	err = h.store.Endpoints().MarkFailing(ctx, e.ID, since)
	h.listeners.forget(e.ApplicationID)
	return err
}

// pause stops telling the endpoint, and tells its owner.
func (h *Hooks) pause(ctx context.Context, e latchkey.Endpoint, why latchkey.PauseReason, now time.Time) error {
	paused := false
	err := h.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		paused = false
		is, err := tx.Endpoints().ForUpdate(ctx, e.ApplicationID, e.ID)
		if err != nil || is.Paused != "" {
			return err
		}
		// Another replica may have got through meanwhile, or the owner has changed the address.
		if why == latchkey.PausedFailing && (is.FailingSince.IsZero() || now.Sub(is.FailingSince) < pauseAfter) || is.URL != e.URL {
			return nil
		}
		is.Paused, is.PausedAt, is.UpdatedAt = why, now, now
		if err := tx.Endpoints().Update(ctx, is); err != nil {
			return err
		}
		// Not to itself.
		h.listeners.forget(e.ApplicationID)
		fields := map[string]any{"webhook_id": is.ID, "name": is.Name, "reason": why}
		if !is.FailingSince.IsZero() {
			fields["failing_since"] = is.FailingSince
		}
		enc, err := data(fields)
		if err != nil {
			return err
		}
		paused = true
		_, err = h.Emit(ctx, tx, latchkey.Event{ApplicationID: e.ApplicationID, Type: latchkey.EventWebhookPaused, Data: enc})
		return err
	})
	h.listeners.forget(e.ApplicationID)
	if err == nil && paused {
		h.log.WarnContext(ctx, "webhook paused: its owner has to mend and resume it", append(logged(e), slog.String("reason", string(why)))...)
	}
	return err
}

func knownEndpoint(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("webhook")
	}
	return err
}

// logged is an endpoint in the log: its path and query are secrets.
func logged(e latchkey.Endpoint) []any {
	return []any{
		slog.String("application_id", string(e.ApplicationID)), slog.String("endpoint_id", string(e.ID)), slog.String("host", hostOf(e.URL)),
	}
}
