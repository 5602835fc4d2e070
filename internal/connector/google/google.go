package google

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

	"golang.org/x/oauth2"

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
	// HTTP reaches Google under the OAuth egress policy; Dial and TLS its mail servers.
	HTTP *http.Client
	Dial login.Dialer
	TLS  func(serverName string) *tls.Config
	// Issuer, if set, is exactly this discovery document and iss, instead of Google's own.
	Issuer string
	// IMAP and SMTP are the mailboxes' servers; Google's own if zero.
	IMAP, SMTP login.Server
	// APIURL is where the Gmail API is; Google's own if empty.
	APIURL         string
	AllowPlaintext []string
	// Lend gives tokens that applications keep themselves.
	Lend connector.Lender
	Now  func() time.Time
	Log  *slog.Logger
}

// ScopeMail opens a mailbox by IMAP and SMTP; ScopeModify by the Gmail API.
const (
	ScopeMail   = "https://mail.google.com/"
	ScopeModify = "https://www.googleapis.com/auth/gmail.modify"
)

// Connector connects Google mailboxes.
type Connector struct {
	*oauthflow.Flow
	api string
}

var (
	_ connector.Connector       = (*Connector)(nil)
	_ connector.Checker         = (*Connector)(nil)
	_ connector.Revoker         = (*Connector)(nil)
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
	servers := oauthflow.Servers{IMAP: cfg.IMAP, SMTP: cfg.SMTP}
	if servers.IMAP.Host == "" {
		servers.IMAP = login.Server{Host: "imap.gmail.com", Port: 993, Encryption: login.TLS}
	}
	if servers.SMTP.Host == "" {
		servers.SMTP = login.Server{Host: "smtp.gmail.com", Port: 465, Encryption: login.TLS}
	}
	c := &Connector{api: strings.TrimSuffix(cfg.APIURL, "/")}
	if c.api == "" {
		c.api = "https://gmail.googleapis.com"
	}
	c.Flow = oauthflow.New(oauthflow.Spec{
		Provider: latchkey.Google, Name: "google", Texts: words, Icon: icon,
		Consent: []string{"mail.read", "mail.send", "mail.manage"},
		PKCE:    true, Nonce: true, IDToken: true, LoginHint: true, Mail: true,
		Issuer: cfg.Issuer, Endpoints: endpoints, Scopes: scopes, ScopeCode: scopeCode, Offline: offline,
		Authorize: authorize, Problem: problem, Accept: accept,
		Servers: func(connector.App) oauthflow.Servers { return servers },
		Profile: c.profile, Unattended: unattended,
	}, oauthflow.Config{
		HTTP: cfg.HTTP, Dial: cfg.Dial, TLS: cfg.TLS, AllowPlaintext: cfg.AllowPlaintext, Lend: cfg.Lend, Now: cfg.Now, Log: cfg.Log,
	})
	return c
}

func endpoints(connector.App) (oauthflow.Endpoints, error) {
	return oauthflow.Endpoints{
		Authorize: "https://accounts.google.com/o/oauth2/v2/auth",
		Token:     "https://oauth2.googleapis.com/token",
		Userinfo:  "https://openidconnect.googleapis.com/v1/userinfo",
		Revoke:    "https://oauth2.googleapis.com/revoke",
		JWKS:      "https://www.googleapis.com/oauth2/v3/certs",
		Issuer:    "https://accounts.google.com", AuthStyle: oauth2.AuthStyleInParams,
	}, nil
}

func scopes(app connector.App, _ connector.Options) []string {
	mail := ScopeMail
	if app.Protocol == "api" {
		mail = ScopeModify
	}
	return []string{"openid", "email", "profile", mail}
}

// scopeCode names the box that a scope is on Google's page.
func scopeCode(scope string) string {
	switch {
	case scope == ScopeMail || strings.Contains(scope, "/gmail."):
		return "mail"
	case strings.Contains(scope, "calendar"):
		return "calendar"
	case strings.Contains(scope, "contacts"):
		return "contacts"
	default:
		return "other"
	}
}

func offline(connector.App) bool { return true }

