package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/applications"
)

func TestWebhookThroughItsLife(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.as(h.trial, "POST", "/v1/webhooks", `{"request_url":"https://app.test/hook?k=1","events":["account.*","link.created"],"name":"CRM",
		"headers":[{"key":"X-Token","value":"`+canary+`"},{"key":"content-type","value":"application/json; charset=utf-8"}]}`, "Idempotency-Key: one")
	id, secret := made.str("webhook_id"), made.str("secret")
	if made.status != 201 || made.str("object") != "WebhookCreated" || !strings.HasPrefix(id, "whe_") || !strings.HasPrefix(secret, "whsec_") || len(made.body) != 3 {
		t.Fatalf("%d %s", made.status, made.raw)
	}
	want := map[string]any{
		"object": "Webhook", "id": id, "name": "CRM", "request_url": "https://app.test/hook?k=1", "events": []any{"account.*", "link.created"},
		"account_ids": []any{}, "headers": []any{map[string]any{"key": "X-Token", "value": "•••"}}, "payload": "native", "format": "json",
		"enabled": true, "paused_reason": nil, "paused_at": nil, "failing_since": nil,
		"created_at": "2026-06-30T11:00:00.000Z", "updated_at": "2026-06-30T11:00:00.000Z", "test": true,
	}
	got := h.as(h.trial, "GET", "/v1/webhooks/"+id, "")
	if diff := cmp.Diff(want, got.body); got.status != 200 || diff != "" {
		t.Errorf("%d\n%s", got.status, diff)
	}
	list := h.as(h.trial, "GET", "/v1/webhooks", "")
	if diff := cmp.Diff(map[string]any{"object": "WebhookList", "items": []any{want}, "cursor": nil}, list.body); diff != "" {
		t.Error(diff)
	}
	h.advance(time.Minute)
	changed := h.as(h.trial, "PATCH", "/v1/webhooks/"+id, `{"enabled":false,"events":["*"]}`)
	want["enabled"], want["paused_reason"], want["paused_at"], want["events"], want["updated_at"] = false, "owner", "2026-06-30T11:01:00.000Z", []any{"*"}, "2026-06-30T11:01:00.000Z"
	if diff := cmp.Diff(want, changed.body); changed.status != 200 || diff != "" {
		t.Errorf("%d\n%s", changed.status, diff)
	}
	if r := h.as(h.trial, "POST", "/v1/webhooks/"+id+"/test", ""); r.status != 409 || r.str("type") != "errors/webhook_paused" {
		t.Errorf("test of a paused one: %d %s", r.status, r.raw)
	}
	if r := h.as(h.trial, "POST", "/v1/webhooks/"+id+"/resume", ""); r.status != 200 || r.body["enabled"] != true || r.body["paused_at"] != nil {
		t.Errorf("resume: %d %s", r.status, r.raw)
	}
	rotated := h.as(h.trial, "POST", "/v1/webhooks/"+id+"/rotate-secret", "")
	if rotated.status != 200 || rotated.str("object") != "WebhookSecret" || rotated.str("secret") == secret || rotated.str("old_secret_until") != "2026-07-01T11:01:00.000Z" {
		t.Errorf("rotate: %d %s", rotated.status, rotated.raw)
	}
	queued := h.as(h.trial, "POST", "/v1/webhooks/"+id+"/test", "")
	if queued.status != 202 || !strings.HasPrefix(queued.str("delivery_id"), "dlv_") {
		t.Errorf("test: %d %s", queued.status, queued.raw)
	}
	if r := h.as(h.trial, "POST", "/v1/webhooks/"+id+"/replay", `{"since":"2026-06-30T11:00:00.000Z"}`); r.status != 202 || r.str("object") != "WebhookReplay" {
		t.Errorf("replay: %d %s", r.status, r.raw)
	}
	log := h.as(h.trial, "GET", "/v1/webhooks/"+id+"/deliveries", "")
	items, _ := log.body["items"].([]any)
	if len(items) != 1 || strings.Contains(string(log.raw), canary) {
		t.Fatalf("%s", log.raw)
	}
	d := items[0].(map[string]any)
	request := d["request"].(map[string]any)
	if d["status"] != "pending" || d["event_type"] != "webhook.test" || request["body"].(map[string]any)["test"] != true ||
		request["headers"].(map[string]any)["X-Token"] != "•••" {
		t.Errorf("%v", d)
	}
	h.notForOthers(t, id, queued.str("delivery_id"))
	if r := h.as(h.trial, "DELETE", "/v1/webhooks/"+id, ""); r.status != 200 || r.str("object") != "WebhookDeleted" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.as(h.trial, "GET", "/v1/webhooks/"+id, ""); r.status != 404 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if logs := h.logs.String(); strings.Contains(logs, canary) || strings.Contains(logs, secret) || strings.Contains(logs, "/hook?k=1") {
		t.Error("the log holds a secret")
	}
}

