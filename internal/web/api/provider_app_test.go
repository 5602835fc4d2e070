package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// verifier is a connector that says what it was asked; a client id "down" is an outage.
type verifier struct{ connector.Connector }

func (verifier) VerifyApp(_ context.Context, a connector.App, callback string) ([]connector.AppFinding, error) {
	if a.ClientID == "down" {
		return nil, errors.New("provider is down, secret " + a.ClientSecret)
	}
	return []connector.AppFinding{
		{Code: "client_secret", OK: a.ClientSecret == canary, Detail: "Open the console."},
		{Code: "redirect_uri", OK: callback == "https://connect.test/oauth/callback", Detail: callback},
	}, nil
}

// tokens is a connector whose credentials are access tokens.
type tokens struct{ connector.Connector }

func (tokens) Refresh(context.Context, connector.Credential) (connector.Refreshed, error) {
	return connector.Refreshed{}, errors.New("not in this test")
}

func (tokens) Token(c connector.Credential) (connector.AccessToken, error) {
	return connector.AccessToken{Token: string(c.Secret), Type: "Bearer", ExpiresAt: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Scopes: []string{"mail"}}, nil
}

const googleApp = `{"provider":"GOOGLE","client_id":"1-a.apps.googleusercontent.com","client_secret":"` + canary + `"}`

func TestProviderAppThroughItsLife(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.as(h.app, "POST", "/v1/provider-apps", googleApp, "Idempotency-Key: one")
	id := made.str("id")
	want := map[string]any{
		"object": "ProviderApp", "id": id, "provider": "GOOGLE", "name": "GOOGLE", "client_id": "1-a.apps.googleusercontent.com",
		"client_secret_set": true, "service_account_set": false, "tenant": nil, "cloud": nil, "domain": nil, "extra_scopes": []any{},
		"skip_scopes": []any{}, "protocol": "imap", "default": true, "flag": nil, "redirect_uri": "https://connect.test/oauth/callback",
		"created_at": "2026-06-30T11:00:00.000Z", "updated_at": "2026-06-30T11:00:00.000Z",
	}
	if diff := cmp.Diff(want, made.body); made.status != 201 || diff != "" {
		t.Fatalf("%d %s\n%s", made.status, made.raw, diff)
	}
	if again := h.as(h.app, "POST", "/v1/provider-apps", googleApp, "Idempotency-Key: one"); again.str("id") != id {
		t.Errorf("made twice: %s", again.raw)
	}
	h.advance(time.Millisecond)
	second := h.as(h.app, "POST", "/api/v1/provider-apps", `{"provider":"GOOGLE_OAUTH","client_id":"2","client_secret":"s","default":true,"format":"json"}`)
	if second.status != 201 || second.str("provider") != "GOOGLE_OAUTH" {
		t.Fatalf("%s", second.raw)
	}
	list := h.as(h.app, "GET", "/v1/provider-apps?limit=1", "")
	items, _ := list.body["items"].([]any)
	if len(items) != 1 || !strings.Contains(string(list.raw), second.str("id")) || list.str("cursor") == "" {
		t.Errorf("%s", list.raw)
	}
	rest := h.as(h.app, "GET", "/v1/provider-apps?limit=1&cursor="+list.str("cursor"), "")
	if !strings.Contains(string(rest.raw), `"default":false`) || rest.body["cursor"] != nil || !strings.Contains(string(rest.raw), id) {
		t.Errorf("%s", rest.raw)
	}
	r := h.as(h.app, "PATCH", "/v1/provider-apps/"+id, `{"name":"Ours","skip_scopes":["a"],"default":true}`)
	if r.status != 200 || r.str("name") != "Ours" || r.body["default"] != true || r.body["client_secret_set"] != true {
		t.Errorf("%s", r.raw)
	}
	verified := h.as(h.app, "POST", "/v1/provider-apps/"+id+"/verify", "")
	if verified.status != 200 || verified.body["ok"] != true || len(verified.body["findings"].([]any)) != 2 {
		t.Errorf("%s", verified.raw)
	}
	wrong := h.as(h.app, "POST", "/v1/provider-apps/"+second.str("id")+"/verify", "")
	if wrong.status != 200 || wrong.body["ok"] != false {
		t.Errorf("%s", wrong.raw)
	}
	h.as(h.app, "PATCH", "/v1/provider-apps/"+id, `{"client_id":"down"}`)
	down := h.as(h.app, "POST", "/v1/provider-apps/"+id+"/verify", "")
	wantProblem(t, down, 503, errs.CodeUnavailable)
	for _, r := range []reply{made, second, list, rest, r, verified, down} {
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("the secret is shown: %s", r.raw)
		}
	}
	if strings.Contains(h.logs.String(), `"name":"Ours"`) {
		t.Error("the log holds the request")
	}
	if r := h.as(h.app, "DELETE", "/v1/provider-apps/"+id, ""); string(r.raw) != `{"object":"ProviderAppDeleted"}` {
		t.Errorf("%s", r.raw)
	}
	if r := h.as(h.app, "GET", "/v1/provider-apps/"+second.str("id"), ""); r.body["default"] != true {
		t.Errorf("nobody inherited the default: %s", r.raw)
	}
}

func TestProviderAppsAreTheApplicationsOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.as(h.app, "POST", "/v1/provider-apps", googleApp).str("id")
	_, text, err := h.apps.CreateKey(t.Context(), h.app.Application.ID, "narrow", []latchkey.Permission{latchkey.PermAccounts})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"GET ", "PATCH ", "DELETE ", "POST /verify"} {
		method, suffix, _ := strings.Cut(route, " ")
		wantProblem(t, h.as(h.other, method, "/v1/provider-apps/"+id+suffix, ""), 404, errs.CodeNotFound)
		wantProblem(t, h.as(h.app, method, "/v1/provider-apps/pap_x"+suffix, ""), 404, errs.CodeNotFound)
		wantProblem(t, h.send(method, "/v1/provider-apps/"+id+suffix, "", "X-API-KEY: "+text.Reveal()), 403, errs.CodePermission)
	}
	if r := h.as(h.other, "GET", "/v1/provider-apps", ""); string(r.raw) != `{"object":"ProviderAppList","items":[],"cursor":null}` {
		t.Errorf("%s", r.raw)
	}
	form := `{"account":"a","name":"Ada","email":"ada@x.test","redirectUrl":"https://a.test","type":"` + id + `"}`
	if r := h.as(h.app, "POST", "/v1/authentication/form", form); r.status != 200 {
		t.Errorf("%s", r.raw)
	}
	if r := h.as(h.other, "POST", "/v1/authentication/form", form); !cmp.Equal(r.codes(), []string{"type: invalid_value"}) {
		t.Errorf("%s", r.raw)
	}
}

func TestProviderAppProblemsAllAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for body, want := range map[string][]string{
		`{}`: {"provider: required", "client_id: required", "client_secret: required"},
		`{"provider":"IMAP","client_id":7,"client_secret":"` + canary + ` x","nonsense":1,"default":"maybe"}`: {
			"client_id: invalid_type", "default: invalid_type", "provider: invalid_value", "client_secret: invalid_value", "nonsense: unknown_field",
		},
		`{"provider":"MICROSOFT","client_id":"x","client_secret":"00000000-0000-4000-8000-000000000000","tenant":"a b","cloud":"moon","domain":"a.b","protocol":"pop","extra_scopes":["ok","a b"]}`: {
			"client_id: invalid_value", "client_secret: invalid_value", "tenant: invalid_value", "cloud: invalid_value", "domain: unsupported",
			"protocol: invalid_value", "extra_scopes[1]: invalid_value",
		},
		`{"provider":"LINKEDIN","client_id":"x","client_secret":"s","tenant":"common","protocol":"imap","service_account":{"type":"x"}}`: {
			"service_account: unsupported", "tenant: unsupported", "protocol: unsupported",
		},
		`{"provider":"GOOGLE","service_account":{"type":"x"}}`: {"service_account: invalid_value"},
	} {
		r := h.as(h.app, "POST", "/v1/provider-apps", body)
		if diff := cmp.Diff(want, r.codes()); r.status != 400 || diff != "" {
			t.Errorf("%s: %d\n%s", body, r.status, diff)
		}
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("the value is shown: %s", r.raw)
		}
	}
	ok := `{"provider":"GOOGLE","client_secret":"s\r\n","client_id":" c ","service_account":{"type":"service_account","client_email":"a@b.c","private_key":"-----BEGIN PRIVATE KEY-----"}}`
	made := h.as(h.app, "POST", "/v1/provider-apps", ok)
	if made.status != 201 || made.body["service_account_set"] != true || made.str("client_id") != "c" {
		t.Fatalf("%s", made.raw)
	}
	for body, want := range map[string][]string{
		`{"provider":"LINKEDIN"}`: {"provider: invalid_value"},
		`{"default":false}`:       {"default: invalid_value"},
		`{"client_secret":"","service_account":"","client_id":""}`: {"client_id: required", "client_secret: required"},
	} {
		if r := h.as(h.app, "PATCH", "/v1/provider-apps/"+made.str("id"), body); !cmp.Equal(want, r.codes()) {
			t.Errorf("%s: %s", body, r.raw)
		}
	}
	wantProblem(t, h.as(h.app, "PATCH", "/v1/provider-apps/"+made.str("id"), `{"a"`), 400, errs.CodeMalformedJSON)
}

