package signin_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/signin"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
	websignin "latchkey/internal/web/signin"
	"latchkey/internal/web/ui"
)

const base = "https://auth.acme.test"

// site is the pages and endpoints over the real service and store; mail waits in the outbox.
type site struct {
	t       *testing.T
	mux     *http.ServeMux
	pages   *websignin.Pages
	service *signin.Service
	app     latchkey.ApplicationID
	other   latchkey.ApplicationID
	log     *strings.Builder

	mu   sync.Mutex
	last signin.Mail
}

// outbox is the real one, and remembers what went in.
type outbox struct {
	*mailer.Service
	site *site
}

func (o outbox) Queue(ctx context.Context, tx store.Tx, m signin.Mail) error {
	o.site.mu.Lock()
	o.site.last = m
	o.site.mu.Unlock()
	_, err := o.Service.Queue(ctx, tx, mailer.Message{ApplicationID: m.ApplicationID, Kind: mailer.KindSignIn, To: m.To, Locale: m.Locale, ExpiresAt: m.ExpiresAt, Withheld: m.Withheld})
	return err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sites(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newSite(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newSite(t, sqlstore.Options{URL: pgtest.URL(t)}))
	})
}

func newSite(t *testing.T, o sqlstore.Options) *site {
	t.Helper()
	s := &site{t: t, mux: http.NewServeMux(), log: &strings.Builder{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	o.Now, o.Log = time.Now, slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(t.Context(), o)
	must(t, err)
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	must(t, err)
	sql, err := sqlstore.NewStore(db, ring)
	must(t, err)
	t.Cleanup(func() { must(t, sql.Close()) })
	for _, id := range []*latchkey.ApplicationID{&s.app, &s.other} {
		*id = latchkey.NewApplicationID(time.Now())
		must(t, sql.Applications().Create(t.Context(), latchkey.Application{ID: *id, Name: string(*id), CreatedAt: time.Now()}))
	}
	mail, err := mailer.New(mailer.Config{
		Store: sql, Now: time.Now, Log: log, Default: mailer.Relay{Host: "localhost", Port: 25, Email: "login@latchkey.test"},
		AppName: func(context.Context, store.Tx, latchkey.Application) string { return "Acme" },
	})
	must(t, err)
	s.service = signin.New(signin.Config{Store: sql, Mail: outbox{mail, s}, MAC: ring, BaseURL: base, Now: time.Now, Log: log, Refused: mail.SendsFrom})
	s.pages, err = websignin.New(websignin.Config{
		SignIns: s.service, Provider: s.service, BaseURL: base, Now: time.Now, Log: log,
		Application: func(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error) {
			app, err := sql.Applications().Get(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				err = errs.NotFoundf("application")
			}
			return app, err
		},
		Theme: func(context.Context, latchkey.Application) ui.Theme { return ui.Theme{AppName: "Acme"} },
	})
	must(t, err)
	s.pages.Register(s.mux)
	return s
}

// browser keeps cookies.
type browser struct {
	s       *site
	cookies map[string]*http.Cookie
}

func (s *site) browser() *browser { return &browser{s: s, cookies: map[string]*http.Cookie{}} }

// do sends a request as a browser does, from a page of ours unless header says otherwise.
func (b *browser) do(method, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	b.s.t.Helper()
	r := httptest.NewRequestWithContext(b.s.t.Context(), method, target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.s.mux.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
	}
	return w
}

func (s *site) client(public bool, algorithm string) signin.CreatedClient {
	s.t.Helper()
	c, err := s.service.CreateClient(s.t.Context(), s.app, signin.ClientSpec{
		Public: &public, RedirectURIs: &[]string{"https://rp.acme.test/cb"}, PostLogoutURIs: &[]string{"https://rp.acme.test/bye"}, Algorithm: &algorithm,
	})
	must(s.t, err)
	return c
}

// challenge is RFC 7636, Appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func (s *site) request(c signin.CreatedClient, change ...string) string {
	q := url.Values{
		"client_id": {string(c.Client.ID)}, "redirect_uri": {"https://rp.acme.test/cb"}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"s1"}, "nonce": {"n1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if q.Del(change[i]); change[i+1] != "" {
			q.Set(change[i], change[i+1])
		}
	}
	return "/oidc/" + string(s.app) + "/authorize?" + q.Encode()
}

func object(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return out
}

// idOf is the sign-in that a redirect names, pageOf the one of a page.
func idOf(u *url.URL) latchkey.SignInID { return latchkey.SignInID(u.Query().Get("signin_id")) }

func pageOf(path string) latchkey.SignInID {
	id, _, _ := strings.Cut(strings.TrimPrefix(path, "/signin/"), "?")
	return latchkey.SignInID(id)
}
