package hosted

import (
	"context"
	"errors"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// JobExpireLink is the kind of the jobs by which earlier versions told of an expiry. The runner finds
// the links that are due by itself; these jobs do the same.
const JobExpireLink = "expire_link"

// ExpireLinkArgs are the arguments of JobExpireLink.
type ExpireLinkArgs struct {
	ApplicationID latchkey.ApplicationID `json:"application_id"`
	LinkID        latchkey.LinkID        `json:"link_id"`
}

// CreateLink makes a link. Where nobody listens for it, it is one durable statement.
func (e *Engine) CreateLink(ctx context.Context, app latchkey.Application, spec LinkSpec) (CreatedLink, error) {
	now := e.cfg.Now()
	terms := spec.Terms
	if spec.Type == latchkey.LinkReconnect {
		acc, err := e.cfg.Store.Accounts().Get(ctx, app.ID, spec.Reconnect)
		if errors.Is(err, store.ErrNotFound) {
			return CreatedLink{}, errs.NotFoundf("account")
		}
		if err != nil {
			return CreatedLink{}, err
		}
		if acc.AuthServer {
			return CreatedLink{}, errs.New(errs.Conflict, errs.CodeAuthServerAccount,
				"Your authentication server keeps this account's credential, so there is nothing to ask its user. Mend it there, then POST /v1/accounts/{id}/check.")
		}
		terms.ReconnectAccount = acc.ID
		// The wizard goes straight to what has to be mended, whatever list came along.
		terms.Providers = []string{string(acc.Provider)}
		if terms.ProviderApp == "" {
			terms.ProviderApp = string(acc.ProviderApp)
		}
	}
	if err := e.canProxy(spec.Proxy, e.wished(terms.Providers)...); err != nil {
		return CreatedLink{}, err
	}
	terms.Proxied = spec.Proxy != nil
	token, hash := newToken()
	link := latchkey.Link{
		ID: latchkey.NewLinkID(now), ApplicationID: app.ID, TokenHash: hash,
		Type: spec.Type, Dialect: spec.Dialect, Status: latchkey.LinkCreated, Name: spec.Name,
		CreatedAt: now, UpdatedAt: now, ExpiresAt: spec.ExpiresAt, Test: app.Test, Terms: terms, KeyID: spec.KeyID,
		Proxy: spec.Proxy,
	}
	expiry, err := e.listened(ctx, app.ID, latchkey.EventLinkExpired)
	if err != nil {
		return CreatedLink{}, err
	}
	if expiry || tellsExpiry(link) {
		link.TellExpiry = link.ExpiresAt
	}
	told, err := e.listened(ctx, app.ID, latchkey.EventLinkCreated)
	if err != nil {
		return CreatedLink{}, err
	}
	if !told {
		err = e.cfg.Store.Links().Create(ctx, link)
	} else {
		err = e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error { return e.createTold(ctx, tx, link) })
	}
	if err != nil {
		return CreatedLink{}, err
	}
	e.cfg.Observe.Link("created", 1)
	return CreatedLink{Link: link, Token: token}, nil
}

// listened tells whether somebody listens for events of the type.
func (e *Engine) listened(ctx context.Context, app latchkey.ApplicationID, t latchkey.EventType) (bool, error) {
	if e.cfg.Listeners == nil {
		return false, nil
	}
	return e.cfg.Listeners.Listened(ctx, app, t)
}

func (e *Engine) createTold(ctx context.Context, tx store.Tx, link latchkey.Link) error {
	if err := tx.Links().Create(ctx, link); err != nil {
		return err
	}
	data := linkData(link, map[string]any{"type": link.Type, "expires_on": link.ExpiresAt.UTC().Format(instant)})
	return e.emitLink(ctx, tx, link, latchkey.EventLinkCreated, data)
}

// instant is a time as callers read it.
const instant = "2006-01-02T15:04:05.000Z07:00"

// linkData adds what the application knows the link by.
func linkData(l latchkey.Link, data map[string]any) map[string]any {
	if l.Name == "" {
		return data
	}
	if data == nil {
		data = map[string]any{}
	}
	data["name"] = l.Name
	return data
}

func (e *Engine) emitLink(ctx context.Context, tx store.Tx, l latchkey.Link, t latchkey.EventType, data map[string]any) error {
	enc, err := eventData(data)
	if err != nil {
		return err
	}
	_, err = e.cfg.Herald.Emit(ctx, tx, latchkey.Event{ApplicationID: l.ApplicationID, Type: t, LinkID: l.ID, Data: enc})
	return err
}

func tellsExpiry(l latchkey.Link) bool { return l.Terms.NotifyFailures && l.Terms.NotifyURL != "" }
