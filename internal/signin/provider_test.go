package signin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	"latchkey/internal/store/sqlstore"
)

const (
	callback = "https://app.acme.test/cb?tenant=1"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk-long-enough"
)

func s256(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (l *lab) client(app latchkey.ApplicationID, public bool, algorithm string) signin.CreatedClient {
	l.t.Helper()
	uris := []string{callback, "https://app.acme.test/other"}
	c, err := l.signin.CreateClient(l.t.Context(), app, signin.ClientSpec{Public: &public, RedirectURIs: &uris, PostLogoutURIs: &[]string{"https://app.acme.test/bye"}, Algorithm: &algorithm})
	must(l.t, err)
	return c
}

func ask(c signin.CreatedClient, change map[string]string) url.Values {
	q := url.Values{
		"client_id": {string(c.Client.ID)}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"st&ate"}, "nonce": {"n-1"}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"},
	}
	for k, v := range change {
		if v == "" {
			q.Del(k)
		} else {
			q.Set(k, v)
		}
	}
	return q
}

// code signs somebody in for a client and returns the authorization code.
func (l *lab) code(c signin.CreatedClient) string {
	l.t.Helper()
	app := c.Client.ApplicationID
	a, err := l.signin.Authorize(l.t.Context(), app, ask(c, nil))
	must(l.t, err)
	v, err := l.signin.Begin(l.t.Context(), signin.Request{
		ApplicationID: app, Email: "ada@acme.io", RedirectURI: a.RedirectURI, State: a.State, OIDC: &a.OIDC, By: signin.By{Browser: browser},
	})
	must(l.t, err)
	v, err = l.signin.Verify(l.t.Context(), app, v.ID, l.mail().code, signin.By{Browser: browser})
	must(l.t, err)
	u, err := url.Parse(l.signin.Redirect(v))
	must(l.t, err)
	q := u.Query()
	if q.Get("state") != "st&ate" || q.Get("iss") != l.signin.Issuer(app) || q.Get("tenant") != "1" || q.Has("signin_id") {
		l.t.Errorf("the way back is %s", u)
	}
	return q.Get("code")
}

func exchange(c signin.CreatedClient, code string) signin.TokenRequest {
	return signin.TokenRequest{
		ClientID: string(c.Client.ID), ClientSecret: c.Secret.Reveal(), SecretSent: !c.Client.Public,
		GrantType: "authorization_code", Code: code, RedirectURI: callback, Verifier: verifier,
	}
}

