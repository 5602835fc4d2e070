package signin_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/signin"
)

var href = regexp.MustCompile(`href="(https://[^"]+)"`)

// in types an address and the code of its mail, and returns where the last page leads.
func (b *browser) in(ask, email string) *url.URL {
	b.s.t.Helper()
	w := b.do("POST", ask, url.Values{"email": {email}, "action": {"begin"}})
	if w.Code != http.StatusSeeOther {
		b.s.t.Fatalf("begin: %d %s", w.Code, w.Body)
	}
	page := w.Header().Get("Location")
	w = b.do("POST", page, url.Values{"action": {"verify"}, "code": {b.s.last.Code}})
	if w.Code != http.StatusSeeOther {
		b.s.t.Fatalf("verify: %d %s", w.Code, w.Body)
	}
	w = b.do("GET", w.Header().Get("Location"), nil)
	to := href.FindStringSubmatch(w.Body.String())
	if to == nil {
		b.s.t.Fatalf("no way back:\n%s", w.Body)
	}
	u, err := url.Parse(html.UnescapeString(to[1]))
	must(b.s.t, err)
	return u
}

// TestTheHostedPage is the way of an application without a library, and of everybody who would rather have
// it lead elsewhere.
func TestTheHostedPage(t *testing.T) {
	t.Parallel()
	sites(t, func(t *testing.T, s *site) {
		t.Helper()
		const home = "https://app.acme.test/in?x=1"
		must(t, s.service.PutSettings(t.Context(), s.app, signin.Settings{RedirectURIs: []string{home}}))
		page := func(app, uri, state string) string {
			return "/signin?" + url.Values{"application": {app}, "redirect_uri": {uri}, "state": {state}}.Encode()
		}
		for _, uri := range []string{
			"https://app.acme.test/in", home + "&y=2", home + "#", home + "/", "//app.acme.test/in?x=1", "https://app.acme.test@evil.io/", "https://evil.io/?" + home,
			"HTTPS://app.acme.test/in?x=1", "javascript:alert(1)", "/in?x=1", "https://app.acme.test\\@evil.io/", "http://app.acme.test/in?x=1", "\x00",
		} {
			for _, method := range []string{"GET", "POST"} {
				w := s.browser().do(method, page(string(s.app), uri, ""), url.Values{"email": {"ada@acme.io"}})
				if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" || len(w.Result().Cookies()) > 0 {
					t.Errorf("%s %q: %d to %q", method, uri, w.Code, w.Header().Get("Location"))
				}
			}
		}
		for _, app := range []string{"", "app_unknown", "app_\x00", "../x", string(s.other)} {
			if w := s.browser().do("POST", page(app, home, ""), url.Values{"email": {"ada@acme.io"}}); w.Code != http.StatusNotFound && w.Code != http.StatusBadRequest {
				t.Errorf("application %q: %d", app, w.Code)
			}
		}
		b := s.browser()
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.io"}, {"Sec-Fetch-Site", "", "Origin", "null"}} {
			if w := b.do("POST", page(string(s.app), home, ""), url.Values{"email": {"ada@acme.io"}}, header...); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
				t.Errorf("a form of another site (%v): %d", header, w.Code)
			}
		}
		for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", "application/json", ""} {
			if w := b.do("POST", page(string(s.app), home, ""), url.Values{"email": {"ada@acme.io"}}, "Content-Type", kind); w.Code < 400 {
				t.Errorf("a form of %q: %d", kind, w.Code)
			}
		}
		to := b.in(page(string(s.app), home, "s&t\r\nX: y"), "ada@acme.io")
		if q := to.Query(); to.Host != "app.acme.test" || q.Get("x") != "1" || q.Get("state") != "s&t\r\nX: y" || q.Get("signin_id") == "" || strings.ContainsAny(to.String(), "\r\n") {
			t.Errorf("it leads to %s", to)
		}
		got, err := s.service.Exchange(t.Context(), s.app, idOf(to), to.Query().Get("code"), signin.By{})
		must(t, err)
		if got.SignIn.Email != "ada@acme.io" {
			t.Errorf("signed in: %+v", got.SignIn)
		}
	})
}

