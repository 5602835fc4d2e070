package store

import (
	"context"
	"encoding/json"
	"time"

	"latchkey"
)

// Due is an account whose check has come, with what its pace depends on.
type Due struct {
	ID            latchkey.AccountID
	ApplicationID latchkey.ApplicationID
	Provider      latchkey.Provider
	Params        json.RawMessage
	Status        latchkey.AccountStatus
	CheckAt       time.Time
}

// Checks finds and claims accounts that are due to be checked. Everything is found by index.
type Checks interface {
	// Due lists accounts of a provider whose CheckAt has come, the longest due first, after the one
	// given (zero for the beginning).
	Due(ctx context.Context, p latchkey.Provider, now time.Time, after Due, limit int) ([]Due, error)
	// Stranded lists accounts of a provider whose CheckAt lies after the time: further ahead than any
	// pause between two checks, so that the clock must have been put back since.
	Stranded(ctx context.Context, p latchkey.Provider, after time.Time, limit int) ([]Due, error)
	// Claim moves an account's CheckAt from what it was to until, so that one replica checks it;
	// ErrStale where another was quicker, or the account is gone.
	Claim(ctx context.Context, id latchkey.AccountID, was, until time.Time) error
	// Finish writes CheckedAt, CheckAt and Watch where the claim is still the caller's and nobody has
	// changed the account (UpdatedAt); ErrStale otherwise. It is one durable statement.
	Finish(ctx context.Context, a latchkey.Account, claim time.Time) error
}

// StatusChanges is the history of accounts.
type StatusChanges interface {
	// Add writes a line, and forgets all but the account's newest keep.
	Add(ctx context.Context, c latchkey.StatusChange, keep int) error
	// List returns a page of an account's history, newest first.
	List(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID, p Page) ([]latchkey.StatusChange, error)
	DeleteOf(ctx context.Context, id latchkey.AccountID) error
	DeleteBefore(ctx context.Context, before time.Time, limit int) (int, error)
}

// ReconnectURLs are looked up by hash.
type ReconnectURLs interface {
	// Create adds one, and forgets all but the account's newest keep.
	Create(ctx context.Context, u latchkey.ReconnectURL, keep int) error
	ByToken(ctx context.Context, tokenHash []byte) (latchkey.ReconnectURL, error)
	// DeleteOf revokes all of an account's; it returns how many there were.
	DeleteOf(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID) (int, error)
	// Delete revokes one.
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ReconnectURLID) error
	// DeleteExpired removes those that ended before the time.
	DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error)
}
