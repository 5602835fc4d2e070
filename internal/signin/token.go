package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// idTokenLifetime is short: an application reads the token once and keeps a session of its own.
const idTokenLifetime = 5 * time.Minute

// claims are what differs between the tokens of one sign-in.
type claims struct {
	Audience    string
	Nonce       string
	AccessToken string
}

// idTokenClaims is OpenID Connect Core 1.0 §2 and §5.1.
type idTokenClaims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      string   `json:"aud"`
	Expires       int64    `json:"exp"`
	IssuedAt      int64    `json:"iat"`
	AuthTime      int64    `json:"auth_time"`
	Nonce         string   `json:"nonce,omitempty"`
	Methods       []string `json:"amr"`
	AtHash        string   `json:"at_hash,omitempty"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
}

// Issuer names an application's OpenID provider.
func (s *Service) Issuer(app latchkey.ApplicationID) string {
	return s.cfg.BaseURL + "/oidc/" + string(app)
}

// Subject is who somebody is to one application: the same for every sign-in with the address, another for
// every application, and nothing that the address could be read from.
func (s *Service) Subject(app latchkey.ApplicationID, canonical string) string {
	mac := s.cfg.MAC.MAC("signin/subject/v1", []byte(string(app)+"|"+canonical))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:20]))
}

// amr says how it was proved (RFC 8176 §2 has otp; a link has no name there, so it has ours).
func amr(m latchkey.SignInMethod) []string {
	if m == latchkey.SignInByLink {
		return []string{"email"}
	}
	return []string{"otp"}
}

func (s *Service) idToken(ctx context.Context, v latchkey.SignIn, c claims, algorithm string) (string, error) {
	signer, err := s.signer(ctx, v.ApplicationID, algorithm)
	if err != nil {
		return "", err
	}
	now := s.now()
	body := idTokenClaims{
		Issuer: s.Issuer(v.ApplicationID), Subject: s.Subject(v.ApplicationID, v.Address), Audience: c.Audience,
		Expires: now.Add(idTokenLifetime).Unix(), IssuedAt: now.Unix(), AuthTime: v.ProvedAt.Unix(), Nonce: c.Nonce, Methods: amr(v.Method),
		Email: v.Email, EmailVerified: true,
	}
	if c.AccessToken != "" {
		// Core 1.0 §3.1.3.6: both algorithms hash with SHA-256.
		sum := sha256.Sum256([]byte(c.AccessToken))
		body.AtHash = base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	return sign(signer, body)
}

func sign(signer jose.Signer, body any) (string, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("signin: an id token: %w", err)
	}
	signed, err := signer.Sign(raw)
	if err != nil {
		return "", fmt.Errorf("signin: signing: %w", err)
	}
	return signed.CompactSerialize()
}

// Audience reads whom the payload of an id token names as its audience; empty where it cannot be read.
func Audience(payload []byte) string {
	var c idTokenClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return ""
	}
	return c.Audience
}
