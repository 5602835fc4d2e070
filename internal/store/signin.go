package store

import (
	"context"
	"time"

	"latchkey"
)

// SignIns are short-lived: what is not used within minutes is of no use.
type SignIns interface {
	Create(ctx context.Context, s latchkey.SignIn) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID) (latchkey.SignIn, error)
	// ByID finds a sign-in of any realm, for whoever then asks it who its owner is.
	ByID(ctx context.Context, id latchkey.SignInID) (latchkey.SignIn, error)
	// CountTry counts a look at the codes of a pending sign-in that has had fewer than most, in a statement
	// of its own, and returns it as it then is. ErrStale where there is none: it is not pending, has had
	// its looks, or does not exist.
	CountTry(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, most int) (latchkey.SignIn, error)
	// Renew makes s.Current the newest challenge, and what was newest the one before, with Withheld and
	// SentAt, where the row is pending and has had sends mails; else ErrStale.
	Renew(ctx context.Context, s latchkey.SignIn, sends int) error
	// Prove, Complete and Revoke move a sign-in on, once: ErrStale where it is not in the state before.
	Prove(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, m latchkey.SignInMethod, at time.Time) error
	Complete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, at time.Time) error
	Revoke(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, at time.Time) error
	// DeleteExpired removes sign-ins that expired before the time.
	DeleteExpired(ctx context.Context, before time.Time, limit int) (int, error)
}

// SignInPatterns are what one address is looked up by.
type SignInPatterns struct {
	// Of are the patterns that it stands on a list by.
	Of [5]string
	// Mailbox is the address without its tag: on the block list it is meant as well.
	Mailbox string
}

// SignInRules are an application's lists of addresses that may, or may not, sign in.
type SignInRules interface {
	// Add and Delete return how many patterns were not, or were, in the list.
	Add(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string, at time.Time) (int, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error)
	Clear(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList) error
	Count(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList) (int, error)
	// List returns patterns in their own order, after the one given.
	List(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, after string, limit int) ([]string, error)
	// Match tells on which lists any of the patterns stands, and whether there is an allow list at all.
	// It takes the same queries whatever the answer.
	Match(ctx context.Context, app latchkey.ApplicationID, p SignInPatterns) (allowed, blocked, anyAllow bool, err error)
}

// OIDCClients are few for each application.
type OIDCClients interface {
	Create(ctx context.Context, c latchkey.OIDCClient) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (latchkey.OIDCClient, error)
	// List returns all of them, oldest first.
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.OIDCClient, error)
	// Update writes everything but ids, Public and CreatedAt.
	Update(ctx context.Context, c latchkey.OIDCClient) error
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) error
}

// SigningKeys are an application's own, a few of each algorithm.
type SigningKeys interface {
	// Create fails with ErrConflict where the generation exists: another replica made it.
	Create(ctx context.Context, k latchkey.SigningKey) error
	// List returns all of them, by algorithm and generation.
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.SigningKey, error)
	// Aged lists the applications and algorithms whose newest key was made before the time; only those
	// two fields are filled.
	Aged(ctx context.Context, before time.Time, limit int) ([]latchkey.SigningKey, error)
	// Withdraw takes all keys before the generation out of use.
	Withdraw(ctx context.Context, app latchkey.ApplicationID, algorithm string, generation int, at time.Time) error
	Delete(ctx context.Context, app latchkey.ApplicationID, algorithm string, generation int) error
}
