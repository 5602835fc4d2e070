package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

func TestProvidersOfTheApplication(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, c := range []struct {
		body string
		want []any
	}{
		{`{"providers":["GOOGLE","imap","OUTLOOK"]}`, []any{"GOOGLE", "IMAP", "MICROSOFT"}},
		{`{"auth_server_url":null}`, []any{"GOOGLE", "IMAP", "MICROSOFT"}},
		{`{"providers":null}`, []any{}},
	} {
		r := h.as(h.app, "PUT", "/v1/application", c.body)
		if diff := cmp.Diff(any(c.want), r.body["providers"]); r.status != 200 || diff != "" {
			t.Errorf("%s: %d %s", c.body, r.status, diff)
		}
	}
	if r := h.as(h.app, "PUT", "/v1/application", `{"providers":["IMAP","NOBODY"]}`); !cmp.Equal(r.codes(), []string{"providers[1]: invalid_value"}) {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// TestApplicationSecret rotates the secret of notify URLs: shown once, and for keys that may change settings.
func TestApplicationSecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	const path = "/v1/application/rotate-webhook-secret"
	r := h.as(h.app, "POST", path, "")
	until := h.now().Add(24 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	if r.status != 200 || r.str("object") != "ApplicationSecret" || r.str("application_id") != string(h.app.Application.ID) || r.str("old_secret_until") != until {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	is, err := h.store.Applications().Get(t.Context(), h.app.Application.ID)
	if err != nil || is.WebhookSecret != r.str("secret") || is.OldWebhookSecret != h.app.Application.WebhookSecret {
		t.Errorf("what is shown is not what signs: %v", err)
	}
	// Asked again with the same key, it is the same rotation.
	once := func() string { return h.as(h.app, "POST", path, "", "Idempotency-Key: again").str("secret") }
	if a, b := once(), once(); a != b || a == r.str("secret") {
		t.Error("a repeated request rotated again")
	}
	if r := h.as(h.app, "POST", path, `{"secret":"mine"}`); r.status != 400 {
		t.Errorf("a field: %d %s", r.status, r.raw)
	}
	_, text, err := h.apps.CreateKey(t.Context(), h.app.Application.ID, "hooks", []latchkey.Permission{latchkey.PermWebhooks})
	if err != nil {
		t.Fatal(err)
	}
	if r := h.send("POST", path, "", "X-API-KEY: "+text.Reveal()); r.status != 403 {
		t.Errorf("without the permission: %d", r.status)
	}
	if got, err := h.store.Applications().Get(t.Context(), h.app.Application.ID); err != nil || got.WebhookSecret == is.WebhookSecret || got.OldWebhookSecret != is.WebhookSecret {
		t.Errorf("rotated once more, and no oftener: %v", err)
	}
}
