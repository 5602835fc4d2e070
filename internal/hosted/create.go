package hosted

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// JobExpireLink tells the application that a link has expired; see ExpireDue.
const JobExpireLink = "expire_link"

// ExpireLinkArgs are the arguments of JobExpireLink.
type ExpireLinkArgs struct {
	ApplicationID latchkey.ApplicationID `json:"application_id"`
	LinkID        latchkey.LinkID        `json:"link_id"`
}

// CreateLink makes a link. Where nobody asked to be told of its end, it is one durable statement.
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
		terms.ReconnectAccount = acc.ID
		// The wizard goes straight to what has to be mended, whatever list came along.
		terms.Providers = []string{string(acc.Provider)}
		if terms.ProviderApp == "" {
			terms.ProviderApp = string(acc.ProviderApp)
		}
	}
	token, hash := newToken()
	link := latchkey.Link{
		ID: latchkey.NewLinkID(now), ApplicationID: app.ID, TokenHash: hash,
		Type: spec.Type, Dialect: spec.Dialect, Status: latchkey.LinkCreated, Name: spec.Name,
		CreatedAt: now, UpdatedAt: now, ExpiresAt: spec.ExpiresAt, Test: app.Test, Terms: terms,
	}
	if !tellsExpiry(link) {
		if err := e.cfg.Store.Links().Create(ctx, link); err != nil {
			return CreatedLink{}, err
		}
		e.cfg.Observe.Link("created", 1)
		return CreatedLink{Link: link, Token: token}, nil
	}
	err := e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Links().Create(ctx, link); err != nil {
			return err
		}
		return enqueueExpiry(ctx, tx, link, link.ExpiresAt)
	})
	if err != nil {
		return CreatedLink{}, err
	}
	e.cfg.Observe.Link("created", 1)
	return CreatedLink{Link: link, Token: token}, nil
}

func tellsExpiry(l latchkey.Link) bool { return l.Terms.NotifyFailures && l.Terms.NotifyURL != "" }

func enqueueExpiry(ctx context.Context, tx store.Tx, l latchkey.Link, at time.Time) error {
	args, err := json.Marshal(ExpireLinkArgs{ApplicationID: l.ApplicationID, LinkID: l.ID})
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, store.Job{Kind: JobExpireLink, Args: args, RunAt: at})
}
