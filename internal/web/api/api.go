package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/applications"
	"latchkey/internal/connector"
	"latchkey/internal/funnel"
	"latchkey/internal/hooks"
	"latchkey/internal/hosted"
	"latchkey/internal/providerapps"
	"latchkey/internal/signin"
	"latchkey/internal/store"
	"latchkey/internal/web"
)

// Keys tells whose API key it is.
type Keys interface {
	Authenticate(ctx context.Context, key string) (latchkey.Application, latchkey.APIKey, error)
	// Known tells whether the key was found valid within the last seconds, from memory.
	Known(key string) bool
}

// Links makes and reads links.
type Links interface {
	CreateLink(ctx context.Context, app latchkey.Application, spec hosted.LinkSpec) (hosted.CreatedLink, error)
	Link(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, []latchkey.Event, error)
	Links(ctx context.Context, app latchkey.ApplicationID, f store.LinkFilter, p store.Page) ([]latchkey.Link, error)
	ExpireLink(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (latchkey.Link, error)
	CreateReconnectURL(ctx context.Context, app latchkey.Application, spec hosted.ReconnectURLSpec) (hosted.CreatedReconnectURL, error)
	RevokeReconnectURLs(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) error
}

// Connecter connects an account without the wizard.
type Connecter interface {
	Connect(ctx context.Context, app latchkey.Application, d hosted.DirectSpec) (hosted.DirectResult, error)
	// AnswerCheckpoint answers what such a connection asks, or says how it stands.
	AnswerCheckpoint(ctx context.Context, app latchkey.Application, a hosted.CheckpointAnswer) (hosted.DirectResult, error)
}

// Accounts looks after connected accounts.
type Accounts interface {
	List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Account, error)
	Get(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error)
	Change(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, want accounts.Change) (latchkey.Account, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) error
	Check(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error)
	History(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, p store.Page) ([]latchkey.StatusChange, error)
	AccessToken(ctx context.Context, app latchkey.ApplicationID, idOrExternal string, key latchkey.KeyID) (connector.AccessToken, error)
}

// Applications changes applications.
type Applications interface {
	Change(ctx context.Context, id latchkey.ApplicationID, want applications.Settings) (latchkey.Application, error)
}

// Events reads what happened.
type Events interface {
	List(ctx context.Context, app latchkey.ApplicationID, f store.EventFilter, after latchkey.EventID, limit int) ([]latchkey.Event, error)
}

// Answers remembers answers to creating requests.
type Answers interface {
	Claim(ctx context.Context, a store.IdempotentAnswer, staleBefore time.Time) (store.IdempotentAnswer, bool, error)
	Finish(ctx context.Context, a store.IdempotentAnswer) error
	Release(ctx context.Context, a store.IdempotentAnswer) error
}

// MAC makes message authentication codes, one key for each purpose.
type MAC interface {
	MAC(purpose string, data []byte) []byte
}

// ProviderApps looks after the OAuth clients of applications.
type ProviderApps interface {
	Create(ctx context.Context, app latchkey.ApplicationID, spec providerapps.Spec) (latchkey.ProviderApp, error)
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.ProviderApp, error)
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (latchkey.ProviderApp, error)
	Update(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID, spec providerapps.Spec) (latchkey.ProviderApp, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) error
	Verify(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (providerapps.Verification, error)
}

// Funnel reads how far links got.
type Funnel interface {
	Read(ctx context.Context, app latchkey.ApplicationID, from, to time.Time) (funnel.Funnel, error)
}

// Webhooks looks after endpoints and what is sent to them.
type Webhooks interface {
	CreateEndpoint(ctx context.Context, app latchkey.ApplicationID, spec hooks.EndpointSpec) (latchkey.Endpoint, error)
	Endpoints(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Endpoint, error)
	Endpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	UpdateEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, spec hooks.EndpointSpec) (latchkey.Endpoint, error)
	RotateApplicationSecret(ctx context.Context, app latchkey.ApplicationID) (latchkey.Application, error)
	RotateSecret(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	ResumeEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	DeleteEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) error
	TestEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Delivery, error)
	Deliveries(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, p store.Page) (page []hooks.Logged, more bool, err error)
	Delivery(ctx context.Context, app latchkey.ApplicationID, id latchkey.DeliveryID) (latchkey.Delivery, []latchkey.Attempt, error)
	Replay(ctx context.Context, app latchkey.ApplicationID, id latchkey.DeliveryID) (latchkey.Delivery, error)
	ReplaySince(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, since time.Time) error
	// Follow has events written that are only written where somebody listens, until the time.
	Follow(ctx context.Context, app latchkey.ApplicationID, until time.Time) error
}

