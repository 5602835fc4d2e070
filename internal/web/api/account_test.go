package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

func TestAccountsThroughTheirLife(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.as(h.trial, "POST", "/v1/accounts", `{"provider":"MOCK","username":"ok","password":"mock","account_id":"mine","metadata":{"k":"v"}}`)
	if made.status != 201 || made.str("object") != "AccountCreated" || made.str("state") != "new" {
		t.Fatalf("%d %s", made.status, made.raw)
	}
	id := made.str("account_id")
	again := h.as(h.trial, "POST", "/v1/accounts", `{"provider":"MOCK","username":"ok","password":"mock","account_id":"mine"}`)
	if again.status != 200 || again.str("account_id") != id || again.str("state") != "existing" {
		t.Errorf("%d %s", again.status, again.raw)
	}
	for _, ref := range []string{id, "mine"} {
		r := h.as(h.trial, "GET", "/v1/accounts/"+ref, "")
		want := map[string]any{
			"object": "Account", "id": id, "external_id": "mine", "type": "MOCK", "created_at": "2026-06-30T11:00:00.000Z", "status": "OK",
			"reason": nil, "action": nil, "groups": []any{}, "metadata": map[string]any{"k": "v"}, "checked_at": "2026-06-30T11:00:00.000Z", "test": true,
		}
		got := map[string]any{}
		for name := range want {
			got[name] = r.body[name]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.raw, diff)
		}
		if _, ok := r.body["sources"].([]any); !ok {
			t.Errorf("sources: %s", r.raw)
		}
	}
	h.advance(time.Minute)
	checked := h.as(h.trial, "POST", "/v1/accounts/mine/check", "")
	if checked.status != 200 || checked.str("status") != "OK" || checked.str("checked_at") != "2026-06-30T11:01:00.000Z" {
		t.Errorf("%d %s", checked.status, checked.raw)
	}
	soon := h.as(h.trial, "POST", "/v1/accounts/mine/check", "")
	wantProblem(t, soon, 429, errs.CodeTooManyRequests)
	if soon.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After: %q", soon.header.Get("Retry-After"))
	}
	if r := h.as(h.trial, "DELETE", "/v1/accounts/mine", ""); r.status != 200 || string(r.raw) != `{"object":"AccountDeleted"}` {
		t.Errorf("%d %s", r.status, r.raw)
	}
	wantProblem(t, h.as(h.trial, "DELETE", "/v1/accounts/"+id, ""), 404, errs.CodeNotFound)
	events := h.as(h.trial, "GET", "/v1/events?type=account.deleted", "")
	if !strings.Contains(string(events.raw), id) {
		t.Errorf("events: %s", events.raw)
	}
}

