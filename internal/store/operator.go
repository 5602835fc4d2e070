package store

import (
	"context"
	"time"

	"latchkey"
)

// Operators are few.
type Operators interface {
	// Create fails with ErrConflict where the address is taken.
	Create(ctx context.Context, o latchkey.Operator) error
	Get(ctx context.Context, id latchkey.OperatorID) (latchkey.Operator, error)
	// ForUpdate is Get that keeps others from changing the operator. Only inside InTx.
	ForUpdate(ctx context.Context, id latchkey.OperatorID) (latchkey.Operator, error)
	ByAddress(ctx context.Context, address string) (latchkey.Operator, error)
	// List returns all of them, oldest first.
	List(ctx context.Context) ([]latchkey.Operator, error)
	// Update writes everything but the id, the address and CreatedAt.
	Update(ctx context.Context, o latchkey.Operator) error
	// Delete removes the operator with memberships, logins, passkeys and one-time tokens.
	Delete(ctx context.Context, id latchkey.OperatorID) error
	// PutMember writes the operator's role in an application.
	PutMember(ctx context.Context, m latchkey.Membership) error
	RemoveMember(ctx context.Context, app latchkey.ApplicationID, id latchkey.OperatorID) error
	// Memberships are the roles of one operator; Members are those of one application, oldest first.
	Memberships(ctx context.Context, id latchkey.OperatorID) ([]latchkey.Membership, error)
	Members(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Membership, error)
}

// Logins are found by the hash of their cookie.
type Logins interface {
	Create(ctx context.Context, l latchkey.Login) error
	ByToken(ctx context.Context, hash []byte) (latchkey.Login, error)
	// Touch notes that the login was used.
	Touch(ctx context.Context, id latchkey.LoginID, at time.Time) error
	// List returns the operator's, newest first.
	List(ctx context.Context, id latchkey.OperatorID) ([]latchkey.Login, error)
	Delete(ctx context.Context, of latchkey.OperatorID, id latchkey.LoginID) error
	// DeleteOf removes all of the operator's.
	DeleteOf(ctx context.Context, id latchkey.OperatorID) (int, error)
	// DeleteEnded removes logins that expired, or were last seen before the time.
	DeleteEnded(ctx context.Context, now, idleSince time.Time, limit int) (int, error)
}

// Passkeys are few for each operator.
type Passkeys interface {
	// Create fails with ErrConflict where the credential is known.
	Create(ctx context.Context, p latchkey.Passkey) error
	ByCredential(ctx context.Context, credentialID []byte) (latchkey.Passkey, error)
	List(ctx context.Context, id latchkey.OperatorID) ([]latchkey.Passkey, error)
	// Use writes Credential and UsedAt.
	Use(ctx context.Context, p latchkey.Passkey) error
	Delete(ctx context.Context, of latchkey.OperatorID, id latchkey.PasskeyID) error
}

// OneTime is what a token stands for that works once. Only the token's hash is kept.
type OneTime struct {
	TokenHash []byte
	// Kind says what it is for; OperatorID whose it is, empty where nobody's.
	Kind       string
	OperatorID latchkey.OperatorID
	Body       []byte
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// OneTimes are one-time tokens: of invitations, and of what goes on with a passkey.
type OneTimes interface {
	Create(ctx context.Context, o OneTime) error
	// Get reads without taking.
	Get(ctx context.Context, kind string, hash []byte) (OneTime, error)
	// Take removes it; of many who try at once, one does, and the others have ErrNotFound.
	Take(ctx context.Context, kind string, hash []byte) (OneTime, error)
	// DeleteOf removes those of a kind that belong to the operator (empty: to nobody).
	DeleteOf(ctx context.Context, kind string, id latchkey.OperatorID) (int, error)
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}
