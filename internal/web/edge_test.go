package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/errs"
	"latchkey/internal/web"
)

const canary = "canary-7d2f81"

type edge struct {
	http.Handler
	mux *http.ServeMux
	log bytes.Buffer
	at  time.Time
}

func newEdge(t *testing.T, base string, change func(*web.EdgeConfig)) *edge {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{mux: http.NewServeMux(), at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	cfg := web.EdgeConfig{BaseURL: u, Log: slog.New(slog.NewJSONHandler(&e.log, nil)), Now: func() time.Time { return e.at }}
	if change != nil {
		change(&cfg)
	}
	e.mux.HandleFunc("GET /v1/things/{id}", func(w http.ResponseWriter, r *http.Request) {
		web.WriteJSON(w, r, http.StatusOK, map[string]string{"id": r.PathValue("id")})
	})
	e.mux.HandleFunc("POST /v1/things/{id}", func(w http.ResponseWriter, r *http.Request) {
		b, err := web.ReadBody(r, 100)
		if err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		web.WriteJSON(w, r, http.StatusOK, len(b))
	})
	e.mux.HandleFunc("GET /api/v1/things/{id}", func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, errs.NotFoundf("thing"))
	})
	e.mux.HandleFunc("GET /v1/error", func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, errors.New("the cause: "+canary))
	})
	e.mux.HandleFunc("GET /v1/panic", func(http.ResponseWriter, *http.Request) { panic("the cause: " + canary) })
	e.mux.HandleFunc("GET /v1/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	e.mux.HandleFunc("GET /c/{token}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "page for "+web.InfoOf(r.Context()).Address.String())
	})
	unknown := web.NoRoute(e.mux)
	e.mux.HandleFunc("/v1/", unknown)
	e.mux.HandleFunc("/api/v1/", unknown)
	e.Handler = web.NewEdge(cfg).Wrap(e.mux)
	return e
}

func (e *edge) do(method, target string, body io.Reader, change func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, "/", body)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.Host, r.RemoteAddr = "connect.test", "192.0.2.7:4711"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result()
}

func readProblem(t *testing.T, res *http.Response) web.Problem {
	t.Helper()
	var p web.Problem
	if ct := res.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		t.Fatalf("not a problem: %v", err)
	}
	if p.Status != res.StatusCode || p.Errors == nil || p.Title == "" || p.Detail == "" {
		t.Errorf("problem: %+v of status %d", p, res.StatusCode)
	}
	return p
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "https://connect.test", nil)
	for _, c := range []struct {
		method, target, kind, allow string
		status                      int
	}{
		{"GET", "/v1/nothing", "errors/not_found", "", 404},
		{"GET", "/v1/", "errors/not_found", "", 404},
		{"GET", "/api/v1/nothing", "errors/resource_not_found", "", 404},
		{"GET", "/v1/things/1/", "errors/not_found", "", 404},
		{"GET", "/v1//things/1", "errors/not_found", "", 404},
		{"GET", "/v1/things/../things/1", "errors/not_found", "", 404},
		{"DELETE", "/v1/things/1", "errors/method_not_allowed", "GET, HEAD, POST", 405},
		{"OPTIONS", "/v1/things/1", "errors/method_not_allowed", "GET, HEAD, POST", 405},
		{"POST", "/api/v1/things/1", "errors/method_not_allowed", "GET, HEAD", 405},
	} {
		res := e.do(c.method, c.target, nil, nil)
		p := readProblem(t, res)
		if res.StatusCode != c.status || p.Type != c.kind || res.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %s, Allow %q", c.method, c.target, res.StatusCode, p.Type, res.Header.Get("Allow"))
		}
	}
}

func TestDoubledSlashIsCollapsed(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "https://connect.test", nil)
	for target, want := range map[string]int{"//v1/things/1": 200, "///v1/things/1": 200, "//api/v1/things/1": 404} {
		if res := e.do("GET", target, nil, nil); res.StatusCode != want || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", target, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

func TestHostRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base, host, path string
		status           int
	}{
		{"https://connect.test", "connect.test", "/v1/things/1", 200},
		{"https://connect.test", "CONNECT.test:443", "/v1/things/1", 200},
		{"https://connect.test", "connect.test.", "/v1/things/1", 200},
		{"https://connect.test", "connect.test:80", "/v1/things/1", 421},
		{"https://connect.test", "evil.test", "/v1/things/1", 421},
		{"https://connect.test", "evil.test", "//v1/things/1", 421},
		{"https://connect.test", "evil.test", "/v1/nothing", 421},
		{"https://connect.test", "evil.test", "/docs", 421},
		{"https://connect.test", "evil.test", "/openapi.json", 421},
		{"https://connect.test", "evil.test", "/dashboard/x", 421},
		{"https://connect.test", "auth.customer.test", "/c/token", 200},
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "/v1/things/1", 200},
		{"http://127.0.0.1:8080", "127.0.0.1", "/v1/things/1", 421},
		{"http://[::1]:8080", "[::1]:8080", "/v1/things/1", 200},
	} {
		res := newEdge(t, c.base, nil).do("GET", c.path, nil, func(r *http.Request) { r.Host = c.host })
		if res.StatusCode != c.status {
			t.Errorf("%s%s on %s: %d, want %d", c.host, c.path, c.base, res.StatusCode, c.status)
		}
		if res.StatusCode == http.StatusMisdirectedRequest {
			if p := readProblem(t, res); strings.Contains(p.Detail, "evil") {
				t.Errorf("the foreign host is repeated: %s", p.Detail)
			}
		}
	}
}

