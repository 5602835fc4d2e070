package dashboard

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/operators"
	"latchkey/internal/secret"
	"latchkey/internal/store/sqlstore"
	"latchkey/internal/web"
)

const site = "https://auth.example.org"

// people are who may ask, with the cookie of each.
type people map[string]string

// open makes a dashboard whose operators and applications are real; what lies behind them is never
// reached, and not there.
func open(t *testing.T) (*Dashboard, latchkey.Application, people) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlstore.NewStore(db, ring)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	ops, err := operators.New(operators.Config{Store: st, BaseURL: site, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	apps := applications.New(applications.Config{Store: st, Now: time.Now, Log: log, NewWebhookSecret: func() string { return "whsec_x" }})
	base, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{BaseURL: base, Now: time.Now, Log: log, Operators: ops, Applications: apps, StrangerLimit: web.Limit{PerSecond: 1, Burst: 3}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := apps.Create(t.Context(), applications.Spec{Name: "Northwind"})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := apps.Create(t.Context(), applications.Spec{Name: "Contoso"})
	if err != nil {
		t.Fatal(err)
	}
	who := people{"stranger": "", "liar": "made-up"}
	for name, i := range map[string]operators.Invite{
		"outsider":     {ApplicationID: foreign.Application.ID, Role: latchkey.RoleOwner},
		"viewer":       {ApplicationID: own.Application.ID, Role: latchkey.RoleViewer},
		"developer":    {ApplicationID: own.Application.ID, Role: latchkey.RoleDeveloper},
		"owner":        {ApplicationID: own.Application.ID, Role: latchkey.RoleOwner},
		"installation": {Owner: true},
	} {
		i.Email = name + "@example.org"
		made, err := ops.Invite(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		u := made.URL.Reveal()
		in, err := ops.Enter(t.Context(), u[strings.LastIndexByte(u, '/')+1:], "", "", operators.Browser{})
		if err != nil {
			t.Fatal(err)
		}
		who[name] = in.Token.Reveal()
	}
	return d, own.Application, who
}

// request is what a browser on our own site sends.
func request(rt route, app latchkey.Application, cookie string) *http.Request {
	path := strings.NewReplacer("{app}", string(app.ID), "{id}", "acc_06gzx6xh3r001zvca5cz7vxm4w", "{token}", "AAAA", "{list}", "allow").Replace(root + rt.path)
	r := httptest.NewRequest(rt.method, site+path, strings.NewReader(""))
	if rt.method == post {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", site)
	}
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-lk_operator", Value: cookie})
	}
	return r
}

// TestEveryRouteKeepsItsRole asks every route as everybody. The handlers themselves are replaced, so
// that reaching one is all that is seen.
func TestEveryRouteKeepsItsRole(t *testing.T) {
	d, app, who := open(t)
	order := []string{"stranger", "liar", "outsider", "viewer", "developer", "owner", "installation"}
	// least is the first of the order who may.
	least := map[access]int{accessOpen: 0, accessSignedIn: 2, accessViewer: 3, accessDeveloper: 4, accessOwner: 5, accessInstallation: 6}
	routes := d.routes()
	if len(routes) < 50 {
		t.Fatalf("there are %d routes only", len(routes))
	}
	for _, rt := range routes {
		name := rt.method + " " + rt.path
		if rt.method == post && rt.access == accessViewer {
			t.Errorf("%s: a viewer changes nothing, so no POST is a viewer's", name)
		}
		if rt.method == post && rt.access != accessOpen && rt.action == "" && !strings.HasSuffix(rt.path, "/me/passkeys") {
			t.Errorf("%s: the audit trail has no name for it", name)
		}
		if strings.Contains(rt.path, "{app}") != (rt.access.role() != "") {
			t.Errorf("%s: a role belongs to an application, and an application's page wants one", name)
		}
		for i, person := range order {
			reached := false
			probe := rt
			probe.action = ""
			probe.handle = func(*call) (answer, error) { reached = true; return answer{to: root}, nil }
			d.strangers = web.NewLimiter(web.Limit{}, time.Now)
			mux := http.NewServeMux()
			mux.Handle(rt.method+" "+root+rt.path, d.guard(d.serve(probe)))
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, request(rt, app, who[person]))
			may := i >= least[rt.access]
			if rt.access == accessOpen {
				may = true
			}
			if reached != may {
				t.Errorf("%s as %s: reached is %v (%d)", name, person, reached, w.Code)
			}
			switch {
			case may:
			case i < 2 && (w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), root+"/sign-in")):
				t.Errorf("%s as %s: %d to %s, want the sign-in page", name, person, w.Code, w.Header().Get("Location"))
			case person == "outsider" && rt.access != accessInstallation && w.Code != http.StatusNotFound:
				t.Errorf("%s as an outsider: %d, want what an unknown application gets", name, w.Code)
			case i > 2 && w.Code != http.StatusForbidden:
				t.Errorf("%s as %s: %d", name, person, w.Code)
			}
		}
	}
}

