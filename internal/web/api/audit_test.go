package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// lines is the trail as the API tells it, oldest first: action, target's prefix, outcome and count.
func (h *house) lines(t *testing.T) []string {
	t.Helper()
	h.trail.Flush(t.Context())
	r := h.as(h.app, "GET", "/v1/audit?limit=100", "")
	if r.status != 200 || strings.Contains(string(r.raw), canary) {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	items, _ := r.body["items"].([]any)
	var out []string
	for i := len(items) - 1; i >= 0; i-- {
		m := items[i].(map[string]any)
		target, _ := m["target"].(string)
		prefix, _, _ := strings.Cut(target, "_")
		actor := m["actor"].(map[string]any)
		if actor["id"] != string(h.app.APIKey.ID) || actor["kind"] != "key" || actor["name"] != "first key" {
			t.Errorf("the actor is %v", actor)
		}
		out = append(out, fmt.Sprint(m["action"], " ", prefix, " ", m["outcome"], " ", m["count"]))
	}
	return out
}

func TestAuditTrail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k, text, err := h.apps.CreateKey(t.Context(), h.app.Application.ID, "links only", []latchkey.Permission{latchkey.PermLinks})
	if err != nil {
		t.Fatal(err)
	}
	r := h.as(h.app, "POST", "/v1/provider-apps", `{"provider":"GOOGLE","client_id":"abc.apps.googleusercontent.com","client_secret":"`+canary+`"}`)
	if r.status != 201 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	pap := r.str("id")
	for range 3 {
		if r = h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`); r.status != 201 {
			t.Fatalf("%d %s", r.status, r.raw)
		}
	}
	link := r.str("id")
	if r = h.as(h.app, "GET", "/v1/links/"+link, ""); r.str("key_id") != string(h.app.APIKey.ID) {
		t.Errorf("the link does not name its key: %s", r.raw)
	}
	h.advance(time.Second)
	h.as(h.app, "POST", "/v1/links/"+link+"/expire", "")
	h.advance(time.Second)
	h.as(h.app, "POST", "/v1/links/"+link+"/expire", "") // changes nothing, and is on record
	h.as(h.app, "DELETE", "/v1/accounts/acc_none", "")
	h.as(h.app, "DELETE", "/v1/accounts/acc_none", "")
	h.advance(time.Second)
	h.as(h.app, "DELETE", "/v1/provider-apps/"+pap, "")
	got := h.lines(t)
	counted := map[string]bool{}
	var own []string
	for _, l := range got {
		switch {
		case strings.HasPrefix(l, "create_link"), strings.HasSuffix(l, "not_found 2"):
			counted[l] = true
		default:
			own = append(own, l)
		}
	}
	if diff := cmp.Diff([]string{"create_provider_app pap ok 1", "expire_link lnk ok 1", "expire_link lnk ok 1", "delete_provider_app pap ok 1"}, own); diff != "" {
		t.Errorf("lines of their own (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"create_link  ok 3": true, "delete_account  not_found 2": true}, counted); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	// Others have a trail of their own, and a key that may not is on record too.
	if r = h.as(h.other, "GET", "/v1/audit", ""); strings.Contains(string(r.raw), "aud_") {
		t.Errorf("another application reads %s", r.raw)
	}
	if r = h.send("GET", "/v1/audit", "", "X-API-KEY: "+text.Reveal()); r.status != 403 {
		t.Errorf("without the permission: %d", r.status)
	}
	h.advance(time.Second)
	h.trail.Flush(t.Context())
	r = h.as(h.app, "GET", "/v1/audit?limit=1", "")
	if !strings.Contains(string(r.raw), `"action":"list_audit"`) || !strings.Contains(string(r.raw), string(k.ID)) || !strings.Contains(string(r.raw), `"outcome":"insufficient_permissions"`) {
		t.Errorf("the refused key: %s", r.raw)
	}
}

// TestAccountsAreAudited has each act on an account on record with its key, and what a check finds not
// in the way of that.
func TestAccountsAreAudited(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	do := func(status int, method, path, body string) reply {
		t.Helper()
		h.advance(10 * time.Second)
		r := h.as(h.trial, method, path, body)
		if r.status != status {
			t.Fatalf("%s %s: %d %s", method, path, r.status, r.raw)
		}
		return r
	}
	login := `"username":"ok","password":"mock"`
	id := do(201, "POST", "/v1/accounts", `{"provider":"MOCK",`+login+`,"account_id":"mine"}`).str("account_id")
	do(200, "POST", "/v1/accounts", `{"provider":"MOCK",`+login+`,"account_id":"mine"}`)
	do(200, "POST", "/v1/accounts/"+id, `{`+login+`}`)
	do(200, "POST", "/v1/accounts/"+id+"/check", "")
	do(200, "PATCH", "/v1/accounts/mine", `{"notify_email":"ada@example.org"}`)
	do(201, "POST", "/v1/accounts/"+id+"/reconnect-url", "")
	do(200, "DELETE", "/v1/accounts/"+id+"/reconnect-url", "")
	do(200, "DELETE", "/v1/accounts/"+id, "")
	do(404, "POST", "/v1/accounts/"+id+"/check", "")
	h.advance(time.Second)
	h.trail.Flush(t.Context())
	r := h.as(h.trial, "GET", "/v1/audit?limit=100", "")
	items, _ := r.body["items"].([]any)
	var got []string
	for _, item := range slices.Backward(items) {
		m := item.(map[string]any)
		actor := m["actor"].(map[string]any)
		if actor["kind"] != "key" || actor["id"] != string(h.trial.APIKey.ID) {
			t.Errorf("the actor is %v", actor)
		}
		got = append(got, fmt.Sprint(m["action"], " ", m["target"], " ", m["outcome"]))
	}
	want := []string{
		"create_account " + id + " ok", "create_account " + id + " ok", "reconnect_account " + id + " ok", "check_account " + id + " ok",
		"change_account mine ok", "create_reconnect_url " + id + " ok", "delete_reconnect_url " + id + " ok", "delete_account " + id + " ok",
		"check_account " + id + " not_found",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(string(r.raw), "ada@example.org") {
		t.Error("the trail tells an address")
	}
}
