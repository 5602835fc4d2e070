package oauthflow

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"latchkey/internal/connector"
)

// skew is how far the provider's clock may be from ours.
const skew = 2 * time.Minute

// Claims are those of an id token or of userinfo.
type Claims struct {
	Subject           string `json:"sub"`
	Email             string `json:"email"`
	EmailVerified     truth  `json:"email_verified"`
	Name              string `json:"name"`
	PreferredUsername string `json:"preferred_username"`
	// OID and TID are Microsoft's person and tenant; HD is Google's Workspace domain.
	OID   string `json:"oid"`
	TID   string `json:"tid"`
	HD    string `json:"hd"`
	Nonce string `json:"nonce"`
	AZP   string `json:"azp"`
}

// truth is a boolean that some providers write as a string.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	*t = truth(strings.EqualFold(s, "true") || s == "1")
	return nil
}

func guid() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
}

func isGUID(s string) bool { return len(s) == 36 && guid().MatchString(s) }

// watchedKeys remembers why a signature was not verified: an outage is no forgery.
type watchedKeys struct {
	oidc.KeySet
	err error
}

func (w *watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := w.KeySet.VerifySignature(ctx, jwt)
	w.err = err
	return payload, err
}

// verifyIDToken checks an id token (OpenID Connect Core 1.0 §3.1.3.7). nonce is empty where none was
// sent. What is wrong with the token is a ProviderError; other errors are outages.
func (f *Flow) verifyIDToken(ctx context.Context, e Endpoints, app connector.App, raw, nonce, access string) (Claims, error) {
	wrong := func(format string, args ...any) (Claims, error) {
		return Claims{}, &ProviderError{Problem: ProblemForged, Code: "id_token", Description: clean(fmt.Sprintf(format, args...), 300)}
	}
	if raw == "" || len(raw) > maxIDToken {
		return wrong("there is none, or it is too long")
	}
	keys := &watchedKeys{KeySet: f.meta.keySet(e.JWKS)}
	templated := strings.Contains(e.Issuer, tenantMark)
	token, err := oidc.NewVerifier(e.Issuer, keys, &oidc.Config{
		ClientID: app.ClientID, SupportedSigningAlgs: []string{oidc.RS256, oidc.ES256}, SkipIssuerCheck: templated,
		Now: func() time.Time { return f.now().Add(-skew) },
	}).Verify(f.http.context(ctx), raw)
	if err != nil {
		if keys.err != nil && strings.HasPrefix(keys.err.Error(), "fetching keys") {
			return Claims{}, fmt.Errorf("oauthflow: the provider's keys cannot be read: %w", keys.err)
		}
		return wrong("%v", err)
	}
	var c Claims
	if err := token.Claims(&c); err != nil {
		return wrong("its claims cannot be read")
	}
	if templated && (!isGUID(c.TID) || token.Issuer != strings.ReplaceAll(e.Issuer, tenantMark, c.TID)) {
		return wrong("it was issued by %s", token.Issuer)
	}
	switch {
	case c.Subject == "":
		return wrong("it names nobody")
	case token.IssuedAt.After(f.now().Add(skew)):
		return wrong("it was issued in the future")
	case nonce != "" && subtle.ConstantTimeCompare([]byte(nonce), []byte(c.Nonce)) != 1:
		return wrong("it has another nonce")
	case (len(token.Audience) > 1 || c.AZP != "") && c.AZP != app.ClientID:
		return wrong("it is for another client")
	case token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return wrong("it belongs to another access token")
	}
	if f.Spec.Accept != nil {
		if p := f.Spec.Accept(app, c); p != ProblemNone {
			return Claims{}, &ProviderError{Problem: p, Code: "id_token", Description: "the account is not of the kind that the client takes"}
		}
	}
	return c, nil
}

// userinfo asks who it is (OpenID Connect Core 1.0 §5.3). The subject must be the id token's.
func (f *Flow) userinfo(ctx context.Context, address, access string) (Claims, error) {
	if address == "" {
		return Claims{}, &ProviderError{Problem: ProblemForged, Code: "userinfo", Description: "there is no userinfo endpoint"}
	}
	a, err := f.http.Get(ctx, address, access)
	if err != nil {
		return Claims{}, err
	}
	if a.Status != 200 {
		e := fromBody(a.Status, a.Body)
		if a.Status == 401 || a.Status == 403 {
			e.Problem = ProblemRejected
		}
		return Claims{}, e
	}
	var c Claims
	if err := json.Unmarshal(a.Body, &c); err != nil {
		return Claims{}, fmt.Errorf("oauthflow: userinfo cannot be read")
	}
	return c, nil
}
