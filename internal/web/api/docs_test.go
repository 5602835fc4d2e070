package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/web"
	"latchkey/internal/web/api"
)

// documented serves the reference on loopback, under the base URL that it is opened at.
func documented(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(nil)
	base, err := url.Parse("http://" + srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	api.New(api.Config{BaseURL: base, Now: time.Now, Version: "0.0.0"}).Register(mux)
	srv.Config.Handler = web.NewEdge(web.EdgeConfig{BaseURL: base, Log: slog.New(slog.DiscardHandler), Now: time.Now}).Wrap(mux)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// The reference draws every route and asks nobody but this server for anything.
func TestReferenceIsOffline(t *testing.T) {
	srv := documented(t)
	tab := browser.Open(t)
	var mu sync.Mutex
	var asked []string
	err := chromedp.Listen(tab.Context(), func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, e.Request.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tab.View(1280, 900, "light")
	tab.Do(chromedp.Navigate(srv.URL + "/docs"))
	browser.Get(tab, chromedp.Poll[bool](`document.body.innerText.includes("Make a link to the mailbox form")`))
	shots := os.Getenv("LATCHKEY_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	tab.Shot(filepath.Join(shots, "docs.png"))
	// What loads late loads when it comes into view.
	for _, heading := range []string{"Forget an account", "List events", "Read the application"} {
		browser.Get(tab, chromedp.Poll[bool](`(() => {
			const h = [...document.querySelectorAll("h3")].find(h => h.textContent.includes("`+heading+`"))
			h?.scrollIntoView()
			return h != null && h.getBoundingClientRect().top < innerHeight
		})()`))
	}
	for _, said := range tab.Console() {
		if !strings.HasPrefix(said, "info: @scalar/api-reference@") { // its name and version
			t.Errorf("the console says: %s", said)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 4 {
		t.Errorf("too little was loaded: %q", asked)
	}
	for _, u := range asked {
		if !strings.HasPrefix(u, srv.URL+"/") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") {
			t.Errorf("the reference asks for %s", u)
		}
	}
}

func TestDocsFiles(t *testing.T) {
	t.Parallel()
	srv := documented(t)
	for path, want := range map[string]string{
		"/docs": "/docs/scalar.js", "/docs/start.js": "createApiReference", "/docs/scalar.js": "createApiReference", "/docs/LICENSE": "MIT License",
	} {
		for _, encoding := range []string{"identity", "gzip"} {
			r := httptest.NewRequest(http.MethodGet, srv.URL+path, nil)
			r.Header.Set("Accept-Encoding", encoding)
			w := httptest.NewRecorder()
			srv.Config.Handler.ServeHTTP(w, r)
			packed := w.Header().Get("Content-Encoding") == "gzip"
			if w.Code != 200 || (!packed && !strings.Contains(w.Body.String(), want)) || (packed && path != "/docs/scalar.js") || (packed && encoding != "gzip") {
				t.Errorf("%s as %s: %d, %d bytes", path, encoding, w.Code, w.Body.Len())
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe-eval") {
				t.Errorf("%s: policy %q", path, csp)
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, srv.URL+"/openapi.json", nil)
	w := httptest.NewRecorder()
	srv.Config.Handler.ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"openapi":"3.1.0"`) {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	r.Header.Set("If-None-Match", w.Header().Get("Etag"))
	w = httptest.NewRecorder()
	srv.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("unchanged, but %d with %d bytes", w.Code, w.Body.Len())
	}
}
