package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// board is somebody who uses the dashboard without a script.
type board struct {
	s      *server
	client *http.Client
}

func (s *server) board(t *testing.T) *board {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &board{s: s, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

// seen is a page as it came: its status, the path that it came from in the end, and its text.
type seen struct {
	status int
	path   string
	body   string
}

func (b *board) do(t *testing.T, method, path string, form url.Values) seen {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.s.base + path
	}
	req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.s.base)
	}
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), "⟦") {
		t.Errorf("%s %s: a text is missing", method, path)
	}
	return seen{res.StatusCode, res.Request.URL.RequestURI(), string(body)}
}

func (b *board) get(t *testing.T, path string) seen {
	t.Helper()
	return b.do(t, http.MethodGet, path, nil)
}

func (b *board) post(t *testing.T, path string, pairs ...string) seen {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.do(t, http.MethodPost, path, form)
}

// firstURL reads the one-time link that the server has written.
func (in *install) firstURL(t *testing.T) string {
	t.Helper()
	name := filepath.Join(in.dir, "first-operator")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(name)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v)", st.Mode(), err)
	}
	return regexp.MustCompile(`http\S+`).FindString(string(text))
}

// localhost is where browsers offer passkeys without https.
func localhost(t *testing.T) *server {
	t.Helper()
	in := newInstall(t)
	in.env["LATCHKEY_BASE_URL"] = strings.Replace(in.env["LATCHKEY_BASE_URL"], "127.0.0.1", "localhost", 1)
	return in.start()
}

//nolint:gochecknoglobals // constant
var onceValue = regexp.MustCompile(`id="once-[^"]*" value="([^"]*)"`)

// TestFirstOperatorLink: it works once, also after a crash; looking at it, with HEAD or as a scanner
// does, uses nothing up; and it is in no log.
func TestFirstOperatorLink(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	link := s.firstURL(t)
	a := s.board(t)
	for range 3 {
		if got := a.get(t, link); got.status != http.StatusOK || !strings.Contains(got.body, "Become the first operator") {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if got := a.post(t, link, "email", "nobody"); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `value="nobody"`) {
		t.Errorf("a wrong address: %d, what was typed is gone or the error too", got.status)
	}
	s.kill()
	s = s.start()
	a.s = s
	if got := a.post(t, link, "email", "ada@example.org", "name", "Ada"); got.status != http.StatusOK || !strings.HasPrefix(got.path, "/dashboard/me") {
		t.Fatalf("%d at %s", got.status, got.path)
	}
	s.kill()
	s = s.start()
	a.s = s
	if got := a.get(t, "/dashboard"); got.status != http.StatusOK || !strings.Contains(got.body, "Overview") {
		t.Errorf("after a crash: %d at %s", got.status, got.path)
	}
	if got := s.board(t).post(t, link, "email", "eve@example.org"); got.status != http.StatusGone {
		t.Errorf("a second time: %d", got.status)
	}
	if token := link[strings.LastIndexByte(link, '/')+1:]; strings.Contains(s.log.String(), token) {
		t.Error("the log has the link's token")
	}
}

// TestStolenCookie: what is signed out is signed out everywhere that the cookie is, at once.
func TestStolenCookie(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a := s.board(t)
	a.post(t, s.firstURL(t), "email", "ada@example.org")
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	cookies := a.client.Jar.Cookies(base)
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", cookies)
	}
	s.seen.token(cookies[0].Value)
	thief := s.board(t)
	thief.client.Jar.SetCookies(base, cookies)
	if got := thief.get(t, "/dashboard"); got.status != http.StatusOK || !strings.Contains(got.body, "Overview") {
		t.Fatalf("the cookie does not work: %d", got.status)
	}
	if got := a.post(t, "/dashboard/sign-out"); !strings.HasPrefix(got.path, "/dashboard/sign-in") {
		t.Errorf("signed out, at %s", got.path)
	}
	if got := thief.get(t, "/dashboard"); !strings.HasPrefix(got.path, "/dashboard/sign-in") {
		t.Errorf("the stolen cookie still opens %s", got.path)
	}
	// Back in by the command line, with a cookie that somebody planted: it is replaced.
	made := s.command("operator", "invite", "ada@example.org")
	link := regexp.MustCompile(`http\S+`).FindString(made.out)
	a.client.Jar.SetCookies(base, []*http.Cookie{{Name: "lk_operator", Value: "planted", Path: "/"}})
	if got := a.post(t, link); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, made.errOut)
	}
	for _, c := range a.client.Jar.Cookies(base) {
		if c.Value == "planted" {
			t.Error("the planted cookie was kept")
		}
		s.seen.token(c.Value)
	}
}

