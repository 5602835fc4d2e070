package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/e2e/openid"
	"latchkey/internal/connector/imap/dovecottest"
)

// realWorld is an installation whose Google, Microsoft and LinkedIn are one real OpenID provider, and
// whose mailboxes are on a real mail host that asks the provider about tokens.
type realWorld struct {
	oauthWorld
	op         *openid.Provider
	host       *dovecottest.Server
	maria, ben openid.User
}

// The provider's clients: one for the mailboxes, so that one mail host can ask about its tokens.
const (
	mailClient    = "6731de76-14a6-49ae-97bc-6eba6914391e"
	profileClient = "77profile"
)

func newRealWorld(t *testing.T, postgres bool) *realWorld {
	t.Helper()
	in := newInstall(t)
	if postgres {
		in.postgres()
	}
	in.env["LATCHKEY_BASE_URL"] = strings.Replace(in.env["LATCHKEY_BASE_URL"], "127.0.0.1", "localhost", 1)
	secret, callback := in.seen.core+"~secret", in.env["LATCHKEY_BASE_URL"]+"/oauth/callback"
	w := &realWorld{
		maria: openid.User{ID: "Sub-Maria", Email: "maria@house.test", Password: in.seen.password("m"), First: "Maria", Last: "Lindgren"},
		ben:   openid.User{ID: "Sub-Ben", Email: "ben@house.test", Password: in.seen.password("b"), First: "Ben", Last: "Adeyemi"},
	}
	mail := openid.Client{ID: mailClient, Secret: secret, RedirectURI: callback}
	w.op = openid.Start(t, []openid.User{w.maria, w.ben}, mail, openid.Client{ID: profileClient, Secret: secret, RedirectURI: callback})
	w.host = dovecottest.Start(t, dovecottest.Config{Names: []string{houseServer}, Introspection: w.op.Introspect(mail)})
	ca := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(ca, w.host.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	in.env["LATCHKEY_CA_FILE"], in.env["LATCHKEY_ALLOW_OAUTH"] = ca, "127.0.0.0/8"
	in.env["LATCHKEY_ALLOW_MAIL"] = fmt.Sprintf("127.0.0.0/8:%s,%s", port(w.host.IMAPS), port(w.host.Submission))
	for _, p := range []string{"GOOGLE", "MICROSOFT", "LINKEDIN"} {
		in.env["LATCHKEY_"+p+"_ISSUER"] = w.op.URL
		if p != "LINKEDIN" {
			in.env["LATCHKEY_"+p+"_IMAP"], in.env["LATCHKEY_"+p+"_SMTP"] = "imaps://"+w.host.IMAPS, "smtp+starttls://"+w.host.Submission
		}
	}
	w.server = in.start()
	w.backend = in.receive()
	for provider, client := range map[string]string{"GOOGLE": mailClient, "MICROSOFT": mailClient, "LINKEDIN": profileClient} {
		app := fields{"provider": provider, "client_id": client, "client_secret": secret, "name": "Ours"}
		if provider == "GOOGLE" { // Google itself is asked for this in another way
			app["extra_scopes"] = []string{"offline_access"}
		}
		w.api.must(t, http.StatusCreated, http.MethodPost, "/v1/provider-apps", app)
	}
	return w
}

// as is the world for one of its providers.
func (w *realWorld) as(provider string) *realWorld {
	c := *w
	c.provider, c.step = provider, strings.ToLower(provider)
	return &c
}

// quick is a link whose end is not looked at.
func quick() fields { return fields{"bypass_success_screen": true} }

// signIn goes from our page to the provider's login page, and signs in there.
func (p *person) signIn(u openid.User) {
	p.t.Helper()
	p.Do(chromedp.WaitVisible(chromedp.CSS("#username")),
		chromedp.SendKeys(chromedp.CSS("#username"), u.Email), chromedp.SendKeys(chromedp.CSS("#password"), u.Password),
		chromedp.Click(chromedp.CSS("button[type=submit]")))
}

// open goes from a link to the provider.
func (p *person) open(l link) {
	p.t.Helper()
	p.Do(chromedp.Navigate(l.url))
	p.at("link.start")
	p.press()
}

// TestOAuthRealProvider signs in at a provider that nobody here wrote, into mailboxes on a mail host
// that nobody here wrote; has the permission withdrawn there; and heals the account.
func TestOAuthRealProvider(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, engine == "postgres")
			// One of the two engines sees a browser that runs no scripts.
			p := w.person(t, "real-"+engine, engine == "sqlite")
			mailboxes := map[string]openid.User{"GOOGLE": w.maria, "MICROSOFT": w.ben}
			ids := map[string]string{}
			for _, provider := range []string{"GOOGLE", "MICROSOFT", "LINKEDIN"} {
				ids[provider] = w.as(provider).connects(t, p, mailboxes[provider])
			}
			w.told(t)
			w.as("MICROSOFT").asksTheAdministrator(t, p)
			for provider, user := range mailboxes {
				w.as(provider).heals(t, p, ids[provider], user)
			}
			// Google's way to give a grant back is the standard's, which asks for the client's secret.
			before := len(w.op.Asked("/revoke"))
			w.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+ids["GOOGLE"], nil)
			w.event(t, "account.revoked", ids["GOOGLE"])
			if len(w.op.Asked("/revoke")) == before {
				t.Error("the provider was not told that the account is gone")
			}
			p.console()
		})
	}
}

