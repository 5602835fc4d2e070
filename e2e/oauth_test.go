package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/oauthflow/idp"
)

// TestOAuthJourneys goes to each provider and back in Chromium.
func TestOAuthJourneys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind    idp.Kind
		scripts bool
	}{{idp.Google, true}, {idp.Google, false}, {idp.Microsoft, true}, {idp.LinkedIn, true}, {idp.Instagram, true}} {
		name := string(c.kind)
		if !c.scripts {
			name += "-plain"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newOAuth(t, c.kind)
			p := w.person(t, name, c.scripts)
			l := w.link(t)
			p.away(l)
			p.decide("approve")
			acc := p.connected(l, "CREATION_SUCCESS")
			want := oauthUsers(c.kind)[0]
			if id := acc.text("identity"); id == "" || want.Email != "" && c.kind != idp.LinkedIn && id != want.Email {
				t.Errorf("the account is %s", acc.body)
			}
			if !c.scripts {
				return
			}
			p.Do(chromedp.Navigate(l.url), chromedp.WaitVisible(chromedp.CSS("a.btn")))
			if got := p.text(); !strings.Contains(got, "Connected") {
				t.Errorf("whoever comes back is told %q", got)
			}
			p.look("2-done")
			p.console()
		})
	}
}

// TestOAuthRefusals ends on each page that a person can get out of, and gets out of it.
func TestOAuthRefusals(t *testing.T) {
	t.Parallel()
	w := newOAuth(t, idp.Google)
	p := w.person(t, "google", true)
	l := w.link(t, fields{"expected_identity": "maria@life.test"})
	p.away(l)
	p.decide("deny")
	p.at("google.cancelled")
	p.look("3-cancelled")
	p.press()

	p.provider()
	p.Do(chromedp.Click(chromedp.CSS(`input[value="https://mail.google.com/"]`)))
	p.decide("approve")
	p.at("google.scopes")
	if got := p.text(); !strings.Contains(got, "Read, compose, send") {
		t.Errorf("the box that was left unticked is not named: %q", got)
	}
	p.look("4-scopes")
	p.press()

	p.provider()
	browser.Eval[bool](p.Tab, `document.querySelector("select[name=idp_user]").value = "ben@life.test"; true`)
	p.decide("approve")
	p.at("google.wrong_account")
	if got := p.text(); !strings.Contains(got, "ben@life.test") || !strings.Contains(got, "maria@life.test") {
		t.Errorf("the accounts are not both named: %q", got)
	}
	p.look("5-wrong-account")
	if n := len(w.api.accounts(t)); n != 0 {
		t.Errorf("%d accounts were made of that", n)
	}
	p.press()

	p.provider()
	browser.Eval[bool](p.Tab, `document.querySelector("select[name=idp_user]").value = "maria@life.test"; true`)
	p.decide("approve")
	if acc := p.connected(l, "CREATION_SUCCESS"); acc.text("identity") != "maria@life.test" {
		t.Errorf("the account is %s", acc.body)
	}
	p.console()
}

// TestOAuthAdminApproval has an administrator, in a browser that knows nothing of us, approve what
// the end user's page waits for.
func TestOAuthAdminApproval(t *testing.T) {
	t.Parallel()
	w := newOAuth(t, idp.Microsoft)
	p := w.person(t, "microsoft", true)
	l := w.link(t)
	p.away(l)
	w.idp.Turn(func(k *idp.Knobs) {
		k.AuthorizeError, k.AuthorizeDescription = "access_denied", "AADSTS90094: Admin consent is required."
	})
	p.decide("approve")
	p.at("microsoft.admin_consent")
	p.look("3-admin")
	consent := browser.Eval[string](p.Tab, `document.getElementById("code").textContent`)
	if !strings.HasPrefix(consent, w.idp.URL()) || !strings.Contains(p.text(), "administrator") {
		t.Fatalf("the page says %q, the link is %q", p.text(), consent)
	}
	w.idp.Turn(func(k *idp.Knobs) { *k = idp.Knobs{} })

	admin := w.person(t, "administrator", true)
	admin.Do(chromedp.Navigate(w.base + "/oauth/callback?admin_consent=True&tenant=x&state=adm.flw_00000000000000000000000000.forged"))
	if got := admin.text(); !strings.Contains(got, "Nothing was approved") {
		t.Errorf("a forged consent is answered with %q", got)
	}
	admin.look("2-refused")
	admin.Do(chromedp.Navigate(consent))
	if got := admin.text(); !strings.Contains(got, "Thank you") {
		t.Errorf("the administrator is told %q", got)
	}
	admin.look("1-thanks")

	p.provider() // by itself
	p.decide("approve")
	p.connected(l, "CREATION_SUCCESS")
	p.console()
}
