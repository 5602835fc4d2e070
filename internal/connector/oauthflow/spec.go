package oauthflow

import (
	"context"
	"crypto/tls"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
)

// Config is what a flow needs of the installation.
type Config struct {
	// HTTP reaches the provider, under the OAuth egress policy.
	HTTP *http.Client
	// Dial reaches mail servers, under the mail egress policy.
	Dial login.Dialer
	// TLS returns the configuration for a mail server's name, with the operator's roots.
	TLS func(serverName string) *tls.Config
	// AllowPlaintext lists mail hosts that may be spoken to without TLS.
	AllowPlaintext []string
	// Lend gives tokens that applications keep themselves; nil gives none.
	Lend connector.Lender
	Now  func() time.Time
	Log  *slog.Logger
	// Timeout bounds one request to the provider; if zero, HTTP's own does, or else 15 seconds.
	Timeout time.Duration
}

// Endpoints is where a provider is, for one App.
type Endpoints struct {
	Authorize, Token, Userinfo, Revoke, JWKS string
	// Issuer is what id tokens must say. "{tenantid}" stands for the token's own tid.
	Issuer string
	// AnswersIssuer says that the provider always names itself when it sends the browser back
	// (RFC 9207 §2.3), so that its absence is a forgery.
	AnswersIssuer bool
	AuthStyle     oauth2.AuthStyle
}

// Spec is what one provider does in its own way.
type Spec struct {
	Provider latchkey.Provider
	// Name begins step ids ("google").
	Name string
	// Texts, Icon and Consent go into the Descriptor; Consent are the codes of its consent text.
	Texts   fs.FS
	Icon    string
	Consent []string
	// PKCE, Nonce and IDToken say what the provider's protocol takes. LoginHint: an address can be
	// passed on.
	PKCE, Nonce, IDToken, LoginHint bool
	// Shared says that who signs in may open other people's mailboxes (Options.Delegated).
	Shared bool
	// AuthorizeTells says that a redirect URI that is not registered is refused by the authorization
	// endpoint alone, at once: the token endpoint, given a code that is none, does not look at it.
	AuthorizeTells bool
	// Mail says that the account is a mailbox, not a profile.
	Mail bool
	// Issuer is the operator's: exactly this discovery document and no other endpoint.
	Issuer string
	// Endpoints are those of the known clouds.
	Endpoints func(app connector.App) (Endpoints, error)
	// Scopes are what to ask for, before the App's wishes.
	Scopes func(app connector.App, o connector.Options) []string
	// ScopeCode names the permission that a scope is, for "note.<name>_scope_<code>".
	ScopeCode func(scope string) string
	// Offline tells whether a grant has to come with a refresh token.
	Offline func(app connector.App) bool
	// Authorize adds the provider's own parameters to the authorize URL.
	Authorize func(q url.Values, a Ask)
	// Problem names what a provider's own error means; ProblemNone leaves it to the common table.
	Problem func(e ProviderError) Problem
	// Accept looks at an id token's claims that only this provider has.
	Accept func(app connector.App, c Claims) Problem
	// Servers are the mailbox's.
	Servers func(app connector.App) Servers
	// Profile asks the provider's API whose mailbox or profile it is, and so proves that it opens.
	Profile func(ctx context.Context, h *HTTP, app connector.App, s Secret, p Person) (Person, error)
	// Exchange and Renew replace what RFC 6749 says, where a provider does not keep to it.
	Exchange func(ctx context.Context, h *HTTP, app connector.App, code, callbackURL string) (Secret, error)
	Renew    func(ctx context.Context, h *HTTP, app connector.App, s Secret) (Secret, error)
	// Unattended gets a token without a person; nil where there is no such way.
	Unattended func(ctx context.Context, f *Flow, app connector.App, mailbox string) (Secret, error)
	// AdminConsentURL is the link for an administrator, with connector.AdminStatePlaceholder in it;
	// empty where it is not known.
	AdminConsentURL func(app connector.App, scopes []string, callbackURL string) string
}

// Servers are a mailbox's.
type Servers struct{ IMAP, SMTP login.Server }

// Ask is what an authorize URL is made for.
type Ask struct {
	App    connector.App
	Scopes []string
	// Hint is the address that is expected; empty if unknown or not to be assumed.
	Hint string
	// Chooser wants the provider to show its account chooser; Consent wants it to ask for the
	// permissions again; Fresh wants a new sign-in.
	Chooser, Consent, Fresh bool
}

// Person is whose account it is.
type Person struct {
	ID      string `json:"id,omitempty"` // the provider's: sub, oid, user_id
	Email   string `json:"email,omitempty"`
	Aliases []string
	Name    string `json:"name,omitempty"`
	// Username is a profile's public name.
	Username string `json:"username,omitempty"`
}

// Flow connects accounts by OAuth. It is embedded by the connectors.
type Flow struct {
	Spec  Spec
	http  *HTTP
	login *login.Client
	lend  connector.Lender
	meta  *metadata
	now   func() time.Time
	log   *slog.Logger
}

// New makes a flow.
func New(spec Spec, cfg Config) *Flow {
	h := newHTTP(cfg.HTTP, cfg.Timeout)
	return &Flow{
		Spec: spec, http: h, lend: cfg.Lend, now: cfg.Now, log: cfg.Log,
		login: &login.Client{Dial: cfg.Dial, TLS: cfg.TLS, AllowPlaintext: cfg.AllowPlaintext},
		meta:  newMetadata(h, cfg.Now),
	}
}

// HTTP is the flow's way to the provider.
func (f *Flow) HTTP() *HTTP { return f.http }

// Describe says what the connector is.
func (f *Flow) Describe() connector.Descriptor {
	d := connector.Descriptor{
		Provider: f.Spec.Provider, Texts: f.Spec.Texts, Icon: f.Spec.Icon, Scopes: f.Spec.Consent,
		NeedsApp: true, Capabilities: []string{"redirect"},
	}
	for name, has := range map[string]bool{"pkce": f.Spec.PKCE, "nonce": f.Spec.Nonce, "id_token": f.Spec.IDToken} {
		if has {
			d.Capabilities = append(d.Capabilities, name)
		}
	}
	return d
}
