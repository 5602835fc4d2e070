package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/errs"
)

func TestReconnectURL(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	a := h.mailbox(t)
	route := "/v1/accounts/" + string(a.ID) + "/reconnect-url"
	r := h.as(h.app, "POST", route, "")
	token := r.str("url")[strings.LastIndex(r.str("url"), "/")+1:]
	if r.status != 201 || r.str("object") != "ReconnectURL" || !strings.Contains(r.str("url"), "/r/") || len(token) < 40 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	ends, err := time.Parse(time.RFC3339, r.str("expires_on"))
	if d := ends.Sub(h.now()); err != nil || d < 29*24*time.Hour || d > 31*24*time.Hour {
		t.Errorf("it stands for %s", d)
	}
	second := h.as(h.app, "POST", "/v1/accounts/box/reconnect-url", `{"expiresOn":"`+h.now().Add(80*24*time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")+`","notify_url":"https://app.test/n","locale":"de","name":"u1"}`)
	if second.status != 201 || second.str("url") == r.str("url") {
		t.Errorf("%d %s", second.status, second.raw)
	}
	bad := h.as(h.app, "POST", route, `{"expiresOn":"`+h.now().Add(100*24*time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")+`","notify_url":"ftp://x","nonsense":1}`)
	if d := cmp.Diff([]string{"expiresOn: out_of_range", "nonsense: unknown_field", "notify_url: invalid_url"}, slices.Sorted(slices.Values(bad.codes()))); d != "" || bad.status != 400 {
		t.Errorf("%d %s\n%s", bad.status, bad.raw, d)
	}
	wantProblem(t, h.as(h.other, "POST", route, ""), 404, errs.CodeNotFound)
	wantProblem(t, h.as(h.other, "DELETE", route, ""), 404, errs.CodeNotFound)
	gone := h.as(h.app, "DELETE", route, "")
	if gone.status != 200 || gone.str("object") != "ReconnectURLDeleted" {
		t.Errorf("%d %s", gone.status, gone.raw)
	}
	if again := h.as(h.app, "DELETE", route, ""); again.status != 200 {
		t.Errorf("revoked twice: %d %s", again.status, again.raw)
	}
	if strings.Contains(h.logs.String(), token) {
		t.Error("the token stands in the log")
	}
}
