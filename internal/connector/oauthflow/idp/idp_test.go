package idp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"latchkey/internal/connector/oauthflow/idp"
)

const (
	callback = "http://127.0.0.1:1/cb"
	tenant   = "11111111-2222-3333-4444-555555555555"
)

type provider struct {
	*idp.Server
	authorize, token, scope string
}

func start(t *testing.T, kind idp.Kind) provider {
	t.Helper()
	s, err := idp.Start(idp.Config{
		Kind:    kind,
		Users:   []idp.User{{Email: "anna@demo.test", Username: "anna", Name: "Anna <b>", Subject: "1001", TID: tenant}},
		Clients: []idp.Client{{ID: "c", Secret: "s", RedirectURIs: []string{callback}}, {ID: "c2", Secret: "s2", RedirectURIs: []string{callback}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p := provider{Server: s}
	switch kind {
	case idp.Google:
		p.authorize, p.token, p.scope = "/o/oauth2/v2/auth", "/token", "openid email https://mail.google.com/"
	case idp.Microsoft:
		p.authorize, p.token, p.scope = "/common/oauth2/v2.0/authorize", "/common/oauth2/v2.0/token", "openid https://outlook.office.com/IMAP.AccessAsUser.All"
	case idp.LinkedIn:
		p.authorize, p.token, p.scope = "/oauth/v2/authorization", "/oauth/v2/accessToken", "openid profile email"
	case idp.Instagram:
		p.authorize, p.token, p.scope = "/oauth/authorize", "/oauth/access_token", "instagram_business_basic"
	}
	return p
}

func (p provider) query(change url.Values) string {
	q := url.Values{"client_id": {"c"}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"st"}, "scope": {p.scope}}
	for name, v := range change {
		q[name] = v
	}
	return p.URL() + p.authorize + "?" + q.Encode()
}

func do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (p provider) get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func (p provider) post(t *testing.T, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, req)
}

func (p provider) code(t *testing.T, change url.Values) string {
	t.Helper()
	p.Turn(func(k *idp.Knobs) { k.Auto = true })
	q, err := p.Visit(t.Context(), p.query(change))
	if err != nil {
		t.Fatal(err)
	}
	return q.Get("code")
}

func (p provider) exchange(t *testing.T, code string, change url.Values) (int, string) {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"c"}, "client_secret": {"s"}, "redirect_uri": {callback}, "code": {code}}
	for name, v := range change {
		form[name] = v
	}
	resp, body := p.post(t, p.URL()+p.token, form)
	return resp.StatusCode, body
}

// TestRefusals: it refuses what the real ones refuse.
func TestRefusals(t *testing.T) {
	for _, kind := range []idp.Kind{idp.Google, idp.Microsoft, idp.LinkedIn, idp.Instagram} {
		t.Run(string(kind), func(t *testing.T) {
			p := start(t, kind)
			p.Turn(func(k *idp.Knobs) { k.Auto = true })
			for name, change := range map[string]url.Values{
				"an unknown client": {"client_id": {"nobody"}}, "a foreign redirect URI": {"redirect_uri": {"http://evil.test/cb"}},
			} {
				if resp, _ := p.get(t, p.query(change)); resp.StatusCode < 400 || resp.Header.Get("Location") != "" {
					t.Errorf("%s: %s", name, resp.Status)
				}
			}
			for name, change := range map[string]url.Values{
				"a wrong secret": {"client_secret": {"x"}}, "another client's code": {"client_id": {"c2"}, "client_secret": {"s2"}},
				"a foreign redirect URI": {"redirect_uri": {"http://evil.test/cb"}}, "a code of nobody": {"code": {"x"}},
			} {
				if status, body := p.exchange(t, p.code(t, nil), change); status < 400 || strings.Contains(body, "access_token") {
					t.Errorf("%s: %d %s", name, status, body)
				}
			}
			code := p.code(t, nil)
			status, body := p.exchange(t, code, nil)
			if status != http.StatusOK {
				t.Fatalf("a good code: %d %s", status, body)
			}
			var tok struct {
				Access string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(body), &tok); err != nil {
				t.Fatal(err)
			}
			if status, _ := p.exchange(t, code, nil); status < 400 {
				t.Error("a code is taken twice")
			}
			if _, said := p.post(t, p.URL()+"/introspect", url.Values{"token": {tok.Access}}); !strings.Contains(said, `"active":false`) {
				t.Errorf("what came of a code that was used twice has ended: %s", said)
			}
		})
	}
}

func TestPKCE(t *testing.T) {
	verifier := oauth2.GenerateVerifier()
	challenge := url.Values{"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}}
	for _, kind := range []idp.Kind{idp.Google, idp.Microsoft} {
		p := start(t, kind)
		if status, _ := p.exchange(t, p.code(t, challenge), nil); status < 400 {
			t.Errorf("%s takes a code without its verifier", kind)
		}
		if status, _ := p.exchange(t, p.code(t, challenge), url.Values{"code_verifier": {oauth2.GenerateVerifier()}}); status < 400 {
			t.Errorf("%s takes a code with another verifier", kind)
		}
		if status, body := p.exchange(t, p.code(t, challenge), url.Values{"code_verifier": {verifier}}); status != http.StatusOK {
			t.Errorf("%s refuses the right verifier: %s", kind, body)
		}
	}
	p := start(t, idp.LinkedIn)
	if status, _ := p.exchange(t, p.code(t, nil), url.Values{"code_verifier": {verifier}}); status < 400 {
		t.Error("LinkedIn takes a code_verifier")
	}
	q, err := p.Visit(t.Context(), p.query(challenge))
	if err != nil || q.Get("error") == "" {
		t.Errorf("LinkedIn takes a code_challenge: %v %v", q, err)
	}
}

// TestPage: a person can say yes and no without JavaScript, and untick a box.
func TestPage(t *testing.T) {
	p := start(t, idp.Google)
	resp, page := p.get(t, p.query(nil))
	if resp.StatusCode != http.StatusOK || strings.Contains(page, "<script") || !strings.Contains(page, `name="idp_decision" value="deny"`) {
		t.Fatalf("%s %s", resp.Status, page)
	}
	form := url.Values{
		"client_id": {"c"}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"st"}, "scope": {p.scope}, "idp_user": {"anna@demo.test"},
	}
	form.Set("idp_decision", "deny")
	resp, _ = p.post(t, p.URL()+p.authorize, form)
	if to := resp.Header.Get("Location"); !strings.Contains(to, "error=access_denied") || !strings.Contains(to, "state=st") {
		t.Errorf("no: %s", to)
	}
	form.Set("idp_decision", "approve")
	form["idp_scope"] = []string{"openid", "email"}
	resp, _ = p.post(t, p.URL()+p.authorize, form)
	to, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	if status, body := p.exchange(t, to.Query().Get("code"), nil); status != http.StatusOK || strings.Contains(body, "mail.google.com") || !strings.Contains(body, "id_token") {
		t.Errorf("an unticked box: %d %s", status, body)
	}
}

// TestHangEnds: a request that hangs ends with the provider.
func TestHangEnds(t *testing.T) {
	p := start(t, idp.Google)
	p.Turn(func(k *idp.Knobs) { k.TokenHang = true })
	done := make(chan struct{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL()+"/token", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		if resp, err := transport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	deadline := time.Now().Add(5 * time.Second)
	for p.Asked("/token") == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond) // there is no event for what another process would do
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	<-done
}
