package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/oauthflow/idp"
)

// oauthWorld is one provider, its mailboxes, and an installation that takes it for the real one.
type oauthWorld struct {
	*server
	kind     idp.Kind
	idp      *idp.Server
	host     *mailhost.Host // of Google's and Microsoft's mailboxes
	backend  *receiver
	provider string // as the API calls it
	step     string // what its steps begin with
	app      string // the provider app's id
}

// oauthUsers are who can sign in; the first one is who does.
func oauthUsers(kind idp.Kind) []idp.User {
	const tenant = "11111111-2222-3333-4444-555555555555"
	switch kind {
	case idp.Instagram:
		return []idp.User{
			{Username: "maria.photos", Name: "Maria Lindgren", Subject: "17841405793187218"},
			{Username: "ben.private", Name: "Ben Adeyemi", Subject: "17841405793187219", Type: "PERSONAL"},
		}
	case idp.Microsoft:
		return []idp.User{
			{Email: "maria@life.test", Name: "Maria Lindgren", Subject: "oid-maria", TID: tenant},
			{Email: "ben@life.test", Name: "Ben Adeyemi", Subject: "oid-ben", TID: tenant},
		}
	case idp.Google, idp.LinkedIn:
	}
	return []idp.User{
		{Email: "maria@life.test", Name: "Maria Lindgren", Subject: "1001"},
		{Email: "ben@life.test", Name: "Ben Adeyemi", Subject: "1002"},
	}
}

// newOAuth starts a provider of the kind, and an installation whose pages have another host name than
// the provider's, as they do in reality: what crosses over is cross-site.
func newOAuth(t *testing.T, kind idp.Kind) *oauthWorld {
	t.Helper()
	w := &oauthWorld{kind: kind, provider: strings.ToUpper(string(kind)), step: string(kind)}
	in := newInstall(t)
	in.env["LATCHKEY_BASE_URL"] = strings.Replace(in.env["LATCHKEY_BASE_URL"], "127.0.0.1", "localhost", 1)
	// A provider app's secret, which the witness looks for as for a password.
	secret := in.seen.core + "~secret"
	var err error
	w.idp, err = idp.Start(idp.Config{Kind: kind, Users: oauthUsers(kind), Clients: []idp.Client{
		{ID: w.client(), Secret: secret, RedirectURIs: []string{in.env["LATCHKEY_BASE_URL"] + "/oauth/callback"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.idp.Close() })
	for k, v := range w.mail(t) {
		in.env[k] = v
	}
	in.env["LATCHKEY_ALLOW_OAUTH"] = "127.0.0.0/8"
	for k, v := range map[idp.Kind]map[string]string{
		idp.Google:    {"LATCHKEY_GOOGLE_ISSUER": w.idp.Issuer(), "LATCHKEY_GOOGLE_API_URL": w.idp.URL()},
		idp.Microsoft: {"LATCHKEY_MICROSOFT_AUTHORITY": w.idp.URL(), "LATCHKEY_MICROSOFT_GRAPH_URL": w.idp.URL()},
		idp.LinkedIn:  {"LATCHKEY_LINKEDIN_ISSUER": w.idp.Issuer(), "LATCHKEY_LINKEDIN_URL": w.idp.URL()},
		idp.Instagram: {"LATCHKEY_INSTAGRAM_URL": w.idp.URL()},
	}[kind] {
		in.env[k] = v
	}
	w.server = in.start()
	w.backend = in.receive()
	res := w.api.must(t, http.StatusCreated, http.MethodPost, "/v1/provider-apps", fields{
		"provider": w.provider, "client_id": w.client(), "client_secret": secret, "name": "Ours",
	})
	if res.text("redirect_uri") != in.env["LATCHKEY_BASE_URL"]+"/oauth/callback" || res.text("client_secret_set") != "true" {
		t.Errorf("the provider app is %s", res.body)
	}
	w.app = res.text("id")
	return w
}

// client is a client id in the provider's own form.
func (w *oauthWorld) client() string {
	if w.kind == idp.Microsoft {
		return "6731de76-14a6-49ae-97bc-6eba6914391e"
	}
	return "1234567890123456"
}

// mail starts the mailboxes, which ask the provider about tokens.
func (w *oauthWorld) mail(t *testing.T) map[string]string {
	t.Helper()
	if w.kind != idp.Google && w.kind != idp.Microsoft {
		return nil
	}
	host, err := mailhost.Start(mailhost.Config{Tokens: w.idp.Allows})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	w.host = host
	ca := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(ca, host.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"LATCHKEY_CA_FILE":                 ca,
		"LATCHKEY_ALLOW_MAIL":              fmt.Sprintf("127.0.0.0/8:%d,%d", host.Port(mailhost.IMAPS), host.Port(mailhost.Submission)),
		"LATCHKEY_" + w.provider + "_IMAP": fmt.Sprintf("imaps://127.0.0.1:%d", host.Port(mailhost.IMAPS)),
		"LATCHKEY_" + w.provider + "_SMTP": fmt.Sprintf("smtp+starttls://127.0.0.1:%d", host.Port(mailhost.Submission)),
	}
}

// link makes a link for the provider that tells the backend.
func (w *oauthWorld) link(t *testing.T, more ...fields) link {
	t.Helper()
	return w.api.link(t, append([]fields{{"providers": []string{w.provider}}, w.backend.links()}, more...)...)
}

// person is an end user in Chromium.
type person struct {
	*browser.Tab
	t    *testing.T
	w    *oauthWorld
	name string // of the pictures
	axe  string
	js   bool
}

func (w *oauthWorld) person(t *testing.T, name string, scripts bool) *person {
	t.Helper()
	tab := browser.Open(t)
	tab.Scripts(scripts)
	tab.View(390, 820, "light")
	return &person{tab, t, w, name, browser.Axe(t), scripts}
}

// scripts switches the scripts of the pages off or on, from the next page on.
func (p *person) scripts(on bool) {
	p.t.Helper()
	p.js = on
	p.Scripts(on)
}

// at waits for a step.
func (p *person) at(step string) {
	p.t.Helper()
	p.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + step + `"] h1`)))
}