// TestDashboardWithoutScript does with forms what an operator does: an application, a key that works, a
// link that opens, a webhook, a provider app, a member; and undoes it.
func TestDashboardWithoutScript(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a := s.board(t)
	a.post(t, s.firstURL(t), "email", "ada@example.org")
	made := a.post(t, "/dashboard/apps/new", "name", "Northwind", "test", "true")
	secrets := onceValue.FindAllStringSubmatch(made.body, -1)
	if made.status != http.StatusOK || len(secrets) != 2 {
		t.Fatalf("%d %s", made.status, made.body)
	}
	key := secrets[0][1]
	s.seen.token(key)
	app := regexp.MustCompile(`/dashboard/apps/(app_\w+)"`).FindStringSubmatch(made.body)[1]
	at := "/dashboard/apps/" + app

	l := a.post(t, at+"/links/new", "providers", "MOCK", "life", "1h", "name", "user-7")
	link := onceValue.FindStringSubmatch(l.body)
	if link == nil || a.get(t, link[1]).status != http.StatusOK {
		t.Fatalf("no link that opens: %d", l.status)
	}
	s.seen.token(link[1][strings.LastIndexByte(link[1], '/')+1:])
	list := a.get(t, at+"/links?name=user-7")
	id := regexp.MustCompile(`/links/(lnk_\w+)`).FindStringSubmatch(list.body)
	if id == nil {
		t.Fatal("the link is not listed")
	}
	if got := a.get(t, at+"/links/"+id[1]+"/expire"); !strings.Contains(got.body, "End this link now?") {
		t.Error("it does not ask")
	}
	if got := a.post(t, at+"/links/"+id[1]+"/expire"); !strings.Contains(got.body, "The link has ended.") || !strings.Contains(got.body, "Expired") {
		t.Errorf("expired: %d at %s", got.status, got.path)
	}
	if got := a.post(t, at+"/links/new", "email", "no address", "success_redirect_url", "javascript:alert(1)"); got.status != 422 || strings.Count(got.body, `class="err"`) != 2 {
		t.Errorf("all that is wrong at once: %d", got.status)
	}

	hook := a.post(t, at+"/webhooks/new", "request_url", "https://app.example/hook?k=1", "events", "account.* link.completed", "payload", "native", "headers", "X-Token: canary-7d1f")
	if secret := onceValue.FindStringSubmatch(hook.body); secret == nil || !strings.HasPrefix(secret[1], "whsec_") {
		t.Fatalf("no webhook: %d %s", hook.status, hook.body)
	}
	wid := regexp.MustCompile(`/webhooks/(whe_\w+)`).FindStringSubmatch(hook.body)[1]
	edit := a.get(t, at+"/webhooks/"+wid+"/edit")
	if strings.Contains(edit.body, "canary-7d1f") || !strings.Contains(edit.body, "X-Token") {
		t.Error("the value of a header comes back, or its name does not")
	}
	if got := a.post(t, at+"/webhooks/new", "request_url", "nowhere", "events", "no.such", "headers", "X-Token: canary-7d1f"); got.status != 422 ||
		strings.Contains(got.body, "canary-7d1f") || !strings.Contains(got.body, `value="nowhere"`) {
		t.Errorf("a wrong webhook: %d", got.status)
	}
	if got := a.post(t, at+"/webhooks/"+wid+"/test"); got.status != 200 || !strings.Contains(got.body, "webhook.test") {
		t.Errorf("test: %d", got.status)
	}

	k := a.post(t, at+"/keys/new", "name", "reader", "permissions", "links")
	text := onceValue.FindStringSubmatch(k.body)
	if text == nil {
		t.Fatalf("no key: %d", k.status)
	}
	s.seen.token(text[1])
	if got := s.withKey(t, text[1], "/v1/links"); got != http.StatusOK {
		t.Errorf("the key: %d", got)
	}
	if got := s.withKey(t, text[1], "/v1/accounts"); got != http.StatusForbidden {
		t.Errorf("what it may not: %d", got)
	}
	kid := regexp.MustCompile(`/keys/(key_\w+)/delete"[^>]*aria-label="Delete key reader`).FindStringSubmatch(a.get(t, at+"/keys").body)
	if kid == nil {
		t.Fatal("the key is not listed")
	}
	a.post(t, at+"/keys/"+kid[1]+"/delete")
	if got := s.withKey(t, text[1], "/v1/links"); got != http.StatusUnauthorized {
		t.Errorf("the deleted key: %d", got)
	}

	if got := a.post(t, at+"/provider-apps/new", "provider", "GOOGLE", "client_id", "id.apps.example", "client_secret", "s3cret-"+s.seen.core); !strings.Contains(got.body, "Verify it now") {
		t.Errorf("provider app: %d %s", got.status, got.path)
	}
	if got := a.post(t, at+"/provider-apps/new", "provider", "MICROSOFT", "client_id", "typed-id", "client_secret", s.seen.core); got.status != 422 || !strings.Contains(got.body, "typed-id") {
		t.Errorf("a wrong provider app: %d", got.status)
	}

	inv := a.post(t, at+"/members/new", "email", "vi@example.org", "role", "viewer")
	door := onceValue.FindStringSubmatch(inv.body)
	if door == nil {
		t.Fatalf("no invitation: %d", inv.status)
	}
	v := s.board(t)
	if got := v.post(t, door[1], "name", "Vi"); got.status != http.StatusOK {
		t.Fatalf("the invited: %d", got.status)
	}
	if got := v.get(t, at+"/links"); got.status != 200 || strings.Contains(got.body, "New link") {
		t.Errorf("the viewer sees no links, or a button: %d", got.status)
	}
	if got := v.post(t, at+"/links/new", "life", "1h"); got.status != http.StatusForbidden {
		t.Errorf("the viewer's link: %d", got.status)
	}
	if got := v.get(t, "/dashboard/apps"); strings.Contains(got.body, ">default<") {
		t.Error("the viewer sees an application that is not theirs")
	}
	trail := a.get(t, at+"/audit").body
	for _, want := range []string{"create_webhook", "create_key", "delete_key", "invite_member", "expire_link", "ada@example.org"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the audit trail lacks %s", want)
		}
	}
}

