package api_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/errs"
	"latchkey/internal/secret"
)

// seedLink and seedForm are the calls that the documents of the product print, with nothing but
// date and host put in.
const (
	seedLink = `{
"type": "create",
"providers": ["LINKEDIN", "WHATSAPP", "GOOGLE"],
"api_url": "https://api.postpress.ai/v1",
"expiresOn": "2026-06-30T12:00:00.701Z"
}`
	seedLinkAll = `{
"type": "create",
"providers": "*",
"api_url": "https://connect.test/v1",
"expiresOn": "2026-06-30T12:00:00.701Z",
"notify_url": "https://yourapp.com/postpress/account-callback",
"name": "user_1234"
}`
	seedForm = `{
  "account": "example",
  "name": "My Email Account",
  "email": "user@example.com",
  "redirectUrl": "https://myapp/account/settings.php"
}`
)

func TestSeedCalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	r := h.as(h.app, "POST", "/v1/hosted/accounts/link", seedLink, "accept: application/json")
	if r.status != 201 || r.str("object") != "HostedAuthURL" || r.str("expires_on") != "2026-06-30T12:00:00.701Z" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if !regexp.MustCompile(`^https://connect\.test/c/[A-Za-z0-9_-]{32,}$`).MatchString(r.str("url")) {
		t.Errorf("url: %s", r.str("url"))
	}
	if !strings.Contains(string(r.raw), `"warnings":[{"code":"foreign_api_url"`) {
		t.Errorf("no warning of the foreign api_url: %s", r.raw)
	}
	r = h.as(h.app, "POST", "/v1/hosted/accounts/link", seedLinkAll)
	if r.status != 201 || !strings.Contains(string(r.raw), `"warnings":[]`) {
		t.Errorf("%d %s", r.status, r.raw)
	}
	token := strings.TrimPrefix(r.str("url"), "https://connect.test/c/")
	l, err := h.store.Links().ByToken(t.Context(), secret.HashToken(token))
	if err != nil || string(l.ID) != r.str("id") || l.Name != "user_1234" || l.Terms.NotifyURL == "" {
		t.Errorf("%+v, %v", l, err)
	}

	r = h.as(h.app, "POST", "/v1/authentication/form", seedForm)
	u, err := url.Parse(r.str("url"))
	if err != nil || r.status != 200 || len(r.body) != 1 || u.Host != "connect.test" || u.Path != "/accounts/new" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	l, err = h.store.Links().ByToken(t.Context(), secret.HashToken(u.Query().Get("data")))
	if err != nil || l.Terms.ExternalID != "example" || l.Terms.DisplayName != "My Email Account" || l.Terms.Email != "user@example.com" ||
		l.Terms.SuccessURL != "https://myapp/account/settings.php" || l.Name != "" {
		t.Errorf("%+v, %v", l, err)
	}
	r = h.send("POST", "/v1/authentication/form", seedForm)
	wantProblem(t, r, 401, errs.CodeMissingCredentials)
	if !strings.Contains(r.str("detail"), "X-API-KEY") {
		t.Errorf("the detail does not help: %s", r.str("detail"))
	}
}

func TestPrefixesAloneAreNoRoutes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for p, code := range map[string]errs.Code{
		"/v1": errs.CodeNotFound, "/v1/": errs.CodeNotFound, "/api/v1/": "resource_not_found", "/api/v1": "resource_not_found",
	} {
		wantProblem(t, h.send("GET", p, ""), 404, code)
	}
}

func TestEveryWrongFieldAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := canary
	for name, x := range map[string]struct {
		path, body string
		want       []string
	}{
		"values": {
			"/v1/links",
			`{"type":"` + c + `","providers":["` + c + `","MOCK","IMAP"],"expiresOn":"` + c + `","name":"","success_redirect_url":"javascript:` + c + `",
			"failure_redirect_url":"https://u:` + c + `@x.test/","notify_url":"https://x.test/` + strings.Repeat("a", 2048) + `","email":"` + c + `",
			"account_id":"` + c + ` x","locale":"x-` + c + `_","metadata":{"a":{"b":"` + c + `"}},"proxy":{"password":"` + c + `"},
			"disabled_options":["` + c + `"],"password":"` + c + `","reconnect_account":"x/` + c + `"}`,
			[]string{
				"type: invalid_value", "providers[0]: invalid_value", "providers[1]: invalid_value", "reconnect_account: invalid_value",
				"account_id: invalid_value", "expiresOn: invalid_date", "name: too_short", "success_redirect_url: invalid_url",
				"failure_redirect_url: invalid_url", "notify_url: too_long", "locale: invalid_value",
				"metadata.a: invalid_type", "email: invalid_email", "proxy: unsupported", "disabled_options: unsupported", "password: unknown_field",
			},
		},
		"types": {
			"/v1/hosted/accounts/link",
			`{"type":1,"providers":{"a":"` + c + `"},"expires_on":17,"name":{"x":"` + c + `"},"success_redirect_url":[],"notify_failures":"` + c + `",
			"email":false,"account_id":[1],"locale":1,"metadata":["` + c + `"],"bypass_success_screen":1,"allow_server_change":{},"api_url":1,"expected_identity":2}`,
			[]string{
				"type: invalid_type", "providers: invalid_type", "account_id: invalid_type", "expires_on: invalid_type",
				"name: invalid_type", "success_redirect_url: invalid_type", "notify_failures: invalid_type",
				"allow_server_change: invalid_type", "locale: invalid_type", "metadata: invalid_type",
				"bypass_success_screen: invalid_type", "email: invalid_type", "expected_identity: invalid_type", "api_url: invalid_type",
			},
		},
		"empty": {"/v1/links", `{"providers":[],"account_id":"","name":""}`, []string{"providers: required", "account_id: too_short", "name: too_short"}},
		"form": {
			"/v1/authentication/form",
			`{"account":"acc_` + c + `","name":["` + c + `"],"email":"` + c + `","redirectUrl":"//` + c + `","type":"` + c + `","expectedEmail":"@` + c + `",
			"delegated":"` + c + `","path":[1,"` + c + `"],"subconnections":{"a":"` + c + `"},"syncFrom":"` + c + `","notifyFrom":1,"sig":"` + c + `"}`,
			[]string{
				"account: reserved", "name: invalid_type", "email: invalid_email", "redirectUrl: invalid_url", "expectedEmail: invalid_email",
				"delegated: invalid_type", "path[0]: invalid_type", "subconnections: invalid_type", "syncFrom: invalid_date", "notifyFrom: invalid_type",
				"type: invalid_value", "sig: unknown_field",
			},
		},
		"account": {
			"/v1/accounts",
			`{"provider":"FAX","account_id":"..","metadata":1,"email":"` + c + `","imap_port":70000,"imap_password":["` + c + `"],"imap_encryption":"default",
			"smtp_port":"465","smtp_password":"` + c + `\n","` + c + `":1}`,
			[]string{
				"provider: invalid_value", "account_id: reserved", "metadata: invalid_type", "email: invalid_email", "imap_port: out_of_range",
				"imap_encryption: invalid_value", "imap_password: invalid_type", "smtp_port: invalid_type", "smtp_password: invalid_value",
				"password: required", c + ": unknown_field",
			},
		},
		"required":              {"/v1/links", `{}`, []string{"providers: required"}},
		"required of a form":    {"/v1/authentication/form", `{"redirectUrl":null}`, []string{"redirectUrl: required"}},
		"required to reconnect": {"/v1/links", `{"type":"reconnect"}`, []string{"reconnect_account: required"}},
		"no providers":          {"/v1/links", `{"providers":[]}`, []string{"providers: required"}},
		"both dates": {
			"/v1/links", `{"providers":"*","expiresOn":"2026-06-30T12:00:00Z","expires_on":"2026-06-30T12:00:00Z"}`, []string{"expires_on: invalid_value"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := h.as(h.app, "POST", x.path, x.body)
			wantProblem(t, r, 400, errs.CodeInvalidParameters)
			if diff := cmp.Diff(x.want, r.codes()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if name != "account" && strings.Contains(string(r.raw), c) {
				t.Errorf("a value is echoed: %s", r.raw)
			}
		})
	}
	if strings.Contains(h.logs.String(), c) {
		t.Error("a value is in the log")
	}
}

