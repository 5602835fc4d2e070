package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"latchkey/internal/connector/imap/dovecottest"
)

// vault is an application that keeps its users' credentials itself: its authentication server, and the
// provider that Dovecot asks about tokens.
type vault struct {
	auth, introspect string

	mu     sync.Mutex
	lends  map[string]map[string]string // by account
	valid  map[string]string            // token to login
	down   bool
	asked  int
	forged int
}

func newVault(t *testing.T, in *install) *vault {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(in.secret)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{lends: map[string]map[string]string{}, valid: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /credentials", func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.asked++
		if wh.Verify([]byte("GET "+r.RequestURI), r.Header) != nil {
			v.forged++
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		lent := v.lends[r.URL.Query().Get("account")]
		switch {
		case v.down:
			w.WriteHeader(http.StatusBadGateway)
		case lent == nil || r.URL.Query().Get("proto") != "imap" && r.URL.Query().Get("proto") != "smtp":
			w.WriteHeader(http.StatusNotFound)
		default:
			_ = json.NewEncoder(w).Encode(lent)
		}
	})
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		who, ok := v.valid[r.FormValue("token")]
		said := map[string]any{"active": ok}
		if ok {
			said["email"] = who
		}
		_ = json.NewEncoder(w).Encode(said)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	v.auth, v.introspect = srv.URL+"/credentials", srv.URL+"/introspect"
	return v
}

func (v *vault) change(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

func (v *vault) lend(account string, what map[string]string) {
	v.change(func() { v.lends[account] = what })
}

// newVaultHouse is an installation beside a real mail host that takes passwords and tokens.
func newVaultHouse(t *testing.T) (*house, *vault) {
	t.Helper()
	in := newInstall(t)
	v := newVault(t, in)
	dir, err := os.MkdirTemp("", "dovecot-vault-") //nolint:usetesting // TempDir lets only us in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ask := filepath.Join(dir, "oauth2.conf.ext")
	conf := "introspection_url = " + v.introspect + "\nintrospection_mode = post\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n"
	// Dovecot drops to a user of its own, who has to get in here.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ask, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	h := dovecottest.Start(t, dovecottest.Config{
		Names: []string{houseServer}, Mechanisms: []string{"plain", "login", "xoauth2"},
		Extra: "passdb {\n  driver = oauth2\n  mechanisms = xoauth2\n  args = " + ask + "\n}\n",
	})
	ports := []string{port(h.IMAPS), port(h.IMAP), port(h.Submissions), port(h.Submission)}
	for k, val := range mailEnv(t, []string{houseServer + ". 60 IN A 127.0.0.1"}, ports, h.CAPEM) {
		in.env[k] = val
	}
	google := "127.0.0.1:"
	in.env["LATCHKEY_GOOGLE_IMAP"], in.env["LATCHKEY_GOOGLE_SMTP"] = "imaps://"+google+ports[0], "smtp+starttls://"+google+ports[3]
	return &house{server: in.start(), host: h}, v
}

