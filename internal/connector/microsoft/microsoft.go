package microsoft

import (
	"context"
	"crypto/tls"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/connector/oauthflow"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed icon.svg
var icon string

// Config is what the connector needs of the installation.
type Config struct {
	// HTTP reaches Microsoft under the OAuth egress policy; Dial and TLS its mail servers.
	HTTP *http.Client
	Dial login.Dialer
	TLS  func(serverName string) *tls.Config
	// Issuer, if set, is exactly this discovery document and iss. Authority replaces the sign-in
	// host of every cloud, GraphURL its Graph, IMAP and SMTP its mail servers.
	Issuer         string
	Authority      string
	GraphURL       string
	IMAP, SMTP     login.Server
	AllowPlaintext []string
	// Lend gives tokens that applications keep themselves.
	Lend connector.Lender
	Now  func() time.Time
	Log  *slog.Logger
}

// Connector connects Microsoft mailboxes. Microsoft has no revocation endpoint, so it is no Revoker.
type Connector struct {
	*oauthflow.Flow
	cfg Config
}

var (
	_ connector.Connector       = (*Connector)(nil)
	_ connector.Checker         = (*Connector)(nil)
	_ connector.Refresher       = (*Connector)(nil)
	_ connector.AppVerifier     = (*Connector)(nil)
	_ connector.DirectConnector = (*Connector)(nil)
)

// New makes the connector.
func New(cfg Config) *Connector {
	words, err := fs.Sub(texts, "texts")
	if err != nil {
		words = texts // cannot be: the name is a constant
	}
	c := &Connector{cfg: cfg}
	c.Flow = oauthflow.New(oauthflow.Spec{
		Provider: latchkey.Microsoft, Name: "microsoft", Texts: words, Icon: icon,
		Consent: []string{"mail.read", "mail.send", "mail.manage"},
		PKCE:    true, Nonce: true, IDToken: true, LoginHint: true, Mail: true, Shared: true,
		Issuer: cfg.Issuer, Endpoints: c.endpoints, Scopes: scopes, ScopeCode: scopeCode, Offline: offline,
		Authorize: authorize, Problem: problem, Accept: c.accept,
		Servers: c.servers, Profile: c.profile, Unattended: c.unattended, AdminConsentURL: c.adminConsentURL,
	}, oauthflow.Config{
		HTTP: cfg.HTTP, Dial: cfg.Dial, TLS: cfg.TLS, AllowPlaintext: cfg.AllowPlaintext, Lend: cfg.Lend, Now: cfg.Now, Log: cfg.Log,
	})
	return c
}

// scopes: one token is for one resource, so those of Outlook and of Graph are never mixed.
func scopes(app connector.App, o connector.Options) []string {
	if app.Protocol == "api" {
		s := []string{"openid", "profile", "email", "offline_access", "User.Read", "Mail.ReadWrite", "Mail.Send"}
		if o.Delegated {
			s = append(s, "Mail.ReadWrite.Shared", "Mail.Send.Shared")
		}
		return s
	}
	outlook := cloudOf(app).Outlook
	return []string{"openid", "profile", "email", "offline_access", outlook + "/IMAP.AccessAsUser.All", outlook + "/SMTP.Send"}
}

func scopeCode(scope string) string {
	switch {
	case strings.HasSuffix(scope, "SMTP.Send"), strings.Contains(scope, "Mail.Send"):
		return "send"
	case strings.Contains(scope, "IMAP."), strings.Contains(scope, "Mail."):
		return "mail"
	default:
		return "other"
	}
}

func offline(app connector.App) bool { return !slices.Contains(app.SkipScopes, "offline_access") }

// authorize chooses the prompt by need: the account chooser if we cannot say whom we expect.
func authorize(q url.Values, a oauthflow.Ask) {
	q.Set("response_mode", "query")
	switch {
	case a.Fresh:
		q.Set("prompt", "login")
	case a.Consent:
		q.Set("prompt", "consent")
	case a.Chooser || a.Hint == "":
		q.Set("prompt", "select_account")
	}
}

// consumers is the tenant of personal accounts.
const consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

// accept keeps a client to the kind of account that its tenant names. An operator's own issuer may
// have no tenants.
func (c *Connector) accept(app connector.App, claims oauthflow.Claims) oauthflow.Problem {
	tid, tenant := strings.ToLower(claims.TID), strings.ToLower(app.Tenant)
	if tid == "" && c.cfg.Issuer != "" {
		return oauthflow.ProblemNone
	}
	wrong := false
	switch tenant {
	case "", "common":
	case "organizations":
		wrong = tid == consumers
	case "consumers":
		wrong = tid != consumers
	default:
		// A tenant may also be named by one of its domains: then only the endpoint keeps others out.
		wrong = looksLikeID(tenant) && tid != tenant
	}
	if wrong {
		return oauthflow.ProblemWrongType
	}
	return oauthflow.ProblemNone
}

func looksLikeID(s string) bool { return len(s) == 36 && strings.Count(s, "-") == 4 }

func (c *Connector) servers(app connector.App) oauthflow.Servers {
	cloud := cloudOf(app)
	s := oauthflow.Servers{
		IMAP: login.Server{Host: cloud.IMAP, Port: 993, Encryption: login.TLS},
		SMTP: login.Server{Host: cloud.SMTP, Port: 587, Encryption: login.STARTTLS},
	}
	if c.cfg.IMAP.Host != "" {
		s.IMAP = c.cfg.IMAP
	}
	if c.cfg.SMTP.Host != "" {
		s.SMTP = c.cfg.SMTP
	}
	return s
}

// VerifyApp tells whether the client is set up right.
func (c *Connector) VerifyApp(ctx context.Context, a connector.App, callbackURL string) ([]connector.AppFinding, error) {
	const at = "In the Microsoft Entra admin center, open “App registrations” and your application: "
	return c.Flow.VerifyApp(ctx, a, callbackURL, oauthflow.Advice{
		ClientID: at + "copy “Application (client) ID” from its overview. This one is not known in the tenant that is set here.",
		ClientSecret: at + "under “Certificates & secrets”, “Client secrets”, add a new one and store its Value (not its Secret ID) here. " +
			"This one is wrong or has expired.",
		RedirectURI: at + "under “Authentication”, “Web”, add " + callbackURL + ".",
		Permissions: at + "under “API permissions”, add the delegated permissions " + strings.Join(scopes(a, connector.Options{})[3:], ", ") +
			", and press “Grant admin consent” if your organisation wants that.",
		Tenant: at + "compare “Supported account types” with the tenant that is set here. Use “common” for all, “organizations” for work accounts, " +
			"“consumers” for personal ones, or the Directory (tenant) ID.",
	})
}