// look checks and photographs the page in view, narrow, in light and dark.
func (p *person) look(page string) {
	p.t.Helper()
	p.w.seen.hear(nil, []byte(browser.Eval[string](p.Tab, `document.documentElement.outerHTML`)))
	if p.js { // without, the checker would have to wake the page's own scripts
		p.Inject(p.axe)
	}
	for _, scheme := range []string{"light", "dark"} {
		p.View(390, 820, scheme)
		name := fmt.Sprintf("oauth-%s-%s-%s", p.name, page, scheme)
		if p.js {
			for _, v := range p.Check() {
				p.t.Errorf("%s: %s (%s)\n%v", name, v.ID, v.Help, v.Nodes)
			}
		}
		if wide := browser.Eval[int64](p.Tab, "document.documentElement.scrollWidth"); wide > 390 {
			p.t.Errorf("%s: the page is %d px wide", name, wide)
		}
		p.Shot(filepath.Join(browser.Root(p.t), "out", name+".png"))
	}
	p.View(390, 820, "light")
}

func (p *person) text() string {
	p.t.Helper()
	return browser.Eval[string](p.Tab, `document.querySelector("main").innerText`)
}

// press presses the main button.
func (p *person) press() { p.t.Helper(); p.Do(chromedp.Click(chromedp.CSS("main .btn"))) }

// away goes from the link to the provider's own page.
func (p *person) away(l link) {
	p.t.Helper()
	p.Do(chromedp.Navigate(l.url))
	p.at("link.start")
	p.look("1-start")
	p.press()
	p.provider()
}