// TestAuthenticationServer connects accounts whose credentials their application keeps: a password, a
// token at a host of one's own, and a token at Google's, all on a real mail host.
func TestAuthenticationServer(t *testing.T) {
	t.Parallel()
	h, v := newVaultHouse(t)
	res := h.api.must(t, http.StatusOK, http.MethodPut, "/v1/application", fields{"auth_server_url": v.auth})
	if res.text("auth_server_url") != v.auth {
		t.Fatalf("%s", res.body)
	}
	h.api.must(t, http.StatusOK, http.MethodPut, "/v1/application", fields{})
	for _, bad := range []string{"http://example.org/x", "https://u:p@example.org", "ftp://example.org", "https://example.org/#a"} {
		h.api.must(t, http.StatusBadRequest, http.MethodPut, "/v1/application", fields{"auth_server_url": bad})
	}
	number := func(addr string) int {
		n, err := strconv.Atoi(port(addr))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	settings := func(account, email string) fields {
		return fields{
			"provider": "IMAP", "account_id": account, "email": email, "auth_server": true,
			"imap_host": houseServer, "imap_port": number(h.host.IMAPS), "imap_encryption": "tls",
			"smtp_host": houseServer, "smtp_port": number(h.host.Submission), "smtp_encryption": "starttls",
		}
	}
	h.password(t, v, settings("crm-1", "pat@"+houseDomain))
	h.tokens(t, v, settings("crm-2", "tom@"+houseDomain))
	v.change(func() {
		if v.forged > 0 {
			t.Errorf("%d requests with a bad signature", v.forged)
		}
	})
}

func (h *house) password(t *testing.T, v *vault, create fields) {
	t.Helper()
	email, changes := "pat@"+houseDomain, 0
	change := func() string {
		t.Helper()
		changes++
		password := h.seen.password(strconv.Itoa(changes))
		h.host.SetPassword(t, email, password)
		return password
	}
	password := change()
	// Nothing is stored before it worked.
	if res := h.api.must(t, http.StatusConflict, http.MethodPost, "/v1/accounts", create); res.text("type") != "errors/auth_server_refused" {
		t.Errorf("an account that the server does not know: %s", res.body)
	}
	v.lend("crm-1", map[string]string{"user": email, "pass": "wrong"})
	if res := h.api.must(t, http.StatusBadRequest, http.MethodPost, "/v1/accounts", create); res.text("errors.0.field") != "auth_server" || res.text("errors.0.code") != "wrong_password" {
		t.Errorf("a wrong password: %s", res.body)
	}
	v.lend("crm-1", map[string]string{"user": email, "pass": password})
	made := h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts", create)
	id := made.text("account_id")
	acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/crm-1", nil)
	if acc.text("auth_server") != "true" || acc.text("status") != "OK" || acc.text("connection_params.mail.imap_user") != email {
		t.Errorf("%s", acc.body)
	}
	h.api.check(t, id, "OK")

	// A password that changes is asked for again before anybody is blamed.
	v.lend("crm-1", map[string]string{"user": email, "pass": change()})
	h.api.check(t, id, "OK")

	// An outage of the server is nobody's fault. What it said a moment ago is not asked again, so the
	// mail host has to refuse that first.
	change()
	v.change(func() { v.down = true })
	if res := h.api.check(t, id, "CONNECTING"); res.text("reason") != "auth_server_unreachable" || res.text("action") != "wait" {
		t.Errorf("an outage: %s", res.body)
	}
	v.change(func() { v.down = false; delete(v.lends, "crm-1") })
	if res := h.api.check(t, id, "ERROR"); res.text("reason") != "auth_server_refused" {
		t.Errorf("a refusal of the server: %s", res.body)
	}
	v.lend("crm-1", map[string]string{"user": email, "pass": "wrong"})
	if res := h.api.check(t, id, "CREDENTIALS"); res.text("reason") != "password_changed" {
		t.Errorf("a refusal of the mail host: %s", res.body)
	}
	// There is nothing to ask its user.
	if res := h.api.must(t, http.StatusConflict, http.MethodPost, "/v1/links", fields{"type": "reconnect", "reconnect_account": id}); res.text("type") != "errors/auth_server_account" {
		t.Errorf("a reconnect link: %s", res.body)
	}
	if res := h.api.must(t, http.StatusConflict, http.MethodPost, "/v1/accounts/"+id+"/access-token", nil); res.text("type") != "errors/credential_rejected" {
		t.Errorf("an access token: %s", res.body)
	}
	last := change()
	v.lend("crm-1", map[string]string{"user": email, "pass": last})
	h.api.check(t, id, "OK")
	if res := h.api.must(t, http.StatusConflict, http.MethodPost, "/v1/accounts/"+id+"/access-token", nil); res.text("type") != "errors/unsupported" {
		t.Errorf("an access token of a password: %s", res.body)
	}

	// A link by its name meets it, and takes nothing from it.
	l := h.api.link(t, fields{"account_id": "crm-1", "email": email})
	visit := h.visit(l)
	f := visit.at(t, answers{"imap.email": {"email": email}}, "imap.settings")
	f = visit.submit(t, f, fields{
		"password": last, "imap_host": houseServer, "imap_port": port(h.host.IMAPS), "imap_encryption": "tls", "imap_user": email,
		"smtp_host": houseServer, "smtp_port": port(h.host.Submissions), "smtp_encryption": "tls", "smtp_user": email,
	})
	if f.Failure.Code != "auth_server_account" {
		t.Errorf("the wizard ends with %s", f.raw)
	}
	h.api.check(t, id, "OK")

	// The application's backend may take it away from the server, and forget it.
	if res := h.api.must(t, http.StatusOK, http.MethodPost, "/v1/accounts/"+id, fields{"password": last}); res.text("object") != "AccountReconnected" {
		t.Errorf("%s", res.body)
	}
	if acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil); acc.text("auth_server") == "true" {
		t.Errorf("%s", acc.body)
	}
	h.api.must(t, http.StatusOK, http.MethodPost, "/v1/accounts/"+id, fields{"auth_server": true})
	h.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+id, nil)
}

