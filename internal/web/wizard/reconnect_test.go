package wizard_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestReconnectPage: what stands in an email shows what broke and changes nothing; its button makes a
// link and goes there.
func TestReconnectPage(t *testing.T) {
	t.Parallel()
	house := newHouse(t)
	h := func(method, path, site string) answer {
		t.Helper()
		var header []string
		if site != "" {
			header = []string{"Sec-Fetch-Site", site}
		}
		return house.do(request(method, path, "", header...))
	}
	get := h("GET", "/r/reconnect-password", "")
	for _, want := range []string{"Northwind CRM", "ada.lovelace@studio-lindgren.example", "not accepted any more", `<form method="post" action="/r/reconnect-password"`} {
		if !strings.Contains(get.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Count(get.body, "<button") != 1 || get.StatusCode != http.StatusOK || len(get.Header["Set-Cookie"]) != 0 {
		t.Errorf("%d, %d buttons", get.StatusCode, strings.Count(get.body, "<button"))
	}
	for path, want := range map[string]string{
		"/r/reconnect-password":           "/c/reconnect-password-link",
		"/r/reconnect-password?locale=ar": "/c/reconnect-password-link?locale=ar",
		"/r/reconnect-works":              "/r/reconnect-works", // nothing to mend
		"/r/reconnect-expired":            "/r/reconnect-expired",
	} {
		if r := h("POST", path, "same-origin"); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("POST %s: %d to %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for _, c := range []struct {
		method, path, site string
		status             int
	}{
		{"POST", "/r/reconnect-password", "cross-site", 403},
		{"PUT", "/r/reconnect-password", "same-origin", 405},
		{"GET", "/r/nobody-knows-it", "", 404},
		{"POST", "/r/nobody-knows-it", "same-origin", 404},
		{"GET", "/r/" + strings.Repeat("x", 300), "", 404},
		{"GET", "/r/reconnect-expired", "", 410},
		{"HEAD", "/r/reconnect-wait", "", 200},
	} {
		if r := h(c.method, c.path, c.site); r.StatusCode != c.status {
			t.Errorf("%s %.30s: %d, want %d", c.method, c.path, r.StatusCode, c.status)
		}
	}
	for _, path := range []string{"/r/reconnect-works", "/r/reconnect-wait", "/r/reconnect-expired"} {
		if body := h("GET", path, "").body; strings.Contains(body, "<button") || strings.Contains(body, "<form") {
			t.Errorf("%s: there is something to press", path)
		}
	}
	if body := h("GET", "/r/reconnect-ar?locale=ar", "").body; !strings.Contains(body, `dir="rtl"`) || !strings.Contains(body, "<bdi>ada.lovelace@") {
		t.Error("the Arabic page is not written from the right, or the address is not set apart")
	}
}
