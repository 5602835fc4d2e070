package connector

import (
	"context"
	"time"

	"latchkey/internal/errs"
)

// Keeper is implemented by connectors whose accounts only work while somebody stays connected to the
// provider. One holder does so for each account, under a lease.
type Keeper interface {
	// Keep connects, and stays connected until the provider, the network or ctx ends it. An error is
	// for what should not happen; everything that the provider or the network does is an Ending.
	Keep(ctx context.Context, k Kept) (Ending, error)
}

// Kept is one account to be kept connected.
type Kept struct {
	Credential
	// Memory outlives the connection. It refuses whoever has lost the lease.
	Memory Memory
	// Tell is called with what is found on the way: at least once, when the account is connected. It
	// fails where the lease was lost; Keep should then return.
	Tell func(ctx context.Context, h Health) error
}

// Ending is how a connection ended.
type Ending struct {
	// Health is what it says of the account. Of CONNECTING nothing is told at first: sockets break
	// every day.
	Health Health
	// Final says that connecting again is of no use before the account was reconnected.
	Final bool
	// NotBefore is when it may be tried again, where the provider says so, or where trying earlier does harm.
	NotBefore time.Time
}

// Memory keeps what a protocol needs from one connection of an account to the next: keys, counters.
// Values are sealed at rest; kinds, groups and names are not, and may hold letters, digits, - and _
// only. What was put at once is there at once, or not at all.
type Memory interface {
	// Get returns the values that are there.
	Get(ctx context.Context, kind, group string, names ...string) (map[string][]byte, error)
	// List returns a whole group.
	List(ctx context.Context, kind, group string) (map[string][]byte, error)
	Put(ctx context.Context, kind, group string, values map[string][]byte) error
	// Delete forgets the names, or without names the whole group.
	Delete(ctx context.Context, kind, group string, names ...string) error
	// Clear forgets everything of the account.
	Clear(ctx context.Context) error
}

// ErrUnreadable is what Memory returns for a value that no key of this installation opens.
var ErrUnreadable = errs.New(errs.Internal, errs.CodeInternal, "What is kept for this account cannot be read with the keys of this installation.")