func (s *server) withKey(t *testing.T, key, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = strings.TrimPrefix(s.base, "http://")
	req.Header.Set("X-Api-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestPasskey makes a passkey with Chromium's own authenticator, signs out, and signs in with it.
func TestPasskey(t *testing.T) {
	s := localhost(t)
	tab := browser.Open(t)
	authenticator(t, tab)
	tab.Do(chromedp.Navigate(s.firstURL(t)), chromedp.SendKeys(chromedp.CSS("#f-email"), "ada@example.org"), chromedp.Click(chromedp.CSS("main .btn")),
		chromedp.WaitVisible(chromedp.CSS("[data-passkey] button")))
	tab.Do(chromedp.SendKeys(chromedp.CSS("#f-passkey-name"), "My phone"), chromedp.Click(chromedp.CSS("[data-passkey] button")),
		chromedp.WaitVisible(chromedp.CSS("[aria-label='Delete the passkey My phone']")))
	tab.Do(chromedp.Click(chromedp.CSS(".top button")), chromedp.WaitVisible(chromedp.CSS("[data-passkey=sign-in] button")))
	tab.Do(chromedp.Navigate(s.base+"/dashboard/apps"), chromedp.WaitVisible(chromedp.CSS("[data-passkey=sign-in] button")),
		chromedp.Click(chromedp.CSS("[data-passkey=sign-in] button")), chromedp.WaitVisible(chromedp.CSS(".list")))
	if got := browser.Eval[string](tab, "location.pathname"); got != "/dashboard/apps" {
		t.Errorf("signed in, and then at %s", got)
	}
	quiet(t, tab)
	if !strings.Contains(s.log.String(), "method=passkey") {
		t.Error("the log does not say that it was by passkey")
	}
}

// authenticator gives the browser a device that holds passkeys and asks nobody.
func authenticator(t *testing.T, tab *browser.Tab) {
	t.Helper()
	if _, err := chromedp.Call(tab.Context(), webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	_, err := chromedp.Call(tab.Context(), webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, AutomaticPresenceSimulation: true, IsUserVerified: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDashboardPages looks at every page as operators do: narrow and wide, light and dark, with
// something in it and empty. The pictures are in e2e/out/dashboard.
func TestDashboardPages(t *testing.T) {
	s := localhost(t)
	a := s.board(t)
	tab := browser.Open(t)
	axe := browser.Axe(t)
	first := s.firstURL(t)
	look := func(name, path string) {
		t.Helper()
		s.look(t, tab, axe, name, path)
	}
	look("sign-in", "/dashboard/sign-in")
	look("first", strings.TrimPrefix(first, s.base))
	a.post(t, first, "email", "ada@example.org", "name", "Ada Lindgren")
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.client.Jar.Cookies(base) {
		if _, err := chromedp.Call(tab.Context(), network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: s.base}); err != nil {
			t.Fatal(err)
		}
	}
	made := a.post(t, "/dashboard/apps/new", "name", "Northwind CRM", "test", "true")
	key := onceValue.FindStringSubmatch(made.body)[1]
	at := "/dashboard/apps/" + regexp.MustCompile(`/dashboard/apps/(app_\w+)"`).FindStringSubmatch(made.body)[1]
	for _, p := range []string{"", "/links", "/accounts", "/webhooks", "/provider-apps"} {
		look("empty"+strings.ReplaceAll(p, "/", "-"), at+p)
	}
	s.fill(t, a, at, key)
	look("me", "/dashboard/me")
	look("apps", "/dashboard/apps")
	look("apps-new", "/dashboard/apps/new")
	for _, p := range []string{"", "/links", "/links/new", "/accounts", "/webhooks", "/webhooks/new", "/keys", "/keys/new", "/provider-apps", "/provider-apps/new", "/members", "/members/new", "/audit", "/settings", "/nowhere"} {
		look("app"+strings.ReplaceAll(p, "/", "-"), at+p)
	}
	for name, of := range map[string]string{"link": "links/lnk_", "account": "accounts/acc_", "webhook": "webhooks/whe_", "provider-app": "provider-apps/pap_"} {
		list, _, _ := strings.Cut(of, "/")
		one := regexp.MustCompile(regexp.QuoteMeta(at) + "/" + of + `\w+`).FindString(a.get(t, at+"/"+list).body)
		if one == "" {
			t.Errorf("no %s to look at", name)
			continue
		}
		look(name, one)
		if name == "account" {
			look("account-delete", one+"/delete")
		}
		if name == "webhook" {
			if d := regexp.MustCompile(regexp.QuoteMeta(at) + `/deliveries/dlv_\w+`).FindString(a.get(t, one).body); d != "" {
				look("delivery", d)
			} else {
				t.Error("no delivery to look at")
			}
		}
	}
}

// fill puts something into an application: two accounts, of which one is broken, and what else there is.
func (s *server) fill(t *testing.T, a *board, at, key string) {
	t.Helper()
	api := newAPI(s.install, s.base)
	api.key = key
	for i := range 3 {
		made := a.post(t, at+"/links/new", "providers", "MOCK", "life", "1h", "name", fmt.Sprintf("user-%d", i))
		if link := onceValue.FindStringSubmatch(made.body); link == nil {
			t.Fatalf("no link: %d", made.status)
		}
	}
	for _, name := range []string{"ok", "broken@example.org", "down@example.org"} {
		res := api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts", fields{"provider": "MOCK", "username": name, "password": "mock", "account_id": "crm-" + name})
		a.post(t, at+"/accounts/"+res.text("account_id")+"/check")
	}
	a.post(t, at+"/webhooks/new", "request_url", "http://127.0.0.1:9/hook", "events", "*", "payload", "native", "name", "Backend")
	hook := regexp.MustCompile(regexp.QuoteMeta(at) + `/webhooks/whe_\w+`).FindString(a.get(t, at+"/webhooks").body)
	a.post(t, hook+"/test")
	a.post(t, at+"/provider-apps/new", "provider", "GOOGLE", "client_id", "1234567890-abcdefghijklmnop.apps.googleusercontent.com", "client_secret", "GOCSPX-canary", "default", "true")
	a.post(t, at+"/members/new", "email", "bo@example.org", "role", "developer")
	for !strings.Contains(a.get(t, at).body, "how far they got") { // links are counted behind the fact
		if err := sleep(t.Context(), 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	a.post(t, at+"/keys/new", "name", "Backend, reading", "permissions", "links", "permissions", "accounts")
}

// look opens a page in both sizes and colours, and wants nothing wrong with it.
func (s *server) look(t *testing.T, tab *browser.Tab, axe, name, path string) {
	t.Helper()
	for _, width := range []int64{390, 1280} {
		tab.View(width, 820, "light")
		tab.Do(chromedp.Navigate(s.base + path))
		tab.Inject(axe)
		for _, scheme := range []string{"light", "dark"} {
			tab.Media(scheme)
			shot := fmt.Sprintf("%s-%d-%s", name, width, scheme)
			for _, v := range tab.Check() {
				t.Errorf("%s: %s (%s)\n%v", shot, v.ID, v.Help, v.Nodes)
			}
			if wide := browser.Eval[int64](tab, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("%s: the page is %d px wide", shot, wide)
			}
			if away := browser.Eval[string](tab, outOfView); away != "" {
				t.Errorf("%s: out of view: %s", shot, away)
			}
			if small := browser.Eval[string](tab, smallTargets); small != "" {
				t.Errorf("%s: too small to touch: %s", shot, small)
			}
			tab.Shot(filepath.Join(browser.Root(t), "out", "dashboard", shot+".png"))
		}
	}
	for _, m := range tab.Console() {
		if !strings.HasPrefix(m, "debug: ") && name != "app-nowhere" {
			t.Errorf("%s: console: %s", name, m)
		}
	}
}

// outOfView are entries of menus that are the page itself and cannot be seen, and a header of two lines.
const outOfView = `[...document.querySelectorAll("nav [aria-current]")].filter(e => {
		const r = e.getBoundingClientRect(), n = e.closest("nav").getBoundingClientRect();
		return r.left < n.left - 1 || r.right > n.right + 1;
	}).concat([...document.querySelectorAll("header.top")].filter(e => e.offsetHeight > 70)).map(e => e.outerHTML.slice(0, 80)).join("\n")`

// smallTargets are buttons and fields lower than a finger.
const smallTargets = `[...document.querySelectorAll("main .btn, main select, main input:not([type=hidden],[type=checkbox]), .menu a, .top a, .top button")]
	.filter(e => e.offsetParent && e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML.slice(0, 80)).join("\n")`
