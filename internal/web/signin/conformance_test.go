package signin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"latchkey/internal/signin"
	"latchkey/internal/store/sqlstore"
)

func newSQLiteSite(t *testing.T) *site {
	t.Helper()
	return newSite(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
}

// descriptive is what RFC 6749 §4.1.2.1 and §5.2 allow in an error_description.
var descriptive = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`)

// TestDiscovery has what OpenID Connect Discovery 1.0 §3 and §4 demand, and promises nothing that there is not.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := newSQLiteSite(t)
	s.client(false, signin.AlgRS256)
	iss := base + "/oidc/" + string(s.app)
	w := s.browser().do("GET", "/oidc/"+string(s.app)+"/.well-known/openid-configuration", nil, "Host", "evil.io", "X-Forwarded-Host", "evil.io")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") || w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Header().Get("Cache-Control"), "max-age=") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	doc := object(t, w)
	for name, want := range map[string]string{
		"issuer": iss, "authorization_endpoint": iss + "/authorize", "token_endpoint": iss + "/token", "userinfo_endpoint": iss + "/userinfo", "jwks_uri": iss + "/jwks", "end_session_endpoint": iss + "/end_session",
	} {
		if doc[name] != want {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	for name, want := range map[string][]any{
		"response_types_supported": {"code"}, "response_modes_supported": {"query"}, "subject_types_supported": {"public"}, "grant_types_supported": {"authorization_code"},
		"id_token_signing_alg_values_supported": {"RS256", "ES256"}, "code_challenge_methods_supported": {"S256"}, "scopes_supported": {"openid", "email"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "none"},
	} {
		if got, _ := doc[name].([]any); !slices.Equal(got, want) {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	// request_uri_parameter_supported is true where it is left out (Discovery 1.0 §3).
	for name, want := range map[string]bool{"request_parameter_supported": false, "request_uri_parameter_supported": false, "claims_parameter_supported": false, "authorization_response_iss_parameter_supported": true} {
		if got, ok := doc[name].(bool); !ok || got != want {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	w = s.browser().do("GET", "/oidc/"+string(s.app)+"/jwks", nil)
	var set jose.JSONWebKeySet
	must(t, json.Unmarshal(w.Body.Bytes(), &set))
	if len(set.Keys) != 1 || !set.Keys[0].IsPublic() || set.Keys[0].Use != "sig" || set.Keys[0].Algorithm != "RS256" || set.Keys[0].KeyID == "" || strings.Contains(w.Body.String(), `"d"`) || !strings.Contains(w.Header().Get("Cache-Control"), "max-age=300") {
		t.Errorf("the JWKS is %s %v", w.Body, w.Header())
	}
	for _, path := range []string{"/oidc/app_nobody/.well-known/openid-configuration", "/oidc/app_nobody/jwks", "/oidc/x/jwks"} {
		if w := s.browser().do("GET", path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestAuthorizationErrors sends every request that is to be refused, as GET and as a form of the client's.
func TestAuthorizationErrors(t *testing.T) {
	t.Parallel()
	s := newSQLiteSite(t)
	web, phone := s.client(false, signin.AlgRS256), s.client(true, signin.AlgES256)
	for _, c := range []struct {
		rule, name, value, want string
		client                  signin.CreatedClient
	}{
		{"RFC 6749 §4.1.2.1", "response_type", "", "invalid_request", web},
		{"RFC 6749 §3.1.1", "response_type", "token", "unsupported_response_type", web},
		{"Core §3.2", "response_type", "id_token", "unsupported_response_type", web},
		{"Core §3.3", "response_type", "code id_token", "unsupported_response_type", web},
		{"Core §3.1.2.1", "scope", "", "invalid_scope", web},
		{"Core §3.1.2.1", "scope", "email openidx", "invalid_scope", web},
		{"Core §3.1.2.6", "prompt", "none", "login_required", web},
		{"Core §3.1.2.1", "prompt", "none login", "invalid_request", web},
		{"Core §3.1.2.1", "max_age", "-1", "invalid_request", web},
		{"Core §3.1.2.1", "max_age", "soon", "invalid_request", web},
		{"Core §6.1", "request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported", web},
		{"Core §6.2", "request_uri", "https://rp.acme.test/r", "request_uri_not_supported", web},
		{"Core §7.2.1", "registration", "{}", "registration_not_supported", web},
		{"OAuth Multiple Response Types §2.1", "response_mode", "form_post", "invalid_request", web},
		{"RFC 7636 §4.4.1", "code_challenge", "", "invalid_request", phone},
		{"RFC 7636 §4.4.1", "code_challenge_method", "plain", "invalid_request", web},
		{"RFC 7636 §4.3", "code_challenge_method", "", "invalid_request", web},
		{"RFC 7636 §4.2", "code_challenge", strings.Repeat("A", 42), "invalid_request", web},
		{"a nonce without end", "nonce", strings.Repeat("n", 2000), "invalid_request", web},
		{"a nonce that is no text", "nonce", "\xff", "invalid_request", web},
	} {
		target := s.request(c.client, c.name, c.value)
		w := s.browser().do("GET", target, nil)
		back, err := url.Parse(w.Header().Get("Location"))
		must(t, err)
		q := back.Query()
		if w.Code != http.StatusFound || back.Host != "rp.acme.test" || q.Get("error") != c.want || q.Get("iss") != s.service.Issuer(s.app) || q.Has("code") || !descriptive.MatchString(q.Get("error_description")) ||
			q.Get("state") != "s1" && c.rule != "a nonce that is no text" {
			t.Errorf("%s, %s=%.20q: %d to %s", c.rule, c.name, c.value, w.Code, back)
		}
		// Core §3.1.2.1: a client may bring the same as a form, from its own site.
		path, query, _ := strings.Cut(target, "?")
		form, err := url.ParseQuery(query)
		must(t, err)
		if w := s.browser().do("POST", path, form, "Sec-Fetch-Site", "cross-site"); c.value != "\xff" && (w.Code != http.StatusSeeOther || w.Header().Get("Location") != path+"?"+form.Encode()) {
			t.Errorf("%s as a form: %d to %s", c.rule, w.Code, w.Header().Get("Location"))
		}
	}
	w := s.browser().do("GET", s.request(web)+"&state=s2", nil)
	if back := w.Header().Get("Location"); !strings.Contains(back, "error=invalid_request") {
		t.Errorf("a parameter twice (RFC 6749 §3.1): %d to %s", w.Code, back)
	}
	// RFC 6749 §4.1.2.1: without a client or a redirect URI that are known nobody is sent anywhere.
	for _, change := range [][]string{
		{"client_id", ""},
		{"client_id", "ocl_nobody"},
		{"client_id", "\x00"},
		{"redirect_uri", ""},
		{"redirect_uri", "https://rp.acme.test/cb/"},
		{"redirect_uri", "https://rp.acme.test:443/cb"},
		{"redirect_uri", "https://rp.acme.test/cb?x"},
		{"redirect_uri", "https://rp.acme.test/CB"},
		{"redirect_uri", "https://rp.acme.test/./cb"},
		{"redirect_uri", "https://evil.io/cb"},
		{"redirect_uri", "https://rp.acme.test/bye"},
	} {
		w := s.browser().do("GET", s.request(web, change...), nil)
		if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" || strings.Contains(w.Body.String(), "evil.io") {
			t.Errorf("%q: %d to %q", change, w.Code, w.Header().Get("Location"))
		}
	}
	// What has no meaning here is ignored (Core §3.1.2.1, RFC 6749 §3.1).
	for _, change := range [][]string{
		{"prompt", "login"},
		{"prompt", "consent select_account"},
		{"max_age", "0"},
		{"display", "popup"},
		{"acr_values", "urn:x"},
		{"claims", `{"id_token":{"email":null}}`},
		{"id_token_hint", "x.y.z"},
		{"foo", "bar"},
		{"claims_locales", "de"},
		{"state", ""},
		{"nonce", ""},
		{"scope", "openid profile offline_access"},
	} {
		if w := s.browser().do("GET", s.request(web, change...), nil); w.Code != http.StatusOK {
			t.Errorf("%q: %d to %q", change, w.Code, w.Header().Get("Location"))
		}
	}
	if w := s.browser().do("GET", s.request(web, "login_hint", `"><script>@x.io`, "ui_locales", "fr de"), nil); !strings.Contains(w.Body.String(), `lang="fr"`) || strings.Contains(w.Body.String(), "<script>@") {
		t.Errorf("login_hint or ui_locales: %s", w.Body)
	}
}