func wantOAuth(t *testing.T, what string, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[*signin.OAuthError](err); !ok || e.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestAuthorizationRequests(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	web, phone := l.client(l.app, false, signin.AlgRS256), l.client(l.app, true, signin.AlgES256)
	// Nobody is sent anywhere that was not registered, byte by byte.
	for _, uri := range []string{
		"", "https://app.acme.test/cb", callback + "&x=1", callback + "/", "https://app.acme.test/cb?tenant=1#", "https://APP.acme.test/cb?tenant=1",
		"https://app.acme.test.evil.io/cb?tenant=1", "https://app.acme.test:443/cb?tenant=1", "//app.acme.test/cb?tenant=1", "javascript:alert(1)", "https://app.acme.test/bye",
	} {
		_, err := l.signin.Authorize(t.Context(), l.app, ask(web, map[string]string{"redirect_uri": uri}))
		wantCode(t, "redirect_uri "+uri, err, errs.CodeInvalidParameters)
	}
	twice := ask(web, nil)
	twice.Add("redirect_uri", "https://evil.io/")
	_, err := l.signin.Authorize(t.Context(), l.app, twice)
	wantCode(t, "two redirect URIs", err, errs.CodeInvalidParameters)
	_, err = l.signin.Authorize(t.Context(), l.other, ask(web, nil))
	wantCode(t, "a client of another application", err, errs.CodeNotFound)

	for _, c := range []struct {
		client signin.CreatedClient
		change map[string]string
		want   string
	}{
		{web, map[string]string{"response_type": "token"}, "unsupported_response_type"},
		{web, map[string]string{"response_type": ""}, "invalid_request"},
		{web, map[string]string{"scope": "email"}, "invalid_scope"},
		{web, map[string]string{"prompt": "none"}, "login_required"},
		{web, map[string]string{"request": "e30.e30."}, "request_not_supported"},
		{web, map[string]string{"request_uri": "https://evil.io/"}, "request_uri_not_supported"},
		{web, map[string]string{"response_mode": "fragment"}, "invalid_request"},
		{web, map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		{web, map[string]string{"code_challenge_method": ""}, "invalid_request"}, // plain is what it would mean
		{web, map[string]string{"code_challenge": "short"}, "invalid_request"},
		{web, map[string]string{"code_challenge": "", "code_challenge_method": ""}, ""},
		{phone, map[string]string{"code_challenge": "", "code_challenge_method": ""}, "invalid_request"},
		{web, map[string]string{"nonce": strings.Repeat("n", 1025)}, "invalid_request"},
		{web, map[string]string{"nonce": "a\x00b"}, "invalid_request"},
		{phone, nil, ""},
	} {
		a, err := l.signin.Authorize(t.Context(), l.app, ask(c.client, c.change))
		if c.want == "" {
			must(t, err)
			continue
		}
		wantOAuth(t, "", err, c.want)
		e, _ := errors.AsType[*signin.OAuthError](err)
		back, err := url.Parse(l.signin.Return(a, e))
		must(t, err)
		if back.Host != "app.acme.test" || back.Query().Get("error") != c.want || back.Query().Get("state") != "st&ate" && c.change["nonce"] != "a\x00b" || back.Query().Get("iss") == "" {
			t.Errorf("%v: the browser is sent to %s", c.change, back)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		ctx := t.Context()
		web, phone := l.client(l.app, false, signin.AlgRS256), l.client(l.app, true, signin.AlgES256)
		foreign := l.client(l.other, false, signin.AlgRS256)
		code := l.code(web)
		for what, c := range map[string]struct {
			change func(*signin.TokenRequest)
			want   string
		}{
			"no secret":            {func(r *signin.TokenRequest) { r.ClientSecret, r.SecretSent = "", false }, "invalid_client"},
			"a wrong secret":       {func(r *signin.TokenRequest) { r.ClientSecret += "x" }, "invalid_client"},
			"no client":            {func(r *signin.TokenRequest) { r.ClientID = "" }, "invalid_client"},
			"another grant":        {func(r *signin.TokenRequest) { r.GrantType = "password" }, "unsupported_grant_type"},
			"a wrong verifier":     {func(r *signin.TokenRequest) { r.Verifier += "x" }, "invalid_grant"},
			"no verifier":          {func(r *signin.TokenRequest) { r.Verifier = "" }, "invalid_grant"},
			"another redirect":     {func(r *signin.TokenRequest) { r.RedirectURI = "https://app.acme.test/other" }, "invalid_grant"},
			"no redirect":          {func(r *signin.TokenRequest) { r.RedirectURI = "" }, "invalid_grant"},
			"a code that is none":  {func(r *signin.TokenRequest) { r.Code = "abc" }, "invalid_grant"},
			"a code that was bent": {func(r *signin.TokenRequest) { r.Code = r.Code[:len(r.Code)-3] + "AAA" }, "invalid_grant"},
			"another's code": {func(r *signin.TokenRequest) {
				r.ClientID, r.ClientSecret, r.SecretSent = string(phone.Client.ID), "", false
			}, "invalid_grant"},
			"an application beside": {func(r *signin.TokenRequest) {
				r.ClientID, r.ClientSecret = string(foreign.Client.ID), foreign.Secret.Reveal()
			}, "invalid_client"},
		} {
			r := exchange(web, code)
			c.change(&r)
			_, err := l.signin.Tokens(ctx, l.app, r)
			wantOAuth(t, what, err, c.want)
		}
		_, err := l.signin.Tokens(ctx, l.other, exchange(foreign, code))
		wantOAuth(t, "the code at another application", err, "invalid_grant")
		_, err = l.signin.Redeem(ctx, l.app, code, signin.By{})
		wantCode(t, "a client's code at the API", err, errs.CodeWrongCode)

		got, err := l.signin.Tokens(ctx, l.app, exchange(web, code))
		must(t, err)
		claims := l.payload(l.app, got.IDToken)
		if claims["aud"] != string(web.Client.ID) || claims["nonce"] != "n-1" || claims["at_hash"] == nil || !cmp.Equal(claims["amr"], []any{"otp"}) {
			t.Errorf("claims: %v", claims)
		}
		info, err := l.signin.UserInfo(ctx, l.app, got.AccessToken)
		must(t, err)
		if info.Email != "ada@acme.io" || info.Subject != claims["sub"] {
			t.Errorf("userinfo: %+v", info)
		}
		for what, token := range map[string]string{"a code": code, "an id token": got.IDToken, "nothing": ""} {
			_, err = l.signin.UserInfo(ctx, l.app, token)
			wantOAuth(t, what+" as access token", err, "invalid_token")
		}
		_, err = l.signin.UserInfo(ctx, l.other, got.AccessToken)
		wantOAuth(t, "the access token at another application", err, "invalid_token")

		// A code that comes twice takes back what it gave (RFC 6749 §4.1.2).
		_, err = l.signin.Tokens(ctx, l.app, exchange(web, code))
		wantOAuth(t, "the code again", err, "invalid_grant")
		_, err = l.signin.UserInfo(ctx, l.app, got.AccessToken)
		wantOAuth(t, "the access token after that", err, "invalid_token")

		got, err = l.signin.Tokens(ctx, l.app, exchange(phone, l.code(phone)))
		must(t, err)
		l.payload(l.app, got.IDToken)
		l.advance(10 * time.Minute)
		_, err = l.signin.UserInfo(ctx, l.app, got.AccessToken)
		wantOAuth(t, "an old access token", err, "invalid_token")
	})
}

func TestACodeIsExchangedOnce(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		c := l.client(l.app, true, signin.AlgES256)
		code := l.code(c)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 20 {
			wg.Go(func() {
				if _, err := l.signin.Tokens(t.Context(), l.app, exchange(c, code)); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("the code was exchanged %d times", won)
		}
	})
}

// TestKeysOverlap follows a rotation: whoever has read the JWKS within a day verifies every token.
func TestKeysOverlap(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *lab) {
		t.Helper()
		ctx := t.Context()
		set, err := l.signin.JWKS(ctx, l.app)
		must(t, err)
		if len(set.Keys) != 0 {
			t.Error("reading the JWKS made a key")
		}
		sign := func() string {
			t.Helper()
			v := l.begin("ada@acme.io", "")
			got, err := l.signin.Exchange(ctx, l.app, v.ID, l.mail().code, signin.By{})
			must(t, err)
			l.payload(l.app, got.IDToken)
			return got.IDToken
		}
		kids := func() []string {
			t.Helper()
			set, err := l.signin.JWKS(ctx, l.app)
			must(t, err)
			var out []string
			for _, k := range set.Keys {
				if !k.IsPublic() {
					t.Error("the JWKS holds a private key")
				}
				out = append(out, k.KeyID)
			}
			return out
		}
		first := sign()
		before := kids()
		must(t, l.signin.Upkeep(ctx))
		l.advance(91 * 24 * time.Hour)
		must(t, l.signin.Upkeep(ctx))
		must(t, l.signin.Upkeep(ctx)) // twice does nothing more
		l.advance(time.Minute)        // other replicas have read it by then
		both := kids()
		if len(both) != 2 || both[0] != before[0] {
			t.Fatalf("published: %v", both)
		}
		l.advance(23 * time.Hour)
		sign()
		l.payload(l.app, first)
		l.advance(2 * time.Hour)
		second := sign()
		if got := kids(); len(got) != 2 {
			t.Errorf("the old key is gone too early: %v", got)
		}
		l.advance(24 * time.Hour)
		if got := kids(); !cmp.Equal(got, both[1:]) {
			t.Errorf("the old key stays: %v", got)
		}
		must(t, l.signin.RotateKeys(ctx, l.app, true))
		if got := kids(); len(got) != 1 || got[0] == both[1] {
			t.Errorf("after an emergency: %v", got)
		}
		if third := sign(); third == second {
			t.Error("the same token twice")
		}
	})
}