func TestConnectMailbox(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	body := `{"provider":"IMAP","imap_host":"imap.x.test","imap_port":993,"imap_user":"ada@x.test","imap_password":" pa ss ","imap_encryption":"ssl",
	"smtp_host":"smtp.x.test","smtp_port":587,"smtp_user":"ada@x.test","smtp_password":"other","smtp_encryption":"starttls"}`
	if r := h.as(h.app, "POST", "/v1/accounts", body); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	want := hosted.DirectSpec{Provider: latchkey.IMAP, Email: "ada@x.test", Values: map[string]string{
		"email": "ada@x.test", "imap_host": "imap.x.test", "imap_port": "993", "imap_user": "ada@x.test", "imap_password": " pa ss ",
		"imap_encryption": "tls", "smtp_host": "smtp.x.test", "smtp_port": "587", "smtp_user": "ada@x.test", "smtp_password": "other",
		"smtp_encryption": "starttls",
	}}
	if diff := cmp.Diff(want, h.direct.specs[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	lenient := `{"provider":"MAIL","imap_user":"ada@x.test","imap_password":"x","smtp_password":"x","imap_encryption":"default","imap_port":"143","format":"json"}`
	if r := h.as(h.app, "POST", "/api/v1/accounts", lenient); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if got := h.direct.specs[1].Values; got["imap_encryption"] != "" || got["imap_port"] != "143" {
		t.Errorf("%v", got)
	}
	r := h.as(h.app, "POST", "/api/v1/accounts", `{"provider":"MAIL","imap_user":"ada@x.test","imap_password":"x","proxy":{"host":"h"}}`)
	if diff := cmp.Diff([]string{"proxy: unsupported"}, r.codes()); diff != "" {
		t.Error(diff)
	}
	r = h.as(h.app, "POST", "/v1/accounts", `{"provider":"TELEGRAM","method":"fax","password":"x","access_token":"y"}`)
	if diff := cmp.Diff([]string{"method: invalid_value", "access_token: unsupported", "password: unsupported"}, r.codes()); diff != "" {
		t.Error(diff)
	}
	if r := h.as(h.app, "POST", "/v1/accounts", `{"provider":"MOCK","password":"x"}`); r.status != 400 {
		t.Errorf("MOCK in a live application: %s", r.raw)
	}
	h.direct.fail = errs.InvalidFields(errs.FieldError{Field: "imap_password", Code: errs.CodeWrongPassword, Message: "No."})
	if r := h.as(h.app, "POST", "/v1/accounts", body); !cmp.Equal(r.codes(), []string{"imap_password: wrong_password"}) {
		t.Errorf("%s", r.raw)
	}
	h.direct.fail = errors.New("the cause with " + canary)
	r = h.as(h.app, "POST", "/v1/accounts", body)
	wantProblem(t, r, 500, errs.CodeInternal)
	if strings.Contains(string(r.raw), canary) {
		t.Errorf("the cause is shown: %s", r.raw)
	}
}

func (h *house) mailbox(t *testing.T) latchkey.Account {
	t.Helper()
	a := latchkey.Account{
		ID: latchkey.NewAccountID(h.now()), ApplicationID: h.app.Application.ID, ExternalID: "box", Provider: latchkey.IMAP, Name: "Ada",
		Identity: "ada@x.test", Proof: latchkey.ProofTyped, Status: latchkey.AccountCredentials, Reason: latchkey.ReasonPasswordChanged,
		Params: []byte(`{"mail":{"imap_host":"imap.x.test","imap_port":993,"imap_user":"ada@x.test","imap_encryption":"tls"}}`), Secret: []byte(canary),
		Sources: []latchkey.Source{{ID: "imap", Status: latchkey.AccountCredentials}}, CreatedAt: h.now(), UpdatedAt: h.now(),
	}
	if err := h.store.Accounts().Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAccountInBothDialects(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	a := h.mailbox(t)
	strict := h.as(h.app, "GET", "/v1/accounts/box", "")
	if strict.str("type") != "IMAP" || strict.str("status") != "CREDENTIALS" || strict.str("action") != "reconnect" || strict.str("reason") != "password_changed" {
		t.Errorf("%s", strict.raw)
	}
	lenient := h.as(h.app, "GET", "/api/v1/accounts/box", "")
	want := map[string]any{"mail": map[string]any{
		"imap_host": "imap.x.test", "imap_port": 993.0, "imap_user": "ada@x.test", "imap_encryption": "tls", "smtp_host": "", "smtp_port": 0.0, "smtp_user": "",
	}}
	if diff := cmp.Diff(want, lenient.body["connection_params"]); diff != "" || lenient.str("type") != "MAIL" {
		t.Errorf("%s\n%s", lenient.raw, diff)
	}
	for _, r := range []reply{strict, lenient, h.as(h.app, "GET", "/v1/accounts", "")} {
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("the secret is shown: %s", r.raw)
		}
	}
	r := h.as(h.app, "POST", "/v1/accounts/box", `{"password":"new"}`)
	if r.status != 200 || r.str("object") != "AccountReconnected" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	wantSpec := hosted.DirectSpec{Provider: latchkey.IMAP, Reconnect: string(a.ID), Values: map[string]string{"password": "new"}}
	if diff := cmp.Diff(wantSpec, h.direct.specs[0]); diff != "" {
		t.Error(diff)
	}
	r = h.as(h.app, "POST", "/api/v1/accounts/"+string(a.ID), `{"account_id":"`+string(a.ID)+`","provider":"MAIL","imap_password":"n","smtp_password":"n"}`)
	if r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = h.as(h.app, "POST", "/api/v1/accounts/box", `{"account_id":"other","provider":"TELEGRAM","imap_password":"n"}`)
	if diff := cmp.Diff([]string{"account_id: invalid_value", "provider: invalid_value"}, r.codes()); diff != "" {
		t.Error(diff)
	}
	if r := h.as(h.app, "POST", "/v1/accounts/box", `{}`); !cmp.Equal(r.codes(), []string{"password: required"}) {
		t.Errorf("%s", r.raw)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	const n = 23
	want := map[string]bool{}
	for i := range n {
		h.advance(time.Duration(i%3) * time.Millisecond) // some share their millisecond
		want[h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`).str("id")] = true
	}
	for _, limit := range []int{1, 5, 22, 23, 24, 250} {
		got, cursor, pages := map[string]bool{}, "", 0
		for {
			r := h.as(h.app, "GET", fmt.Sprintf("/v1/links?limit=%d%s", limit, cursor), "")
			if r.status != 200 {
				t.Fatalf("%s", r.raw)
			}
			items, _ := r.body["items"].([]any)
			if len(items) > limit || (len(items) == 0 && n > 0) {
				t.Fatalf("limit %d: %d items", limit, len(items))
			}
			for _, x := range items {
				m, _ := x.(map[string]any)
				id, _ := m["id"].(string)
				if got[id] {
					t.Errorf("limit %d: %s twice", limit, id)
				}
				got[id] = true
			}
			pages++
			next, present := r.body["cursor"]
			if !present {
				t.Fatal("no cursor")
			}
			if next == nil {
				break
			}
			s, _ := next.(string)
			cursor = "&cursor=" + s // unescaped, as careless clients do
		}
		if diff := cmp.Diff(want, got); diff != "" || pages != (n+limit-1)/limit {
			t.Errorf("limit %d: %d pages\n%s", limit, pages, diff)
		}
	}
	foreign := h.as(h.app, "GET", "/v1/links?limit=1", "").str("cursor")
	if r := h.as(h.other, "GET", "/v1/links?cursor="+foreign, ""); len(r.body["items"].([]any)) != 0 {
		t.Errorf("a foreign cursor shows something: %s", r.raw)
	}
	wantProblem(t, h.as(h.app, "GET", "/v1/accounts?cursor="+foreign, ""), 400, errs.CodeInvalidParameters)
	r := h.as(h.other, "GET", "/v1/accounts", "")
	if string(r.raw) != `{"object":"AccountList","items":[],"cursor":null}` {
		t.Errorf("%s", r.raw)
	}
}

func TestEventsList(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var links []string
	for range 3 {
		h.advance(time.Millisecond)
		id := h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`).str("id")
		h.as(h.app, "POST", "/v1/links/"+id+"/expire", "")
		links = append(links, id)
	}
	first := h.as(h.app, "GET", "/v1/events?limit=2", "")
	items, _ := first.body["items"].([]any)
	if len(items) != 2 || first.str("cursor") == "" {
		t.Fatalf("%s", first.raw)
	}
	last, _ := items[1].(map[string]any)
	id, _ := last["id"].(string)
	for _, q := range []string{"after=" + id, "cursor=" + first.str("cursor")} {
		r := h.as(h.app, "GET", "/v1/events?"+q, "")
		rest, _ := r.body["items"].([]any)
		if len(rest) != 1 || !strings.Contains(string(r.raw), links[2]) || r.body["cursor"] != nil {
			t.Errorf("%s: %s", q, r.raw)
		}
	}
	r := h.as(h.app, "GET", "/v1/events?after=evt_x&cursor="+first.str("cursor"), "")
	if diff := cmp.Diff([]string{"after: invalid_value"}, r.codes()); diff != "" {
		t.Error(diff)
	}
	if r := h.as(h.other, "GET", "/v1/events", ""); len(r.body["items"].([]any)) != 0 {
		t.Errorf("foreign events: %s", r.raw)
	}
}

func TestKeysAndPermissions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	whole := h.app.Key.Reveal()
	for name, c := range map[string]struct {
		headers []string
		status  int
		code    errs.Code
	}{
		"none":             {nil, 401, errs.CodeMissingCredentials},
		"wrong":            {[]string{"X-API-KEY: " + canary}, 401, errs.CodeInvalidKey},
		"truncated":        {[]string{"X-API-KEY: " + whole[:len(whole)-1]}, 401, errs.CodeInvalidKey},
		"basic":            {[]string{"Authorization: Basic " + whole}, 401, errs.CodeMissingCredentials},
		"two that differ":  {[]string{"X-API-KEY: " + whole, "Authorization: Bearer " + canary}, 401, errs.CodeInvalidKey},
		"two that agree":   {[]string{"X-API-KEY: " + whole, "Authorization: Bearer " + whole}, 200, ""},
		"bearer":           {[]string{"Authorization: bearer  " + whole}, 200, ""},
		"header any case":  {[]string{"x-api-key: " + whole}, 200, ""},
		"only in the body": {[]string{"Accept: */*"}, 401, errs.CodeMissingCredentials},
	} {
		r := h.send("GET", "/v1/application?access_token="+whole, "", c.headers...)
		if c.status != 200 {
			wantProblem(t, r, c.status, c.code)
			if r.header.Get("WWW-Authenticate") == "" || strings.Contains(string(r.raw), canary) {
				t.Errorf("%s: %s", name, r.raw)
			}
			continue
		}
		// The query is refused only once it is known whose it is.
		if r.status != 400 {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	r := h.as(h.trial, "GET", "/v1/application", "")
	if r.str("id") != string(h.trial.Application.ID) || r.str("name") != "trial" || r.body["test"] != true {
		t.Errorf("%s", r.raw)
	}
	k, text, err := h.apps.CreateKey(t.Context(), h.app.Application.ID, "narrow", []latchkey.Permission{latchkey.PermWebhooks})
	if err != nil {
		t.Fatal(err)
	}
	narrow := "X-API-KEY: " + text.Reveal()
	for path, want := range map[string]string{
		"GET /v1/links": "links", "POST /v1/links": "links", "POST /v1/authentication/form": "links", "GET /v1/accounts": "accounts",
		"DELETE /v1/accounts/x": "accounts", "GET /v1/events": "", "GET /v1/application": "",
	} {
		method, path, _ := strings.Cut(path, " ")
		r := h.send(method, path, "", narrow)
		if want == "" {
			if r.status != http.StatusOK {
				t.Errorf("%s: %d", path, r.status)
			}
			continue
		}
		wantProblem(t, r, 403, errs.CodePermission)
		if !strings.Contains(r.str("detail"), `"`+want+`"`) {
			t.Errorf("%s: the permission is not named: %s", path, r.raw)
		}
	}
	if err := h.apps.DeleteKey(t.Context(), h.app.Application.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, h.send("GET", "/v1/events", "", narrow), 401, errs.CodeInvalidKey)
	if log := h.logs.String(); strings.Contains(log, whole) || strings.Contains(log, text.Reveal()) || !strings.Contains(log, string(k.ID)) {
		t.Error("the log holds a key, or not the id of one")
	}
}

// TestWebhookLeadsNowhere refuses a webhook that a proxy leads back to an API, whatever key it carries.
func TestWebhookLeadsNowhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	r := h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`, "Webhook-Id: evt_06gzqw9sehevn1kee9bv1kvcwm", "Webhook-Signature: v1,AAAA", "Webhook-Timestamp: 1")
	if r.status != 403 || !strings.Contains(string(r.raw), "errors/webhook_loop") {
		t.Errorf("%d %s", r.status, r.raw)
	}
}