// TestCookiesAreTheBrowsersOwn: what a browser carries is bound to the host and hidden from scripts, a GET
// gives none, and a device that has signed in is known.
func TestCookiesAreTheBrowsersOwn(t *testing.T) {
	t.Parallel()
	sites(t, func(t *testing.T, s *site) {
		t.Helper()
		must(t, s.service.PutSettings(t.Context(), s.app, signin.Settings{RedirectURIs: []string{"https://app.acme.test/in"}}))
		ask := "/signin?application=" + string(s.app)
		b := s.browser()
		if w := b.do("GET", ask, nil); w.Code != http.StatusOK || len(b.cookies) > 0 {
			t.Errorf("a GET: %d and %v", w.Code, b.cookies)
		}
		b.in(ask, "ada@acme.io")
		for _, name := range []string{"__Host-lk_signin", "__Host-lk_known"} {
			c := b.cookies[name]
			if c == nil || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || strings.Contains(c.Value, "ada") {
				t.Errorf("%s is %+v", name, c)
			}
		}
		w := b.do("POST", ask, url.Values{"email": {"ada@acme.io"}})
		page := w.Header().Get("Location")
		if v, err := s.service.Look(t.Context(), pageOf(page), b.cookies["__Host-lk_signin"].Value); err != nil || v.Familiar == "" {
			t.Errorf("the device is not known: %+v, %v", v, err)
		}
		// A cookie that a sibling of the host planted, or that is noise, is none.
		for _, planted := range []string{"lk_signin", "__Secure-lk_signin"} {
			thief := s.browser()
			thief.cookies[planted] = &http.Cookie{Name: planted, Value: b.cookies["__Host-lk_signin"].Value}
			if w := thief.do("GET", page, nil); w.Code != http.StatusNotFound {
				t.Errorf("with %s: %d", planted, w.Code)
			}
		}
		for _, noise := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 5000)} {
			thief := s.browser()
			thief.cookies["__Host-lk_signin"] = &http.Cookie{Name: "__Host-lk_signin", Value: noise}
			if w := thief.do("POST", page, url.Values{"action": {"verify"}, "code": {s.last.Code}}); w.Code != http.StatusNotFound {
				t.Errorf("with the cookie %.10q: %d", noise, w.Code)
			}
		}
	})
}

// TestTheLinksPage is opened and pressed by everybody but the browser that asked.
func TestTheLinksPage(t *testing.T) {
	t.Parallel()
	sites(t, func(t *testing.T, s *site) {
		t.Helper()
		c := s.client(true, signin.AlgES256)
		b := s.browser()
		b.do("POST", s.request(c), url.Values{"email": {"ada@acme.io"}})
		link := strings.TrimPrefix(s.last.Link, base)
		if !strings.HasPrefix(s.last.Link, base+"/signin/link/") {
			t.Errorf("the link is %s", s.last.Link)
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST"} {
			w := s.browser().do(method, link, url.Values{"action": {"use"}}, "Host", "evil.io", "X-Forwarded-Host", "evil.io")
			h := w.Header()
			if len(w.Result().Cookies()) > 0 || h.Get("Location") != "" || h.Get("Cache-Control") != "no-store" || h.Get("X-Robots-Tag") == "" || h.Get("Referrer-Policy") != "same-origin" ||
				!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || strings.Contains(w.Body.String(), "evil") || strings.Contains(w.Body.String(), "rp.acme.test") {
				t.Errorf("%s: %d %v", method, w.Code, h)
			}
		}
		if w := b.do("POST", link, url.Values{"action": {"use"}}, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
			t.Errorf("another site presses the button: %d", w.Code)
		}
		for _, bad := range []string{link[:len(link)-1], link + "A", link[:len(link)-4] + "AAAA", "/signin/link/x", "/signin/link/%00", "/signin/link/" + strings.Repeat("a", 26) + "." + strings.Repeat("A", 43)} {
			if w := b.do("GET", bad, nil); w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", bad, w.Code)
			}
		}
		if w := b.do("GET", link, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), s.last.Code) {
			t.Errorf("in the browser that asked: %d, or it shows the code", w.Code)
		}
		w := b.do("POST", link, url.Values{"action": {"use"}})
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/signin/sin_") {
			t.Fatalf("its owner presses the button: %d %s", w.Code, w.Header().Get("Location"))
		}
		if w = b.do("GET", w.Header().Get("Location"), nil); !strings.Contains(w.Body.String(), "https://rp.acme.test/cb?code=") {
			t.Errorf("no way back:\n%s", w.Body)
		}
		_, token, _ := strings.Cut(link, ".")
		if strings.Contains(s.log.String(), token) {
			t.Error("the log holds the link")
		}
	})
}
