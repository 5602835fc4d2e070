package api_test

import (
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func TestFunnel(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	day := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	count := func(app latchkey.ApplicationID, day time.Time, stage string, p latchkey.Provider, step, code string, n int64) store.FunnelCount {
		return store.FunnelCount{ApplicationID: app, Day: day, Stage: stage, Provider: p, Step: step, Code: code, Links: n, Times: n + 1}
	}
	id := h.app.Application.ID
	err := h.store.Funnel().Add(t.Context(),
		count(id, day, "created", "", "", "", 10), count(id, day.AddDate(0, 0, -29), "created", "", "", "", 5),
		count(id, day.AddDate(0, 0, -30), "created", "", "", "", 100), count(h.other.Application.ID, day, "created", "", "", "", 1000),
		count(id, day, "chosen", "", "", "", 6), count(id, day, "chosen", "IMAP", "", "", 6),
		count(id, day, "step", "IMAP", "imap.password", "", 4), count(id, day, "step_failed", "IMAP", "imap.password", "wrong_password", 3),
		count(id, day, "connected", "IMAP", "", "", 2))
	if err != nil {
		t.Fatal(err)
	}
	r := h.as(h.app, "GET", "/v1/funnel", "")
	want := `{"object":"Funnel","from":"2026-06-01","to":"2026-06-30","as_of":null,"created":15,"opened":0,"started":0,"provider_chosen":6,` +
		`"connected":2,"expired":0,"providers":[{"provider":"IMAP","chosen":6,"connected":2,"steps":[{"step":"imap.password","links":4,"times":5}],` +
		`"failures":[{"kind":"step_failed","step":"imap.password","code":"wrong_password","links":3,"times":4}]}]}`
	if r.status != 200 || strings.TrimSpace(string(r.raw)) != want {
		t.Errorf("%d\n%s\n%s", r.status, r.raw, want)
	}
	if r = h.as(h.app, "GET", "/v1/funnel?from=2026-05-31&to=2026-05-31", ""); r.body["created"] != 100.0 {
		t.Errorf("one day: %s", r.raw)
	}
	for _, bad := range []string{"from=yesterday", "from=2026-06-30&to=2026-06-29", "from=2020-01-01&to=2026-06-01", "form=2026-06-30"} {
		if r = h.as(h.app, "GET", "/v1/funnel?"+bad, ""); r.status != 400 {
			t.Errorf("%s: %d %s", bad, r.status, r.raw)
		}
	}
}
