package idp

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// bearer is the grant of the token that came with a request; otherwise the refusal has been written.
func (s *Server) bearer(w http.ResponseWriter, r *http.Request) *grant {
	if status := s.knob().APIStatus; status != 0 {
		answer(w, status, map[string]any{"error": map[string]any{"code": "Refused", "message": "not today", "status": "PERMISSION_DENIED"}})
		return nil
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.access[token]
	if g == nil || g.ended || !s.cfg.Now().Before(g.expires) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": 401, "message": "Invalid Credentials", "status": "UNAUTHENTICATED"}})
		return nil
	}
	return g
}

func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	g := s.bearer(w, r)
	if g == nil {
		return
	}
	if s.cfg.Kind == Microsoft && slices.ContainsFunc(g.scopes, func(sc string) bool { return strings.HasPrefix(sc, "https://outlook") }) {
		// A token is for one resource, and this is Graph.
		answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "InvalidAuthenticationToken", "message": "Access token validation failure. Invalid audience."}})
		return
	}
	sub := g.user.Subject
	if s.cfg.Kind == Microsoft {
		sub = "pairwise-" + sub
	}
	if s.knob().OtherSubject {
		sub = "somebody-else"
	}
	answer(w, http.StatusOK, map[string]any{"sub": sub, "email": g.user.Email, "email_verified": true, "name": g.user.Name})
}

// revoke ends a grant and everything that came of it (RFC 7009).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.refuse(w, Refusal{Code: "invalid_request"})
		return
	}
	token := r.PostForm.Get("token")
	s.mu.Lock()
	g := s.access[token]
	if g == nil {
		g = s.refresh[token]
	}
	if g != nil && !g.ended {
		s.revoked = append(s.revoked, g.user.Email)
	} else {
		g = nil
	}
	s.mu.Unlock()
	if g == nil {
		s.refuse(w, Refusal{Code: "invalid_token", Description: "Token expired or revoked"})
		return
	}
	s.Withdraw(g.user.Email)
	answer(w, http.StatusOK, map[string]any{})
}

func (s *Server) gmailProfile(w http.ResponseWriter, r *http.Request) {
	g := s.bearer(w, r)
	if g == nil {
		return
	}
	if !slices.ContainsFunc(g.scopes, func(sc string) bool { return strings.Contains(sc, "mail") && strings.Contains(sc, "google") }) {
		answer(w, http.StatusForbidden, map[string]any{"error": map[string]any{"code": 403, "message": "Insufficient Permission", "status": "PERMISSION_DENIED"}})
		return
	}
	email := g.user.Email
	if g.mailbox != "" {
		email = g.mailbox
	}
	answer(w, http.StatusOK, map[string]any{"emailAddress": email, "messagesTotal": 3})
}

func (s *Server) graphMe(w http.ResponseWriter, r *http.Request) {
	if g := s.bearer(w, r); g != nil {
		upn := g.user.UPN
		if upn == "" {
			upn = g.user.Email
		}
		answer(w, http.StatusOK, map[string]any{"id": g.user.Subject, "displayName": g.user.Name, "mail": g.user.Email, "userPrincipalName": upn})
	}
}

func (s *Server) graphInbox(w http.ResponseWriter, r *http.Request) {
	g := s.bearer(w, r)
	if g == nil {
		return
	}
	box := r.PathValue("user")
	own := box == "" || strings.EqualFold(box, g.user.Email) || slices.Contains(g.user.Mailboxes, box)
	if _, known := s.user(box); !own && (g.mailbox != "*" || !known) {
		answer(w, http.StatusForbidden, map[string]any{"error": map[string]any{"code": "ErrorAccessDenied", "message": "Access is denied."}})
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": "inbox"})
}

// introspect tells mail servers about a token (RFC 7662), in the ways in which Dovecot asks: by POST,
// with the token in the address, or with the token as the bearer.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.refuse(w, Refusal{Code: "invalid_request"})
		return
	}
	token := r.Form.Get("token")
	if token == "" {
		token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.access[token]
	if g == nil || g.ended || !s.cfg.Now().Before(g.expires) {
		answer(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	name := g.user.Email
	if g.mailbox != "" {
		name = g.mailbox
	}
	answer(w, http.StatusOK, map[string]any{
		"active": true, "username": strings.ToLower(name), "email": strings.ToLower(name), "scope": strings.Join(g.scopes, " "), "client_id": g.client,
		"exp": g.expires.Unix(), "sub": g.user.Subject, "token_type": "Bearer",
	})
}

const (
	hour      = time.Hour
	sixtyDays = 60 * 24 * time.Hour
)

func (s *Server) metaError(w http.ResponseWriter, status, code, sub int, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"message": message, "type": "OAuthException", "code": code, "error_subcode": sub, "fbtrace_id": "trace"}})
}

