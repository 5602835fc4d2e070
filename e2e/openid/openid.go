// Package openid runs a real OpenID provider for a test: the one of github.com/zitadel/oidc, with the
// login page and the storage that it brings as an example. Nothing of it is ours but who may sign in
// and which clients there are, so it holds no opinion that we share by mistake.
package openid

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// Client is an OAuth client of the provider.
type Client struct{ ID, Secret, RedirectURI string }

// User can sign in. Email is the login, too.
type User struct{ ID, Email, Password, First, Last string }

// Provider is a running provider.
type Provider struct {
	URL   string
	store *store

	mu    sync.Mutex
	asked map[string][]url.Values
}

// Start starts a provider, which ends with the test. Its clients may ask for any scope.
func Start(t testing.TB, users []User, clients ...Client) *Provider {
	t.Helper()
	p := &Provider{asked: map[string][]url.Values{}}
	known := map[string]*storage.Client{}
	for _, c := range clients {
		known[c.ID] = storage.WebClient(c.ID, c.Secret, c.RedirectURI)
	}
	p.store = &store{storage.NewStorageWithClients(people(users), known)}
	srv := httptest.NewUnstartedServer(nil)
	p.URL = "http://" + srv.Listener.Addr().String()
	next := exampleop.SetupServer(p.URL, p.store, slog.New(slog.DiscardHandler), false)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		p.asked[r.URL.Path] = append(p.asked[r.URL.Path], r.Form)
		p.mu.Unlock()
		next.ServeHTTP(w, r)
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return p
}

// Asked are the parameters of each request to a path.
func (p *Provider) Asked(path string) []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Withdraw ends every token that a client has of a user.
func (p *Provider) Withdraw(t testing.TB, user User, client string) {
	t.Helper()
	if err := p.store.TerminateSession(t.Context(), user.ID, client); err != nil {
		t.Fatal(err)
	}
}

// Introspect is where a mail server asks about tokens (RFC 7662), as a client. Its name and secret
// stand in the address, from which Dovecot takes them for HTTP.
func (p *Provider) Introspect(c Client) string {
	return strings.Replace(p.URL, "http://", "http://"+url.UserPassword(c.ID, c.Secret).String()+"@", 1) + "/oauth/introspect"
}

// store lets clients ask for more than what OpenID Connect names.
type store struct{ *storage.Storage }

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return anyScope{c}, nil
}

type anyScope struct{ op.Client }

func (anyScope) IsScopeAllowed(string) bool { return true }

// people are the provider's users.
type people []User

func (p people) find(is func(User) bool) *storage.User {
	for _, u := range p {
		if is(u) {
			return &storage.User{
				ID: u.ID, Username: u.Email, Password: u.Password, FirstName: u.First, LastName: u.Last,
				Email: u.Email, EmailVerified: true, PreferredLanguage: language.English,
			}
		}
	}
	return nil
}

// GetUserByID is for the storage.
func (p people) GetUserByID(id string) *storage.User {
	return p.find(func(u User) bool { return u.ID == id })
}

// GetUserByUsername is for the storage.
func (p people) GetUserByUsername(name string) *storage.User {
	return p.find(func(u User) bool { return u.Email == name })
}

// ExampleClientID is for the storage.
func (people) ExampleClientID() string { return "service" }
