package instagram

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
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
	// HTTP reaches Instagram under the OAuth egress policy.
	HTTP *http.Client
	// URL replaces all three of Instagram's hosts.
	URL string
	Now func() time.Time
	Log *slog.Logger
}

// Connector connects Instagram accounts. Instagram has no revocation endpoint, so it is no Revoker.
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
		Provider: latchkey.Instagram, Name: "instagram", Texts: words, Icon: icon,
		Consent:   []string{"profile.read", "messages.read", "messages.send"},
		Endpoints: func(connector.App) (oauthflow.Endpoints, error) { return c.endpoints(), nil },
		Scopes: func(connector.App, connector.Options) []string {
			return []string{"instagram_business_basic", "instagram_business_manage_messages"}
		},
		ScopeCode: scopeCode, Authorize: authorize, Problem: problem,
		Profile: c.profile, Exchange: c.exchange, Renew: c.renew,
	}, oauthflow.Config{HTTP: cfg.HTTP, Now: cfg.Now, Log: cfg.Log})
	return c
}

func (c *Connector) at(host string) string {
	if c.cfg.URL != "" {
		return strings.TrimSuffix(c.cfg.URL, "/")
	}
	return "https://" + host + ".instagram.com"
}

func (c *Connector) endpoints() oauthflow.Endpoints {
	return oauthflow.Endpoints{
		Authorize: c.at("www") + "/oauth/authorize", Token: c.at("api") + "/oauth/access_token",
		// It names itself nowhere; an answer that names anybody is another's.
		Issuer: c.at("www"), AuthStyle: oauth2.AuthStyleInParams,
	}
}

func scopeCode(scope string) string {
	switch {
	case strings.Contains(scope, "messages"):
		return "messages"
	case strings.Contains(scope, "basic"):
		return "basic"
	default:
		return "other"
	}
}

func authorize(q url.Values, a oauthflow.Ask) {
	q.Set("scope", strings.Join(a.Scopes, ","))
	if a.Chooser || a.Fresh {
		q.Set("force_reauth", "true")
	}
}

// problem reads Meta's errors: types and numbers from the API, sentences from the token endpoint.
func problem(e oauthflow.ProviderError) oauthflow.Problem {
	low := strings.ToLower(e.Description)
	if _, number, ok := strings.Cut(e.Code, ":"); ok {
		switch number {
		case "190", "102", "467":
			return oauthflow.ProblemRejected
		case "10", "200", "3":
			return oauthflow.ProblemBlocked
		case "101":
			return oauthflow.ProblemClientID
		case "1", "2", "4", "17", "32", "341", "613":
			return oauthflow.ProblemUnavailable
		}
	}
	switch {
	case e.Code == "access_denied":
		return oauthflow.ProblemCancelled
	case strings.Contains(low, "client secret"), strings.Contains(low, "client_secret"):
		return oauthflow.ProblemClientSecret
	case strings.Contains(low, "platform app"), strings.Contains(low, "client id"), strings.Contains(low, "client_id"):
		return oauthflow.ProblemClientID
	case strings.Contains(low, "authorization code"), strings.Contains(low, "matching code"):
		return oauthflow.ProblemRejected
	case strings.Contains(low, "redirect"):
		return oauthflow.ProblemRedirectURI
	case strings.Contains(low, "scope"):
		return oauthflow.ProblemPermissions
	}
	return oauthflow.ProblemNone
}

// VerifyApp tells whether the client is set up right.
func (c *Connector) VerifyApp(ctx context.Context, a connector.App, callbackURL string) ([]connector.AppFinding, error) {
	const at = "In Meta’s app dashboard, open your app, “Instagram”, “API setup with Instagram login”: "
	return c.Flow.VerifyApp(ctx, a, callbackURL, oauthflow.Advice{
		ClientID:     at + "copy the Instagram app ID (not the Meta app ID). This one is not known to Instagram.",
		ClientSecret: at + "copy the Instagram app secret. This one is not accepted.",
		RedirectURI:  at + "under “Set up Instagram business login”, “Business login settings”, “OAuth redirect URIs”, add " + callbackURL + ".",
		Permissions:  at + "add instagram_business_basic and instagram_business_manage_messages; for other people’s accounts they need Advanced Access.",
	})
}