// token asks the token endpoint.
func (s *site) token(form url.Values, header ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.browser().do("POST", "/oidc/"+string(s.app)+"/token", form, append([]string{"Sec-Fetch-Site", "cross-site"}, header...)...)
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// TestTokenEndpoint walks through the errors of RFC 6749 §5.2, and ends with tokens.
func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	sites(t, func(t *testing.T, s *site) {
		t.Helper()
		web, phone := s.client(false, signin.AlgRS256), s.client(true, signin.AlgES256)
		id, pass := string(web.Client.ID), web.Secret.Reveal()
		code := s.browser().in(s.request(web), "ada@acme.io").Query().Get("code")
		good := func(change ...string) url.Values {
			f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://rp.acme.test/cb"}, "code_verifier": {verifier}}
			for i := 0; i+1 < len(change); i += 2 {
				if f.Del(change[i]); change[i+1] != "" {
					f.Set(change[i], change[i+1])
				}
			}
			return f
		}
		twice := good()
		twice.Add("code", code)
		for _, c := range []struct {
			what   string
			form   url.Values
			auth   string
			status int
			want   string
		}{
			{"no client", good(), "", 401, "invalid_client"},
			{"a wrong secret", good(), basic(id, pass+"x"), 401, "invalid_client"},
			{"an empty secret", good(), basic(id, ""), 401, "invalid_client"},
			{"a wrong secret in the form", good("client_id", id, "client_secret", "x"), "", 401, "invalid_client"},
			{"a confidential client without its secret", good("client_id", id), "", 401, "invalid_client"},
			{"two ways at once (§2.3)", good("client_secret", pass), basic(id, pass), 400, "invalid_request"},
			{"two clients at once", good("client_id", string(phone.Client.ID)), basic(id, pass), 400, "invalid_request"},
			{"a public client with a secret", good("client_id", string(phone.Client.ID), "client_secret", "x"), "", 401, "invalid_client"},
			{"no grant_type", good("grant_type", ""), basic(id, pass), 400, "invalid_request"},
			{"no code", good("code", ""), basic(id, pass), 400, "invalid_request"},
			{"password", good("grant_type", "password"), basic(id, pass), 400, "unsupported_grant_type"},
			{"refresh_token", good("grant_type", "refresh_token"), basic(id, pass), 400, "unsupported_grant_type"},
			{"client_credentials", good("grant_type", "client_credentials"), basic(id, pass), 400, "unsupported_grant_type"},
			{"token exchange", good("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), basic(id, pass), 400, "unsupported_grant_type"},
			{"a parameter twice (§3.2)", twice, basic(id, pass), 400, "invalid_request"},
			{"another redirect URI (§4.1.3)", good("redirect_uri", "https://rp.acme.test/bye"), basic(id, pass), 400, "invalid_grant"},
			{"no redirect URI (§4.1.3)", good("redirect_uri", ""), basic(id, pass), 400, "invalid_grant"},
			{"a wrong verifier (RFC 7636 §4.6)", good("code_verifier", strings.Repeat("A", 43)), basic(id, pass), 400, "invalid_grant"},
			{"PKCE taken out on the way (RFC 9700 §4.8.2)", good("code_verifier", ""), basic(id, pass), 400, "invalid_grant"},
			{"a verifier that is too short (RFC 7636 §4.1)", good("code_verifier", verifier[:42]), basic(id, pass), 400, "invalid_grant"},
			{"the code of another client (§4.1.3)", good("client_id", string(phone.Client.ID)), "", 400, "invalid_grant"},
			{"noise", good("code", "%00\x00"), basic(id, pass), 400, "invalid_grant"},
		} {
			w := s.token(c.form, "Authorization", c.auth)
			got := object(t, w)
			if text, _ := got["error_description"].(string); w.Code != c.status || got["error"] != c.want || !descriptive.MatchString(text) || w.Header().Get("Cache-Control") != "no-store" ||
				c.status == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") || strings.Contains(w.Body.String(), pass) || strings.Contains(w.Body.String(), code) {
				t.Errorf("%s: %d %s %v", c.what, w.Code, w.Body, w.Header())
			}
		}
		if w := s.token(nil, "Content-Type", "application/json"); w.Code != http.StatusBadRequest {
			t.Errorf("JSON: %d", w.Code)
		}
		if w := s.browser().do("GET", "/oidc/"+string(s.app)+"/token?"+good().Encode(), nil, "Authorization", basic(id, pass)); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", w.Code)
		}
		w := s.token(good(), "Authorization", basic(id, pass))
		got := object(t, w)
		access, _ := got["access_token"].(string)
		if w.Code != http.StatusOK || got["token_type"] != "Bearer" || got["scope"] != "openid email" || got["expires_in"] != 600.0 || got["refresh_token"] != nil || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Pragma") != "no-cache" {
			t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
		}
		s.checkIDToken(got["id_token"], access, id, "RS256")
		s.userInfo(access, got["id_token"])
		// RFC 6749 §4.1.2: a code that comes twice takes back what it gave.
		if w = s.token(good(), "Authorization", basic(id, pass)); w.Code != http.StatusBadRequest || object(t, w)["error"] != "invalid_grant" {
			t.Errorf("the code again: %d %s", w.Code, w.Body)
		}
		if w = s.browser().do("GET", "/oidc/"+string(s.app)+"/userinfo", nil, "Authorization", "Bearer "+access); w.Code != http.StatusUnauthorized {
			t.Errorf("the access token after that: %d", w.Code)
		}
		if strings.Contains(s.log.String(), access) || strings.Contains(s.log.String(), pass) || strings.Contains(s.log.String(), code) {
			t.Error("the log holds a secret")
		}
		// A confidential client without PKCE must send no verifier (RFC 9700 §4.8.2).
		code = s.browser().in(s.request(web, "code_challenge", "", "code_challenge_method", ""), "ada@acme.io").Query().Get("code")
		if w = s.token(good(), "Authorization", basic(id, pass)); w.Code != http.StatusBadRequest {
			t.Errorf("a verifier without a challenge: %d", w.Code)
		}
		if w = s.token(good("code_verifier", "", "client_id", id, "client_secret", pass)); w.Code != http.StatusOK {
			t.Errorf("client_secret_post without PKCE: %d %s", w.Code, w.Body)
		}
		code = s.browser().in(s.request(phone), "ada@acme.io").Query().Get("code")
		got = object(t, s.token(good("client_id", string(phone.Client.ID))))
		access, _ = got["access_token"].(string)
		s.checkIDToken(got["id_token"], access, string(phone.Client.ID), "ES256")
	})
}

