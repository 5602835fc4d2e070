package hosted

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// linkEventsShown bounds the history that comes with a link.
const linkEventsShown = 250

// Link returns the link as it stands now, with its history, oldest first.
func (e *Engine) Link(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, []latchkey.Event, error) {
	link, err := e.cfg.Store.Links().Get(ctx, app, id)
	if err != nil {
		return latchkey.Link{}, nil, linkError(err)
	}
	events, err := e.cfg.Store.Events().List(ctx, app, store.EventFilter{Link: id}, "", linkEventsShown)
	if err != nil {
		return latchkey.Link{}, nil, err
	}
	link.Status = link.StatusAt(e.cfg.Now())
	return link, events, nil
}

// Links lists links from the newest.
func (e *Engine) Links(ctx context.Context, app latchkey.ApplicationID, f store.LinkFilter, p store.Page) ([]latchkey.Link, error) {
	now := e.cfg.Now()
	f.Now = now
	links, err := e.cfg.Store.Links().List(ctx, app, f, p)
	if err != nil {
		return nil, err
	}
	for i := range links {
		links[i].Status = links[i].StatusAt(now)
	}
	return links, nil
}

// ExpireLink ends a link now, and the flow that is bound to it. A completed link stays completed:
// expiring it is a conflict. Expiring an expired link again changes nothing.
func (e *Engine) ExpireLink(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, error) {
	var out latchkey.Link
	err := e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		link, err := tx.Links().ForUpdate(ctx, id)
		if err == nil && link.ApplicationID != app {
			err = store.ErrNotFound
		}
		if err != nil {
			return linkError(err)
		}
		switch link.Status {
		case latchkey.LinkCompleted:
			return errs.New(errs.Conflict, errs.CodeLinkUsed, "The link was completed before it could be expired.")
		case latchkey.LinkExpired:
			out = link
			return nil
		}
		out, err = e.expire(ctx, tx, link)
		return err
	})
	return out, err
}

// ExpireDue writes the expiry of a link down and tells the application, once. A flow that was bound
// in time has its grace; the link is due again then.
func (e *Engine) ExpireDue(ctx context.Context, a ExpireLinkArgs) error {
	now := e.cfg.Now()
	return e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		link, err := tx.Links().ForUpdate(ctx, a.LinkID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case link.Status == latchkey.LinkCompleted || link.Status == latchkey.LinkExpired:
			return tx.Links().TellExpiry(ctx, link.ID, time.Time{})
		case link.StatusAt(now) != latchkey.LinkExpired:
			at := link.ExpiresAt
			if link.Status == latchkey.LinkInProgress {
				at = at.Add(latchkey.FlowGrace)
			}
			return tx.Links().TellExpiry(ctx, link.ID, at)
		}
		_, err = e.expire(ctx, tx, link)
		return err
	})
}

// expireBatch is how many links that are due are read at once.
const expireBatch = 100

// expireLinks tells of the links whose time has come.
func (e *Engine) expireLinks(ctx context.Context) {
	for ctx.Err() == nil {
		links, err := e.cfg.Store.Links().DueToExpire(ctx, e.cfg.Now(), expireBatch)
		for _, l := range links {
			if err != nil {
				break
			}
			err = e.ExpireDue(ctx, ExpireLinkArgs{ApplicationID: l.ApplicationID, LinkID: l.ID})
		}
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.ErrorContext(ctx, "expired links not told of", slog.String("cause", err.Error()))
		}
		if err != nil || len(links) < expireBatch {
			return
		}
	}
}

// expire ends a locked link and its flow, and tells of it.
func (e *Engine) expire(ctx context.Context, tx store.Tx, link latchkey.Link) (latchkey.Link, error) {
	now := e.cfg.Now()
	if link.FlowID != "" {
		if err := e.endFlow(ctx, tx, link.FlowID, latchkey.FlowExpired, connector.Step{Kind: connector.KindNotice, ID: StepExpired}); err != nil {
			return link, err
		}
	}
	link.Status, link.FlowID, link.UpdatedAt = latchkey.LinkExpired, "", now
	if err := tx.Links().Update(ctx, link); err != nil {
		return link, err
	}
	if err := tx.Links().TellExpiry(ctx, link.ID, time.Time{}); err != nil {
		return link, err
	}
	told := linkData(link, map[string]any{})
	if now.Before(link.ExpiresAt) {
		told["early"] = true // the application ended it before its time
	}
	data, err := eventData(told)
	if err != nil {
		return link, err
	}
	ev, err := e.cfg.Herald.Emit(ctx, tx, latchkey.Event{
		ApplicationID: link.ApplicationID, Type: latchkey.EventLinkExpired, LinkID: link.ID, Data: data,
	})
	if err != nil {
		return link, err
	}
	if !tellsExpiry(link) {
		return link, nil
	}
	return link, e.cfg.Herald.Notify(ctx, tx, Notice{Kind: NoticeExpired, Link: link, EventID: ev.ID, Code: errs.CodeLinkExpired})
}

// endTries bounds how often a flow may move on while it is being ended.
const endTries = 10

// endFlow ends a flow from outside: whoever holds its Work loses it, and what was typed is erased.
// Its link is locked, but answers and Works move a flow without that lock: one that has just done so
// is ended as it is now.
func (e *Engine) endFlow(ctx context.Context, tx store.Tx, id latchkey.FlowID, st latchkey.FlowStatus, show connector.Step) error {
	var err error
	for range endTries {
		if err = e.tryEndFlow(ctx, tx, id, st, show); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return err
}

func (e *Engine) tryEndFlow(ctx context.Context, tx store.Tx, id latchkey.FlowID, st latchkey.FlowStatus, show connector.Step) error {
	f, err := tx.Flows().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || f.Status != latchkey.FlowInProgress {
		return err
	}
	b, err := decodeBody(f)
	if err != nil {
		return err
	}
	b.finished(show)
	t := transit{now: e.cfg.Now(), flow: f, body: b, version: f.Version, fence: f.Fence}
	t.flow.Status = st
	t.stop()
	t.flow.Version++
	return t.save(ctx, tx)
}

func linkError(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("link")
	}
	return err
}
