// Package store is the contract for keeping things: one small interface per aggregate, and InTx.
//
// What every implementation promises, and storetest checks on each engine:
//
//   - Inside InTx, calls go through the Tx that fn was given. A call on the Store itself with fn's
//     context is refused with ErrNestedUse: on an engine with one writer it would wait for ever.
//   - fn's writes and jobs become visible together, or not at all. fn may be run again after a
//     serialisation failure, so it must have no effects outside of tx.
//   - A row that does not exist, or belongs to another application, is ErrNotFound.
//   - Secrets (a flow's Body, an account's Secret, an application's WebhookSecret, a provider app's
//     ClientSecret and ServiceAccount, a sender's Password, ClientSecret and ServiceAccount, a mail's Body, a signing key's Private,
//     an endpoint's secrets and Headers, an idempotent answer) are sealed by the implementation and bound to application, table, row and column: the
//     file or dump never holds them in clear.
//   - Times are kept to the millisecond, in UTC; the zero time stays zero.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"latchkey"
)

// Errors that callers branch on.
var (
	ErrNotFound  = errors.New("store: not found")
	ErrConflict  = errors.New("store: conflict") // a unique value is taken
	ErrStale     = errors.New("store: stale")    // compare-and-set lost
	ErrNestedUse = errors.New("store: the store was used inside its own transaction; use the Tx")
)

// Store keeps everything. Calls on it are transactions of their own.
type Store interface {
	Tx
	// InTx runs fn in one transaction: all of it becomes visible, with its jobs, or none. Where it was
	// undone because of others, fn runs again: what it leaves outside the Tx must allow that.
	InTx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Ping tells whether the database answers.
	Ping(ctx context.Context) error
}

// Tx reaches the aggregates.
type Tx interface {
	Applications() Applications
	Keys() Keys
	Links() Links
	Flows() Flows
	Accounts() Accounts
	Events() Events
	Deliveries() Deliveries
	Endpoints() Endpoints
	Shares() Shares
	Idempotency() Idempotency
	Tries() Tries
	ProviderApps() ProviderApps
	Checks() Checks
	StatusChanges() StatusChanges
	ReconnectURLs() ReconnectURLs
	Keeps() Keeps
	Memories() Memories
	Senders() Senders
	Mails() Mails
	Settings() Settings
	Operators() Operators
	Logins() Logins
	Passkeys() Passkeys
	OneTimes() OneTimes
	Funnel() Funnel
	Paces() Paces
	Audit() AuditLog
	SignIns() SignIns
	SignInRules() SignInRules
	OIDCClients() OIDCClients
	SigningKeys() SigningKeys
	Images() Images
	// Enqueue adds jobs; they run after commit, at least once.
	Enqueue(ctx context.Context, jobs ...Job) error
}

// Job is one thing to do later, outside the transaction.
type Job struct {
	// Kind picks the handler.
	Kind string
	// Args is JSON.
	Args json.RawMessage
	// RunAt is the earliest time; zero means at once.
	RunAt time.Time
	// MaxAttempts is how often it is tried; 0 means the implementation's default.
	MaxAttempts int
	// Unique makes an equal job (Kind and Args) that is still waiting or running count for this one.
	Unique bool
}

// Page asks for a part of a list. Lists run from the newest to the oldest.
type Page struct {
	// Limit is 1 to 250.
	Limit int
	// Before is the id of the last item of the page before; empty for the first page.
	Before string
}

// Applications are few, and looked up on every request: implementations need not cache.
type Applications interface {
	Create(ctx context.Context, a latchkey.Application) error
	Get(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error)
	ByName(ctx context.Context, name string) (latchkey.Application, error)
	List(ctx context.Context) ([]latchkey.Application, error)
	Update(ctx context.Context, a latchkey.Application) error
	// Follow notes that somebody follows the application's events until a time; it never shortens it.
	// FollowedUntil is that time; zero where nobody did.
	Follow(ctx context.Context, id latchkey.ApplicationID, until time.Time) error
	FollowedUntil(ctx context.Context, id latchkey.ApplicationID) (time.Time, error)
	// Lock keeps others who lock it waiting until the transaction ends: what is counted of the
	// application is then not outdated when it is added to. Only inside InTx.
	Lock(ctx context.Context, id latchkey.ApplicationID) error
}

// Keys are looked up by hash.
type Keys interface {
	Create(ctx context.Context, k latchkey.APIKey) error
	ByHash(ctx context.Context, hash []byte) (latchkey.APIKey, error)
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.APIKey, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.KeyID) error
	// DeletePrepared removes every prepared key whose hash is not keep.
	DeletePrepared(ctx context.Context, keep []byte) error
}

