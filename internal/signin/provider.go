package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// accessLifetime is how long an access token is good: it reads userinfo, and nothing else.
const accessLifetime = 10 * time.Minute

// OAuthError is an answer of RFC 6749 §4.1.2.1 and §5.2, or of OpenID Connect Core 1.0 §3.1.2.6.
type OAuthError struct{ Code, Description string }

func (e *OAuthError) Error() string { return "oauth: " + e.Code + ": " + e.Description }

func oauthError(code, description string) error {
	return &OAuthError{Code: code, Description: description}
}

// Authorization is a request that a browser brings from a client.
type Authorization struct {
	Client      latchkey.OIDCClient
	RedirectURI string
	State       string
	OIDC        latchkey.OIDCRequest
	// LoginHint prefills the address (Core 1.0 §3.1.2.1), Locales are the reader's wishes.
	LoginHint string
	Locales   string
}

// Authorize checks a client's request (Core 1.0 §3.1.2.1, RFC 7636 §4.3). An error of the house means
// that nobody may be sent anywhere: the client or its redirect URI is not known. With an *OAuthError the
// Authorization is good enough to send the browser back.
func (s *Service) Authorize(ctx context.Context, app latchkey.ApplicationID, q url.Values) (Authorization, error) {
	var a Authorization
	c, err := s.Client(ctx, app, latchkey.OIDCClientID(q.Get("client_id")))
	if err != nil {
		return a, err
	}
	// Exactly one of those that were registered, byte by byte (RFC 9700 §4.1.3).
	if !slices.Contains(c.RedirectURIs, q.Get("redirect_uri")) || len(q["redirect_uri"]) != 1 || len(q["client_id"]) != 1 {
		return a, errs.InvalidFields(errs.FieldError{
			Field: "redirect_uri", Code: errs.CodeInvalidURL, Message: "This is not a redirect URI of the client. It must be one of them exactly.",
		})
	}
	a = Authorization{
		Client: c, RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), LoginHint: cut(q.Get("login_hint"), MaxEmail), Locales: cut(q.Get("ui_locales"), 200),
		OIDC: latchkey.OIDCRequest{ClientID: c.ID, Scope: q.Get("scope"), Nonce: q.Get("nonce"), Challenge: q.Get("code_challenge")},
	}
	for _, text := range []string{a.State, a.OIDC.Nonce, a.OIDC.Scope} {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			a.State = ""
			return a, oauthError("invalid_request", "A parameter is not text.")
		}
	}
	for _, all := range q {
		if len(all) > 1 {
			return a, oauthError("invalid_request", "A parameter was sent twice.") // RFC 6749 §3.1
		}
	}
	return a, a.check(q)
}

func (a *Authorization) check(q url.Values) error {
	prompts := strings.Fields(q.Get("prompt"))
	switch {
	case len(a.State) > MaxState || len(a.OIDC.Nonce) > MaxState || len(a.OIDC.Scope) > MaxState:
		if len(a.State) > MaxState {
			a.State = ""
		}
		return oauthError("invalid_request", "A parameter is too long.")
	case q.Has("request"):
		return oauthError("request_not_supported", "Request objects are not supported.")
	case q.Has("request_uri"):
		return oauthError("request_uri_not_supported", "Request objects are not supported.")
	case q.Has("registration"):
		return oauthError("registration_not_supported", "Clients are registered by their application.")
	case q.Get("response_type") == "":
		return oauthError("invalid_request", "There is no response_type.")
	case q.Get("response_type") != "code":
		return oauthError("unsupported_response_type", "Only the authorization code flow is supported: response_type=code.")
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return oauthError("invalid_request", "Only response_mode=query is supported.")
	case !slices.Contains(strings.Fields(a.OIDC.Scope), "openid"):
		return oauthError("invalid_scope", "The scope must hold openid.")
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return oauthError("invalid_request", "The prompt none stands alone.")
	case q.Has("max_age") && !isAge(q.Get("max_age")):
		return oauthError("invalid_request", "The max_age is a number of seconds.")
	case slices.Contains(prompts, "none"):
		// There is no session here to answer from: every sign-in is a fresh proof.
		return oauthError("login_required", "Somebody has to sign in.")
	}
	return a.checkPKCE(q)
}

