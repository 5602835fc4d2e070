package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/oauthflow/idp"
)

// TestOAuthJourneys goes to each provider and back in Chromium, with scripts and without.
func TestOAuthJourneys(t *testing.T) {
	t.Parallel()
	for _, kind := range []idp.Kind{idp.Google, idp.Microsoft, idp.LinkedIn, idp.Instagram} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newOAuth(t, kind)
			p := w.person(t, string(kind), true)
			p.journey()
			p.Do(chromedp.WaitVisible(chromedp.CSS("a.btn")))
			if got := p.text(); !strings.Contains(got, "Connected") {
				t.Errorf("whoever comes back is told %q", got)
			}
			p.look("2-done")
			p.console()
			p.scripts(false)
			p.name += "-plain"
			p.journey()
		})
	}
}

// journey connects an account, and comes back to its link.
func (p *person) journey() {
	p.t.Helper()
	l := p.w.link(p.t)
	p.away(l)
	p.decide("approve")
	acc := p.connected(l, "CREATION_SUCCESS")
	want := oauthUsers(p.w.kind)[0]
	if id := acc.text("identity"); id == "" || want.Email != "" && p.w.kind != idp.LinkedIn && id != want.Email {
		p.t.Errorf("the account is %s", acc.body)
	}
	p.Do(chromedp.Navigate(l.url))
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
	if got := p.text(); !strings.Contains(got, "Gmail messages") {
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
	w.revoked(t, "ben@life.test")
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

// TestOAuthStateIsTheBrowsers brings states back that are forged, another browser's, or used.
func TestOAuthStateIsTheBrowsers(t *testing.T) {
	t.Parallel()
	w := newOAuth(t, idp.Google)
	w.idp.Turn(func(k *idp.Knobs) { k.Auto = true })
	l := w.link(t)
	v := w.visit(l)
	f := v.at(t, nil, "google.redirect")
	if f.Step.URL == "" {
		t.Fatalf("the step is %s", f.raw)
	}
	q, err := w.idp.Visit(t.Context(), f.Step.URL)
	if err != nil {
		t.Fatal(err)
	}
	state := q.Get("state")
	callback := func(client *http.Client, q url.Values) response {
		t.Helper()
		res, err := send(client, request(t, http.MethodGet, w.base+"/oauth/callback?"+q.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	unchanged := func(what string) {
		t.Helper()
		now, err := v.look(t.Context())
		if err != nil || now.Version != f.Version || now.Step.ID != f.Step.ID || w.idp.Asked("/token") != 0 {
			t.Errorf("%s: the flow is %s (%v), after %d exchanges", what, now.raw, err, w.idp.Asked("/token"))
		}
	}
	own := &http.Client{Jar: v.http.Jar, Transport: v.http.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	stranger := &http.Client{Transport: listening{w.seen, transport(nil)}, CheckRedirect: own.CheckRedirect}
	flowID, secret, _ := strings.Cut(state, ".")
	for what, forged := range map[string]string{
		"none": "", "no secret": flowID, "empty secret": flowID + ".", "another secret": flowID + "." + strings.Repeat("A", len(secret)),
		"another flow": "flw_00000000000000000000000000." + secret, "administrator's": "adm." + state, "long": strings.Repeat("x", 9000),
	} {
		res := callback(own, with(q, "state", forged))
		if strings.Contains(string(res.body), "code-") || res.status >= 500 {
			t.Errorf("a state (%s) is answered with %d %s", what, res.status, res.body)
		}
		unchanged("state: " + what)
	}
	if res := callback(stranger, q); res.status != http.StatusBadRequest || strings.Contains(string(res.body), l.token) || len(res.header["Set-Cookie"]) > 0 {
		t.Errorf("another browser is answered with %d %v %s", res.status, res.header, res.body)
	}
	unchanged("another browser")
	// A second browser, with a flow of its own, brings the first one's answer: neither goes on.
	other := w.visit(w.link(t))
	g := other.at(t, nil, "google.redirect")
	callback(&http.Client{Jar: other.http.Jar, Transport: other.http.Transport, CheckRedirect: own.CheckRedirect}, q)
	unchanged("the browser of another flow")
	if now, err := other.look(t.Context()); err != nil || now.Version != g.Version {
		t.Errorf("the other flow is %s (%v)", now.raw, err)
	}
	// The right one counts, once.
	if res := callback(own, q); res.status != http.StatusSeeOther || !strings.HasSuffix(res.header.Get("Location"), l.token) {
		t.Fatalf("the right callback is answered with %d %s", res.status, res.body)
	}
	f, err = v.until(t.Context(), nil, completed)
	if err != nil {
		t.Fatal(err)
	}
	callback(own, q)
	callback(stranger, q)
	if n := w.idp.Asked("/token"); n != 1 || len(w.api.accounts(t)) != 1 {
		t.Errorf("replayed, %d codes were exchanged and there are %d accounts", n, len(w.api.accounts(t)))
	}
	w.api.check(t, f.Result.AccountID, "OK")
}

// TestOAuthAccountLives has an account give access tokens, lose its permission, be healed and deleted.
func TestOAuthAccountLives(t *testing.T) {
	t.Parallel()
	w := newOAuth(t, idp.Google)
	w.idp.Turn(func(k *idp.Knobs) { k.Auto, k.ExpiresIn = true, 60 })
	l := w.link(t)
	account := w.signIn(t, l).Result.AccountID
	path := "/v1/accounts/" + account

	weak := newAPI(w.install, w.base)
	c := w.command("key", "create", "--app", "default", "--name", "weak", "--permissions", "accounts,links", "--json")
	var key struct{ Key string }
	unmarshal(t, c.out, &key)
	weak.key = key.Key
	w.seen.token(key.Key)
	if res := weak.must(t, http.StatusForbidden, http.MethodPost, path+"/access-token", nil); strings.Contains(string(res.body), "at-") {
		t.Errorf("a key that may not is answered with %s", res.body)
	}
	first := w.token(t, path)
	w.idp.Turn(func(k *idp.Knobs) { k.ExpiresIn = 0 })
	// The token lives for a minute only: in the second half of its life another one comes.
	next := first
	for deadline := time.Now().Add(50 * time.Second); next == first && time.Now().Before(deadline); {
		if err := sleep(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		next = w.token(t, path)
	}
	if next == first || w.token(t, path) != next {
		t.Errorf("the token was not renewed, or is renewed each time")
	}
	w.event(t, "account.access_token_issued", account)

	w.idp.Withdraw("maria@life.test")
	res := w.api.check(t, account, "CREDENTIALS")
	if res.text("reason") != "consent_revoked" || res.text("action") != "reconnect" {
		t.Errorf("the account is %s", res.body)
	}
	if res := w.api.must(t, http.StatusConflict, http.MethodPost, path+"/access-token", nil); !strings.Contains(string(res.body), "credential_rejected") {
		t.Errorf("without permission: %s", res.body)
	}
	l = w.link(t, fields{"type": "reconnect", "reconnect_account": account, "providers": nil})
	if f := w.signIn(t, l); f.Result.AccountID != account || f.Result.State != "existing" {
		t.Errorf("reconnected: %s", f.raw)
	}
	w.backend.await(t, l.id, "RECONNECTED")
	w.api.check(t, account, "OK")
	if got := w.token(t, path); got == next || got == first || !w.idp.Allows("maria@life.test", got) {
		t.Error("the token is not of the new permission")
	}

	w.api.must(t, http.StatusOK, http.MethodDelete, path, nil)
	w.event(t, "account.revoked", account)
	w.revoked(t, "maria@life.test")
}

// TestOAuthOneGrantOfTwoAccounts has two accounts stand on one grant, as they do at Google, which ends
// all of it at once: neither the end of one nor a wrong choice on another's link ends the other.
func TestOAuthOneGrantOfTwoAccounts(t *testing.T) {
	t.Parallel()
	w := newOAuth(t, idp.Google)
	w.idp.Turn(func(k *idp.Knobs) { k.Auto, k.User = true, "ben@life.test" })
	one := w.signIn(t, w.link(t)).Result.AccountID
	two := w.signIn(t, w.link(t)).Result.AccountID
	if one == two {
		t.Fatal("both links made one account")
	}
	v := w.visit(w.link(t, fields{"expected_identity": "maria@life.test"}))
	w.goBack(t, v)
	v.at(t, nil, "google.wrong_account")
	w.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+one, nil)
	w.event(t, "account.revocation_failed", one)
	w.api.check(t, two, "OK")
	w.revoked(t)
	w.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+two, nil)
	w.event(t, "account.revoked", two)
	w.revoked(t, "ben@life.test")
}