// LinkFilter narrows a list of links; zero values do not narrow.
type LinkFilter struct {
	Status latchkey.LinkStatus
	Name   string
	// Now decides which links a status filter takes for expired (see latchkey.Link.StatusAt).
	Now time.Time
}

// Links are the hot path: Create outside a transaction is a single durable statement that
// implementations group with others.
type Links interface {
	Create(ctx context.Context, l latchkey.Link) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, error)
	ByToken(ctx context.Context, tokenHash []byte) (latchkey.Link, error)
	// ForUpdate reads the link and keeps others from changing it until the transaction ends. It is
	// only available inside InTx.
	ForUpdate(ctx context.Context, id latchkey.LinkID) (latchkey.Link, error)
	// Update writes everything but the identity of the link, its token, terms, CreatedAt and OpenedCount.
	Update(ctx context.Context, l latchkey.Link) error
	List(ctx context.Context, app latchkey.ApplicationID, f LinkFilter, p Page) ([]latchkey.Link, error)
	// Proxy opens the link's Proxy; nil where it has none.
	Proxy(ctx context.Context, id latchkey.LinkID) (*latchkey.Proxy, error)
	// AddOpened adds to OpenedCount, and returns how many there are now.
	AddOpened(ctx context.Context, id latchkey.LinkID, n int64) (int64, error)
	// DeleteEnded removes links that expired, or would have, before the time.
	DeleteEnded(ctx context.Context, before time.Time, limit int) (int, error)
	// DueToExpire lists links whose TellExpiry has come, the oldest first.
	DueToExpire(ctx context.Context, now time.Time, limit int) ([]latchkey.Link, error)
	// TellExpiry sets when to tell that the link has expired; zero means never.
	TellExpiry(ctx context.Context, id latchkey.LinkID, at time.Time) error
	// WatchExpiry sets TellExpiry on up to limit of the application's links that may yet expire after
	// the time and have none, and returns how many.
	WatchExpiry(ctx context.Context, app latchkey.ApplicationID, after time.Time, limit int) (int, error)
}

// Flows are changed by compare-and-set.
type Flows interface {
	Create(ctx context.Context, f latchkey.Flow) error
	Get(ctx context.Context, id latchkey.FlowID) (latchkey.Flow, error)
	// ByBrowser finds the newest flow of the link that is (or was) bound to the cookie.
	ByBrowser(ctx context.Context, link latchkey.LinkID, cookieHash []byte) (latchkey.Flow, error)
	// ByAccount finds the newest flow of the application that made, mended or is to make the account.
	ByAccount(ctx context.Context, app latchkey.ApplicationID, account latchkey.AccountID) (latchkey.Flow, error)
	// Save writes f where the row still has that version and fence, else ErrStale. It writes
	// everything but ids, CookieHash and CreatedAt.
	Save(ctx context.Context, f latchkey.Flow, version, fence int64) error
	// Renew moves LeaseUntil (and WorkDue with it) where fence is still the row's, else ErrStale.
	Renew(ctx context.Context, id latchkey.FlowID, fence int64, until time.Time) error
	// Due lists flows in progress whose WorkDue has come, oldest first.
	Due(ctx context.Context, now time.Time, limit int) ([]latchkey.FlowID, error)
	// Stranded lists flows in progress whose WorkDue lies after the time: further ahead than any
	// lease or pause, so that the clock must have been put back since.
	Stranded(ctx context.Context, after time.Time, limit int) ([]latchkey.FlowID, error)
	// Expire ends flows in progress whose ExpiresAt lies before now, and erases their bodies.
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
	// DeleteFinished removes finished flows last changed before the time (their bodies hold what
	// was typed); it returns how many.
	DeleteFinished(ctx context.Context, before time.Time, limit int) (int, error)
}

