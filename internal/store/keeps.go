package store

import (
	"context"
	"errors"
	"time"

	"latchkey"
)

// ErrUnreadable says that a sealed value cannot be opened with the keys of this installation.
var ErrUnreadable = errors.New("store: a sealed value cannot be opened")

// Keep is an account for which somebody has to stay connected, and who does.
type Keep struct {
	AccountID     latchkey.AccountID
	ApplicationID latchkey.ApplicationID
	Provider      latchkey.Provider
	// Owner holds it; empty if nobody does. Fence moves with each change of hands: whatever an earlier
	// holder still writes is refused.
	Owner string
	Fence int64
	// Due is when to connect, where nobody holds it; zero is never.
	Due time.Time
	// Fails counts connections in a row that came to nothing.
	Fails int
}

// Keeps hands accounts out to those who stay connected for them. Everything is found by index.
type Keeps interface {
	// Want has the account kept from due on, by whoever is free: who holds it now has lost it.
	Want(ctx context.Context, k Keep) error
	Get(ctx context.Context, id latchkey.AccountID) (Keep, error)
	// ForUpdate is Get that keeps others from changing it. Only inside InTx.
	ForUpdate(ctx context.Context, id latchkey.AccountID) (Keep, error)
	// Due lists what nobody holds and whose time has come, the longest due first.
	Due(ctx context.Context, now time.Time, limit int) ([]Keep, error)
	// Waiting counts what Due would list, up to the limit; Count counts all that are to be kept.
	Waiting(ctx context.Context, now time.Time, limit int) (int, error)
	Count(ctx context.Context) (int, error)
	// Claim takes what nobody holds, if its fence is still k's; ErrStale otherwise. It returns k as it then is.
	Claim(ctx context.Context, k Keep, owner string) (Keep, error)
	// Release gives it up, to be connected again at due, where the fence is still k's; ErrStale otherwise.
	Release(ctx context.Context, k Keep, due time.Time, fails int) error
	// Stop lets nobody connect any more: who holds it has to let go.
	Stop(ctx context.Context, id latchkey.AccountID) error
	// Delete forgets it, where the fence is still k's.
	Delete(ctx context.Context, k Keep) error
	// Held lists what the owner holds.
	Held(ctx context.Context, owner string) ([]Keep, error)

	// Join makes an owner known, whose signs of life are Beats; ErrConflict where it is already.
	Join(ctx context.Context, owner string, until time.Time) error
	// Beat is ErrStale where the owner was buried: it holds nothing any more.
	Beat(ctx context.Context, owner string, until time.Time) error
	// Leave gives up all that the owner holds, to be connected now by others, and forgets the owner.
	Leave(ctx context.Context, owner string, now time.Time) error
	// Bury is Leave for all owners without a sign of life. It returns how many accounts that freed.
	Bury(ctx context.Context, now time.Time) (int, error)
	// Alive counts owners with a sign of life.
	Alive(ctx context.Context, now time.Time) (int, error)
}

// MemoryRef says whose memory is meant, and under which fence it is written.
type MemoryRef struct {
	AccountID     latchkey.AccountID
	ApplicationID latchkey.ApplicationID
	Fence         int64
}

// Memories keep what a kept account's protocol needs from one connection to the next. Names, groups and
// kinds hold letters, digits, - and _ only. Writing is ErrStale where the Keep's fence is another than the
// reference's; values that cannot be opened are ErrUnreadable. It goes with the account.
type Memories interface {
	Get(ctx context.Context, r MemoryRef, kind, group string, names ...string) (map[string][]byte, error)
	List(ctx context.Context, r MemoryRef, kind, group string) (map[string][]byte, error)
	Put(ctx context.Context, r MemoryRef, kind, group string, values map[string][]byte) error
	// Delete forgets the names, or without names the group.
	Delete(ctx context.Context, r MemoryRef, kind, group string, names ...string) error
	// Clear forgets everything of the account.
	Clear(ctx context.Context, r MemoryRef) error
}
