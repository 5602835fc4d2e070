package latchkey

import (
	"slices"
	"time"
)

// Application is a customer's product. Everything else belongs to exactly one.
type Application struct {
	ID   ApplicationID
	Name string
	// Test marks the application for ever: the MOCK provider exists only in test applications, and
	// every object and notification of theirs says so.
	Test bool
	// Providers limits what the application's links may offer; empty means everything set up.
	Providers []Provider
	// WebhookSecret signs what is sent to notify URLs (Standard Webhooks, whsec_…). Sealed at rest.
	WebhookSecret string
	// OldWebhookSecret signs beside it until OldSecretUntil. Sealed at rest.
	OldWebhookSecret string
	OldSecretUntil   time.Time
	// Sender is whom the application's mail comes from; empty means the installation's default sender.
	Sender SenderID
	// AuthServerURL is where the application answers for credentials that it keeps itself; may be empty.
	AuthServerURL string
	// ReconnectEmail says whether end users are told by mail that their account broke.
	ReconnectEmail ReconnectEmail
	CreatedAt      time.Time
}

// SigningSecrets are what the application's own messages are signed with at a moment: for a while after
// a rotation with the secret before, too.
func (a Application) SigningSecrets(now time.Time) []string {
	secrets := []string{a.WebhookSecret}
	if a.OldWebhookSecret != "" && now.Before(a.OldSecretUntil) {
		secrets = append(secrets, a.OldWebhookSecret)
	}
	return secrets
}

// Rotate gives the application a new secret. The one before signs beside it for a day.
func (a *Application) Rotate(secret string, now time.Time) {
	a.OldWebhookSecret, a.OldSecretUntil = a.WebhookSecret, now.UTC().Truncate(time.Millisecond).Add(BothSecrets)
	a.WebhookSecret = secret
}

// BothSecrets is how long messages carry the signatures of both secrets after a rotation.
const BothSecrets = 24 * time.Hour

// ReconnectEmail is an application's wish that its end users are asked by mail to reconnect, so long
// after their account broke.
type ReconnectEmail struct {
	Enabled bool
	After   time.Duration
}

// Permission is what a key may do; see the list below.
type Permission string

// Permissions of keys. A prepared key has all.
const (
	PermLinks        Permission = "links"
	PermAccounts     Permission = "accounts"
	PermAccessTokens Permission = "access_tokens"
	PermWebhooks     Permission = "webhooks"
	PermSettings     Permission = "settings"
	PermSignins      Permission = "signins"
)

// AllPermissions returns every permission there is, in the order of the documentation.
func AllPermissions() []Permission {
	return []Permission{PermLinks, PermAccounts, PermAccessTokens, PermWebhooks, PermSettings, PermSignins}
}

// APIKey lets an application's backend in. Only the hash of the key is kept.
type APIKey struct {
	ID            KeyID
	ApplicationID ApplicationID
	Name          string
	// Hash is SHA-256 of the whole key. Keys hold 256 random bits, so a slow hash would buy nothing.
	Hash        []byte
	Permissions []Permission
	// Prepared marks the key that the configuration names; a changed configuration replaces it.
	Prepared  bool
	CreatedAt time.Time
}

// May tells whether the key has the permission.
func (k APIKey) May(p Permission) bool { return slices.Contains(k.Permissions, p) }