// authorize: without prompt=consent a second consent comes without a refresh token.
func authorize(q url.Values, a oauthflow.Ask) {
	q.Set("access_type", "offline")
	q.Set("prompt", "consent")
	if a.Chooser {
		q.Set("prompt", "consent select_account")
	}
	if a.App.Domain != "" {
		q.Set("hd", a.App.Domain)
	}
}

// accept keeps a client that is limited to a Workspace domain to it: hd in the request is only a wish.
func accept(app connector.App, c oauthflow.Claims) oauthflow.Problem {
	switch {
	case app.Domain == "":
		return oauthflow.ProblemNone
	case app.Domain == "*" && c.HD != "", strings.EqualFold(app.Domain, c.HD):
		return oauthflow.ProblemNone
	default:
		return oauthflow.ProblemWrongType
	}
}

func problem(e oauthflow.ProviderError) oauthflow.Problem {
	low := strings.ToLower(e.Description)
	switch e.Code {
	case "admin_policy_enforced", "access_not_configured":
		return oauthflow.ProblemBlocked
	case "org_internal":
		return oauthflow.ProblemWrongType
	case "invalid_client":
		if strings.Contains(low, "not found") {
			return oauthflow.ProblemClientID
		}
		return oauthflow.ProblemClientSecret
	case "unauthorized_client":
		// Said to a service account to which no administrator delegated.
		return oauthflow.ProblemPermissions
	case "invalid_request":
		if strings.Contains(low, "redirect_uri") {
			return oauthflow.ProblemRedirectURI
		}
	}
	return oauthflow.ProblemNone
}

// profile asks the Gmail API whose mailbox it is.
func (c *Connector) profile(ctx context.Context, h *oauthflow.HTTP, _ connector.App, s oauthflow.Secret, p oauthflow.Person) (oauthflow.Person, error) {
	a, err := h.Get(ctx, c.api+"/gmail/v1/users/me/profile", s.AccessToken)
	if err != nil {
		return oauthflow.Person{}, err
	}
	if a.Status != http.StatusOK {
		return oauthflow.Person{}, refused(a)
	}
	var box struct {
		Email string `json:"emailAddress"`
	}
	if err := a.JSON(&box); err != nil {
		return oauthflow.Person{}, err
	}
	email := strings.ToLower(strings.TrimSpace(box.Email))
	if !strings.Contains(email, "@") {
		return oauthflow.Person{}, oauthflow.NewError(oauthflow.ProblemUnavailable, "the Gmail profile names no address")
	}
	p.Email, p.Aliases = email, []string{email}
	return p, nil
}

// Revoke ends the grant at Google. All tokens of this person and client end with it.
func (c *Connector) Revoke(ctx context.Context, a connector.Credential) error {
	return c.RevokeGrant(ctx, a)
}

// VerifyApp tells whether the client is set up right.
func (c *Connector) VerifyApp(ctx context.Context, a connector.App, callbackURL string) ([]connector.AppFinding, error) {
	const at = "In the Google Cloud console, open “Google Auth Platform”, “Clients”, and your client: "
	var found []connector.AppFinding
	if a.ClientID != "" {
		var err error
		found, err = c.Flow.VerifyApp(ctx, a, callbackURL, oauthflow.Advice{
			ClientID:     at + "copy its Client ID, which ends in .apps.googleusercontent.com. This one is not known to Google.",
			ClientSecret: at + "under “Client secrets”, add a new secret and store it here. This one is not accepted.",
			RedirectURI:  at + "under “Authorized redirect URIs”, add " + callbackURL + ".",
			Permissions: "Under “Google Auth Platform”, “Data Access”, add the scope " + scopes(a, connector.Options{})[3] +
				"; under “Audience”, publish the app: while it is in testing, sign-ins end after seven days.",
		})
		if err != nil {
			return nil, err
		}
	}
	if a.ServiceAccount != "" {
		found = append(found, c.verifyServiceAccount(ctx, a))
	}
	if a.ClientID == "" && a.ServiceAccount == "" {
		found = append(found, connector.AppFinding{Code: "client_id", Detail: "There is no client ID yet. " + at + "copy it."})
	}
	return slices.Clip(found), nil
}
