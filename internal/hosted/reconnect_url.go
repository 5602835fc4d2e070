package hosted

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

const (
	// reconnectLinkLife is how long a link lives that a reconnect URL makes: its reader is there.
	reconnectLinkLife = time.Hour
	// A URL makes so many links, and an address so many through any URLs.
	reconnectsPerURL     = 12
	reconnectsPerAddress = 120
	reconnectsInWindow   = time.Hour
)

// ReconnectURLSpec is what an application asks for, checked for shape by the caller.
type ReconnectURLSpec struct {
	// Account is the account to mend, by our id or the application's.
	Account   string
	ExpiresAt time.Time
	// Name and Terms are those of the links that the URL makes.
	Name  string
	Terms latchkey.LinkTerms
}

// CreatedReconnectURL is a new reconnect URL. The token exists here and in the end user's mailbox only.
type CreatedReconnectURL struct {
	URL   latchkey.ReconnectURL
	Token string
}

// CreateReconnectURL makes a URL that may stand in an email for weeks. Those from before stay good.
func (e *Engine) CreateReconnectURL(ctx context.Context, app latchkey.Application, spec ReconnectURLSpec) (CreatedReconnectURL, error) {
	token, hash := newToken()
	now := e.cfg.Now().UTC().Truncate(time.Millisecond)
	u := latchkey.ReconnectURL{
		ID: latchkey.NewReconnectURLID(now), ApplicationID: app.ID, TokenHash: hash, CreatedAt: now, ExpiresAt: spec.ExpiresAt,
		Name: spec.Name, Terms: spec.Terms,
	}
	err := e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		// Locked: an account that is being deleted must not leave a URL behind.
		acc, err := tx.Accounts().ForUpdate(ctx, app.ID, spec.Account)
		if err != nil {
			return accountError(err)
		}
		u.AccountID = acc.ID
		return tx.ReconnectURLs().Create(ctx, u, latchkey.ReconnectURLsKept)
	})
	return CreatedReconnectURL{URL: u, Token: token}, err
}

// RevokeReconnectURLs ends all reconnect URLs of an account, and with them a mail of ours that waits.
func (e *Engine) RevokeReconnectURLs(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) error {
	return e.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		acc, err := tx.Accounts().ForUpdate(ctx, app, idOrExternal)
		if err != nil {
			return accountError(err)
		}
		if e.cfg.Reminders != nil {
			if err := e.cfg.Reminders.TakeBack(ctx, tx, &acc); err != nil {
				return err
			}
		}
		_, err = tx.ReconnectURLs().DeleteOf(ctx, app, acc.ID)
		return err
	})
}

func accountError(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("account")
	}
	return err
}

// Reconnecting is what the page of a reconnect URL shows.
type Reconnecting struct {
	Application latchkey.Application
	Provider    latchkey.Provider
	// Shown is what the reader knows the account by.
	Shown  string
	Status latchkey.AccountStatus
	Reason latchkey.Reason
	Locale string
}

// Mendable tells whether reconnecting can help: not where the account works, nor where there is an
// outage that nobody can do anything about.
func (r Reconnecting) Mendable() bool {
	return r.Status != latchkey.AccountOK && r.Status != latchkey.AccountConnecting
}

// Reconnecting says what the reader of a reconnect URL is shown. It changes nothing: mail scanners ask
// for it too. A URL that has expired is errs.CodeLinkExpired; one that is revoked or was never there,
// errs.CodeNotFound.
func (e *Engine) Reconnecting(ctx context.Context, token string) (Reconnecting, error) {
	_, r, err := e.reconnecting(ctx, token)
	return r, err
}

func (e *Engine) reconnecting(ctx context.Context, token string) (latchkey.ReconnectURL, Reconnecting, error) {
	u, err := e.cfg.Store.ReconnectURLs().ByToken(ctx, hashToken(token))
	if err != nil {
		return u, Reconnecting{}, linkError(err)
	}
	app, err := e.application(ctx, u.ApplicationID)
	if err != nil {
		return u, Reconnecting{}, err
	}
	r := Reconnecting{Application: app, Locale: u.Terms.Locale}
	if !u.Live(e.cfg.Now()) {
		return u, r, linkExpired()
	}
	acc, err := e.cfg.Store.Accounts().Get(ctx, u.ApplicationID, string(u.AccountID))
	if err != nil {
		return u, r, linkError(err)
	}
	r.Provider, r.Shown, r.Status, r.Reason = acc.Provider, acc.Shown(), acc.Status, acc.Reason
	return u, r, nil
}

// Reconnect makes a fresh link for the reader of a reconnect URL, who is at the address. Where nothing
// needs mending there is no link, and no error: the page says so.
func (e *Engine) Reconnect(ctx context.Context, token, address string) (CreatedLink, error) {
	u, r, err := e.reconnecting(ctx, token)
	if err != nil || !r.Mendable() {
		return CreatedLink{}, err
	}
	now := e.cfg.Now()
	if err := e.countReconnect(ctx, "reconnect:"+string(u.ID), reconnectsPerURL, now); err != nil {
		return CreatedLink{}, err
	}
	if !unknownAddress(address) {
		bucket := "reconnects:" + base64.RawURLEncoding.EncodeToString(hashToken(address))
		if err := e.countReconnect(ctx, bucket, reconnectsPerAddress, now); err != nil {
			return CreatedLink{}, err
		}
	}
	return e.CreateLink(ctx, r.Application, LinkSpec{
		Type: latchkey.LinkReconnect, Dialect: latchkey.DialectLink, Name: u.Name, Terms: u.Terms,
		Reconnect: string(u.AccountID), ExpiresAt: now.Add(reconnectLinkLife),
	})
}

func (e *Engine) countReconnect(ctx context.Context, bucket string, most int, now time.Time) error {
	n, err := e.cfg.Store.Tries().Count(ctx, bucket, reconnectsInWindow, now)
	if err != nil || n <= most {
		return err
	}
	return &errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyTries, RetryAfter: reconnectsInWindow, Detail: "This was tried too often. Try again in an hour."}
}
