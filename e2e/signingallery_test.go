package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	websignin "latchkey/internal/web/signin"
	"latchkey/internal/web/ui"
)

// staged is a service whose answers are set: it shows every state of the pages of sign-ins. The way
// through them is tested on the real one.
type staged struct {
	*signin.Service
	now   time.Time
	rows  map[string]latchkey.SignIn
	links map[string]signin.Opened
	fail  map[string]error
}

func (s *staged) Look(_ context.Context, id latchkey.SignInID, _ string) (latchkey.SignIn, error) {
	v, ok := s.rows[string(id)]
	if !ok {
		return v, errs.NotFoundf("sign-in")
	}
	return v, nil
}

func (s *staged) Open(_ context.Context, link, _ string) (signin.Opened, error) {
	o, ok := s.links[link]
	if !ok {
		return o, errs.NotFoundf("link")
	}
	return o, nil
}

func (s *staged) Begin(_ context.Context, r signin.Request) (latchkey.SignIn, error) {
	return latchkey.SignIn{}, s.fail[r.Email]
}

func (s *staged) Redirect(v latchkey.SignIn) string { return v.RedirectURI }

func (s *staged) Settings(context.Context, latchkey.ApplicationID) (signin.Settings, error) {
	return signin.Settings{RedirectURIs: []string{"https://crm.northwind.example/in"}}, nil
}

func newStaged() *staged {
	now := time.Date(2026, 6, 30, 11, 4, 0, 0, time.UTC)
	fresh := latchkey.SignIn{
		ID: "x", ApplicationID: "app_1", Email: "maria@studio-lindgren.example", Status: latchkey.SignInPending, BrowserHash: []byte{1},
		Device: "Firefox (Windows)", RedirectURI: "https://crm.northwind.example/in", Sends: 1, SentAt: now.Add(-2 * time.Minute), CreatedAt: now.Add(-2 * time.Minute),
		Current: latchkey.Challenge{ExpiresAt: now.Add(8 * time.Minute)},
	}
	row := func(change func(*latchkey.SignIn)) latchkey.SignIn { v := fresh; change(&v); return v }
	s := &staged{now: now, rows: map[string]latchkey.SignIn{
		"code":           fresh,
		"code-sent":      row(func(v *latchkey.SignIn) { v.SentAt = now.Add(-8 * time.Second) }),
		"code-wrong":     row(func(v *latchkey.SignIn) { v.Current.Tries = 3 }),
		"code-resent":    row(func(v *latchkey.SignIn) { v.Sends, v.SentAt = 2, now.Add(-time.Second) }),
		"code-exhausted": row(func(v *latchkey.SignIn) { v.Current.Tries = 5 }),
		"code-expired":   row(func(v *latchkey.SignIn) { v.Current.ExpiresAt = now }),
		"code-limit":     row(func(v *latchkey.SignIn) { v.Sends, v.Current.Tries = 5, 5 }),
		"done":           row(func(v *latchkey.SignIn) { v.Status, v.RedirectURI = latchkey.SignInProved, "#app" }),
		"done-stay":      row(func(v *latchkey.SignIn) { v.Status, v.RedirectURI = latchkey.SignInCompleted, "" }),
	}, links: map[string]signin.Opened{
		"link-here":      {SignIn: fresh, Here: true},
		"link-elsewhere": {SignIn: fresh, Code: "041733"},
		"link-unknown":   {SignIn: row(func(v *latchkey.SignIn) { v.Device, v.SentAt = "", now }), Code: "041733"},
		"link-over":      {SignIn: fresh, Over: true},
		"link-used":      {SignIn: fresh, Used: true},
	}, fail: map[string]error{
		"maria@studio-lindgren": errs.InvalidFields(errs.FieldError{Field: "email", Code: errs.CodeInvalidEmail}),
		"too@many.example":      &errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: time.Hour},
		"no@sender.example":     errs.New(errs.Conflict, errs.CodeNoSender, ""),
	}}
	s.Service = signin.New(signin.Config{BaseURL: "http://auth.northwind.example", Now: func() time.Time { return now }})
	return s
}

// TestGallerySignIn looks at every page of a sign-in as people do. The pictures are in e2e/out/signin.
func TestGallerySignIn(t *testing.T) {
	s := newStaged()
	pages, err := websignin.New(websignin.Config{
		SignIns: s, Provider: s, BaseURL: "http://auth.northwind.example", Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler),
		Application: func(_ context.Context, id latchkey.ApplicationID) (latchkey.Application, error) {
			return latchkey.Application{ID: id, Name: "Northwind CRM"}, nil
		},
		Theme: func(context.Context, latchkey.Application) ui.Theme { return ui.Theme{AppName: "Northwind CRM"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	assets, err := ui.NewAssets()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	pages.Register(mux)
	assets.Register(mux)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page that only answers a form is looked at by asking with ?post=.
		if email := r.URL.Query().Get("post"); email != "" {
			post := httptest.NewRequestWithContext(r.Context(), http.MethodPost, r.URL.RequestURI(), strings.NewReader(url.Values{"email": {email}}.Encode()))
			post.Header = r.Header.Clone()
			post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			post.Header.Set("Sec-Fetch-Site", "same-origin")
			r = post
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	var all []sight
	add := func(name, path string) {
		for _, lang := range []string{"en", "de", "ar"} {
			if lang != "en" && strings.HasPrefix(name, "error") {
				continue
			}
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			widths := []int64{390}
			if lang == "en" {
				widths = []int64{390, 1200}
			}
			all = append(all, sight{fmt.Sprintf("%s-%s", name, lang), srv.URL + path + sep + "locale=" + lang, widths})
		}
	}
	ask := "/signin?application=app_1"
	add("ask", ask)
	add("ask-invalid", ask+"&post=maria%40studio-lindgren")
	add("error-too-many", ask+"&post=too%40many.example")
	add("error-no-sender", ask+"&post=no%40sender.example")
	add("error-client", ask+"&redirect_uri=https%3A%2F%2Fevil.example%2F")
	add("error-not-found", "/signin/nothing")
	add("logout", "/oidc/app_1/end_session")
	for name := range s.rows {
		said := map[string]string{"code-wrong": "?said=wrong", "code-resent": "?said=resent"}[name]
		add(name, "/signin/"+name+said)
	}
	add("code-limited", "/signin/code?said=limited")
	for name := range s.links {
		add(name, "/signin/link/"+name)
	}
	look(t, all, "signin")
}
