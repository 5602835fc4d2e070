package idp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// misbehaves does what goes wrong at a token endpoint today, and tells whether that was all.
func (s *Server) misbehaves(w http.ResponseWriter, r *http.Request) bool {
	k := s.knob()
	switch {
	case k.TokenHang:
		s.hang(r.Context())
	case k.TokenHuge:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"`))
		chunk := []byte(strings.Repeat("A", 64<<10))
		for range (10 << 20) / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		_, _ = w.Write([]byte(`"}`))
	case k.TokenLies:
		answer(w, http.StatusOK, map[string]any{"access_token": 17, "token_type": []string{"Bearer"}, "expires_in": map[string]int{"a": 1}, "scope": true})
	case k.TokenGarbage:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("<html>Well, hello"))
	case k.TokenRefusal != nil:
		s.refuse(w, *k.TokenRefusal)
	default:
		return false
	}
	return true
}

// refuse answers an error as RFC 6749 §5.2 has it, with Microsoft's additions.
func (s *Server) refuse(w http.ResponseWriter, r Refusal) {
	v := map[string]any{"error": r.Code, "error_description": r.Description}
	if r.Sub != "" {
		v["suberror"], v["error_subtype"] = r.Sub, r.Sub
	}
	if len(r.Numbers) > 0 {
		v["error_codes"], v["trace_id"] = r.Numbers, "a-trace-of-the-provider"
	}
	if r.Status == 0 {
		r.Status = http.StatusBadRequest
	}
	answer(w, r.Status, v)
}

// wrongClient tells what is wrong with who asks, in the provider's own words.
func (s *Server) wrongClient(form url.Values, id, secret string) *Refusal {
	client, ok := s.client(id)
	k := s.knob()
	switch {
	case !ok && s.cfg.Kind == Microsoft:
		return &Refusal{Status: 400, Code: "unauthorized_client", Description: "AADSTS700016: Application with identifier was not found in the directory.", Numbers: []int{700016}}
	case !ok && s.cfg.Kind == LinkedIn:
		return &Refusal{Status: 401, Code: "invalid_client", Description: "The passed in client_id is invalid"}
	case !ok:
		return &Refusal{Status: 401, Code: "invalid_client", Description: "The OAuth client was not found."}
	case client.Secret != secret && s.cfg.Kind == Microsoft:
		return &Refusal{Status: 401, Code: "invalid_client", Description: "AADSTS7000215: Invalid client secret provided.", Numbers: []int{7000215}}
	case client.Secret != secret:
		return &Refusal{Status: 401, Code: "invalid_client", Description: "Client authentication failed"}
	case k.SecretExpired:
		return &Refusal{Status: 401, Code: "invalid_client", Description: "AADSTS7000222: The provided client secret keys are expired.", Numbers: []int{7000222}}
	case s.cfg.Kind == LinkedIn:
		return nil // looks the code up first, and says one sentence of all that is wrong with it
	case form.Get("redirect_uri") != "" && !slices.Contains(client.RedirectURIs, form.Get("redirect_uri")):
		return &Refusal{
			Code:        map[Kind]string{Google: "redirect_uri_mismatch", Microsoft: "invalid_request"}[s.cfg.Kind],
			Description: "AADSTS50011: The redirect URI does not match.", Numbers: []int{50011},
		}
	}
	return nil
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if s.misbehaves(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, Refusal{Code: "invalid_request"})
		return
	}
	form := r.PostForm
	if form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" && s.cfg.Kind == Google {
		s.assertion(w, form)
		return
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if u, p, ok := r.BasicAuth(); ok {
		id, secret = u, p
	}
	if no := s.wrongClient(form, id, secret); no != nil {
		s.refuse(w, *no)
		return
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		s.exchange(w, form, id)
	case "refresh_token":
		s.renew(w, form, id)
	case "client_credentials":
		if s.cfg.Kind != Microsoft || r.PathValue("tenant") == "common" {
			s.refuse(w, Refusal{Code: "unsupported_grant_type"})
			return
		}
		s.issue(w, &grant{client: id, scopes: strings.Fields(form.Get("scope")), mailbox: "*"}, false)
	default:
		s.refuse(w, Refusal{Code: "unsupported_grant_type"})
	}
}

func (s *Server) badCode() Refusal {
	switch s.cfg.Kind {
	case LinkedIn:
		return Refusal{Code: "invalid_request", Description: "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code. Or authorization code expired."}
	case Microsoft:
		return Refusal{Code: "invalid_grant", Description: "AADSTS70000: Provided grant is invalid or malformed.", Numbers: []int{70000}}
	default:
		return Refusal{Code: "invalid_grant", Description: "Malformed auth code."}
	}
}

