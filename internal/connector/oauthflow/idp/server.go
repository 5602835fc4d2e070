package idp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is a running provider.
type Server struct {
	cfg    Config
	url    string
	http   *http.Server
	done   chan struct{}
	closed chan struct{}
	once   sync.Once
	rsa    *rsa.PrivateKey
	forger *rsa.PrivateKey
	ec     *ecdsa.PrivateKey

	mu      sync.Mutex
	knobs   Knobs
	codes   map[string]*grant
	access  map[string]*grant
	refresh map[string]*grant
	asked   map[string]int
	revoked []string
}

// grant is what somebody allowed a client.
type grant struct {
	user                               User
	client, redirect, nonce, challenge string
	scopes                             []string
	expires, issued                    time.Time
	used, ended, short                 bool
	mailbox                            string
	tokens                             []string
}

// Start starts a provider. It runs until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // a sample provider is a composition root of its own
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &Server{
		cfg: cfg, done: make(chan struct{}), closed: make(chan struct{}), codes: map[string]*grant{}, access: map[string]*grant{},
		refresh: map[string]*grant{}, asked: map[string]int{},
	}
	var err1, err2, err3 error
	s.rsa, err1 = rsa.GenerateKey(rand.Reader, 2048)
	s.forger, err2 = rsa.GenerateKey(rand.Reader, 2048)
	s.ec, err3 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	ln, err := net.Listen("tcp", cfg.Listen) //nolint:noctx // Close ends it
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	s.url = "http://" + ln.Addr().String()
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(ln) // ErrServerClosed
	}()
	return s, nil
}

// Close ends the provider and every request to it.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.http.Close()
		<-s.done
	})
	return err
}

// URL is where the provider is, without a path: the Authority, or LinkedIn's or Instagram's host.
func (s *Server) URL() string { return s.url }

// Issuer is what discovery documents and id tokens are found under; Microsoft's is that of common.
func (s *Server) Issuer() string {
	switch s.cfg.Kind {
	case Microsoft:
		return s.url + "/common/v2.0"
	case LinkedIn:
		return s.url + "/oauth"
	default:
		return s.url
	}
}

// Turn changes what goes wrong, from the next request on.
func (s *Server) Turn(f func(*Knobs)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.knobs)
}

func (s *Server) knob() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knobs
}

// Asked tells how often a path was asked for.
func (s *Server) Asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// Revoked lists the users whose grants were given back.
func (s *Server) Revoked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.revoked)
}

// Withdraw ends everything that a user granted, as the user could in the account's settings.
func (s *Server) Withdraw(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range []map[string]*grant{s.access, s.refresh, s.codes} {
		for _, g := range set {
			if strings.EqualFold(g.user.Email, email) || strings.EqualFold(g.mailbox, email) {
				g.ended = true
			}
		}
	}
}

// Allows tells whether an access token opens a user's mailbox, for mail servers in this process.
func (s *Server) Allows(user, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.access[token]
	if g == nil || g.ended || !s.cfg.Now().Before(g.expires) || !slices.ContainsFunc(g.scopes, mailScope) {
		return false
	}
	if g.mailbox != "" {
		return strings.EqualFold(g.mailbox, user) || g.mailbox == "*"
	}
	return strings.EqualFold(g.user.Email, user) || strings.EqualFold(g.user.UPN, user) ||
		slices.ContainsFunc(g.user.Mailboxes, func(m string) bool { return strings.EqualFold(m, user) })
}

func mailScope(sc string) bool {
	return sc == "https://mail.google.com/" || strings.HasSuffix(sc, "/IMAP.AccessAsUser.All") || strings.HasSuffix(sc, "/.default")
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, s.counted(h)) }
	back := func(pattern string, h http.HandlerFunc) { handle(pattern, s.unlessOut(h)) }
	switch s.cfg.Kind {
	case Google:
		handle("/o/oauth2/v2/auth", s.authorize)
		back("POST /token", s.token)
		back("/v1/userinfo", s.userinfo)
		back("POST /revoke", s.revoke)
		back("GET /oauth2/v3/certs", s.jwks)
		back("GET /gmail/v1/users/me/profile", s.gmailProfile)
		back("GET /.well-known/openid-configuration", s.discovery)
	case Microsoft:
		handle("/{tenant}/oauth2/v2.0/authorize", s.authorize)
		handle("GET /{tenant}/v2.0/adminconsent", s.adminConsent)
		back("POST /{tenant}/oauth2/v2.0/token", s.token)
		back("GET /{tenant}/discovery/v2.0/keys", s.jwks)
		back("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery)
		back("/oidc/userinfo", s.userinfo)
		back("GET /v1.0/me", s.graphMe)
		back("GET /v1.0/me/mailFolders/inbox", s.graphInbox)
		back("GET /v1.0/users/{user}/mailFolders/inbox", s.graphInbox)
	case LinkedIn:
		handle("/oauth/v2/authorization", s.authorize)
		back("POST /oauth/v2/accessToken", s.token)
		back("GET /oauth/openid/jwks", s.jwks)
		back("GET /oauth/.well-known/openid-configuration", s.discovery)
		back("/v2/userinfo", s.userinfo)
	case Instagram:
		handle("/oauth/authorize", s.authorize)
		back("POST /oauth/access_token", s.instagramShort)
		back("GET /access_token", s.instagramLong)
		back("GET /refresh_access_token", s.instagramRefresh)
		back("GET /me", s.instagramMe)
	}
	back("/introspect", s.introspect)
	return mux
}

func (s *Server) counted(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked[r.URL.Path]++
		s.mu.Unlock()
		w.Header().Set("Cache-Control", "no-store")
		h(w, r)
	}
}

func (s *Server) unlessOut(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.knob().Outage {
			http.Error(w, "the provider is down", http.StatusServiceUnavailable)
			return
		}
		h(w, r)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever left does not want it
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) client(id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.cfg.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{}, false
	}
	return s.cfg.Clients[i], true
}

func (s *Server) user(email string) (User, bool) {
	i := slices.IndexFunc(s.cfg.Users, func(u User) bool {
		return strings.EqualFold(u.Email, email) || (u.UPN != "" && strings.EqualFold(u.UPN, email)) || (u.Username != "" && u.Username == email)
	})
	if i < 0 {
		return User{}, false
	}
	return s.cfg.Users[i], true
}

// hang waits until the client gives up.
func (s *Server) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
}

// AddClient registers another client.
func (s *Server) AddClient(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Clients = append(slices.Clone(s.cfg.Clients), c)
}
