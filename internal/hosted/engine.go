package hosted

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Herald tells the application what happened, inside the transaction in which it happens.
type Herald interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
	Notify(ctx context.Context, tx store.Tx, n Notice) error
}

// NoticeKind is what a link's notify_url is told.
type NoticeKind string

// The kinds of notices.
const (
	NoticeCreated     NoticeKind = "CREATION_SUCCESS"
	NoticeReconnected NoticeKind = "RECONNECTED"
	NoticeFailed      NoticeKind = "CREATION_FAILED"
	NoticeExpired     NoticeKind = "LINK_EXPIRED"
)

// Notice is one message to a link's notify_url.
type Notice struct {
	Kind      NoticeKind
	Link      latchkey.Link
	AccountID latchkey.AccountID
	EventID   latchkey.EventID
	Code      errs.Code
}

// Revocations ends grants at their provider, later, outside the transaction.
type Revocations interface {
	Revoke(ctx context.Context, tx store.Tx, p latchkey.Provider, app latchkey.ApplicationID, c connector.Credential) error
}

// Apps knows the OAuth clients that applications registered at providers.
type Apps interface {
	// For returns the client with the id, or the default one; errs.CodeNotFound where there is none.
	// It is asked for every page, so it remembers for some seconds.
	For(ctx context.Context, app latchkey.ApplicationID, p latchkey.Provider, id string) (*connector.App, error)
	// Flag notes that the provider refused the client itself: the operator's matter. It must not be
	// called inside a transaction.
	Flag(ctx context.Context, app latchkey.ApplicationID, id, code string) error
}

// Kept hears, in the transaction, of accounts that were connected or reconnected, so that somebody
// stays connected for those that need it.
type Kept interface {
	Wanted(ctx context.Context, tx store.Tx, a latchkey.Account) error
}

// Reminders hear of accounts that work again, so that their end users are not asked for nothing.
type Reminders interface {
	// Changed hears of an account whose status is another than it was, in the transaction that wrote it.
	Changed(ctx context.Context, tx store.Tx, a *latchkey.Account, was latchkey.Account) error
	// TakeBack ends a mail that has not left.
	TakeBack(ctx context.Context, tx store.Tx, a *latchkey.Account) error
}

// Observer counts, after the commit of what it is told.
type Observer interface {
	// Link tells what became of links: created, opened, started, taken_over, completed, failed,
	// canceled or expired.
	Link(outcome string, n int)
	// Step tells of a step that was reached, or with a code, that an answer to it failed.
	Step(provider, step, code string)
	// Flow tells of a flow's end.
	Flow(provider, outcome, step, code string)
	// Work tells how long something outside took: done, timed_out, interrupted or failed.
	Work(provider, outcome string, took time.Duration)
}

// Listeners tells whether somebody listens for events that are only written then. It is asked for
// every link, so it remembers for a moment.
type Listeners interface {
	Listened(ctx context.Context, app latchkey.ApplicationID, t latchkey.EventType) (bool, error)
}

// Config is what an Engine needs. Store, Connectors, Herald, Revocations, Now and Log are required.
type Config struct {
	Store       store.Store
	Connectors  map[latchkey.Provider]connector.Connector
	Herald      Herald
	Revocations Revocations
	// Listeners may be nil: nobody listens then.
	Listeners Listeners
	// Apps may be nil where no connector needs one; Kept, where no connector is a Keeper.
	Apps Apps
	Kept Kept
	// Reminders may be nil: nobody is asked to reconnect then.
	Reminders Reminders
	// FirstCheck says when an account that was just connected is checked first; zero for never. It may
	// be nil where nobody checks.
	FirstCheck func(a latchkey.Account, now time.Time) time.Time
	// Owner names this process among the replicas.
	Owner string
	// AppName is what end users know an application by; its own name if nil.
	// It may be asked inside a transaction, whose connection is the only one that it may use.
	AppName func(ctx context.Context, tx store.Tx, app latchkey.Application) string
	// CallbackURL is the redirect URI of this installation.
	CallbackURL string
	Now         func() time.Time
	Log         *slog.Logger
	// Lease is how long a holder of a Work keeps it without a sign of life; 10 seconds if zero.
	Lease time.Duration
	// Wait is how long an answer waits for the Work that it began, so that quick ones need no
	// second look; 400 ms if zero, none if negative.
	Wait time.Duration
	// Edge is called with a name at each edge of a Work. Crash tests kill the process there.
	Edge func(edge string)
	// Observe may be nil.
	Observe Observer
}

