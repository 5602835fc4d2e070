package google

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey/internal/connector"
	"latchkey/internal/connector/oauthflow"
)

// serviceKey is the part of Google's JSON key that is used. Its token_uri is not: where secrets are
// sent is the operator's choice, not that of who pastes a key.
type serviceKey struct {
	Type  string `json:"type"`
	Email string `json:"client_email"`
	KeyID string `json:"private_key_id"`
	PEM   string `json:"private_key"`
}

var errKey = errors.New("google: this is not the JSON key of a service account")

func readKey(raw string) (serviceKey, *rsa.PrivateKey, error) {
	var k serviceKey
	if err := json.Unmarshal([]byte(raw), &k); err != nil || k.Type != "service_account" || k.Email == "" {
		return k, nil, errKey
	}
	block, _ := pem.Decode([]byte(k.PEM))
	if block == nil {
		return k, nil, errKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return k, nil, errKey
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return k, nil, errKey
	}
	return k, key, nil
}

// unattended gets a token for a mailbox by domain-wide delegation (RFC 7523 §2.1).
func unattended(ctx context.Context, f *oauthflow.Flow, app connector.App, mailbox string) (oauthflow.Secret, error) {
	if app.ServiceAccount == "" {
		return oauthflow.Secret{}, oauthflow.NewError(oauthflow.ProblemPermissions, "the client has no service account")
	}
	k, key, err := readKey(app.ServiceAccount)
	if err != nil {
		return oauthflow.Secret{}, oauthflow.NewError(oauthflow.ProblemClientSecret, err.Error())
	}
	audience, err := f.TokenEndpoint(ctx, app)
	if err != nil {
		return oauthflow.Secret{}, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: k.KeyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return oauthflow.Secret{}, oauthflow.NewError(oauthflow.ProblemClientSecret, "the service account's key cannot sign")
	}
	now := f.Now()
	assertion, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: k.Email, Subject: mailbox, Audience: jwt.Audience{audience}, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
	}).Claims(map[string]any{"scope": scopes(app, connector.Options{})[3]}).Serialize()
	if err != nil {
		return oauthflow.Secret{}, err
	}
	s, err := f.Grant(ctx, app, oauthflow.KindServiceAccount, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion},
	})
	s.Mailbox = mailbox
	return s, err
}

// verifyServiceAccount asks for a token in the service account's own name: whether the key is right can
// be seen so; whether a domain delegated to it, only with one of its mailboxes.
func (c *Connector) verifyServiceAccount(ctx context.Context, a connector.App) connector.AppFinding {
	const code = "service_account"
	_, err := unattended(ctx, c.Flow, a, "")
	switch p := c.ProblemOf(err); {
	case err == nil:
		return connector.AppFinding{Code: code, OK: true, Detail: "The key is right. In the Google Admin console, under “Security”, “Access and data control”, “API controls”, " +
			"“Manage Domain Wide Delegation”, the service account’s client ID has to be listed with the scope " + scopes(a, connector.Options{})[3] + "."}
	case p == oauthflow.ProblemUnavailable:
		return connector.AppFinding{Code: code, Detail: "Google gave no answer that tells whether the key is right. Try again in a few minutes."}
	default:
		return connector.AppFinding{Code: code, Detail: "Google does not accept this key. In the Google Cloud console, open “IAM & Admin”, “Service accounts”, " +
			"your account, “Keys”, and add a new JSON key."}
	}
}