// TestForeignIsUnknown compares the answers byte by byte.
func TestForeignIsUnknown(t *testing.T) {
	d, app, who := open(t)
	mux := http.NewServeMux()
	d.Register(mux)
	ask := func(id latchkey.ApplicationID) string {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, request(route{method: get, path: "/apps/{app}/keys"}, latchkey.Application{ID: id}, who["outsider"]))
		return w.Result().Status + w.Body.String()
	}
	if foreign, unknown := ask(app.ID), ask("app_06gzx6xh3r001zvca5cz7vxm4w"); foreign != unknown || !strings.HasPrefix(foreign, "404") {
		t.Errorf("a foreign application:\n%s\nan unknown one:\n%s", foreign, unknown)
	}
}

// TestOtherSitesCannotPost sends what another site could make a browser send, cookie and all.
func TestOtherSitesCannotPost(t *testing.T) {
	d, app, who := open(t)
	mux := http.NewServeMux()
	d.Register(mux)
	for what, header := range map[string][2]string{
		"another origin": {"Origin", "https://evil.example"}, "a null origin": {"Origin", "null"}, "a sibling": {"Origin", "https://x.auth.example.org"},
		"cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"},
	} {
		for _, rt := range d.routes() {
			if rt.method != post {
				continue
			}
			r := request(rt, app, who["installation"])
			r.Header.Del("Origin")
			r.Header.Set(header[0], header[1])
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || len(w.Header()["Set-Cookie"]) > 0 {
				t.Errorf("%s from %s: %d", rt.path, what, w.Code)
			}
		}
	}
}

func TestStrangersAreLimited(t *testing.T) {
	d, app, _ := open(t)
	mux := http.NewServeMux()
	d.Register(mux)
	last := 0
	for range 5 {
		w := httptest.NewRecorder()
		r := request(route{method: post, path: "/enter/{token}"}, app, "")
		mux.ServeHTTP(w, r)
		last = w.Code
		if last == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the fifth try: %d", last)
	}
}

// TestCookieIsForThisHost looks at the cookie that a sign-in sets.
func TestCookieIsForThisHost(t *testing.T) {
	d, _, _ := open(t)
	w := httptest.NewRecorder()
	d.setCookie(w, "token")
	c := w.Result().Cookies()[0]
	if c.Name != "__Host-lk_operator" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
}

func TestNextStaysHere(t *testing.T) {
	for in, want := range map[string]string{
		"/dashboard/apps/app_x/links": "/dashboard/apps/app_x/links", "/dashboard": "/dashboard",
		"": root, "https://evil.example": root, "//evil.example": root, "/dashboard/../x": root, "/dashboardx": root, `/dashboard/\evil`: root,
		"/dashboard//evil": root, "/dashboard?x": root, "/dashboard/%2e%2e": root,
	} {
		if got := next(in); got != want {
			t.Errorf("next(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestTextsAreThere finds keys in the source that the catalog lacks, and texts that nothing says.
func TestTextsAreThere(t *testing.T) {
	d, _, _ := open(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`(?:say\(|\bt )"([a-z_]+\.[a-zA-Z_.-]+[a-zA-Z])"`)
	found := 0
	for _, name := range append(files, pages...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range key.FindAllStringSubmatch(read(t, name), -1) {
			found++
			if _, ok := d.words.Text("en", m[1], nil); !ok {
				t.Errorf("%s says %s, which the catalog lacks", name, m[1])
			}
		}
	}
	if found < 150 {
		t.Errorf("only %d keys were found", found)
	}
	for _, rt := range d.routes() {
		if rt.section != "" && strings.HasPrefix(d.say("menu."+rt.section), "⟦") {
			t.Errorf("the menu has no word for %s", rt.section)
		}
	}
}

func TestNumbersLineUp(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567", -1000: "-1\u202f000"} {
		if got := number(n); got != want {
			t.Errorf("%d is written %q", n, got)
		}
	}
	b := (&bars{Title: "T", Stack: true, Rows: []bar{{Label: "a", n: 100_000}, {Label: "b", n: 1}, {Label: "c"}}}).scaled()
	if b.Rows[1].Width == 0 || b.Rows[2].Width != 0 || b.Rows[1].X != b.Rows[0].Width || b.Say != "T: a 100\u202f000, b 1, c 0" {
		t.Errorf("%+v", b)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	f, err := http.Dir(".").Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