// notForOthers tries every route with another application's key: a foreign id is an unknown one.
func (h *house) notForOthers(t *testing.T, id, delivery string) {
	t.Helper()
	none := h.as(h.other, "GET", "/v1/webhooks/whe_00000000000000000000000000", "")
	for _, r := range [][3]string{
		{"GET", "/webhooks/" + id},
		{"PATCH", "/webhooks/" + id, "{}"},
		{"DELETE", "/webhooks/" + id},
		{"POST", "/webhooks/" + id + "/rotate-secret"},
		{"POST", "/webhooks/" + id + "/test"},
		{"POST", "/webhooks/" + id + "/resume"},
		{"GET", "/webhooks/" + id + "/deliveries"},
		{"POST", "/webhooks/" + id + "/replay", `{"since":"2026-06-30T11:00:00Z"}`},
		{"POST", "/deliveries/" + delivery + "/replay"},
		{"GET", "/deliveries/" + delivery},
	} {
		got := h.as(h.other, r[0], "/v1"+r[1], r[2])
		if got.status != 404 || got.str("type") != none.str("type") || strings.Contains(string(got.raw), "whe_") {
			t.Errorf("%s %s: %d %s", r[0], r[1], got.status, got.raw)
		}
	}
	if got := h.as(h.other, "GET", "/v1/webhooks", ""); len(got.body["items"].([]any)) != 0 {
		t.Errorf("another's list: %s", got.raw)
	}
}

func TestWebhookFieldErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for name, c := range map[string]struct{ body, fields string }{
		"nothing":           {`{}`, "events:required, request_url:required"},
		"address":           {`{"request_url":"ftp://x","events":["*"]}`, "request_url:invalid_url"},
		"user name":         {`{"request_url":"https://u:p@x.test","events":["*"]}`, "request_url:invalid_url"},
		"patterns":          {`{"request_url":"https://x.test","events":["*","mail.*","account.connectd","*.created"]}`, "events[1]:invalid_value, events[2]:invalid_value, events[3]:invalid_value"},
		"no such payload":   {`{"request_url":"https://x.test","events":["*"],"payload":"xml"}`, "payload:invalid_value"},
		"never told":        {`{"request_url":"https://x.test","events":["link.*"],"payload":"account_status"}`, "events:invalid_value"},
		"another source":    {`{"request_url":"https://x.test","events":["*"],"source":"messaging"}`, "source:unsupported"},
		"form":              {`{"request_url":"https://x.test","events":["*"],"format":"form","data":[{"name":"x"}]}`, "data:unsupported, format:unsupported"},
		"headers":           {`{"request_url":"https://x.test","events":["*"],"headers":[{"key":"Host","value":"x"},{"key":"WEBHOOK-Id","value":"x"},{"key":"connection","value":"x"},{"key":"a b","value":"x"},{"key":"X","value":"a\u0101"},{"key":"Y","value":"1"},{"key":"y","value":"2"},{"key":"Content-Type","value":"text/xml"},{"key":"content-length","value":"1"},{"value":"1"},7]}`, "headers[0].key:reserved, headers[10]:invalid_type, headers[1].key:reserved, headers[2].key:reserved, headers[3].key:invalid_value, headers[4].value:invalid_value, headers[6].key:invalid_value, headers[7].value:invalid_value, headers[8].key:reserved, headers[9].key:required"},
		"unknown account":   {`{"request_url":"https://x.test","events":["*"],"account_ids":["acc_00000000000000000000000000"]}`, "account_ids[0]:not_found"},
		"unknown field":     {`{"request_url":"https://x.test","events":["*"],"url":"x"}`, "url:unknown_field"},
		"headers no list":   {`{"request_url":"https://x.test","events":["*"],"headers":{"X":"y"}}`, "headers:invalid_type"},
		"enabled no bool":   {`{"request_url":"https://x.test","events":["*"],"enabled":"perhaps"}`, "enabled:invalid_type"},
		"lines in a header": {`{"request_url":"https://x.test","events":["*"],"headers":[{"key":"X","value":"a\r\nHost: b"}]}`, "headers[0].value:invalid_value"},
	} {
		got := h.as(h.app, "POST", "/v1/webhooks", c.body)
		if got.status != 400 || problems(got) != c.fields {
			t.Errorf("%s: %d %s\n want %s", name, got.status, problems(got), c.fields)
		}
	}
	for body, field := range map[string]string{`{}`: "since:required", `{"since":"yesterday"}`: "since:invalid_date", `{"since":"2026-05-01T00:00:00Z"}`: "since:out_of_range", `{"since":"2027-05-01T00:00:00Z"}`: "since:out_of_range"} {
		id := h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"]}`).str("webhook_id")
		if got := h.as(h.app, "POST", "/v1/webhooks/"+id+"/replay", body); got.status != 400 || problems(got) != field {
			t.Errorf("%s: %d %s", body, got.status, got.raw)
		}
	}
	for i := range 20 {
		if got := h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"]}`); (got.status == 201) != (i < 16) {
			t.Fatalf("webhook %d: %d %s", i+4, got.status, got.raw)
		}
	}
}