// provider waits for the provider's page: the redirect's page goes there by itself, also without scripts.
func (p *person) provider() {
	p.t.Helper()
	p.Do(chromedp.WaitVisible(chromedp.CSS(`button[name=idp_decision]`)))
}

func (p *person) decide(decision string) {
	p.t.Helper()
	p.Do(chromedp.Click(chromedp.CSS(`button[value=` + decision + `]`)))
}

// back waits for the application's page, and returns the query that it was opened with.
func (p *person) back() url.Values {
	p.t.Helper()
	p.Do(chromedp.WaitVisible(chromedp.CSS("#back")))
	u, err := url.Parse(browser.Eval[string](p.Tab, "location.href"))
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query()
}

// connected is the good end: the browser is back, the backend was told, the account works.
func (p *person) connected(l link, status string) response {
	p.t.Helper()
	q := p.back()
	n := p.w.backend.await(p.t, l.id, status)
	if n.AccountID == "" || q.Get("account_id") != n.AccountID || q.Get("link_id") != l.id {
		p.t.Errorf("the browser is back with %v, notified with %s", q, n.body)
	}
	res := p.w.api.must(p.t, http.StatusOK, http.MethodGet, "/v1/accounts/"+n.AccountID, nil)
	if res.text("status") != "OK" || res.text("type") != p.w.provider || res.text("identity_proof") != "provider" {
		p.t.Errorf("the account is %s", res.body)
	}
	return res
}

// console fails the test for whatever our pages wrote there.
func (p *person) console() {
	p.t.Helper()
	for _, m := range p.Console() {
		if !strings.HasPrefix(m, "debug: ") && !strings.Contains(m, "favicon.ico") {
			p.t.Errorf("console: %s", m)
		}
	}
}

// signIn goes the whole way with a client that speaks JSON; the provider asks nobody.
func (w *oauthWorld) signIn(t *testing.T, l link) flow {
	t.Helper()
	v := w.visit(l)
	w.goBack(t, v)
	f, err := v.until(t.Context(), nil, completed)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// goBack goes to the provider, and comes back from there.
func (w *oauthWorld) goBack(t *testing.T, v *visitor) {
	t.Helper()
	f := v.at(t, nil, w.step+".redirect")
	q, err := w.idp.Visit(t.Context(), f.Step.URL)
	if err != nil {
		t.Fatal(err)
	}
	res, err := send(v.http, request(t, http.MethodGet, w.base+"/oauth/callback?"+q.Encode()))
	if err != nil || res.status != http.StatusOK {
		t.Fatalf("the callback: %v %d %s", err, res.status, res.body)
	}
}

// revoked waits until the grants of these users, and no others, were ended at the provider.
func (w *oauthWorld) revoked(t *testing.T, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !slices.Equal(w.idp.Revoked(), want); {
		if time.Now().After(deadline) || len(want) == 0 {
			t.Errorf("revoked at the provider: %q, not %q", w.idp.Revoked(), want)
			return
		}
		if err := sleep(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// token is the access token that an account gives. Nothing but that answer may hold it.
func (w *oauthWorld) token(t *testing.T, account string) string {
	t.Helper()
	res := w.api.must(t, http.StatusOK, http.MethodPost, account+"/access-token", nil)
	token := res.text("access_token")
	if token == "" || res.text("token_type") != "Bearer" || !strings.Contains(res.text("scopes"), "mail.google.com") || !strings.Contains(res.header.Get("Cache-Control"), "no-store") {
		t.Errorf("the access token is %s", res.body)
	}
	w.seen.token(token)
	return token
}

// event waits for an event about an account.
func (w *oauthWorld) event(t *testing.T, typ, account string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		res := w.api.must(t, http.StatusOK, http.MethodGet, "/v1/events?limit=250&type="+typ, nil)
		if strings.Contains(string(res.body), `"`+account+`"`) {
			return
		}
		if err := sleep(t.Context(), 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("no %s came", typ)
}
