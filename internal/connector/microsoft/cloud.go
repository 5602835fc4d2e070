package microsoft

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"

	"latchkey/internal/connector"
	"latchkey/internal/connector/oauthflow"
)

// Cloud is one of Microsoft's clouds.
type Cloud struct {
	Login, Graph, Outlook, IMAP, SMTP string
}

// Clouds are those that an App may name.
func Clouds() map[string]Cloud {
	return map[string]Cloud{
		"global": {
			Login: "https://login.microsoftonline.com", Graph: "https://graph.microsoft.com", Outlook: "https://outlook.office.com",
			IMAP: "outlook.office365.com", SMTP: "smtp.office365.com",
		},
		"gcc_high": {
			Login: "https://login.microsoftonline.us", Graph: "https://graph.microsoft.us", Outlook: "https://outlook.office365.us",
			IMAP: "outlook.office365.us", SMTP: "smtp.office365.us",
		},
		"dod": {
			Login: "https://login.microsoftonline.us", Graph: "https://dod-graph.microsoft.us", Outlook: "https://outlook-dod.office365.us",
			IMAP: "outlook-dod.office365.us", SMTP: "outlook-dod.office365.us",
		},
		"china": {
			Login: "https://login.partner.microsoftonline.cn", Graph: "https://microsoftgraph.chinacloudapi.cn", Outlook: "https://partner.outlook.cn",
			IMAP: "partner.outlook.cn", SMTP: "smtp.partner.outlook.cn",
		},
	}
}

// cloudOf is an App's cloud; what is not known was refused when it was stored, and is the global one.
func cloudOf(app connector.App) Cloud {
	clouds := Clouds()
	if c, ok := clouds[strings.ReplaceAll(app.Cloud, "-", "_")]; ok {
		return c
	}
	return clouds["global"]
}

func tenantName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`) }

// tenantOf is the part of an authority's path. It goes into addresses, so it is looked at again here.
func tenantOf(app connector.App) (string, error) {
	switch {
	case app.Tenant == "":
		return "common", nil
	case tenantName().MatchString(app.Tenant) && !strings.Contains(app.Tenant, ".."):
		return app.Tenant, nil
	default:
		return "", fmt.Errorf("microsoft: this is not a tenant")
	}
}

func (c *Connector) authority(app connector.App) string {
	if c.cfg.Authority != "" {
		return strings.TrimSuffix(c.cfg.Authority, "/")
	}
	return cloudOf(app).Login
}

func (c *Connector) graph(app connector.App) string {
	if c.cfg.GraphURL != "" {
		return strings.TrimSuffix(c.cfg.GraphURL, "/")
	}
	return cloudOf(app).Graph
}

func (c *Connector) endpoints(app connector.App) (oauthflow.Endpoints, error) {
	tenant, err := tenantOf(app)
	if err != nil {
		return oauthflow.Endpoints{}, err
	}
	at := c.authority(app)
	return oauthflow.Endpoints{
		Authorize: at + "/" + tenant + "/oauth2/v2.0/authorize",
		Token:     at + "/" + tenant + "/oauth2/v2.0/token",
		JWKS:      at + "/" + tenant + "/discovery/v2.0/keys",
		Userinfo:  c.graph(app) + "/oidc/userinfo",
		// The issuer names the tenant of who signed in, which is known only then.
		Issuer: at + "/{tenantid}/v2.0", AuthStyle: oauth2.AuthStyleInParams,
	}, nil
}

// consentHost is where administrators consent. An operator's own issuer is the only one that pages
// lead to: where its address has Microsoft's form, consent is beside it; otherwise it is not known.
func (c *Connector) consentHost(app connector.App) string {
	if c.cfg.Issuer == "" || c.cfg.Authority != "" {
		return c.authority(app)
	}
	u, err := url.Parse(c.cfg.Issuer)
	if err != nil || !issuerPath().MatchString(u.Path) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func issuerPath() *regexp.Regexp { return regexp.MustCompile(`^/[A-Za-z0-9.-]+/v2\.0$`) }

// adminConsentURL is where an administrator allows the client for the whole organisation.
func (c *Connector) adminConsentURL(app connector.App, asked []string, callbackURL string) string {
	at := c.consentHost(app)
	if at == "" {
		return ""
	}
	tenant, err := tenantOf(app)
	if err != nil || tenant == "common" || tenant == "consumers" {
		tenant = "organizations"
	}
	var resource []string
	for _, s := range asked {
		switch {
		case strings.Contains(s, "://"):
			resource = append(resource, s)
		case strings.Contains(s, "."):
			resource = append(resource, cloudOf(app).Graph+"/"+s)
		}
	}
	q := url.Values{
		"client_id": {app.ClientID}, "scope": {strings.Join(resource, " ")}, "redirect_uri": {callbackURL}, "state": {connector.AdminStatePlaceholder},
	}
	return at + "/" + tenant + "/v2.0/adminconsent?" + q.Encode()
}
