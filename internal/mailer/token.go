package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
	"golang.org/x/sync/singleflight"

	"latchkey"
)

// Providers are where the mail hosts and token endpoints of OAuth senders are. The operator may move
// them; an application cannot.
type Providers struct {
	// MicrosoftAuthority is https://login.microsoftonline.com if empty.
	MicrosoftAuthority string
	// MicrosoftGraph is https://graph.microsoft.com if empty.
	MicrosoftGraph string
	// GoogleToken is where a service account's assertion is sent; https://oauth2.googleapis.com/token if empty.
	GoogleToken string
	// MicrosoftSMTP and GoogleSMTP are the submission servers.
	MicrosoftSMTP, GoogleSMTP Server
}

// Server is a submission server.
type Server struct {
	Host       string
	Port       int
	Encryption Encryption
}

// Scopes of tokens for sending.
const (
	microsoftSMTPScope = "https://outlook.office365.com/.default"
	graphScope         = "/.default"
	googleScope        = "https://mail.google.com/"
)

// tokenMargin is how long before its end a token is not used any more.
const tokenMargin = time.Minute

var errServiceAccount = errors.New("mailer: the service account's key cannot be read")

// tokens keeps access tokens until they end; who needs one that is being asked for waits for it.
type tokens struct {
	ask    func(ctx context.Context, s latchkey.Sender) (*oauth2.Token, error)
	flight singleflight.Group

	mu   sync.Mutex
	kept map[string]*oauth2.Token
}

// tokenName is what a token belongs to: a changed sender gets a new one.
func tokenName(s latchkey.Sender) string {
	return string(s.ID) + "|" + string(s.Transport) + "|" + s.UpdatedAt.UTC().Format(time.RFC3339Nano)
}

// get returns a token that is good for a while. fresh asks anew, once for all who ask at that time.
func (t *tokens) get(ctx context.Context, s latchkey.Sender, now time.Time, fresh bool) (string, error) {
	name := tokenName(s)
	t.mu.Lock()
	kept := t.kept[name]
	t.mu.Unlock()
	if !fresh && kept != nil && now.Before(kept.Expiry.Add(-tokenMargin)) {
		return kept.AccessToken, nil
	}
	// Nobody's going away may cost the others their token.
	flight := t.flight.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTime)
		defer cancel()
		return t.ask(ctx, s)
	})
	var got singleflight.Result
	select {
	case got = <-flight:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if got.Err != nil {
		return "", got.Err
	}
	token := got.Val.(*oauth2.Token) //nolint:forcetypeassert // ask returns nothing else
	if token.Expiry.IsZero() {
		token.Expiry = now.Add(5 * time.Minute) // RFC 6749 §5.1 lets expires_in be absent
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, k := range t.kept {
		if !now.Before(k.Expiry) {
			delete(t.kept, n)
		}
	}
	if t.kept == nil {
		t.kept = map[string]*oauth2.Token{}
	}
	t.kept[name] = token
	return token.AccessToken, nil
}

// askToken asks the provider for a token that acts for the sender without a person.
func (s *Service) askToken(ctx context.Context, sender latchkey.Sender) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.cfg.OAuth)
	if sender.Provider == latchkey.Google {
		return s.askGoogle(ctx, sender)
	}
	scope := microsoftSMTPScope
	if sender.Transport == latchkey.TransportGraph {
		scope = s.cfg.Providers.graph() + graphScope
	}
	authority := strings.TrimSuffix(orElse(s.cfg.Providers.MicrosoftAuthority, "https://login.microsoftonline.com"), "/")
	c := clientcredentials.Config{
		ClientID: sender.ClientID, ClientSecret: sender.ClientSecret, Scopes: []string{scope}, AuthStyle: oauth2.AuthStyleInParams,
		TokenURL: authority + "/" + url.PathEscape(sender.Tenant) + "/oauth2/v2.0/token",
	}
	return c.Token(ctx)
}

// askGoogle signs an assertion (RFC 7523) for the mailbox: domain-wide delegation.
func (s *Service) askGoogle(ctx context.Context, sender latchkey.Sender) (*oauth2.Token, error) {
	key, err := readServiceAccount(sender.ServiceAccount)
	if err != nil {
		return nil, err
	}
	c := jwt.Config{
		Email: key.ClientEmail, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.PrivateKeyID, Subject: sender.Email,
		Scopes: []string{googleScope}, TokenURL: orElse(s.cfg.Providers.GoogleToken, "https://oauth2.googleapis.com/token"),
	}
	token, err := c.TokenSource(ctx).Token()
	if err != nil && strings.Contains(err.Error(), "private key") {
		return nil, errServiceAccount // the library's error may hold some of the key
	}
	return token, err
}

// serviceAccount is what we read of Google's JSON key. Its token_uri is not used: where secrets are
// sent is the operator's decision.
type serviceAccount struct {
	Type         string `json:"type"`
	ClientEmail  string `json:"client_email"`
	PrivateKey   string `json:"private_key"`
	PrivateKeyID string `json:"private_key_id"`
}

func readServiceAccount(raw string) (serviceAccount, error) {
	var k serviceAccount
	if json.Unmarshal([]byte(raw), &k) != nil || k.Type != "service_account" || k.ClientEmail == "" || k.PrivateKey == "" {
		return k, errServiceAccount
	}
	return k, nil
}

func (p Providers) graph() string {
	return strings.TrimSuffix(orElse(p.MicrosoftGraph, "https://graph.microsoft.com"), "/")
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
