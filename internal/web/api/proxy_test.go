package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProxyField: an object or a URL, for links whose providers all can have one; what is wrong is said
// by field, without what was sent.
func TestProxyField(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for body, want := range map[string][]string{
		`"providers":"WHATSAPP","proxy":{"protocol":"socks5","host":"p.example","username":"u","password":"p"}`: nil,
		`"providers":["WHATSAPP","TELEGRAM"],"proxy":"http://u:p%40@[2001:db8::5]:3128"`:                        nil,
		`"type":"reconnect","reconnect_account":"crm-1","proxy":"https://p.example"`:                            nil,
		`"providers":"WHATSAPP","proxy":{}`:                                                                     nil,
		`"providers":"*","proxy":{"protocol":"http","host":"` + canary + `"}`:                                   {"proxy: unsupported"},
		`"providers":["WHATSAPP","IMAP"],"proxy":"http://` + canary + `"`:                                       {"proxy: unsupported"},
		`"providers":"WHATSAPP","proxy":{"password":"` + canary + `"}`:                                          {"proxy.protocol: required", "proxy.host: required"},
		`"providers":"WHATSAPP","proxy":{"protocol":"` + canary + `","host":"a b/` + canary + `","port":99999,"user":"` + canary + `"}`: {
			"proxy.protocol: invalid_value", "proxy.host: invalid_value", "proxy.port: out_of_range", "proxy.user: unknown_field",
		},
		`"providers":"WHATSAPP","proxy":"ftp://p.example"`:             {"proxy.protocol: invalid_value"},
		`"providers":"WHATSAPP","proxy":"p.example:1080"`:              {"proxy: invalid_url"},
		`"providers":"WHATSAPP","proxy":"socks5://` + canary + `/x?y"`: {"proxy: invalid_url"},
		`"providers":"WHATSAPP","proxy":7`:                             {"proxy: invalid_type"},
		`"providers":"WHATSAPP","proxy":["` + canary + `"]`:            {"proxy: invalid_type"},
	} {
		r := h.as(h.app, "POST", "/v1/links", "{"+body+"}")
		if want == nil && r.status != 201 && r.status != 404 || want != nil && r.status != 400 {
			t.Errorf("%s: %d %s", body, r.status, r.raw)
		}
		got := r.codes()
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); want != nil && diff != "" {
			t.Errorf("%s:\n%s", body, diff)
		}
		if strings.Contains(string(r.raw), canary) {
			t.Errorf("%s is echoed: %s", body, r.raw)
		}
	}
}