func (s *Server) instagramShort(w http.ResponseWriter, r *http.Request) {
	if s.misbehaves(w, r) {
		return
	}
	no := func(message string) {
		answer(w, http.StatusBadRequest, map[string]any{"error_type": "OAuthException", "code": 400, "error_message": message})
	}
	if err := r.ParseForm(); err != nil {
		no("bad form")
		return
	}
	form := r.PostForm
	client, ok := s.client(form.Get("client_id"))
	switch {
	case !ok:
		no("Invalid platform app")
		return
	case client.Secret != form.Get("client_secret"):
		no("Error validating client secret.")
		return
	case !slices.Contains(client.RedirectURIs, form.Get("redirect_uri")):
		no("Error validating redirect_uri: it must match the one used before.")
		return
	}
	g := s.redeem(form, client.ID)
	if g == nil {
		no("Invalid authorization code")
		return
	}
	access := s.give(g, hour, true)
	// The id is a bare number of 17 digits, as it is in reality.
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"access_token":"` + access + `","user_id":` + g.user.Subject + `,"permissions":"` + strings.Join(g.scopes, ",") + `"}`))
}

func (s *Server) give(g *grant, life time.Duration, short bool) string {
	access := "IG" + random()
	own := *g
	own.issued = s.cfg.Now()
	own.expires, own.short, own.tokens = own.issued.Add(life), short, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access[access] = &own
	g.tokens = append(g.tokens, access)
	return access
}

func (s *Server) instagramToken(token string) *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.access[token]
	if g == nil || g.ended || !s.cfg.Now().Before(g.expires) {
		return nil
	}
	return g
}

func (s *Server) instagramLong(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g := s.instagramToken(q.Get("access_token"))
	switch {
	case g == nil || !g.short || q.Get("grant_type") != "ig_exchange_token":
		s.metaError(w, http.StatusBadRequest, 190, 0, "Invalid OAuth access token")
	case !slices.ContainsFunc(s.cfg.Clients, func(c Client) bool { return c.ID == g.client && c.Secret == q.Get("client_secret") }):
		s.metaError(w, http.StatusBadRequest, 101, 0, "Error validating application")
	default:
		answer(w, http.StatusOK, map[string]any{"access_token": s.give(g, sixtyDays, false), "token_type": "bearer", "expires_in": int(sixtyDays / time.Second)})
	}
}

func (s *Server) instagramRefresh(w http.ResponseWriter, r *http.Request) {
	if no := s.knob().TokenRefusal; no != nil {
		s.metaError(w, no.Status, no.Numbers[0], no.Numbers[1], no.Description)
		return
	}
	q := r.URL.Query()
	g := s.instagramToken(q.Get("access_token"))
	switch {
	case g == nil || g.short || q.Get("grant_type") != "ig_refresh_token":
		s.metaError(w, http.StatusBadRequest, 190, 463, "Session has expired")
	case s.cfg.Now().Sub(g.issued) < 24*time.Hour:
		s.metaError(w, http.StatusBadRequest, 100, 0, "The token is younger than a day")
	default:
		answer(w, http.StatusOK, map[string]any{"access_token": s.give(g, sixtyDays, false), "token_type": "bearer", "expires_in": int(sixtyDays / time.Second)})
	}
}

func (s *Server) instagramMe(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.URL.Query().Get("access_token")
	}
	g := s.instagramToken(token)
	if g == nil {
		s.metaError(w, http.StatusUnauthorized, 190, 460, "The session has been invalidated")
		return
	}
	kind := g.user.Type
	if kind == "" {
		kind = "BUSINESS"
	}
	answer(w, http.StatusOK, map[string]any{"id": "app-" + g.user.Subject, "user_id": g.user.Subject, "username": g.user.Username, "name": g.user.Name, "account_type": kind})
}