func TestClients(t *testing.T) {
	t.Parallel()
	l := newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
	yes, no := true, false
	for _, c := range []struct {
		public *bool
		uri    string
		good   bool
	}{
		{&no, "https://a.io/cb", true},
		{&no, "http://localhost:3000/cb", true},
		{&no, "http://127.0.0.1/", true},
		{&no, "http://[::1]:1/", true},
		{&yes, "com.acme.app:/cb", true},
		{&no, "com.acme.app:/cb", false},
		{&yes, "javascript:alert(1)", false},
		{&yes, "data:text/html,x", false},
		{&no, "http://a.io/cb", false},
		{&no, "https://u:p@a.io/", false},
		{&no, "https://a.io/#x", false},
		{&no, "https://*.a.io/", false},
		{&no, "https://a.io/ x", false},
		{&no, "/cb", false},
		{&no, "https://a.io\\@b.io/", false},
	} {
		_, err := l.signin.CreateClient(t.Context(), l.app, signin.ClientSpec{Public: c.public, RedirectURIs: &[]string{c.uri}})
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.uri, err)
		}
	}
	c := l.client(l.app, false, signin.AlgRS256)
	made, err := l.signin.RotateClientSecret(t.Context(), l.app, c.Client.ID)
	must(t, err)
	code := l.code(c)
	_, err = l.signin.Tokens(t.Context(), l.app, exchange(c, code))
	wantOAuth(t, "the old secret", err, "invalid_client")
	made.Client = c.Client
	_, err = l.signin.Tokens(t.Context(), l.app, exchange(made, code))
	must(t, err)
	to, err := l.signin.Logout(t.Context(), l.app, string(c.Client.ID), "https://app.acme.test/bye", "x y")
	must(t, err)
	if to != "https://app.acme.test/bye?state=x+y" {
		t.Error(to)
	}
	_, err = l.signin.Logout(t.Context(), l.app, string(c.Client.ID), "https://evil.io/", "")
	wantCode(t, "a way out that nobody registered", err, errs.CodeInvalidParameters)
	must(t, l.signin.DeleteClient(t.Context(), l.app, c.Client.ID))
	wantCode(t, "delete again", l.signin.DeleteClient(t.Context(), l.app, c.Client.ID), errs.CodeNotFound)
}
