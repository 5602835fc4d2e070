package oauthflow

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"latchkey/internal/connector"
)

// bogusCode is no code: the token endpoint looks at the client before it looks at the code, and so
// tells whether the client is right.
const bogusCode = "latchkey-verification-of-the-client"

// Probe asks the token endpoint with a code that does not exist, and returns what it says is the
// matter; ProblemRejected (the code is refused) means that the client is right.
func (f *Flow) Probe(ctx context.Context, app connector.App, callbackURL string) (Problem, string, error) {
	where, err := f.endpoints(ctx, app)
	if err != nil {
		return ProblemNone, "", err
	}
	opts := []oauth2.AuthCodeOption{}
	if f.Spec.PKCE {
		opts = append(opts, oauth2.VerifierOption("latchkey-verification-of-the-client-0123456789"))
	}
	if f.Spec.Exchange != nil {
		_, err = f.Spec.Exchange(ctx, f.http, app, bogusCode, callbackURL)
	} else {
		_, err = f.oauth(app, where, callbackURL, nil).Exchange(f.http.context(ctx), bogusCode, opts...)
	}
	if err == nil {
		return ProblemForged, "the provider accepted a code that does not exist", nil
	}
	if e := asProviderError(err); e == nil || f.problemOf(err) == ProblemUnavailable {
		return ProblemUnavailable, said(err), nil
	}
	return f.problemOf(err), said(err), nil
}

// probeAuthorize asks the authorization endpoint as a browser would. It must not send anybody to a
// redirect URI that it does not know, and says so in its place (RFC 6749 §4.1.2.1). Whatever else it
// answers, such as a login page or a refusal of visitors that are no browser, tells nothing.
func (f *Flow) probeAuthorize(ctx context.Context, app connector.App, callbackURL string) Problem {
	where, err := f.endpoints(ctx, app)
	if err != nil {
		return ProblemNone
	}
	scopes := wanted(f.Spec.Scopes(app, connector.Options{}), app)
	a, err := f.http.Get(ctx, f.oauth(app, where, callbackURL, scopes).AuthCodeURL("verification"), "")
	if err != nil || (a.Status != http.StatusBadRequest && a.Status != http.StatusUnauthorized) {
		return ProblemNone
	}
	switch said := strings.ToLower(string(a.Body)); {
	case strings.Contains(said, "redirect"):
		return ProblemRedirectURI
	case strings.Contains(said, "scope"):
		return ProblemPermissions
	default:
		return ProblemNone
	}
}

// Advice is what an operator is told of each finding.
type Advice struct {
	// Where says in which console the client is, and where to click there.
	ClientID, ClientSecret, RedirectURI, Permissions, Tenant string
}

// VerifyApp tells whether client id, secret and redirect URI are right. A token endpoint looks at them
// in this order, so what comes behind the first wrong one is not known and not told.
func (f *Flow) VerifyApp(ctx context.Context, app connector.App, callbackURL string, a Advice) ([]connector.AppFinding, error) {
	p, detail, err := f.Probe(ctx, app, callbackURL)
	if err != nil {
		return nil, err
	}
	if p == ProblemRejected && f.Spec.AuthorizeTells {
		if more := f.probeAuthorize(ctx, app, callbackURL); more != ProblemNone {
			p = more
		}
	}
	good := func(code string) connector.AppFinding { return connector.AppFinding{Code: code, OK: true} }
	bad := func(code, advice string) connector.AppFinding {
		return connector.AppFinding{Code: code, Detail: advice}
	}
	switch p {
	case ProblemClientID:
		return []connector.AppFinding{bad("client_id", a.ClientID)}, nil
	case ProblemTenant:
		return []connector.AppFinding{bad("tenant", a.Tenant)}, nil
	case ProblemClientSecret, ProblemSecretExpired:
		return []connector.AppFinding{bad(string(p), a.ClientSecret)}, nil
	case ProblemRedirectURI:
		return []connector.AppFinding{good("client_id"), good("client_secret"), bad("redirect_uri", a.RedirectURI)}, nil
	case ProblemPermissions:
		return []connector.AppFinding{good("client_id"), good("client_secret"), bad("permissions", a.Permissions)}, nil
	case ProblemRejected:
		return []connector.AppFinding{
			good("client_id"), good("client_secret"),
			{Code: "redirect_uri", OK: true, Detail: "The provider looks at it only when somebody signs in. If it is not there yet: " + a.RedirectURI},
			{Code: "permissions", OK: true, Detail: "The provider looks at them only when somebody signs in. If they are not there yet: " + a.Permissions},
		}, nil
	default:
		return []connector.AppFinding{bad("provider", "The provider gave no answer that tells whether the client is right ("+detail+"). Try again in a few minutes.")}, nil
	}
}