// Accounts are the product's memory.
type Accounts interface {
	Create(ctx context.Context, a latchkey.Account) error
	// Get finds by our id or by the application's own.
	Get(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error)
	// ForUpdate is Get that keeps others from changing the account. Only inside InTx.
	ForUpdate(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error)
	// Update writes everything but ids, Sequence, RefreshClaim and CreatedAt.
	Update(ctx context.Context, a latchkey.Account) error
	// NextSequence counts the account's events. The time it returns is now, or that of the event before
	// where the clock has been put back since: an account's events never seem to go back in time. Only
	// inside InTx.
	NextSequence(ctx context.Context, id latchkey.AccountID, now time.Time) (int64, time.Time, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID) error
	List(ctx context.Context, app latchkey.ApplicationID, p Page) ([]latchkey.Account, error)
	// ListByStatus is List of those in one status, by index. CountByStatus counts the application's
	// accounts in each status, by index.
	ListByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.AccountStatus, p Page) ([]latchkey.Account, error)
	CountByStatus(ctx context.Context, app latchkey.ApplicationID) (map[latchkey.AccountStatus]int64, error)
	// SameGrant counts the accounts of one identity at a provider that were connected through one OAuth
	// client: to the provider, all of them are one grant. Provider apps with the same client id are one
	// client, whichever applications registered them. Without a client (a session of its own) there are none.
	SameGrant(ctx context.Context, p latchkey.Provider, client latchkey.ProviderAppID, identity string) (int64, error)
	// OfProviderApp counts the application's accounts that were connected through a provider app.
	OfProviderApp(ctx context.Context, app latchkey.ApplicationID, client latchkey.ProviderAppID) (int64, error)
	// DueForRefresh lists accounts of a provider whose RefreshAt has come, the most urgent first, without
	// their secrets. It is found by index. ClaimRefresh moves an account's RefreshAt from what it was to
	// until, and RefreshClaim with it, so that one replica works on it; ErrStale where another was quicker.
	DueForRefresh(ctx context.Context, p latchkey.Provider, now time.Time, limit int) ([]latchkey.Account, error)
	ClaimRefresh(ctx context.Context, id latchkey.AccountID, was, until time.Time) error
}

// ProviderApps are few for each application.
type ProviderApps interface {
	// Create fails with ErrConflict where the id is taken. A new default takes the place of the one
	// before it, here and in Update; two at once are ErrConflict for one of them, who may try again.
	Create(ctx context.Context, a latchkey.ProviderApp) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (latchkey.ProviderApp, error)
	// ForUpdate is Get that keeps others from changing it. Only inside InTx.
	ForUpdate(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (latchkey.ProviderApp, error)
	// List returns all of them, oldest first.
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.ProviderApp, error)
	// Update writes everything but ids, the provider and CreatedAt.
	Update(ctx context.Context, a latchkey.ProviderApp) error
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) error
}

// Paces are what replicas do no faster together than one alone would.
type Paces interface {
	// Reserve takes the pace's next cost of time, and returns when it begins: now, or when what others
	// took before is over. A free moment that lies further ahead than a minute, and than a hundred times
	// the cost, was reserved before somebody set the clock back: it counts for nothing.
	Reserve(ctx context.Context, name string, cost time.Duration, now time.Time) (time.Time, error)
}

// EventFilter narrows a list of events; zero values do not narrow.
type EventFilter struct {
	Link    latchkey.LinkID
	Account latchkey.AccountID
	Type    latchkey.EventType
}

// Events are written once and never changed.
type Events interface {
	Add(ctx context.Context, events ...latchkey.Event) error
	// List returns events oldest first, after the id given (empty for the beginning).
	List(ctx context.Context, app latchkey.ApplicationID, f EventFilter, after latchkey.EventID, limit int) ([]latchkey.Event, error)
	DeleteBefore(ctx context.Context, before time.Time, limit int) (int, error)
}

// IdempotentAnswer is what was answered to a creating request.
type IdempotentAnswer struct {
	ApplicationID latchkey.ApplicationID
	Route         string
	// KeyHash is a hash of the Idempotency-Key; BodyMAC an HMAC of the request's body.
	KeyHash []byte
	BodyMAC []byte
	// Status is 0 while the first request is still being worked on.
	Status    int
	Body      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Idempotency remembers answers for a day.
type Idempotency interface {
	// Claim inserts a, if there is no unexpired row of the same application, route and key; it then
	// returns a and true. Otherwise it returns the row there is, and false. A claim that is still
	// unanswered at staleBefore is taken over.
	Claim(ctx context.Context, a IdempotentAnswer, staleBefore time.Time) (IdempotentAnswer, bool, error)
	// Finish stores the answer; Release forgets the claim (after an answer that is not 2xx).
	Finish(ctx context.Context, a IdempotentAnswer) error
	Release(ctx context.Context, a IdempotentAnswer) error
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}

// Tries counts what a stranger can repeat, over all replicas.
type Tries interface {
	// Count adds one to the bucket and returns how many there are in the window that now lies in
	// (windows are aligned to multiples of their length).
	Count(ctx context.Context, bucket string, window time.Duration, now time.Time) (int, error)
	// Forgive takes one back, which turned out not to have been a guess.
	Forgive(ctx context.Context, bucket string, window time.Duration, now time.Time) error
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}