func (h *house) tokens(t *testing.T, v *vault, create fields) {
	t.Helper()
	const first, second = "at-first-4711", "at-second-4712"
	email := "tom@" + houseDomain
	h.seen.token(first)
	h.seen.token(second)
	v.change(func() { v.valid[first] = email })
	v.lend("crm-2", map[string]string{"user": email, "accessToken": first})
	v.lend("crm-3", map[string]string{"user": email, "accessToken": first})
	h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts", create)
	if res := h.api.must(t, http.StatusBadRequest, http.MethodPost, "/v1/accounts", fields{"provider": "GOOGLE", "auth_server": true, "access_token": "x", "imap_host": houseServer}); !strings.Contains(string(res.body), `"account_id"`) ||
		!strings.Contains(string(res.body), `"access_token"`) || !strings.Contains(string(res.body), `"imap_host"`) {
		t.Errorf("all that is wrong at once: %s", res.body)
	}
	google := fields{"provider": "GOOGLE", "account_id": "crm-3", "email": "somebody@" + houseDomain, "auth_server": true}
	if res := h.api.must(t, http.StatusBadRequest, http.MethodPost, "/v1/accounts", google); res.text("type") != "errors/wrong_account" {
		t.Errorf("another's mailbox: %s", res.body)
	}
	delete(google, "email")
	h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts", google)
	for _, id := range []string{"crm-2", "crm-3"} {
		if res := h.api.must(t, http.StatusOK, http.MethodPost, "/v1/accounts/"+id+"/access-token", nil); res.text("access_token") != first || res.text("token_type") != "Bearer" {
			t.Errorf("%s: %s", id, res.body)
		}
		if acc := h.api.check(t, id, "OK"); acc.text("identity") != email {
			t.Errorf("%s: %s", id, acc.body)
		}
	}
	// The token ends; the server has the next.
	v.change(func() { delete(v.valid, first); v.valid[second] = email })
	for _, id := range []string{"crm-2", "crm-3"} {
		v.lend(id, map[string]string{"user": email, "accessToken": second})
		h.api.check(t, id, "OK")
	}
	v.change(func() { delete(v.valid, second) })
	for _, id := range []string{"crm-2", "crm-3"} {
		if res := h.api.check(t, id, "CREDENTIALS"); res.text("reason") != "consent_revoked" {
			t.Errorf("%s: %s", id, res.body)
		}
		h.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+id, nil)
	}
	// Nothing that was lent is ours to revoke.
	events := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/events?type="+url.QueryEscape("account.revoked"), nil)
	if strings.Contains(string(events.body), "account_id") {
		t.Errorf("revoked: %s", events.body)
	}
}
