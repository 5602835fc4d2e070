package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/connector/oauthflow/idp"
)

// answered brings a query to the callback, in a visitor's browser, and returns where that is sent.
func (w *oauthWorld) answered(t *testing.T, v *visitor, q url.Values) response {
	t.Helper()
	client := &http.Client{Jar: v.http.Jar, Transport: v.http.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := send(client, request(t, http.MethodGet, w.base+"/oauth/callback?"+q.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// granted goes to the provider, and returns the query that it would send the browser back with.
func (w *oauthWorld) granted(t *testing.T, v *visitor) url.Values {
	t.Helper()
	q, err := w.idp.Visit(t.Context(), v.at(t, nil, w.step+".redirect").Step.URL)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// with is a query with one parameter changed.
func with(q url.Values, name, value string) url.Values {
	c := url.Values{}
	for k, v := range q {
		c[k] = v
	}
	c.Set(name, value)
	return c
}

// TestOAuthAnswersOfOthers brings a flow what was granted to another one, or by another provider. None
// becomes an account, each has a page to go on from, and the browser is led to no other host.
func TestOAuthAnswersOfOthers(t *testing.T) {
	t.Parallel()
	w := newOAuth(t, idp.Google)
	w.idp.Turn(func(k *idp.Knobs) { k.Auto, k.User = true, "ben@life.test" })
	other := w.otherApplication(t)

	t.Run("a code of another flow", func(t *testing.T) {
		victim, thief := w.visit(w.link(t)), w.visit(w.link(t))
		stolen := w.granted(t, victim).Get("code")
		own := w.granted(t, thief)
		w.answered(t, thief, with(own, "code", stolen))
		thief.at(t, nil, "google.again") // the verifier does not fit the challenge (RFC 7636 §4.6)
	})
	t.Run("a code of another application", func(t *testing.T) {
		// One browser has both flows, so that cookies and states are right.
		theirs, ours := w.visit(other.link(t, fields{"providers": []string{"GOOGLE"}})), w.visit(w.link(t))
		theirs.http.Jar = ours.http.Jar
		code := w.granted(t, theirs).Get("code")
		w.answered(t, ours, with(w.granted(t, ours), "code", code))
		ours.at(t, nil, "google.again")
		before := theirs.at(t, nil, "google.redirect")
		if before.Step.URL == "" {
			t.Errorf("the other application's flow has moved: %s", before.raw)
		}
	})
	t.Run("an answer of another provider", func(t *testing.T) {
		v := w.visit(w.link(t))
		q := w.granted(t, v)
		before := w.idp.Asked("/token")
		w.answered(t, v, with(q, "iss", "https://attacker.example"))
		f, err := v.until(t.Context(), nil, func(f flow) bool { return f.Status == "failed" })
		if err != nil || f.Failure == nil || f.Failure.Code != "credential_rejected" {
			t.Errorf("mixed up: %s (%v)", f.raw, err)
		}
		if w.idp.Asked("/token") != before {
			t.Error("a code that another provider gave was sent to this one")
		}
	})
	if mine, theirs := len(w.api.accounts(t)), len(other.accounts(t)); mine+theirs != 0 {
		t.Errorf("%d and %d accounts were made of that", mine, theirs)
	}
	t.Run("a way to elsewhere", func(t *testing.T) {
		l := w.link(t)
		v := w.visit(l)
		q := w.granted(t, v)
		for _, name := range []string{"redirect_uri", "next", "url", "return_to", "success_redirect_url", "callback"} {
			q.Set(name, "https://attacker.example/"+name)
		}
		res := w.answered(t, v, q)
		if to := res.header.Get("Location"); res.status != http.StatusSeeOther || (to != "/c/"+l.token && to != w.base+"/c/"+l.token) {
			t.Errorf("the browser is sent to %q", to)
		}
		f, err := v.until(t.Context(), nil, completed)
		if err != nil || strings.Contains(string(f.raw), "attacker") {
			t.Errorf("in the end: %s (%v)", f.raw, err)
		}
	})
}

// otherApplication is a second application of the installation, with a client of its own at the provider.
func (w *oauthWorld) otherApplication(t *testing.T) *api {
	t.Helper()
	secret := w.seen.core + "~other"
	w.idp.AddClient(idp.Client{ID: "another-client", Secret: secret, RedirectURIs: []string{w.base + "/oauth/callback"}})
	c := w.command("app", "create", "--name", "other", "--json")
	var made struct{ Key string }
	if err := json.Unmarshal([]byte(c.out), &made); err != nil || made.Key == "" {
		t.Fatalf("%v: %s %s", err, c.out, c.errOut)
	}
	w.seen.token(made.Key)
	a := newAPI(w.install, w.base)
	a.key = made.Key
	a.must(t, http.StatusCreated, http.MethodPost, "/v1/provider-apps", fields{"provider": "GOOGLE", "client_id": "another-client", "client_secret": secret, "name": "Theirs"})
	return a
}
