package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