// isAge tells a max_age. Whatever it is, it is kept: every sign-in is a fresh proof, and auth_time is told.
func isAge(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// checkPKCE is RFC 7636 §4.4.1: plain protects nothing, and a public client has nothing else.
func (a *Authorization) checkPKCE(q url.Values) error {
	switch {
	case a.OIDC.Challenge == "" && q.Get("code_challenge_method") != "":
		return oauthError("invalid_request", "There is no code_challenge.")
	case a.OIDC.Challenge == "" && a.Client.Public:
		return oauthError("invalid_request", "A public client must use PKCE: send code_challenge with the method S256.")
	case a.OIDC.Challenge == "":
		return nil
	case q.Get("code_challenge_method") != "S256":
		return oauthError("invalid_request", "The code_challenge_method must be S256.")
	}
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(a.OIDC.Challenge); err != nil || len(sum) != sha256.Size {
		a.OIDC.Challenge = ""
		return oauthError("invalid_request", "The code_challenge is not one of S256.")
	}
	return nil
}

// Return is where a browser is sent with an error (RFC 6749 §4.1.2.1, RFC 9207 §2).
func (s *Service) Return(a Authorization, e *OAuthError) string {
	add := url.Values{"error": {e.Code}, "error_description": {e.Description}, "iss": {s.Issuer(a.Client.ApplicationID)}}
	if a.State != "" {
		add.Set("state", a.State)
	}
	return WithQuery(a.RedirectURI, add)
}

// TokenRequest is RFC 6749 §4.1.3 with the client's proof of itself.
type TokenRequest struct {
	ClientID, ClientSecret string
	// SecretSent tells an empty secret from none.
	SecretSent                             bool
	GrantType, Code, RedirectURI, Verifier string
}

// Tokens are RFC 6749 §5.1 and Core 1.0 §3.1.3.3.
type Tokens struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	IDToken     string `json:"id_token"`
}

// Tokens exchanges an authorization code, once. A code that comes twice takes back what it gave.
func (s *Service) Tokens(ctx context.Context, app latchkey.ApplicationID, r TokenRequest) (Tokens, error) {
	c, err := s.authenticate(ctx, app, r)
	if err != nil {
		return Tokens{}, err
	}
	switch {
	case r.GrantType == "":
		return Tokens{}, oauthError("invalid_request", "There is no grant_type.")
	case r.GrantType != "authorization_code":
		return Tokens{}, oauthError("unsupported_grant_type", "Only authorization_code is supported.")
	case r.Code == "":
		return Tokens{}, oauthError("invalid_request", "There is no code.")
	}
	v, err := s.granted(ctx, app, r.Code)
	replayed := errors.Is(err, errReplayed)
	if err != nil && !replayed && !errors.Is(err, errNoGrant) {
		return Tokens{}, err
	}
	// One answer for all: which of them it was is nobody's business.
	refused := oauthError("invalid_grant", "The code is not good for this client, this redirect URI and this verifier, or not good any more.")
	if v.OIDC == nil || v.OIDC.ClientID != c.ID || v.RedirectURI != r.RedirectURI || !verifies(v.OIDC.Challenge, r.Verifier) {
		return Tokens{}, refused
	}
	if !replayed {
		// The key is at hand before the code is used up.
		if _, err := s.signer(ctx, app, c.Algorithm); err != nil {
			return Tokens{}, err
		}
		var done latchkey.SignIn
		if done, err = s.finish(ctx, v); err == nil {
			return s.tokens(ctx, c, done)
		}
		if !errs.Is(err, errs.CodeSignInUsed) {
			return Tokens{}, err
		}
	}
	// RFC 6749 §4.1.2.
	if err := s.cfg.Store.SignIns().Revoke(ctx, app, v.ID, s.now()); err != nil && !errors.Is(err, store.ErrStale) {
		return Tokens{}, err
	}
	return Tokens{}, refused
}