func TestUnknownErrorsAndPanicsAreBare(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/error", "/v1/panic"} {
		e := newEdge(t, "https://connect.test", nil)
		res := e.do("GET", path, nil, nil)
		var body bytes.Buffer
		res.Body = io.NopCloser(io.TeeReader(res.Body, &body))
		p := readProblem(t, res)
		if res.StatusCode != http.StatusInternalServerError || p.Type != "errors/internal_error" || strings.Contains(body.String(), canary) {
			t.Errorf("%s: %s", path, body.String())
		}
		if p.Instance == "" || p.Instance != res.Header.Get("X-Request-Id") {
			t.Errorf("%s: instance %q", path, p.Instance)
		}
		if log := e.log.String(); !strings.Contains(log, canary) || !strings.Contains(log, p.Instance) || !strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("%s: the cause is not in the log: %s", path, log)
		}
	}
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // net/http panics with the value itself
			t.Error("ErrAbortHandler did not go through")
		}
	}()
	newEdge(t, "https://connect.test", nil).do("GET", "/v1/abort", nil, nil)
}

func TestLogNamesTheRouteNeverTheToken(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "https://connect.test", nil)
	e.do("GET", "/c/"+canary+"?data="+canary, nil, nil)
	e.do("GET", "/v1/"+canary, nil, nil)
	e.do("GET", "/"+canary, nil, nil)
	lines := strings.Split(strings.TrimSpace(e.log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines for 3 requests", len(lines))
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	delete(first, "time")
	id, _ := first["request_id"].(string)
	delete(first, "request_id")
	want := map[string]any{"level": "INFO", "msg": "request", "method": "GET", "route": "GET /c/{token}", "status": 200.0, "duration_ms": 0.0}
	if diff := cmp.Diff(want, first); diff != "" || !strings.HasPrefix(id, "req_") {
		t.Errorf("line of %q (-want +got):\n%s", id, diff)
	}
	if strings.Contains(e.log.String(), canary) {
		t.Errorf("the token is in the log: %s", e.log.String())
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	res := newEdge(t, "https://connect.test", nil).do("GET", "/v1/things/1", nil, nil)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Strict-Transport-Security": "max-age=31536000",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy: %q", csp)
	}
	if res := newEdge(t, "http://connect.test", nil).do("GET", "/v1/things/1", nil, nil); res.Header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS over http")
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "https://connect.test", func(c *web.EdgeConfig) { c.MaxBody = 150 })
	for n, want := range map[int]int{0: 200, 100: 200, 101: 413, 151: 413} {
		for _, length := range []int64{int64(n), -1} {
			res := e.do("POST", "/v1/things/1", strings.NewReader(strings.Repeat("x", n)), func(r *http.Request) { r.ContentLength = length })
			if res.StatusCode != want {
				t.Errorf("%d bytes, Content-Length %d: %d, want %d", n, length, res.StatusCode, want)
			}
		}
	}
	res := e.do("POST", "/v1/things/1", strings.NewReader("short"), func(r *http.Request) { r.ContentLength = 50 })
	if p := readProblem(t, res); p.Type != "errors/malformed_json" {
		t.Errorf("a body that breaks off: %+v", p)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		trust     bool
		want      string
	}{
		{"192.0.2.7:1", nil, false, "192.0.2.7"},
		{"192.0.2.7:1", []string{"203.0.113.9"}, false, "192.0.2.7"},
		{"192.0.2.7:1", []string{"203.0.113.9"}, true, "203.0.113.9"},
		{"198.51.100.1:1", []string{"203.0.113.9"}, true, "198.51.100.1"},
		{"192.0.2.7:1", []string{"6.6.6.6, 203.0.113.9"}, true, "203.0.113.9"},
		{"192.0.2.7:1", []string{"6.6.6.6", "203.0.113.9, 192.0.2.8"}, true, "203.0.113.9"},
		{"192.0.2.7:1", []string{"192.0.2.9"}, true, "192.0.2.9"},
		{"192.0.2.7:1", []string{"garbage"}, true, "192.0.2.7"},
		{"192.0.2.7:1", []string{"6.6.6.6, garbage, 192.0.2.8"}, true, "192.0.2.8"},
		{"192.0.2.7:1", []string{"203.0.113.9:1234"}, true, "203.0.113.9"},
		{"[2001:db8::1]:1", []string{"[2a00::5]:77"}, true, "2a00::5"},
		{"[::ffff:192.0.2.7]:1", nil, true, "192.0.2.7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		trusted := proxies
		if !c.trust {
			trusted = nil
		}
		if got := web.NewAddresses(trusted).Of(r).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestAddressLimit(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "https://connect.test", func(c *web.EdgeConfig) { c.AddressLimit = web.Limit{PerSecond: 0.5, Burst: 2} })
	from := func(addr string) *http.Response {
		return e.do("GET", "/v1/things/1", nil, func(r *http.Request) { r.RemoteAddr = addr })
	}
	for range 2 {
		if res := from("192.0.2.7:1"); res.StatusCode != http.StatusOK {
			t.Fatal(res.StatusCode)
		}
	}
	res := from("192.0.2.7:2")
	if p := readProblem(t, res); res.StatusCode != http.StatusTooManyRequests || p.Type != "errors/too_many_requests" || res.Header.Get("Retry-After") != "2" {
		t.Errorf("%d %s, Retry-After %q", res.StatusCode, p.Type, res.Header.Get("Retry-After"))
	}
	if res := from("192.0.2.8:1"); res.StatusCode != http.StatusOK {
		t.Error("a neighbour pays")
	}
	for i, want := range []int{200, 200, 429} {
		if res := from("[2001:db8::" + string(rune('1'+i)) + "]:1"); res.StatusCode != want {
			t.Errorf("address %d of a /64: %d, want %d", i, res.StatusCode, want)
		}
	}
	e.at = e.at.Add(2 * time.Second)
	if res := from("192.0.2.7:1"); res.StatusCode != http.StatusOK {
		t.Error("still limited after Retry-After")
	}
}

func TestKnownSendersAreNotLimitedByAddress(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "https://connect.test", func(c *web.EdgeConfig) {
		c.AddressLimit = web.Limit{PerSecond: 0.5, Burst: 1}
		c.Vouched = func(r *http.Request) bool { return r.Header.Get("X-Api-Key") == "known" }
	})
	status := func(key string) int {
		return e.do("GET", "/v1/things/1", nil, func(r *http.Request) { r.Header.Set("X-Api-Key", key) }).StatusCode
	}
	for range 5 {
		if got := status("known"); got != 200 {
			t.Fatalf("a known sender gets %d", got)
		}
	}
	for i, want := range []int{200, 429} {
		if got := status("guessed"); got != want {
			t.Errorf("request %d of a stranger: %d, want %d", i, got, want)
		}
	}
}

