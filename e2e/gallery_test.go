package e2e_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector"
	"latchkey/internal/web/wizard"
	"latchkey/internal/web/wizard/wizardtest"
)

// gallery serves every state of every page. The cookie says that the browser was sent on its way
// already, so that pages that lead elsewhere stay to be looked at.
func gallery(t *testing.T, states []wizardtest.State, connectors []connector.Descriptor) *httptest.Server {
	t.Helper()
	z, err := wizard.New(wizard.Config{
		Engine: wizardtest.NewEngine(states), Connectors: connectors, BaseURL: "http://auth.northwind.example",
		Now: wizardtest.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	z.Register(mux)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "lk_went", Value: "flw_gallery.3"})
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// TestGallery looks at every state as people do: narrow and wide, light and dark. No page breaks a
// rule of accessibility, scrolls sideways, or makes the browser complain. The pictures are in e2e/out.
func TestGallery(t *testing.T) {
	states := wizardtest.States()
	if len(states) < 30 {
		t.Fatalf("the gallery has %d states only", len(states))
	}
	lookAt(t, gallery(t, states, wizardtest.Connectors()), append(states, wizardtest.State{Name: "no-such-link"}), "", 390, 1200)
}

// TestGalleryOAuth looks at the pages of the providers that are signed in to elsewhere, in their own
// words, on a phone. The pictures are in e2e/out/oauth.
func TestGalleryOAuth(t *testing.T) {
	states := wizardtest.OAuthStates("de", "ar")
	if len(states) < 100 {
		t.Fatalf("the gallery has %d states only", len(states))
	}
	lookAt(t, gallery(t, states, wizardtest.OAuthConnectors()), states, "oauth", 390)
}

func lookAt(t *testing.T, srv *httptest.Server, states []wizardtest.State, folder string, widths ...int64) {
	t.Helper()
	all := make([]sight, len(states))
	for i, s := range states {
		all[i] = sight{s.Name, srv.URL + s.Path() + "?locale=" + s.Lang, widths}
	}
	look(t, all, folder)
}

// sight is a page to be looked at.
type sight struct {
	name, url string
	widths    []int64
}

func look(t *testing.T, all []sight, folder string) {
	t.Helper()
	axe := browser.Axe(t)
	tab := browser.Open(t)
	out := filepath.Join(browser.Root(t), "out", folder)
	for _, s := range all {
		for _, width := range s.widths {
			tab.View(width, 820, "light")
			tab.Do(chromedp.Navigate(s.url))
			tab.Inject(axe)
			for _, scheme := range []string{"light", "dark"} {
				tab.Media(scheme)
				name := fmt.Sprintf("%s-%d-%s", s.name, width, scheme)
				for _, v := range tab.Check() {
					t.Errorf("%s: %s (%s)\n%v", name, v.ID, v.Help, v.Nodes)
				}
				if wide := browser.Eval[int64](tab, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s: the page is %d px wide", name, wide)
				}
				tab.Shot(filepath.Join(out, name+".png"))
			}
		}
		for _, m := range tab.Console() {
			// Chromium's advice to developers is of the level debug. A status that is an error is written
			// there, rightly, where the page is one.
			wanted := strings.Contains(m, "status of 4") && (s.name == "no-such-link" || s.name == "reconnect-expired" || folder == "signin")
			if !wanted && !strings.HasPrefix(m, "debug: ") {
				t.Errorf("%s: console: %s", s.name, m)
			}
		}
	}
}

// TestCheckerSeesABadPage keeps TestGallery honest: a page with faults must not pass.
func TestCheckerSeesABadPage(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><input><p style="width:2000px">wide</p><script>1</script>`))
	}))
	t.Cleanup(srv.Close)
	tab := browser.Open(t)
	tab.View(390, 820, "light")
	tab.Do(chromedp.Navigate(srv.URL))
	tab.Inject(browser.Axe(t))
	found := map[string]bool{}
	for _, v := range tab.Check() {
		found[v.ID] = true
	}
	if !found["label"] || !found["html-has-lang"] {
		t.Errorf("axe found only %v", found)
	}
	refused := 0
	for _, m := range tab.Console() {
		if strings.Contains(m, "Content Security Policy") {
			refused++
		}
	}
	if refused < 2 {
		t.Errorf("the console told of %d refusals, want those of the style and of the script", refused)
	}
}

// TestGalleryPhones looks at the pages of WhatsApp and Telegram, in their own words. The pictures are in
// e2e/out/phones.
func TestGalleryPhones(t *testing.T) {
	lookAt(t, gallery(t, wizardtest.PhoneStates("en", "ar", "de"), wizardtest.PhoneConnectors()), wizardtest.PhoneStates("en", "ar", "de"), "phones", 390, 1200)
}