// Engine owns links and flows. See the package's documentation.
type Engine struct {
	cfg     Config
	descs   map[latchkey.Provider]connector.Descriptor
	apps    applicationCache
	opened  openedCounter
	running runningWorks
}

// New makes an Engine. Call Run to let it pick up Works of other processes and of the past.
func New(cfg Config) *Engine {
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Wait == 0 {
		cfg.Wait = 400 * time.Millisecond
	}
	if cfg.AppName == nil {
		cfg.AppName = func(_ context.Context, _ store.Tx, app latchkey.Application) string { return app.Name }
	}
	if cfg.Edge == nil {
		cfg.Edge = func(string) {}
	}
	if cfg.Observe == nil {
		cfg.Observe = unobserved{}
	}
	descs := map[latchkey.Provider]connector.Descriptor{}
	for p, conn := range cfg.Connectors {
		descs[p] = conn.Describe()
	}
	return &Engine{
		cfg:     cfg,
		descs:   descs,
		apps:    applicationCache{entries: map[latchkey.ApplicationID]cachedApplication{}},
		opened:  openedCounter{counts: map[latchkey.LinkID]int64{}},
		running: runningWorks{works: map[latchkey.FlowID]*running{}},
	}
}

// applicationCacheTTL bounds how long a changed application (its name, its providers) may be shown
// as it was by another replica.
const applicationCacheTTL = 5 * time.Second

type cachedApplication struct {
	app   latchkey.Application
	until time.Time
}

type applicationCache struct {
	mu      sync.Mutex
	entries map[latchkey.ApplicationID]cachedApplication
}

func (e *Engine) application(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error) {
	now := e.cfg.Now()
	e.apps.mu.Lock()
	c, ok := e.apps.entries[id]
	e.apps.mu.Unlock()
	if ok && now.Before(c.until) {
		return c.app, nil
	}
	app, err := e.cfg.Store.Applications().Get(ctx, id)
	if err != nil {
		return latchkey.Application{}, err
	}
	app.WebhookSecret, app.OldWebhookSecret = "", "" // not the engine's business
	e.apps.mu.Lock()
	e.apps.entries[id] = cachedApplication{app: app, until: now.Add(applicationCacheTTL)}
	e.apps.mu.Unlock()
	return app, nil
}

// openedCounter gathers views of links, so that a GET writes nothing; Run adds them up now and then.
type openedCounter struct {
	mu     sync.Mutex
	counts map[latchkey.LinkID]int64
}

// maxOpenedWaiting bounds the memory that views of many links can take between two flushes.
const maxOpenedWaiting = 100_000

func (o *openedCounter) add(id latchkey.LinkID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.counts) < maxOpenedWaiting {
		o.counts[id]++
	}
}

func (o *openedCounter) drain() map[latchkey.LinkID]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.counts
	o.counts = map[latchkey.LinkID]int64{}
	return out
}

// newToken makes an opaque token of 256 random bits, and the hash under which it is kept. A fast
// hash is enough: there is nothing to guess.
func newToken() (token string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashToken(token)
}

func hashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

func entropy() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

// CookieName is the name of the cookie that binds the link's flow to a browser, before the page
// adds what its scheme allows.
func CookieName(id latchkey.LinkID) string { return "lk_" + string(id[len("lnk_"):]) }
