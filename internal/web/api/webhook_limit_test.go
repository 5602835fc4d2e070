package api_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// TestDeliveryLogIsBounded has a receiver that answers at length: a page of the log ends early, and the
// cursor leads on to the rest.
func TestDeliveryLogIsBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"]}`).str("webhook_id")
	const n = 100
	for range n {
		d := latchkey.Delivery{
			ID: latchkey.NewDeliveryID(h.now()), ApplicationID: h.app.Application.ID, EndpointID: latchkey.EndpointID(id), URL: "https://x.test",
			Payload: []byte(`{}`), Status: latchkey.DeliveryPending, Queue: "q", CreatedAt: h.now(), UpdatedAt: h.now(),
		}
		if err := h.store.Deliveries().Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		d.Status = latchkey.DeliveryDelivered
		try := latchkey.Attempt{DeliveryID: d.ID, Number: 1, URL: d.URL, At: h.now(), HTTPStatus: 200, Response: bytes.Repeat([]byte{1}, 64<<10)}
		if err := h.store.Deliveries().Record(t.Context(), store.Tried{Delivery: d, Attempt: try}); err != nil {
			t.Fatal(err)
		}
		h.advance(time.Millisecond)
	}
	seen, pages := map[string]bool{}, 0
	for cursor := ""; ; pages++ {
		page := h.as(h.app, "GET", "/v1/webhooks/"+id+"/deliveries?limit=250&cursor="+cursor, "")
		if page.status != 200 || len(page.raw) > 32<<20 {
			t.Fatalf("%d, %d bytes", page.status, len(page.raw))
		}
		for _, item := range page.body["items"].([]any) {
			seen[item.(map[string]any)["id"].(string)] = true
		}
		if cursor, _ = page.body["cursor"].(string); cursor == "" {
			break
		}
	}
	if len(seen) != n || pages != 1 {
		t.Errorf("%d of %d deliveries on %d pages", len(seen), n, pages+1)
	}
}

// TestReplaysAreLimited: each may set off as many deliveries as there are events.
func TestReplaysAreLimited(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"]}`).str("webhook_id")
	other := h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"]}`).str("webhook_id")
	body := `{"since":"2026-06-30T11:00:00Z"}`
	replay := func(id string, headers ...string) reply {
		return h.as(h.app, "POST", "/v1/webhooks/"+id+"/replay", body, headers...)
	}
	for i := range 12 {
		got := replay(id)
		if want := i < 10; (got.status == 202) != want || !want && (got.status != 429 || got.header.Get("Retry-After") == "") {
			t.Errorf("replay %d: %d %s", i+1, got.status, got.raw)
		}
	}
	if got := replay(other); got.status != 202 {
		t.Errorf("another webhook: %d %s", got.status, got.raw)
	}
	// The same request again is no replay more.
	for i := range 12 {
		if got := replay(other, "Idempotency-Key: once"); got.status != 202 {
			t.Errorf("repeated %d times: %d %s", i, got.status, got.raw)
		}
	}
	h.advance(time.Minute + time.Second)
	if got := replay(id); got.status != 202 {
		t.Errorf("after a minute: %d %s", got.status, got.raw)
	}
}

// TestRotationIsNotRepeated: whoever repeats a rotation whose answer was lost would else lose the secret
// that the receiver has.
func TestRotationIsNotRepeated(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"]}`).str("webhook_id")
	rotate := func(key string) string {
		return h.as(h.app, "POST", "/v1/webhooks/"+id+"/rotate-secret", "", "Idempotency-Key: "+key).str("secret")
	}
	first := rotate("one")
	if first == "" || rotate("one") != first || rotate("two") == first {
		t.Error("a repeated request rotates again")
	}
}

// TestHeadersTogether bounds what every delivery carries.
func TestHeadersTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ask := func(headers int) reply {
		list := make([]string, headers)
		for i := range list {
			list[i] = fmt.Sprintf(`{"key":"X-%d","value":"%s"}`, i, strings.Repeat("v", 3000))
		}
		return h.as(h.app, "POST", "/v1/webhooks", `{"request_url":"https://x.test","events":["*"],"headers":[`+strings.Join(list, ",")+`]}`)
	}
	if got := ask(2); got.status != 201 {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if got := ask(3); got.status != 400 || problems(got) != "headers:too_long" {
		t.Errorf("%d %s", got.status, problems(got))
	}
}

// TestEventTypeIsKnown: a misspelt type would otherwise be a list that is empty for ever.
func TestEventTypeIsKnown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, typ := range []string{"account.*", "account.connectd", "*"} {
		if got := h.as(h.app, "GET", "/v1/events?type="+typ, ""); got.status != 400 || problems(got) != "type:invalid_value" {
			t.Errorf("%s: %d %s", typ, got.status, got.raw)
		}
	}
}