func TestLimiterForgetsTheLeastRecent(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := web.NewLimiter(web.Limit{PerSecond: 0.001, Burst: 1}, func() time.Time { return now })
	if l.Take("a") != nil || l.Take("a") == nil {
		t.Fatal("no limit")
	}
	for i := range 20000 {
		if err := l.Take("k" + time.Duration(i).String()); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 && l.Take("a") == nil {
			t.Fatal("a busy key was forgotten")
		}
	}
	if l.Take("k1ns") != nil {
		t.Error("memory grows without end")
	}
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	guard, err := web.SameOrigin(nil, "https://auth.customer.test")
	if err != nil {
		t.Fatal(err)
	}
	h := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for origin, want := range map[string]int{"": 200, "https://connect.test": 200, "https://auth.customer.test": 200, "https://evil.test": 403, "null": 403} {
		r := httptest.NewRequest(http.MethodPost, "https://connect.test/c/x", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", map[bool]string{true: "same-origin", false: "cross-site"}[origin == "https://connect.test"])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q: %d, want %d", origin, w.Code, want)
		}
	}
	if _, err := web.SameOrigin(nil, "not an origin"); err == nil {
		t.Error("a bad origin was taken")
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	for kind, want := range map[errs.Kind]int{
		errs.Internal: 500, errs.Invalid: 400, errs.Unauthenticated: 401, errs.Forbidden: 403, errs.NotFound: 404, errs.Conflict: 409,
		errs.Gone: 410, errs.TooEarly: 425, errs.TooMany: 429, errs.Unavailable: 503, errs.Kind(99): 500,
	} {
		if got := web.StatusOf(errs.New(kind, "x", "")); got != want {
			t.Errorf("kind %d: %d, want %d", kind, got, want)
		}
	}
}

// A client that sends its headers one byte at a time is cut off: the server's own timeouts are set.
func TestServerHasTimeouts(t *testing.T) {
	t.Parallel()
	s := web.NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("%+v", s)
	}
}
