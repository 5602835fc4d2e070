package e2e_test

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// TestDashboardStates looks at the pages of settings, at questions before what cannot be undone, at forms
// that were refused, and at secrets that are shown once. The pictures are in e2e/out/dashboard.
func TestDashboardStates(t *testing.T) {
	s := localhost(t)
	a, at, key := s.signedIn(t, "Northwind CRM")
	tab := browser.Open(t)
	axe := browser.Axe(t)
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.client.Jar.Cookies(base) {
		if _, err := chromedp.Call(tab.Context(), network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: s.base}); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range map[string]string{"empty-oidc": "/oidc-clients", "empty-block": "/signin/block"} {
		s.look(t, tab, axe, name, at+path)
	}
	s.fill(t, a, at, key)
	a.post(t, at+"/oidc-clients/new", "name", "Web", "redirect_uris", "https://app.northwind.example/login/callback", "id_token_signed_response_alg", "ES256")
	a.post(t, at+"/signin/block", "patterns", "mallory@evil.example *@*.spam.example *@disposable.example")
	a.post(t, at+"/signin", "redirect_uris", "https://app.northwind.example/in", "sends_per_hour", "500")
	one := func(list, begins string) string { return a.one(t, at+"/"+list, at+"/"+list+"/"+begins) }
	hook, app, client, link, account := one("webhooks", "whe_"), one("provider-apps", "pap_"), one("oidc-clients", "cli_"), one("links", "lnk_"), one("accounts", "acc_")
	removal := regexp.MustCompile(`/signin/block/delete\?pattern=[\w-]+`).FindString(a.get(t, at+"/signin/block").body)
	for name, path := range map[string]string{
		"signin": at + "/signin", "signin-block": at + "/signin/block", "signin-remove": at + removal, "oidc": at + "/oidc-clients", "oidc-new": at + "/oidc-clients/new",
		"oidc-client": client, "oidc-edit": client + "/edit", "oidc-rotate": client + "/rotate-secret", "app-rotate": at + "/settings/rotate-webhook-secret", "oidc-keys": at + "/signing-keys/rotate",
		"webhook-edit": hook + "/edit", "webhook-replay": hook + "/replay", "webhook-rotate": hook + "/rotate-secret", "webhook-delete": hook + "/delete",
		"provider-app-edit": app + "/edit", "provider-app-delete": app + "/delete", "link-expire": link + "/expire", "account-revoke": account + "/reconnect-url/revoke", "account-edit": account + "/edit", "settings": at + "/settings", "settings-images": at + "/branding/images", "link-new": at + "/links/new",
	} {
		s.look(t, tab, axe, name, path)
	}
	for name, of := range map[string]struct{ path, do string }{
		"created-link":     {at + "/links/new", ``},
		"created-key":      {at + "/keys/new", `document.querySelector("#f-name").value = "Backend";`},
		"created-client":   {at + "/oidc-clients/new", `document.querySelector("#f-redirect_uris").value = "https://app.example/cb";`},
		"refused-webhook":  {at + "/webhooks/new", `document.querySelector("#f-request_url").value = "nowhere"; document.querySelector("#f-events").value = "no.such";`},
		"refused-provider": {at + "/provider-apps/new", ``},
		"refused-link":     {at + "/links/new", `document.querySelector("#f-email").value = "no address";`},
	} {
		s.lookAfter(t, tab, axe, name, of.path, of.do)
	}
	look := a.get(t, at+"/nowhere")
	if !strings.Contains(look.body, "Nothing here") {
		t.Error("an unknown page does not say so")
	}
}

// lookAfter fills in a form, sends it, and looks at what comes.
func (s *server) lookAfter(t *testing.T, tab *browser.Tab, axe, name, path, fill string) {
	t.Helper()
	for _, width := range []int64{390, 1280} {
		tab.View(width, 820, "light")
		tab.Do(chromedp.Navigate(s.base+path), chromedp.WaitVisible(chromedp.CSS("form.ask")))
		browser.Eval[bool](tab, fill+`document.querySelector("h1").id = "before"; document.querySelector("form.ask").submit(); true`)
		tab.Do(chromedp.WaitNotPresent(chromedp.CSS("#before")), chromedp.WaitVisible(chromedp.CSS("h1")))
		tab.Inject(axe)
		for _, scheme := range []string{"light", "dark"} {
			tab.Media(scheme)
			shot := name + "-" + map[int64]string{390: "390", 1280: "1280"}[width] + "-" + scheme
			for _, v := range tab.Check() {
				t.Errorf("%s: %s (%s)\n%v", shot, v.ID, v.Help, v.Nodes)
			}
			if wide := browser.Eval[int64](tab, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("%s: the page is %d px wide", shot, wide)
			}
			tab.Shot(filepath.Join(browser.Root(t), "out", "dashboard", shot+".png"))
		}
	}
}
