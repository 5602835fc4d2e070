package senderproof_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey"
	"latchkey/e2e/browser"
	"latchkey/internal/errs"
	"latchkey/internal/i18n"
	"latchkey/internal/mailer"
	"latchkey/internal/web"
	"latchkey/internal/web/senderproof"
	"latchkey/internal/web/ui"
)

// states are the answers that a page can be made of; the mailer's own tests have the real ones.
type states struct{ proved int }

func (s *states) Proof(_ context.Context, token string) (mailer.Proof, error) {
	p := mailer.Proof{
		Sender:      latchkey.Sender{Email: "login@northwind.example", Name: "Northwind <b>Team</b>"},
		Application: latchkey.Application{Name: "Northwind CRM"},
	}
	switch token {
	case "ask":
		p.Done = s.proved > 0
		return p, nil
	case "nameless":
		p.Sender.Name = ""
		return p, nil
	case "done":
		p.Done = true
		return p, nil
	case "login":
		return p, nil
	case "broken":
		return p, errors.New("the database is away, token CANARY")
	}
	return p, errs.New(errs.Gone, errs.CodeProofExpired, "gone")
}

func (s *states) Prove(ctx context.Context, token string) (mailer.Proof, error) {
	if token == "login" {
		return mailer.Proof{}, errs.InvalidFields(errs.FieldError{Field: "sender_email", Code: errs.CodeSenderIsLogin, Message: "taken"})
	}
	p, err := s.Proof(ctx, token)
	if err == nil {
		s.proved++
	}
	return p, err
}

func served(t *testing.T) (*httptest.Server, *states) {
	t.Helper()
	s, mux := &states{}, http.NewServeMux()
	srv := httptest.NewUnstartedServer(nil)
	base, err := url.Parse("http://" + srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	page, err := senderproof.New(senderproof.Config{
		Proofs: s, Origin: base.String(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Theme: func(_ context.Context, a latchkey.Application) ui.Theme { return ui.Theme{AppName: a.Name} },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Register(mux); err != nil {
		t.Fatal(err)
	}
	assets, err := ui.NewAssets()
	if err != nil {
		t.Fatal(err)
	}
	assets.Register(mux)
	srv.Config.Handler = web.NewEdge(web.EdgeConfig{BaseURL: base, Log: slog.New(slog.DiscardHandler), Now: time.Now}).Wrap(mux)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, s
}

func ask(t *testing.T, method, u string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestScannersProveNothing: looking, in whatever way, changes nothing; a POST from the page does.
func TestScannersProveNothing(t *testing.T) {
	t.Parallel()
	srv, s := served(t)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		for range 3 {
			ask(t, method, srv.URL+"/senders/ask")
		}
	}
	if s.proved != 0 {
		t.Fatal("a scanner agreed")
	}
	if res, _ := ask(t, "POST", srv.URL+"/senders/ask", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); res.StatusCode != http.StatusForbidden || s.proved != 0 {
		t.Errorf("another site agreed: %d", res.StatusCode)
	}
	res, _ := ask(t, "POST", srv.URL+"/senders/ask", "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/senders/ask" || s.proved != 1 {
		t.Errorf("%d %s", res.StatusCode, res.Header)
	}
	if _, body := ask(t, "GET", srv.URL+"/senders/ask"); !strings.Contains(body, "confirmed") || strings.Contains(body, "<form") {
		t.Errorf("%s", body)
	}
}

// TestStates says what each is, in every language, with nothing of the token and of causes.
func TestStates(t *testing.T) {
	t.Parallel()
	srv, _ := served(t)
	catalog, err := i18n.Load(senderproof.Texts())
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := i18n.Lint(senderproof.Texts()); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	for _, c := range []struct {
		token, key string
		status     int
	}{{"ask", "ask", 200}, {"done", "done", 200}, {"unknown", "gone", 410}, {strings.Repeat("x", 200), "gone", 410}, {"broken", "failed", 500}} {
		for _, lang := range catalog.Languages() {
			res, body := ask(t, "GET", srv.URL+"/senders/"+c.token+"?locale="+lang)
			text, _ := catalog.Text(lang, c.key+".lead", nil)
			text, _, _ = strings.Cut(text, "…")
			if res.StatusCode != c.status || !strings.Contains(body, text) || !strings.Contains(body, `lang="`+lang+`"`) || strings.Contains(body, "CANARY") {
				t.Errorf("%s in %s: %d %q\n%s", c.token, lang, res.StatusCode, text, body)
			}
			if strings.Contains(body, "<b>Team") || res.Header.Get("Cache-Control") != "no-store" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s", body)
			}
		}
	}
	if res, body := ask(t, "POST", srv.URL+"/senders/login", "Sec-Fetch-Site", "same-origin"); res.StatusCode != http.StatusConflict || !strings.Contains(body, "cannot be used") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// TestGuessesAreLimited by address.
func TestGuessesAreLimited(t *testing.T) {
	t.Parallel()
	srv, _ := served(t)
	for range 40 {
		if res, _ := ask(t, "GET", srv.URL+"/senders/guess"); res.StatusCode == http.StatusTooManyRequests {
			if res.Header.Get("Retry-After") == "" {
				t.Error("no time to wait")
			}
			if res, _ := ask(t, "GET", srv.URL+"/senders/ask"); res.StatusCode != http.StatusOK {
				t.Error("who has a link is held up by who guesses")
			}
			return
		}
	}
	t.Error("forty guesses were answered")
}

// TestInABrowser holds each state to axe's rules, wide and narrow, light and dark, and answers by hand.
func TestInABrowser(t *testing.T) {
	srv, s := served(t)
	tab := browser.Open(t)
	axe := browser.Axe(t)
	shots := os.Getenv("LATCHKEY_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	for _, c := range []struct {
		name, path, scheme string
		width, height      int64
	}{
		{"ask-wide-light", "ask?locale=en", "light", 1280, 900},
		{"ask-narrow-dark", "ask?locale=de", "dark", 360, 740},
		{"ask-narrow-rtl", "ask?locale=ar", "light", 360, 740},
		{"done-narrow-light", "done?locale=fr", "light", 360, 740},
		{"done-wide-dark", "done?locale=en", "dark", 1280, 900},
		{"gone-narrow-dark", "unknown?locale=es", "dark", 360, 740},
	} {
		tab.View(c.width, c.height, c.scheme)
		tab.Do(chromedp.Navigate(srv.URL + "/senders/" + c.path))
		tab.Shot(filepath.Join(shots, "senderproof-"+c.name+".png"))
		tab.Inject(axe)
		for _, v := range tab.Check() {
			t.Errorf("%s: %+v", c.name, v)
		}
		if wide := browser.Eval[bool](tab, "document.documentElement.scrollWidth > innerWidth"); wide {
			t.Errorf("%s scrolls sideways", c.name)
		}
	}
	tab.Scripts(false)
	tab.Do(chromedp.Navigate(srv.URL + "/senders/ask?locale=en"))
	tab.Do(chromedp.Click(".btn"))
	tab.Do(chromedp.WaitVisible(".mark.good"))
	if s.proved != 1 {
		t.Errorf("answered %d times", s.proved)
	}
	for _, said := range tab.Console() {
		if !strings.Contains(said, "410") {
			t.Errorf("the console says: %s", said)
		}
	}
}
