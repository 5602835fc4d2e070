package oauthflow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"latchkey/internal/connector"
)

// metadataTTL is how long a discovery document is believed.
const metadataTTL = time.Hour

// maxIssuers bounds what is remembered: the operator names one issuer, tenants of a known cloud share
// their keys' address.
const maxIssuers = 64

// metadata remembers discovery documents and key sets. Those who ask at once share one request.
type metadata struct {
	http   *HTTP
	now    func() time.Time
	flight singleflight.Group

	mu   sync.Mutex
	docs map[string]document
	keys map[string]oidc.KeySet
}

type document struct {
	endpoints Endpoints
	until     time.Time
}

func newMetadata(h *HTTP, now func() time.Time) *metadata {
	return &metadata{http: h, now: now, docs: map[string]document{}, keys: map[string]oidc.KeySet{}}
}

// known returns a document that was read before.
func (m *metadata) known(issuer string) (Endpoints, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.docs[issuer]
	return d.endpoints, ok && m.now().Before(d.until)
}

// discover reads an issuer's document (OpenID Connect Discovery 1.0 §4).
func (m *metadata) discover(ctx context.Context, issuer string) (Endpoints, error) {
	if e, ok := m.known(issuer); ok {
		return e, nil
	}
	got := m.flight.DoChan(issuer, func() (any, error) {
		// Whoever began must not end it for the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.http.timeout)
		defer cancel()
		return m.read(ctx, issuer)
	})
	select {
	case r := <-got:
		e, _ := r.Val.(Endpoints)
		return e, r.Err
	case <-ctx.Done():
		return Endpoints{}, ctx.Err()
	}
}

func (m *metadata) read(ctx context.Context, issuer string) (Endpoints, error) {
	answer, err := m.http.Get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", "")
	if err != nil {
		return Endpoints{}, err
	}
	var doc struct {
		Issuer    string   `json:"issuer"`
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		Userinfo  string   `json:"userinfo_endpoint"`
		Revoke    string   `json:"revocation_endpoint"`
		JWKS      string   `json:"jwks_uri"`
		Methods   []string `json:"token_endpoint_auth_methods_supported"`
		Answers   bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := answer.JSON(&doc); err != nil {
		return Endpoints{}, err
	}
	if doc.Issuer != issuer && !isTemplateOf(doc.Issuer, issuer) {
		return Endpoints{}, errors.New("oauthflow: the discovery document is another issuer's")
	}
	for name, address := range map[string]string{"authorization": doc.Authorize, "token": doc.Token, "jwks": doc.JWKS} {
		if !webAddress(address) {
			return Endpoints{}, fmt.Errorf("oauthflow: the discovery document has no usable %s endpoint", name)
		}
	}
	e := Endpoints{
		Authorize: doc.Authorize, Token: doc.Token, Userinfo: doc.Userinfo, Revoke: doc.Revoke, JWKS: doc.JWKS,
		Issuer: doc.Issuer, AnswersIssuer: doc.Answers, AuthStyle: oauth2.AuthStyleInParams,
	}
	if len(doc.Methods) > 0 && !slices.Contains(doc.Methods, "client_secret_post") {
		e.AuthStyle = oauth2.AuthStyleInHeader
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.docs) >= maxIssuers {
		clear(m.docs)
	}
	m.docs[issuer] = document{endpoints: e, until: m.now().Add(metadataTTL)}
	return e, nil
}

// tenantMark is what Microsoft's common documents have where a tenant's id belongs.
const tenantMark = "{tenantid}"

// isTemplateOf tells whether a templated issuer is the document of common, organizations or
// consumers at the same place.
func isTemplateOf(template, issuer string) bool {
	before, after, ok := strings.Cut(template, tenantMark)
	if !ok {
		return false
	}
	for _, tenant := range []string{"common", "organizations", "consumers"} {
		if issuer == before+tenant+after {
			return true
		}
	}
	return false
}

func webAddress(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http")
}

// keySet is the issuer's keys. They are read when a token is signed with one that is not known.
func (m *metadata) keySet(address string) oidc.KeySet {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k, ok := m.keys[address]; ok {
		return k
	}
	if len(m.keys) >= maxIssuers {
		clear(m.keys)
	}
	k := oidc.NewRemoteKeySet(m.http.context(context.Background()), address)
	m.keys[address] = k
	return k
}

// ready returns the endpoints if they are known without the network.
func (f *Flow) ready(app connector.App) (Endpoints, bool, error) {
	if f.Spec.Issuer != "" {
		return Endpoints{}, false, nil
	}
	e, err := f.Spec.Endpoints(app)
	return e, err == nil, err
}

// endpoints returns where the provider is.
func (f *Flow) endpoints(ctx context.Context, app connector.App) (Endpoints, error) {
	if f.Spec.Issuer != "" {
		return f.meta.discover(ctx, f.Spec.Issuer)
	}
	return f.Spec.Endpoints(app)
}