func TestBodiesThatAreNoJSONObject(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for body, code := range map[string]errs.Code{
		`{"password":"` + canary + `"`: errs.CodeMalformedJSON, canary: errs.CodeMalformedJSON, `[]`: errs.CodeMalformedJSON,
		`"` + canary + `"`: errs.CodeMalformedJSON, `null`: errs.CodeMalformedJSON, `{"a":1}{"b":2}`: errs.CodeMalformedJSON,
		"{\"name\":\"\xff" + canary + "\"}": errs.CodeMalformedJSON, `{"name":"` + strings.Repeat("x", 256<<10) + `"}`: errs.CodeBodyTooLarge,
	} {
		r := h.as(h.app, "POST", "/v1/links", body)
		status := 400
		if code == errs.CodeBodyTooLarge {
			status = 413
		}
		wantProblem(t, r, status, code)
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("the body is echoed: %s", r.raw)
		}
	}
	r := h.as(h.app, "POST", "/v1/links", "type=create", "Content-Type: application/x-www-form-urlencoded")
	wantProblem(t, r, 415, errs.CodeUnsupportedMedia)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for after, ok := range map[time.Duration]bool{
		-time.Hour: false, 0: false, 59 * time.Second: false, time.Minute: true, 30 * 24 * time.Hour: true, 30*24*time.Hour + time.Second: false,
	} {
		at := h.now().Add(after)
		for _, layout := range []string{"2006-01-02T15:04:05.000Z", time.RFC3339} {
			r := h.as(h.app, "POST", "/v1/links", fmt.Sprintf(`{"providers":"*","expiresOn":%q}`, at.Format(layout)))
			if (r.status == 201) != ok {
				t.Errorf("in %s: %d %s", after, r.status, r.raw)
			}
			if !ok && !cmp.Equal(r.codes(), []string{"expiresOn: out_of_range"}) {
				t.Errorf("in %s: %s", after, r.raw)
			}
		}
	}
	r := h.as(h.app, "POST", "/v1/links", `{"providers":"*","expires_on":"2026-06-30T14:00:00.000+02:00"}`)
	if r.str("expires_on") != "2026-06-30T12:00:00.000Z" {
		t.Errorf("another zone: %s", r.raw)
	}
	if r := h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`); r.str("expires_on") != "2026-06-30T12:00:00.000Z" {
		t.Errorf("default: %s", r.raw)
	}
}

func TestReadLinks(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.as(h.trial, "POST", "/v1/links", `{"providers":["mail","MOCK","MAIL"],"name":"user_1","account_id":"ada","metadata":{"k":"v"}}`)
	if made.status != 201 || made.body["test"] != true {
		t.Fatalf("%d %s", made.status, made.raw)
	}
	id := made.str("id")
	got := h.as(h.trial, "GET", "/v1/links/"+id, "")
	want := map[string]any{
		"object": "Link", "id": id, "type": "create", "status": "created", "name": "user_1", "providers": []any{"IMAP", "MOCK"},
		"external_id": "ada", "key_id": string(h.trial.APIKey.ID), "created_at": "2026-06-30T11:00:00.000Z", "expires_on": "2026-06-30T12:00:00.000Z", "account_id": nil,
		"last_failure": nil, "opened_count": 0.0, "metadata": map[string]any{"k": "v"}, "test": true,
		"events": []any{map[string]any{"type": "link.created", "at": "2026-06-30T11:00:00.000Z"}},
	}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("link (-want +got):\n%s", diff)
	}
	if strings.Contains(string(got.raw), strings.TrimPrefix(made.str("url"), "https://connect.test/c/")) {
		t.Error("the token is shown again")
	}
	lenient := h.as(h.trial, "GET", "/api/v1/links/"+id, "")
	if diff := cmp.Diff([]any{"MAIL", "MOCK"}, lenient.body["providers"]); diff != "" {
		t.Errorf("names of the dialect:\n%s", diff)
	}
	expired := h.as(h.trial, "POST", "/v1/links/"+id+"/expire", "")
	if expired.status != 200 || expired.str("status") != "expired" {
		t.Errorf("%d %s", expired.status, expired.raw)
	}
	again := h.as(h.trial, "GET", "/v1/links/"+id, "")
	if evs, _ := again.body["events"].([]any); len(evs) != 2 {
		t.Errorf("events: %s", again.raw)
	}
	for _, q := range []string{"?status=expired", "?name=user_1", "?status=expired&name=user_1"} {
		if r := h.as(h.trial, "GET", "/v1/links"+q, ""); !strings.Contains(string(r.raw), id) {
			t.Errorf("%s: %s", q, r.raw)
		}
	}
	for _, q := range []string{"?status=created", "?name=user_2"} {
		if r := h.as(h.trial, "GET", "/v1/links"+q, ""); r.str("object") != "LinkList" || strings.Contains(string(r.raw), id) {
			t.Errorf("%s: %s", q, r.raw)
		}
	}
	r := h.as(h.trial, "GET", "/v1/links?status=x&limit=0&cursor=%21&page=1&name=a&name=b", "")
	wantProblem(t, r, 400, errs.CodeInvalidParameters)
	if diff := cmp.Diff([]string{
		"limit: out_of_range", "cursor: invalid_value", "name: invalid_value", "status: invalid_value", "page: unknown_field",
	}, r.codes()); diff != "" {
		t.Error(diff)
	}
	for _, q := range []string{"links?name=%ff", "links?name=%00", "events?type=%ff", "events?type=%00"} { // PostgreSQL takes neither for text
		wantProblem(t, h.as(h.trial, "GET", "/v1/"+q, ""), 400, errs.CodeInvalidParameters)
	}
	if r := h.as(h.trial, "GET", "/api/v1/links?page=1", ""); r.status != 200 {
		t.Errorf("unknown parameter in the lenient dialect: %s", r.raw)
	}
}

func TestForeignIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	link := h.as(h.trial, "POST", "/v1/links", `{"providers":"*"}`).str("id")
	account := h.as(h.trial, "POST", "/v1/accounts", `{"provider":"MOCK","username":"ok","password":"mock","account_id":"mine"}`).str("account_id")
	if account == "" {
		t.Fatal("no account")
	}
	for _, prefix := range []string{"/v1", "/api/v1"} {
		for _, c := range []struct{ method, path, foreign, unknown string }{
			{"GET", "/links/%s", link, "lnk_00000000000000000000000000"},
			{"POST", "/links/%s/expire", link, "nonsense"},
			{"GET", "/accounts/%s", account, "acc_00000000000000000000000000"},
			{"GET", "/accounts/%s", "mine", "yours"},
			{"DELETE", "/accounts/%s", account, "no~such@account"},
			{"POST", "/accounts/%s", account, "yours"},
			{"POST", "/accounts/%s/check", account, "acc_short"},
		} {
			foreign := h.as(h.other, c.method, prefix+fmt.Sprintf(c.path, c.foreign), "")
			unknown := h.as(h.other, c.method, prefix+fmt.Sprintf(c.path, c.unknown), "")
			if foreign.status != 404 || string(foreign.raw) != string(unknown.raw) {
				t.Errorf("%s %s: %d %s, but unknown: %d %s", c.method, c.path, foreign.status, foreign.raw, unknown.status, unknown.raw)
			}
		}
	}
	body := `{"type":"reconnect","reconnect_account":%q}`
	foreign := h.as(h.other, "POST", "/v1/links", fmt.Sprintf(body, account))
	unknown := h.as(h.other, "POST", "/v1/links", fmt.Sprintf(body, "acc_00000000000000000000000000"))
	if foreign.status != 404 || string(foreign.raw) != string(unknown.raw) {
		t.Errorf("reconnect: %s, but unknown: %s", foreign.raw, unknown.raw)
	}
	if r := h.as(h.trial, "POST", "/v1/links", fmt.Sprintf(body, "mine")); r.status != 201 {
		t.Errorf("reconnect by one's own name: %s", r.raw)
	}
}

func TestLenientDialect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	const path = "/hosted/accounts/link"
	extra := `{"type":"create","providers":["OUTLOOK","MAIL"],"api_url":"https://connect.test","expiresOn":"2026-06-30T12:00:00.701Z","format":"json","sync_limit":{"MAILING":"NO_HISTORY_SYNC"},"single_use":true,"name":""}`
	if r := h.as(h.app, "POST", "/api/v1"+path, extra); r.status != 201 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.as(h.app, "POST", "//api/v1"+path, extra); r.status != 201 {
		t.Errorf("with a doubled slash: %d %s", r.status, r.raw)
	}
	r := h.as(h.app, "POST", "/v1"+path, extra)
	if diff := cmp.Diff([]string{"name: too_short", "format: unknown_field", "single_use: unknown_field", "sync_limit: unknown_field"}, r.codes()); diff != "" {
		t.Errorf("strict:\n%s", diff)
	}
	for _, field := range []string{`"proxy":{"host":"x"}`, `"disabled_options":["cookie_auth"]`, `"unilogin":{"tab_name":"x"}`} {
		r := h.as(h.app, "POST", "/api/v1"+path, `{"providers":"*",`+field+`}`)
		if codes := r.codes(); r.status != 400 || len(codes) != 1 || !strings.HasSuffix(codes[0], ": unsupported") {
			t.Errorf("%s was not refused: %s", field, r.raw)
		}
	}
	if r := h.as(h.app, "POST", "/api/v1"+path, `{"providers":"*","proxy":null,"disabled_options":[]}`); r.status != 201 {
		t.Errorf("wishes for nothing: %s", r.raw)
	}
}