// checkIDToken is what a client does by Core §3.1.3.7 and §3.1.3.8.
func (s *site) checkIDToken(raw any, access, client, algorithm string) {
	s.t.Helper()
	text, _ := raw.(string)
	token, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	must(s.t, err)
	var set jose.JSONWebKeySet
	must(s.t, json.Unmarshal(s.browser().do("GET", "/oidc/"+string(s.app)+"/jwks", nil).Body.Bytes(), &set))
	payload, err := token.Verify(set.Key(token.Signatures[0].Header.KeyID)[0])
	must(s.t, err)
	c := map[string]any{}
	must(s.t, json.Unmarshal(payload, &c))
	sum := sha256.Sum256([]byte(access))
	exp, _ := c["exp"].(float64)
	iat, _ := c["iat"].(float64)
	at, _ := c["auth_time"].(float64)
	if c["iss"] != base+"/oidc/"+string(s.app) || c["aud"] != client || c["nonce"] != "n1" || exp-iat != 300 || at == 0 || at > iat || c["sub"] == "" || c["email_verified"] != true ||
		c["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) {
		s.t.Errorf("claims: %v", c)
	}
}

// userInfo asks in each way of RFC 6750 §2, and in those that are none.
func (s *site) userInfo(access string, idToken any) {
	s.t.Helper()
	target := "/oidc/" + string(s.app) + "/userinfo"
	for _, w := range []*httptest.ResponseRecorder{
		s.browser().do("GET", target, nil, "Authorization", "Bearer "+access),
		s.browser().do("GET", target, nil, "Authorization", "bearer "+access),
		s.browser().do("POST", target, nil, "Authorization", "Bearer "+access),
		s.browser().do("POST", target, url.Values{"access_token": {access}}),
	} {
		if got := object(s.t, w); w.Code != http.StatusOK || got["email"] != "ada@acme.io" || got["email_verified"] != true || got["sub"] == "" || w.Header().Get("Cache-Control") != "no-store" {
			s.t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
	other := "/oidc/" + string(s.other) + "/userinfo"
	idText, _ := idToken.(string)
	for _, c := range []struct {
		what        string
		w           *httptest.ResponseRecorder
		status      int
		error, asks string
	}{
		{"nothing (RFC 6750 §3.1)", s.browser().do("GET", target, nil), 401, "", `Bearer realm="latchkey"`},
		{"a password", s.browser().do("GET", target, nil, "Authorization", basic("a", "b")), 401, "", `Bearer realm="latchkey"`},
		{"in the query (§2.3)", s.browser().do("GET", target+"?access_token="+access, nil), 401, "", `Bearer realm="latchkey"`},
		{"a bent token", s.browser().do("GET", target, nil, "Authorization", "Bearer "+access[:len(access)-4]+"AAAA"), 401, "invalid_token", `error="invalid_token"`},
		{"an id token", s.browser().do("GET", target, nil, "Authorization", "Bearer "+idText), 401, "invalid_token", `error="invalid_token"`},
		{"at another application", s.browser().do("GET", other, nil, "Authorization", "Bearer "+access), 401, "invalid_token", `error="invalid_token"`},
		{"twice (§2)", s.browser().do("POST", target, url.Values{"access_token": {access}}, "Authorization", "Bearer "+access), 400, "invalid_request", ""},
		{"twice in the form", s.browser().do("POST", target, url.Values{"access_token": {access, access}}), 400, "invalid_request", ""},
	} {
		got := map[string]any{}
		if c.error != "" {
			got = object(s.t, c.w)
		}
		if c.w.Code != c.status || c.error != "" && got["error"] != c.error || c.error == "" && c.w.Body.Len() > 0 || !strings.Contains(c.w.Header().Get("WWW-Authenticate"), c.asks) {
			s.t.Errorf("%s: %d %s %v", c.what, c.w.Code, c.w.Body, c.w.Header())
		}
	}
}

// TestLogout sends nobody anywhere that a client has not registered (RP-Initiated Logout 1.0 §2 and §3).
func TestLogout(t *testing.T) {
	t.Parallel()
	s := newSQLiteSite(t)
	c, second := s.client(false, signin.AlgRS256), s.client(false, signin.AlgRS256)
	code := s.browser().in(s.request(c), "ada@acme.io").Query().Get("code")
	hint, _ := object(t, s.token(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://rp.acme.test/cb"}, "code_verifier": {verifier}}, "Authorization", basic(string(c.Client.ID), c.Secret.Reveal())))["id_token"].(string)
	const bye = "https://rp.acme.test/bye"
	for _, x := range []struct {
		what string
		q    url.Values
		to   string
	}{
		{"a hint", url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}, "state": {"a b"}}, bye + "?state=a+b"},
		{"a client id", url.Values{"client_id": {string(c.Client.ID)}, "post_logout_redirect_uri": {bye}}, bye},
		{"both", url.Values{"client_id": {string(c.Client.ID)}, "id_token_hint": {hint}, "post_logout_redirect_uri": {bye}}, bye},
		{"two clients", url.Values{"client_id": {string(second.Client.ID)}, "id_token_hint": {hint}, "post_logout_redirect_uri": {bye}}, ""},
		{"another address", url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://evil.io/"}}, ""},
		{"the address of the answers", url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://rp.acme.test/cb"}}, ""},
		{"no client", url.Values{"post_logout_redirect_uri": {bye}}, ""},
		{"a hint without a signature", url.Values{"id_token_hint": {"eyJhbGciOiJub25lIn0." + strings.Split(hint, ".")[1] + "."}, "post_logout_redirect_uri": {bye}}, ""},
		{"nothing", nil, ""},
	} {
		for _, w := range []*httptest.ResponseRecorder{
			s.browser().do("GET", "/oidc/"+string(s.app)+"/end_session?"+x.q.Encode(), nil), s.browser().do("POST", "/oidc/"+string(s.app)+"/end_session", x.q, "Sec-Fetch-Site", "cross-site"),
		} {
			if to := w.Header().Get("Location"); to != x.to || x.to == "" && x.q.Has("post_logout_redirect_uri") && w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d to %q", x.what, w.Code, to)
			}
		}
	}
}