func (h *house) tokenAccount(t testing.TB, name string) latchkey.Account {
	t.Helper()
	now := h.now()
	a := latchkey.Account{
		ID: latchkey.NewAccountID(now), ApplicationID: h.app.Application.ID, Provider: latchkey.Google, Identity: name, Status: latchkey.AccountOK,
		ExternalID: name, Secret: []byte("ya29-" + name), ExpiresAt: now.Add(time.Hour), RefreshAt: now.Add(time.Hour), CreatedAt: now, UpdatedAt: now,
	}
	if err := h.store.Accounts().Create(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	a := h.tokenAccount(t, "ada")
	const want = `{"object":"AccessToken","access_token":"ya29-ada","token_type":"Bearer","expires_at":"2030-01-01T00:00:00.000Z","scopes":["mail"]}`
	for _, path := range []string{"/v1/accounts/ada", "/api/v1/accounts/" + string(a.ID)} {
		r := h.as(h.app, "POST", path+"/access-token", "", "Idempotency-Key: same")
		if r.status != 200 || string(r.raw) != want || r.header.Get("Cache-Control") != "no-store" || r.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	events := h.as(h.app, "GET", "/v1/events?type=account.access_token_issued", "")
	if items, _ := events.body["items"].([]any); len(items) != 1 || strings.Contains(string(events.raw), "ya29") || !strings.Contains(string(events.raw), string(h.app.APIKey.ID)) {
		t.Errorf("%s", events.raw)
	}
	if strings.Contains(h.logs.String(), "ya29") {
		t.Error("the log holds a token")
	}
	wantProblem(t, h.as(h.other, "POST", "/v1/accounts/"+string(a.ID)+"/access-token", ""), 404, errs.CodeNotFound)
	_, text, err := h.apps.CreateKey(t.Context(), h.app.Application.ID, "narrow", []latchkey.Permission{latchkey.PermAccounts})
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, h.send("POST", "/v1/accounts/ada/access-token", "", "X-API-KEY: "+text.Reveal()), 403, errs.CodePermission)
	h.mailbox(t)
	wantProblem(t, h.as(h.app, "POST", "/v1/accounts/box/access-token", ""), 409, errs.CodeUnsupported)
	wantProblem(t, h.as(h.app, "GET", "/v1/accounts/ada/access-token", ""), 405, errs.CodeMethodNotAllowed)
}

func TestConnectWithTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	const id = "pap_01jdz3x2m5k8p1r4t7v0y3a6bc"
	r := h.as(h.app, "POST", "/api/v1/accounts", `{"provider":"GOOGLE_OAUTH","email":"ada@x.test","access_token":"at","refresh_token":"1//rt",
		"expires_at":"2026-06-30T12:00:00.000Z","scope":"a b","provider_app":"`+id+`"}`)
	if r.status != 201 {
		t.Fatalf("%s", r.raw)
	}
	want := hosted.DirectSpec{Provider: latchkey.Google, Email: "ada@x.test", ProviderApp: id, Values: map[string]string{
		"email": "ada@x.test", "access_token": "at", "refresh_token": "1//rt", "expires_at": "2026-06-30T12:00:00Z", "scope": "a b",
	}}
	if diff := cmp.Diff(want, h.direct.specs[0]); diff != "" {
		t.Error(diff)
	}
	for body, want := range map[string][]string{
		`{"provider":"GOOGLE","access_token":"at","imap_password":"p"}`:                                          {"imap_password: unsupported"},
		`{"provider":"IMAP","email":"a@x.test","password":"p","access_token":"at"}`:                              {"access_token: unsupported"},
		`{"provider":"OUTLOOK","access_token":7,"provider_app":"mine","expires_at":"soon"}`:                      {"provider_app: invalid_value", "access_token: invalid_type", "expires_at: invalid_date"},
		fmt.Sprintf(`{"provider":"LINKEDIN","access_token":"at","refresh_token":%q}`, strings.Repeat("x", 8193)): {"refresh_token: too_long"},
	} {
		if r := h.as(h.app, "POST", "/v1/accounts", body); r.status != 400 || !cmp.Equal(want, r.codes()) {
			t.Errorf("%s", r.raw)
		}
	}
	h.tokenAccount(t, "ada")
	if r := h.as(h.app, "POST", "/v1/accounts/ada", `{"refresh_token":"new"}`); r.status != 200 || h.direct.specs[1].Values["refresh_token"] != "new" {
		t.Errorf("%s", r.raw)
	}
}

// BenchmarkAccessToken is the whole call, over the SQLite file, with many callers.
func BenchmarkAccessToken(b *testing.B) {
	h := newHouse(b, nil)
	for i := range 100 {
		h.tokenAccount(b, fmt.Sprint("u", i))
	}
	text := h.app.Key.Reveal()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			r := h.send("POST", fmt.Sprint("/v1/accounts/u", i%100, "/access-token"), "", "X-API-KEY: "+text)
			if r.status != http.StatusOK {
				b.Fatal(string(r.raw))
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}