func (s *Service) tokens(ctx context.Context, c latchkey.OIDCClient, v latchkey.SignIn) (Tokens, error) {
	access := bearer(v.ID, s.token("signin/access/v1", v, v.CompletedAt))
	id, err := s.idToken(ctx, v, claims{Audience: string(c.ID), Nonce: v.OIDC.Nonce, AccessToken: access}, c.Algorithm)
	return Tokens{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int(accessLifetime / time.Second), Scope: grantedScope(v.OIDC.Scope), IDToken: id,
	}, err
}

// grantedScope is what a client gets of what it asked for. An address is all that is known of anybody, and
// it is always told.
func grantedScope(asked string) string {
	out := "openid"
	if slices.Contains(strings.Fields(asked), "email") {
		out += " email"
	}
	return out
}

// authenticate finds the client and checks its secret (RFC 6749 §2.3.1).
func (s *Service) authenticate(ctx context.Context, app latchkey.ApplicationID, r TokenRequest) (latchkey.OIDCClient, error) {
	c, err := s.Client(ctx, app, latchkey.OIDCClientID(r.ClientID))
	if errs.Is(err, errs.CodeNotFound) {
		return c, oauthError("invalid_client", "The client is not known, or has not proved who it is.")
	}
	if err != nil {
		return c, err
	}
	if c.Public && r.SecretSent && r.ClientSecret != "" || !c.Public && !secret.SameToken(r.ClientSecret, c.SecretHash) {
		return c, oauthError("invalid_client", "The client is not known, or has not proved who it is.")
	}
	return c, nil
}

// verifies is RFC 7636 §4.6. A verifier without a challenge is somebody who took PKCE out on the way
// (RFC 9700 §4.8.2).
func verifies(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return secret.SameHash([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge))
}

// UserInfo is Core 1.0 §5.3.2.
type UserInfo struct {
	Subject       string `json:"sub"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
}

// UserInfo reads what an access token is good for.
func (s *Service) UserInfo(ctx context.Context, app latchkey.ApplicationID, access string) (UserInfo, error) {
	refused := oauthError("invalid_token", "The access token is not good, or not good any more.")
	id, token, ok := parseBearer(access)
	if !ok {
		return UserInfo{}, refused
	}
	v, err := s.cfg.Store.SignIns().Get(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) {
		return UserInfo{}, refused
	}
	if err != nil {
		return UserInfo{}, err
	}
	if v.CompletedAt.IsZero() || v.OIDC == nil || !v.RevokedAt.IsZero() || !s.now().Before(v.CompletedAt.Add(accessLifetime)) ||
		!secret.SameHash([]byte(token), []byte(s.token("signin/access/v1", v, v.CompletedAt))) {
		return UserInfo{}, refused
	}
	return UserInfo{Subject: s.Subject(app, v.Address), Email: v.Email, EmailVerified: true}, nil
}

// Logout says where a browser goes that was sent to end its session (OpenID Connect RP-Initiated Logout
// 1.0 §2): there is none here, so only the way back is checked. Empty means to stay.
func (s *Service) Logout(ctx context.Context, app latchkey.ApplicationID, clientID, uri, state string) (string, error) {
	if uri == "" {
		return "", nil
	}
	c, err := s.Client(ctx, app, latchkey.OIDCClientID(clientID))
	if err != nil {
		return "", err
	}
	if !slices.Contains(c.PostLogoutURIs, uri) {
		return "", errs.InvalidFields(errs.FieldError{
			Field: "post_logout_redirect_uri", Code: errs.CodeInvalidURL, Message: "This is not one of the client's. It must be one of them exactly.",
		})
	}
	if state == "" {
		return uri, nil
	}
	return WithQuery(uri, url.Values{"state": {cut(state, MaxState)}}), nil
}