// connects makes an account, and returns its id.
func (w *realWorld) connects(t *testing.T, p *person, user openid.User) string {
	t.Helper()
	p.w = &w.oauthWorld
	want := user.Email
	if w.provider == "LINKEDIN" {
		user, want = w.maria, w.maria.ID
	}
	l := w.link(t, quick())
	p.open(l)
	p.signIn(user)
	acc := p.connected(l, "CREATION_SUCCESS")
	if acc.text("identity") != want || acc.text("name") != user.First+" "+user.Last {
		t.Errorf("%s: the account is %s\n%s", w.provider, acc.body, w.host.Log())
	}
	return acc.text("id")
}

// told checks what the provider was asked: with PKCE and a nonce where it is taken, and for the keys
// that its tokens are verified with.
func (w *realWorld) told(t *testing.T) {
	t.Helper()
	sent := w.op.Asked("/auth")
	if len(sent) != 3 || len(w.op.Asked("/keys")) == 0 {
		t.Fatalf("the provider was asked %d times to sign in, %d times for its keys", len(sent), len(w.op.Asked("/keys")))
	}
	for i, q := range sent {
		profile := q.Get("client_id") == profileClient
		if got := q.Get("code_challenge_method") == "S256" && q.Get("code_challenge") != "" && q.Get("nonce") != ""; got == profile {
			t.Errorf("PKCE and nonce: %v in %v", got, q)
		}
		if got := w.op.Asked("/oauth/token")[i].Get("code_verifier") != ""; got == profile {
			t.Errorf("a verifier is sent: %v to %s", got, q.Get("client_id"))
		}
	}
}

// heals has the permission withdrawn at the provider, and given again: first by somebody else.
func (w *realWorld) heals(t *testing.T, p *person, account string, user openid.User) {
	t.Helper()
	p.w = &w.oauthWorld
	w.op.Withdraw(t, user, mailClient)
	res := w.api.check(t, account, "CREDENTIALS")
	if res.text("reason") != "consent_revoked" || res.text("action") != "reconnect" {
		t.Errorf("%s: the account is %s", w.provider, res.body)
	}
	other := w.ben
	if user == w.ben {
		other = w.maria
	}
	l := w.link(t, quick(), fields{"type": "reconnect", "reconnect_account": account, "providers": nil})
	p.open(l)
	p.signIn(other)
	p.at(w.step + ".wrong_account")
	if got := p.text(); !strings.Contains(got, user.Email) || !strings.Contains(got, other.Email) {
		t.Errorf("the accounts are not both named: %q", got)
	}
	p.press()
	p.signIn(user)
	if acc := p.connected(l, "RECONNECTED"); acc.text("id") != account || acc.text("identity") != user.Email {
		t.Errorf("%s: reconnected: %s", w.provider, acc.body)
	}
	w.api.check(t, account, "OK")
}

// asksTheAdministrator brings the answer that only an administrator can let us in. Where that would be
// at this provider nobody knows, and Microsoft's own page would be a stranger's: no link is shown.
func (w *realWorld) asksTheAdministrator(t *testing.T, p *person) {
	t.Helper()
	p.w = &w.oauthWorld
	l := w.link(t, quick())
	p.open(l)
	p.Do(chromedp.WaitVisible(chromedp.CSS("#username")))
	sent := w.op.Asked("/auth")
	back := url.Values{"error": {"consent_required"}, "state": {sent[len(sent)-1].Get("state")}}
	p.Do(chromedp.Navigate(w.base + "/oauth/callback?" + back.Encode()))
	p.at("microsoft.admin_ask")
	p.look("admin-ask")
	if html := browser.Eval[string](p.Tab, "document.documentElement.outerHTML"); strings.Contains(html, "microsoftonline") {
		t.Errorf("the page leads to another provider: %s", html)
	}
	p.press()
	p.signIn(w.ben)
	p.connected(l, "CREATION_SUCCESS")
}