// TestWebhookDialect makes a webhook as existing client libraries do.
func TestWebhookDialect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	acc := h.mailbox(t)
	made := h.as(h.app, "POST", "/api/v1/webhooks", fmt.Sprintf(
		`{"source":"account_status","request_url":"https://app.test/s","name":"s","format":"json","account_ids":[%q],"enabled":true,"headers":[{"key":"Content-Type","value":"application/json"},{"key":"Unipile-Auth","value":"x"}],"whatever":1}`, acc.ID))
	if made.status != 201 || made.str("object") != "WebhookCreated" {
		t.Fatalf("%d %s", made.status, made.raw)
	}
	list := h.as(h.app, "GET", "/api/v1/webhooks", "")
	item := list.body["items"].([]any)[0].(map[string]any)
	for field, want := range map[string]any{
		"type": "AUTO", "source": "account_status", "enabled": true, "format": "json", "request_url": "https://app.test/s", "data": []any{},
		"account_ids": []any{map[string]any{"id": string(acc.ID), "type": "MAIL"}}, "headers": []any{map[string]any{"key": "Unipile-Auth", "value": "•••"}},
	} {
		if diff := cmp.Diff(want, item[field]); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
	if got := h.as(h.app, "DELETE", "/api/v1/webhooks/"+made.str("webhook_id"), ""); got.str("object") != "WebhookDeleted" {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

// TestListening waits for events that nobody else listens for.
func TestListening(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	first := h.as(h.trial, "POST", "/v1/events/listen", `{"wait":0}`)
	if first.status != 200 || first.str("object") != "EventPage" || len(first.body["items"].([]any)) != 0 {
		t.Fatalf("%d %s", first.status, first.raw)
	}
	answered := make(chan reply, 1)
	go func() {
		answered <- h.as(h.trial, "POST", "/v1/events/listen", fmt.Sprintf(`{"after":%q,"events":["link.created"],"wait":20}`, first.str("after")))
	}()
	h.advance(time.Millisecond)
	link := h.as(h.trial, "POST", "/v1/links", `{"providers":"*","name":"user_1"}`)
	got := <-answered
	items := got.body["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["link_id"] != link.str("id") || items[0].(map[string]any)["data"].(map[string]any)["name"] != "user_1" {
		t.Fatalf("%s", got.raw)
	}
	// Somebody else's links are not written down.
	h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`)
	if list := h.as(h.app, "GET", "/v1/events", ""); len(list.body["items"].([]any)) != 0 {
		t.Errorf("written though nobody listens: %s", list.raw)
	}
	h.advance(2 * time.Minute)
	h.as(h.trial, "POST", "/v1/links", `{"providers":"*"}`)
	if list := h.as(h.trial, "GET", "/v1/events?type=link.created", ""); len(list.body["items"].([]any)) != 1 {
		t.Errorf("written though nobody listens any more: %s", list.raw)
	}
	for body, fields := range map[string]string{`{"after":"x","wait":21,"events":["mail.*"]}`: "after:invalid_value, events[0]:invalid_value, wait:out_of_range"} {
		if got := h.as(h.trial, "POST", "/v1/events/listen", body); got.status != 400 || problems(got) != fields {
			t.Errorf("%d %s", got.status, problems(got))
		}
	}
}

// TestWebhookIsTold goes the whole way: a link is made over the API, and the event arrives.
func TestWebhookIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	arrived := make(chan *http.Request, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { arrived <- r.Clone(context.Background()) }))
	defer backend.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.hooks.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	id := h.as(h.trial, "POST", "/v1/webhooks", `{"request_url":"`+backend.URL+`","events":["link.created"]}`).str("webhook_id")
	link := h.as(h.trial, "POST", "/v1/links", `{"providers":"*"}`).str("id")
	select {
	case r := <-arrived:
		if r.Header.Get("Webhook-Signature") == "" {
			t.Error("it is not signed")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived")
	}
	delivered := h.delivered(t, h.trial, id)
	if delivered["link_id"] != link || delivered["attempts"].([]any)[0].(map[string]any)["http_status"] != 200.0 {
		t.Errorf("%v", delivered)
	}
	again := h.as(h.trial, "POST", "/v1/deliveries/"+delivered["id"].(string)+"/replay", "")
	if again.status != 202 {
		t.Fatalf("%d %s", again.status, again.raw)
	}
	select {
	case r := <-arrived:
		if r.Header.Get("Webhook-Id") != delivered["event_id"] {
			t.Errorf("replayed under another id: %v", r.Header)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived again")
	}
}

// problems are the field errors in one line, sorted.
func problems(r reply) string {
	codes := r.codes()
	slices.Sort(codes)
	return strings.ReplaceAll(strings.Join(codes, ", "), ": ", ":")
}

// delivered waits until the newest delivery is on record.
func (h *house) delivered(t *testing.T, app applications.Created, webhook string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		items := h.as(app, "GET", "/v1/webhooks/"+webhook+"/deliveries?limit=1", "").body["items"].([]any)
		if len(items) == 1 && items[0].(map[string]any)["status"] == "delivered" {
			return items[0].(map[string]any)
		}
	}
	t.Fatal("never on record as delivered")
	return nil
}

// TestPatchKeepsTheDialect: a receiver goes on reading what it read when its webhook was made, whichever
// prefix it is changed under.
func TestPatchKeepsTheDialect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for made, lenient := range map[string]bool{"/v1": false, "/api/v1": true} {
		id := h.as(h.app, "POST", made+"/webhooks", `{"request_url":"https://app.test/hook","events":["account.*"]}`).str("webhook_id")
		for _, changed := range []string{"/v1", "/api/v1"} {
			if r := h.as(h.app, "PATCH", changed+"/webhooks/"+id, `{"name":"by `+changed+`"}`); r.status != http.StatusOK {
				t.Fatalf("%d %s", r.status, r.raw)
			}
			e, err := h.hooks.Endpoint(t.Context(), h.app.Application.ID, latchkey.EndpointID(id))
			if err != nil {
				t.Fatal(err)
			}
			if e.Lenient != lenient || e.Name != "by "+changed {
				t.Errorf("made under %s, changed under %s: lenient is %v", made, changed, e.Lenient)
			}
		}
	}
}
