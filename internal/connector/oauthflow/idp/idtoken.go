package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	if s.knob().KeysDown {
		http.Error(w, "no keys today", http.StatusBadGateway)
		return
	}
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: s.rsa.Public(), KeyID: "rsa-1", Algorithm: "RS256", Use: "sig"},
		{Key: s.ec.Public(), KeyID: "ec-1", Algorithm: "ES256", Use: "sig"},
	}})
}

// issuerFor is the iss of a user's tokens.
func (s *Server) issuerFor(u User) string {
	if s.cfg.Kind == Microsoft {
		return s.url + "/" + u.TID + "/v2.0"
	}
	return s.Issuer()
}

func (s *Server) idToken(g *grant, access string, k Knobs) (string, error) {
	now := s.cfg.Now().Add(k.ClockSkew)
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": s.issuerFor(g.user), "aud": g.client, "sub": g.user.Subject, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"name": g.user.Name, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	if !k.OmitEmail && g.user.Email != "" {
		claims["email"], claims["email_verified"] = g.user.Email, true
	}
	switch s.cfg.Kind {
	case Microsoft:
		claims["sub"], claims["oid"], claims["tid"], claims["ver"] = "pairwise-"+g.user.Subject, g.user.Subject, g.user.TID, "2.0"
		claims["preferred_username"] = g.user.UPN
		if g.user.UPN == "" {
			claims["preferred_username"] = g.user.Email
		}
		delete(claims, "at_hash")
	case Google:
		claims["azp"] = g.client
		if g.user.HD != "" {
			claims["hd"] = g.user.HD
		}
	case LinkedIn:
		claims["email_verified"] = "true"
		delete(claims, "at_hash")
	case Instagram:
	}
	if g.nonce != "" && s.cfg.Kind != LinkedIn {
		claims["nonce"] = g.nonce
	}
	if k.WrongNonce {
		claims["nonce"] = "a-nonce-of-somebody-else"
	}
	if k.WrongAudience {
		claims["aud"] = "another-client"
	}
	if k.WrongIssuer {
		claims["iss"] = "https://issuer.example"
	}
	if k.WrongTID {
		claims["tid"] = "99999999-8888-7777-6666-555555555555"
	}
	return s.sign(claims, k)
}

func (s *Server) sign(claims map[string]any, k Knobs) (string, error) {
	if k.AlgorithmNone {
		body, err := json.Marshal(claims)
		if err != nil {
			return "", err
		}
		enc := base64.RawURLEncoding.EncodeToString
		return strings.Join([]string{enc([]byte(`{"alg":"none"}`)), enc(body), ""}, "."), nil
	}
	key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: s.rsa, KeyID: "rsa-1"}}
	switch {
	case k.WrongSignature:
		key.Key = jose.JSONWebKey{Key: s.forger, KeyID: "rsa-1"}
	case k.ES256:
		key = jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.ec, KeyID: "ec-1"}}
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// discovery is the document of OpenID Connect Discovery 1.0 §3.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	k := s.knob()
	doc := map[string]any{
		"issuer": s.Issuer(), "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	}
	switch s.cfg.Kind {
	case Microsoft:
		at := s.url + "/" + r.PathValue("tenant")
		doc["issuer"] = s.url + "/{tenantid}/v2.0"
		doc["authorization_endpoint"], doc["token_endpoint"] = at+"/oauth2/v2.0/authorize", at+"/oauth2/v2.0/token"
		doc["jwks_uri"], doc["userinfo_endpoint"] = at+"/discovery/v2.0/keys", s.url+"/oidc/userinfo"
	case LinkedIn:
		doc["authorization_endpoint"], doc["token_endpoint"] = s.url+"/oauth/v2/authorization", s.url+"/oauth/v2/accessToken"
		doc["jwks_uri"], doc["userinfo_endpoint"] = s.url+"/oauth/openid/jwks", s.url+"/v2/userinfo"
	case Google, Instagram:
		doc["authorization_endpoint"], doc["token_endpoint"] = s.url+"/o/oauth2/v2/auth", s.url+"/token"
		doc["jwks_uri"], doc["userinfo_endpoint"] = s.url+"/oauth2/v3/certs", s.url+"/v1/userinfo"
		doc["revocation_endpoint"] = s.url + "/revoke"
		doc["code_challenge_methods_supported"] = []string{"S256"}
	}
	if k.PromiseIssuer {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	if k.DiscoveryIssuer != "" {
		doc["issuer"] = k.DiscoveryIssuer
	}
	answer(w, http.StatusOK, doc)
}
