package oauthflow

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"latchkey/internal/connector"
)

// Kinds of credentials that no person gave.
const (
	KindServiceAccount    = "service_account"
	KindClientCredentials = "client_credentials"
	// KindAuthServer credentials hold no token: the application's authentication server lends it.
	KindAuthServer = "auth_server"
)

// Secret is the credential, as the account keeps it, sealed.
type Secret struct {
	Kind         string    `json:"kind,omitempty"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	TokenType    string    `json:"token_type,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	IssuedAt     time.Time `json:"issued_at,omitzero"`
	// RefreshExpiresAt is when even the refresh token ends, where the provider says so.
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	// Scope is what was granted.
	Scope string `json:"scope,omitempty"`
	// Subject is the provider's id of who signed in; Mailbox is the login of the mailbox.
	Subject string `json:"subject,omitempty"`
	Mailbox string `json:"mailbox,omitempty"`
	// Shared says that Mailbox is another's than who signed in.
	Shared bool `json:"shared,omitempty"`
	// Protocol is how the mailbox was seen to open; ReadOnly that it is not sent from.
	Protocol string `json:"protocol,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`

	idToken string
}

var errSecret = errors.New("oauthflow: the stored credential cannot be read")

func decodeSecret(b []byte) (Secret, error) {
	var s Secret
	if json.Unmarshal(b, &s) != nil || (s.AccessToken == "" && s.RefreshToken == "" && s.Kind == "") {
		return Secret{}, errSecret
	}
	return s, nil
}

// encode is for the account's sealed column.
func (s Secret) encode() ([]byte, error) {
	return json.Marshal(s) //nolint:gosec // the engine seals it
}

// Bounds of what a provider may say about how long a token lives.
const (
	shortestLife = time.Minute
	usualLife    = time.Hour
	longestLife  = 400 * 24 * time.Hour
)

// life is a token's time as the provider says, or what is usual.
func life(seconds int64) time.Duration {
	switch {
	case seconds <= 0:
		return usualLife
	case seconds > int64(longestLife/time.Second):
		return longestLife
	default:
		return max(time.Duration(seconds)*time.Second, shortestLife)
	}
}

// Life is a token's time as a provider says it in seconds, within reason.
func Life(seconds int64) time.Duration { return life(seconds) }

var errTokenType = errors.New("oauthflow: the provider's token is of a type that is not known here")

// fromToken reads an answer of a token endpoint. What it leaves out stays as it was before.
func (f *Flow) fromToken(t *oauth2.Token, before Secret) (Secret, error) {
	if typ := t.TokenType; typ != "" && !strings.EqualFold(typ, "bearer") {
		return Secret{}, errTokenType
	}
	s := before
	s.AccessToken, s.TokenType = t.AccessToken, "Bearer"
	s.IssuedAt = f.now().UTC().Truncate(time.Second)
	s.ExpiresAt = s.IssuedAt.Add(life(t.ExpiresIn))
	if t.RefreshToken != "" {
		s.RefreshToken = t.RefreshToken
	}
	if scope, ok := t.Extra("scope").(string); ok && scope != "" {
		s.Scope = scope
	}
	if n, ok := t.Extra("refresh_token_expires_in").(float64); ok && n > 0 && n < longestLife.Seconds() {
		s.RefreshExpiresAt = s.IssuedAt.Add(time.Duration(n) * time.Second)
	}
	s.idToken, _ = t.Extra("id_token").(string)
	if len(s.AccessToken) > maxToken || len(s.RefreshToken) > maxToken || len(s.idToken) > maxIDToken {
		return Secret{}, errTooLarge
	}
	return s, nil
}

const (
	maxToken   = 16 << 10
	maxIDToken = 64 << 10
)

// Token reads the access token out of the credential.
func (f *Flow) Token(c connector.Credential) (connector.AccessToken, error) {
	s, err := decodeSecret(c.Secret)
	if err != nil {
		return connector.AccessToken{}, err
	}
	return connector.AccessToken{
		Token: s.AccessToken, Type: firstOf(s.TokenType, "Bearer"), ExpiresAt: s.ExpiresAt, Scopes: splitScopes(s.Scope),
	}, nil
}

// stale tells whether the access token has no time left to be used.
func (s Secret) stale(now time.Time) bool {
	return s.AccessToken == "" || (!s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt.Add(-30*time.Second)))
}

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
