package linkedin

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/oauthflow"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed icon.svg
var icon string

// Config is what the connector needs of the installation.
type Config struct {
	// HTTP reaches LinkedIn under the OAuth egress policy.
	HTTP *http.Client
	// Issuer, if set, is exactly this discovery document and iss. URL replaces both of LinkedIn's hosts.
	Issuer string
	URL    string
	Now    func() time.Time
	Log    *slog.Logger
}

// Connector connects LinkedIn profiles. LinkedIn documents no revocation, so it is no Revoker.
type Connector struct{ *oauthflow.Flow }

var (
	_ connector.Connector       = (*Connector)(nil)
	_ connector.Checker         = (*Connector)(nil)
	_ connector.Refresher       = (*Connector)(nil)
	_ connector.AppVerifier     = (*Connector)(nil)
	_ connector.DirectConnector = (*Connector)(nil)
)

// New makes the connector. LinkedIn refuses a code_verifier of ordinary clients and does not say a
// nonce back: state, cookie and the exchange between servers have to do.
func New(cfg Config) *Connector {
	words, err := fs.Sub(texts, "texts")
	if err != nil {
		words = texts // cannot be: the name is a constant
	}
	c := &Connector{}
	c.Flow = oauthflow.New(oauthflow.Spec{
		Provider: latchkey.LinkedIn, Name: "linkedin", Texts: words, Icon: icon, Consent: []string{"profile.read"},
		IDToken: true, Issuer: cfg.Issuer,
		// Of a wrong redirect URI the token endpoint says what it says of a wrong code; the authorization
		// endpoint answers 400 or 401 (learn.microsoft.com, "Authorization Code Flow", "API Error Details").
		AuthorizeTells: true,
		Endpoints:      func(connector.App) (oauthflow.Endpoints, error) { return endpoints(cfg.URL), nil },
		Scopes:         func(connector.App, connector.Options) []string { return []string{"openid", "profile", "email"} },
		ScopeCode:      func(string) string { return "other" },
		Problem:        problem,
		Profile: func(ctx context.Context, _ *oauthflow.HTTP, app connector.App, s oauthflow.Secret, p oauthflow.Person) (oauthflow.Person, error) {
			return c.UserinfoProfile(ctx, app, s, p)
		},
	}, oauthflow.Config{HTTP: cfg.HTTP, Now: cfg.Now, Log: cfg.Log})
	return c
}

func endpoints(at string) oauthflow.Endpoints {
	www, api := "https://www.linkedin.com", "https://api.linkedin.com"
	if at != "" {
		www = strings.TrimSuffix(at, "/")
		api = www
	}
	return oauthflow.Endpoints{
		Authorize: www + "/oauth/v2/authorization", Token: www + "/oauth/v2/accessToken", JWKS: www + "/oauth/openid/jwks",
		Userinfo: api + "/v2/userinfo", Issuer: www + "/oauth", AuthStyle: oauth2.AuthStyleInParams,
	}
}

func problem(e oauthflow.ProviderError) oauthflow.Problem {
	low := strings.ToLower(e.Description)
	switch e.Code {
	case "user_cancelled_login", "user_cancelled_authorize":
		return oauthflow.ProblemCancelled
	case "unauthorized_scope_error":
		return oauthflow.ProblemPermissions
	case "invalid_client_id", "application_disabled":
		return oauthflow.ProblemClientID
	case "invalid_redirect_uri":
		return oauthflow.ProblemRedirectURI
	case "invalid_client":
		if strings.Contains(low, "client_id") {
			return oauthflow.ProblemClientID
		}
	case "invalid_request":
		switch {
		case strings.Contains(low, "client_id is invalid"), strings.Contains(low, "client_id passed"):
			return oauthflow.ProblemClientID
		case strings.Contains(low, "client_secret"):
			return oauthflow.ProblemClientSecret
		case strings.Contains(low, "authorization code"):
			// One sentence for a wrong code, a wrong client and a wrong redirect URI.
			return oauthflow.ProblemRejected
		case strings.Contains(low, "redirect"):
			return oauthflow.ProblemRedirectURI
		}
	case "invalid_redirect_uri_error":
		return oauthflow.ProblemRedirectURI
	}
	return oauthflow.ProblemNone
}

// VerifyApp tells whether the client is set up right.
func (c *Connector) VerifyApp(ctx context.Context, a connector.App, callbackURL string) ([]connector.AppFinding, error) {
	const at = "In LinkedIn’s developer portal, open “My apps” and your app: "
	return c.Flow.VerifyApp(ctx, a, callbackURL, oauthflow.Advice{
		ClientID:     at + "under “Auth”, copy the Client ID. This one is not known to LinkedIn.",
		ClientSecret: at + "under “Auth”, copy the Primary Client Secret. This one is not accepted.",
		RedirectURI:  at + "under “Auth”, “Authorized redirect URLs for your app”, add " + callbackURL + ".",
		Permissions:  at + "under “Products”, add “Sign In with LinkedIn using OpenID Connect”.",
	})
}