// redeem takes a code, once. A second use ends what the first gave (RFC 6749 §4.1.2).
func (s *Server) redeem(form url.Values, id string) *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.codes[form.Get("code")]
	if g == nil || g.ended || g.client != id || g.redirect != form.Get("redirect_uri") || !s.cfg.Now().Before(g.expires) {
		return nil
	}
	if g.used {
		g.ended = true
		for _, t := range g.tokens {
			delete(s.access, t)
			delete(s.refresh, t)
		}
		return nil
	}
	g.used = true
	return g
}

func (s *Server) exchange(w http.ResponseWriter, form url.Values, id string) {
	if s.cfg.Kind == LinkedIn && form.Get("code_verifier") != "" {
		s.refuse(w, s.badCode())
		return
	}
	g := s.redeem(form, id)
	if g == nil {
		s.refuse(w, s.badCode())
		return
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if g.challenge != "" && base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		no := s.badCode()
		if s.cfg.Kind == Microsoft {
			no.Numbers, no.Description = []int{501481}, "AADSTS501481: The Code_Verifier does not match the code_challenge."
		}
		s.refuse(w, no)
		return
	}
	s.issue(w, g, true)
}

func (s *Server) renew(w http.ResponseWriter, form url.Values, id string) {
	old := form.Get("refresh_token")
	s.mu.Lock()
	g := s.refresh[old]
	good := g != nil && !g.ended && g.client == id
	if good && s.knobs.RotateRefreshTokens {
		delete(s.refresh, old)
	}
	s.mu.Unlock()
	if !good {
		no := Refusal{Code: "invalid_grant", Description: "Token has been expired or revoked."}
		if s.cfg.Kind == Microsoft {
			no.Description, no.Numbers = "AADSTS70000: The refresh token is not valid.", []int{70000}
		}
		s.refuse(w, no)
		return
	}
	s.issue(w, g, s.knob().RotateRefreshTokens)
}

// issue answers with tokens.
func (s *Server) issue(w http.ResponseWriter, g *grant, withRefresh bool) {
	k := s.knob()
	in := k.ExpiresIn
	if in == 0 {
		in = map[Kind]int{LinkedIn: 5184000}[s.cfg.Kind]
	}
	if in == 0 {
		in = 3599
	}
	access := "at-" + random()
	v := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": in, "scope": strings.Join(g.scopes, " ")}
	if s.cfg.Kind == LinkedIn {
		v["scope"] = strings.Join(g.scopes, ",")
		withRefresh = false
	}
	if k.TokenType != "" {
		v["token_type"] = k.TokenType
	}
	own := *g
	own.expires, own.tokens = s.cfg.Now().Add(time.Duration(in)*time.Second), nil
	s.mu.Lock()
	s.access[access] = &own
	g.tokens = append(g.tokens, access)
	if withRefresh && !k.NoRefreshToken && g.mailbox == "" {
		refresh := "rt-" + random()
		forever := own
		s.refresh[refresh] = &forever
		g.tokens = append(g.tokens, refresh)
		v["refresh_token"] = refresh
	}
	s.mu.Unlock()
	if slices.Contains(g.scopes, "openid") && !k.NoIDToken {
		token, err := s.idToken(g, access, k)
		if err != nil {
			s.refuse(w, Refusal{Status: 500, Code: "server_error", Description: err.Error()})
			return
		}
		v["id_token"] = token
	}
	answer(w, http.StatusOK, v)
}

// assertion is Google's grant for service accounts (RFC 7523).
func (s *Server) assertion(w http.ResponseWriter, form url.Values) {
	bad := Refusal{Code: "invalid_grant", Description: "Invalid JWT Signature."}
	parsed, err := jwt.ParseSigned(form.Get("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		s.refuse(w, bad)
		return
	}
	var unsafe jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&unsafe); err != nil {
		s.refuse(w, bad)
		return
	}
	client, ok := s.client(unsafe.Issuer)
	block, _ := pem.Decode(client.ServiceKeyPEM)
	if !ok || block == nil {
		s.refuse(w, Refusal{Status: 401, Code: "invalid_client", Description: "The OAuth client was not found."})
		return
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		s.refuse(w, bad)
		return
	}
	var claims jwt.Claims
	var more struct {
		Scope string `json:"scope"`
	}
	if err := parsed.Claims(key, &claims, &more); err != nil {
		s.refuse(w, bad)
		return
	}
	if err := claims.Validate(jwt.Expected{AnyAudience: jwt.Audience{s.url + "/token"}, Time: s.cfg.Now()}); err != nil {
		s.refuse(w, Refusal{Code: "invalid_grant", Description: "Invalid JWT: " + err.Error()})
		return
	}
	if _, known := s.user(claims.Subject); !known && claims.Subject != "" {
		s.refuse(w, Refusal{Status: 401, Code: "unauthorized_client", Description: "Client is unauthorized to retrieve access tokens using this method."})
		return
	}
	s.issue(w, &grant{client: client.ID, scopes: strings.Fields(more.Scope), mailbox: claims.Subject}, false)
}