// SignIns lets applications sign people in by email.
type SignIns interface {
	Begin(ctx context.Context, r signin.Request) (latchkey.SignIn, error)
	Resend(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, by signin.By) (latchkey.SignIn, error)
	Exchange(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, code string, by signin.By) (signin.SignedIn, error)
	Settings(ctx context.Context, app latchkey.ApplicationID) (signin.Settings, error)
	PutSettings(ctx context.Context, app latchkey.ApplicationID, set signin.Settings) error
	AddRules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error)
	DeleteRules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error)
	Rules(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, after string, limit int) ([]string, error)
}

// OpenID looks after applications' OpenID Connect clients and signing keys.
type OpenID interface {
	Issuer(app latchkey.ApplicationID) string
	CreateClient(ctx context.Context, app latchkey.ApplicationID, spec signin.ClientSpec) (signin.CreatedClient, error)
	Clients(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.OIDCClient, error)
	Client(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (latchkey.OIDCClient, error)
	UpdateClient(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID, spec signin.ClientSpec) (latchkey.OIDCClient, error)
	RotateClientSecret(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (signin.CreatedClient, error)
	DeleteClient(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) error
	SigningKeys(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.SigningKey, error)
	RotateKeys(ctx context.Context, app latchkey.ApplicationID, atOnce bool) error
}

// Config is what the API needs.
type Config struct {
	BaseURL *url.URL
	Now     func() time.Time
	Log     *slog.Logger

	Keys     Keys
	Links    Links
	Direct   Connecter
	Accounts Accounts
	Events   Events
	Answers  Answers
	MAC      MAC
	// Trail keeps the audit trail, and AuditLog reads it. A nil Trail keeps none.
	Trail    Trail
	AuditLog AuditLog
	// Funnel may be nil only where nobody asks for it.
	Funnel Funnel
	// Applications changes the caller's own; it may be nil only where nobody does.
	Applications Applications
	// SignIns and OpenID may be nil only where nobody asks for them.
	SignIns SignIns
	OpenID  OpenID
	// ProviderApps may be nil only where nobody asks for one.
	ProviderApps ProviderApps
	// Senders and Mails may be nil only where nobody asks for them.
	Senders Senders
	Mails   Mails

	// Branding may be nil only where nobody asks for it.
	Branding Branding

	// Webhooks may be nil only where nobody asks for one.
	Webhooks Webhooks

	// KeyLimit bounds each key, and WrongKeyLimit the wrong keys of each address. Zero limits nothing.
	KeyLimit      web.Limit
	WrongKeyLimit web.Limit
	// Version is the product's, for the description.
	Version string
}

// API serves the routes.
type API struct {
	cfg       Config
	base      string
	keyLimit  *web.Limiter
	wrongKeys *web.Limiter
	// replays are of one webhook: each may set off as many deliveries as there are events.
	replays   *web.Limiter
	listening listening
	// document is made when somebody first asks for it.
	document func() (document, error)
}

// New makes the API.
func New(cfg Config) *API {
	a := &API{
		cfg:       cfg,
		base:      strings.TrimSuffix(cfg.BaseURL.String(), "/"),
		keyLimit:  web.NewLimiter(cfg.KeyLimit, cfg.Now),
		wrongKeys: web.NewLimiter(cfg.WrongKeyLimit, cfg.Now),
		replays:   web.NewLimiter(web.Limit{PerSecond: replaysPerSecond, Burst: replaysAtOnce}, cfg.Now),
		listening: listening{apps: map[latchkey.ApplicationID]int{}},
	}
	a.document = sync.OnceValues(a.describe)
	return a
}

// Register adds the routes to the mux, under both prefixes, and what answers unknown ones.
func (a *API) Register(mux *http.ServeMux) {
	for _, rt := range a.routes() {
		mux.Handle(rt.method+" "+web.StrictPrefix+rt.path, a.serve(rt, false))
		mux.Handle(rt.method+" "+web.LenientPrefix+rt.path, a.serve(rt, true))
	}
	unknown := web.NoRoute(mux)
	for _, prefix := range []string{web.StrictPrefix, web.LenientPrefix} {
		mux.HandleFunc(prefix, unknown) // or the mux would redirect, in HTML
		mux.HandleFunc(prefix+"/", unknown)
	}
	mux.HandleFunc("GET /openapi.json", a.serveDocument)
	registerDocs(mux)
}

func (a *API) now() time.Time { return a.cfg.Now().UTC().Truncate(time.Millisecond) }
