package e2e_test

import (
	"image/color"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"latchkey/internal/mailer/mailertest"
)

// signedIn is an owner of the installation with a new test application.
func (s *server) signedIn(t *testing.T, name string) (a *board, at, key string) {
	t.Helper()
	a = s.board(t)
	a.post(t, s.firstURL(t), "email", "ada@example.org", "name", "Ada")
	at, key = a.application(t, name)
	return a, at, key
}

func (b *board) application(t *testing.T, name string) (at, key string) {
	t.Helper()
	made := b.post(t, "/dashboard/apps/new", "name", name, "test", "true")
	found := onceValue.FindStringSubmatch(made.body)
	if found == nil {
		t.Fatalf("no application: %d", made.status)
	}
	b.s.seen.token(found[1])
	return "/dashboard/apps/" + regexp.MustCompile(`/dashboard/apps/(app_\w+)"`).FindStringSubmatch(made.body)[1], found[1]
}

// one is the first address on a page that begins like this.
func (b *board) one(t *testing.T, page, begins string) string {
	t.Helper()
	got := b.get(t, page)
	found := regexp.MustCompile(regexp.QuoteMeta(begins) + `\w+`).FindString(got.body)
	if found == "" {
		t.Fatalf("%s (%d) leads to no %s", page, got.status, begins)
	}
	return found
}

// TestDashboardSignInRules changes who may sign in, with forms, and sees by the API and the provider that it did.
func TestDashboardSignInRules(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a, at, key := s.signedIn(t, "Northwind")
	if got := a.post(t, at+"/signin", "redirect_uris", "https://app.example/in\nhttp://evil.example", "sends_per_hour", "many"); got.status != 422 || !strings.Contains(got.body, "whole number") {
		t.Errorf("wrong settings: %d", got.status)
	}
	if got := a.post(t, at+"/signin", "redirect_uris", "https://app.example/in\r\nhttps://app.example/too", "sends_per_hour", "50", "guesses_per_hour", ""); !strings.Contains(got.body, "Saved.") {
		t.Fatalf("%d %s", got.status, got.path)
	}
	api := newAPI(s.install, s.base)
	api.key = key
	set := api.must(t, http.StatusOK, http.MethodGet, "/v1/signin-settings", nil)
	if set.text("sends_per_hour") != "50" || set.text("redirect_uris.1") == "" || set.text("redirect_uris.2") != "" {
		t.Errorf("%s", set.body)
	}
	if got := a.post(t, at+"/signin/block", "patterns", "mallory@evil.example\n*@*.spam.example"); !strings.Contains(got.body, "*@*.spam.example") {
		t.Errorf("%d at %s", got.status, got.path)
	}
	if got := a.post(t, at+"/signin/block", "patterns", "not an entry"); got.status != 422 || strings.Count(got.body, `class="err"`) != 1 {
		t.Errorf("a wrong entry: %d", got.status)
	}
	ask := regexp.MustCompile(`/signin/block/delete\?pattern=[\w-]+`).FindString(a.get(t, at+"/signin/block").body)
	if got := a.get(t, at+strings.TrimPrefix(ask, at)); got.status != 200 || !strings.Contains(got.body, "Remove ") {
		t.Errorf("it does not ask: %d", got.status)
	}
	a.post(t, at+"/signin/block/delete", "patterns", "mallory@evil.example")
	rules := api.must(t, http.StatusOK, http.MethodGet, "/v1/signin-rules?list=block", nil)
	if rules.text("items.0") != "*@*.spam.example" || rules.text("items.1") != "" {
		t.Errorf("%s", rules.body)
	}
	for _, path := range []string{"/signin/deny", "/signin/block/delete?pattern=%3Cscript", "/signin/allow/delete"} {
		if got := a.get(t, at+path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// TestDashboardOIDCClient registers a client that its secret lets in, and no other.
func TestDashboardOIDCClient(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a, at, _ := s.signedIn(t, "Northwind")
	if got := a.post(t, at+"/oidc-clients/new", "name", "Web", "redirect_uris", "http://app.example/cb", "id_token_signed_response_alg", "RS256"); got.status != 422 || !strings.Contains(got.body, `value="Web"`) {
		t.Errorf("a wrong client: %d", got.status)
	}
	made := a.post(t, at+"/oidc-clients/new", "name", "Web", "redirect_uris", "https://app.example/cb", "id_token_signed_response_alg", "ES256")
	shown := onceValue.FindAllStringSubmatch(made.body, -1)
	if len(shown) != 3 || !strings.HasPrefix(shown[1][1], "cls_") {
		t.Fatalf("%d: %d values", made.status, len(shown))
	}
	id, secret, issuer := shown[0][1], shown[1][1], shown[2][1]
	s.seen.token(secret)
	if got := a.get(t, at+"/oidc-clients/"+id); strings.Contains(got.body, secret) || !strings.Contains(got.body, issuer) {
		t.Errorf("the client's page: %d", got.status)
	}
	// invalid_grant: the client is known, the code is not. invalid_client: the secret is wrong.
	exchange := func(secret string) string {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {"https://app.example/cb"}, "client_id": {id}, "client_secret": {secret}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(issuer, s.base, "http://"+s.addr, 1)+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = strings.TrimPrefix(s.base, "http://")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b strings.Builder
		if _, err := io.Copy(&b, res.Body); err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`"error":"(\w+)"`).FindString(b.String())
	}
	if got := exchange(secret); !strings.Contains(got, "invalid_grant") {
		t.Errorf("with the secret: %s", got)
	}
	if got := a.get(t, at+"/oidc-clients/"+id+"/rotate-secret"); !strings.Contains(got.body, "ends at once") {
		t.Error("it does not ask")
	}
	rotated := onceValue.FindAllStringSubmatch(a.post(t, at+"/oidc-clients/"+id+"/rotate-secret").body, -1)
	if len(rotated) != 3 || rotated[1][1] == secret {
		t.Fatalf("%v", rotated)
	}
	s.seen.token(rotated[1][1])
	if got := exchange(secret); !strings.Contains(got, "invalid_client") {
		t.Errorf("with the old secret: %s", got)
	}
	if got := exchange(rotated[1][1]); !strings.Contains(got, "invalid_grant") {
		t.Errorf("with the new secret: %s", got)
	}
	if got := a.post(t, at+"/oidc-clients/"+id+"/edit", "name", "Web 2", "redirect_uris", "https://app.example/cb https://app.example/cb2", "id_token_signed_response_alg", "RS256"); !strings.Contains(got.body, "cb2") {
		t.Errorf("edit: %d", got.status)
	}
	before := strings.Count(a.get(t, at+"/oidc-clients").body, `data-col="Key id"`)
	if got := a.post(t, at+"/signing-keys/rotate"); strings.Count(got.body, `data-col="Key id"`) <= before || before == 0 {
		t.Errorf("the keys are the same: %d", got.status)
	}
	if got := a.post(t, at+"/oidc-clients/"+id+"/delete"); !strings.Contains(got.body, "No clients yet") {
		t.Errorf("delete: %d", got.status)
	}
	if got := exchange(rotated[1][1]); !strings.Contains(got, "invalid_client") {
		t.Errorf("deleted: %s", got)
	}
}

// TestDashboardEdits edits a provider app and the application, and pauses and replays a webhook.
func TestDashboardEdits(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a, at, key := s.signedIn(t, "Northwind")
	api := newAPI(s.install, s.base)
	api.key = key
	a.post(t, at+"/provider-apps/new", "provider", "GOOGLE", "client_id", "one.apps.example", "client_secret", "canary-one", "default", "true")
	a.post(t, at+"/provider-apps/new", "provider", "GOOGLE", "client_id", "two.apps.example", "client_secret", "canary-two", "name", "Second")
	two := regexp.MustCompile(regexp.QuoteMeta(at) + `/provider-apps/pap_\w+">(?:<bdi>)?Second`).FindString(a.get(t, at+"/provider-apps").body)
	two, _, _ = strings.Cut(two, `"`)
	edit := a.get(t, two+"/edit")
	if strings.Contains(edit.body, "canary-") || strings.Contains(edit.body, `name="provider"`) || strings.Contains(edit.body, `name="tenant"`) {
		t.Error("the form of Google's shows a secret, or what only Microsoft has")
	}
	if got := a.post(t, two+"/edit", "name", "Renamed", "client_id", "two.apps.example", "client_secret", "", "domain", "acme.io", "extra_scopes", "one two", "skip_scopes", "", "protocol", "api"); !strings.Contains(got.body, "Saved.") {
		t.Fatalf("%d %s", got.status, got.path)
	}
	id := two[strings.LastIndexByte(two, '/')+1:]
	x := api.must(t, http.StatusOK, http.MethodGet, "/v1/provider-apps/"+id, nil)
	if x.text("name") != "Renamed" || x.text("domain") != "acme.io" || x.text("protocol") != "api" || x.text("client_secret_set") != "true" || x.text("extra_scopes.1") != "two" || x.text("default") != "false" {
		t.Errorf("%s", x.body)
	}
	a.post(t, two+"/default")
	if x := api.must(t, http.StatusOK, http.MethodGet, "/v1/provider-apps/"+id, nil); x.text("default") != "true" {
		t.Error("it is not the default")
	}
	if got := a.post(t, two+"/edit", "client_id", "has spaces in it", "name", "R"); got.status != 422 || !strings.Contains(got.body, "has spaces in it") {
		t.Errorf("wrong: %d", got.status)
	}

	a.post(t, at+"/settings", "name", "Northwind 2", "providers", "IMAP", "providers", "MOCK", "auth_server_url", "")
	if x := api.must(t, http.StatusOK, http.MethodGet, "/v1/application", nil); x.text("name") != "Northwind 2" || x.text("providers.1") == "" || x.text("providers.2") != "" {
		t.Errorf("%s", x.body)
	}

	a.post(t, at+"/webhooks/new", "request_url", "http://127.0.0.1:9/hook", "events", "*", "payload", "native", "name", "Backend")
	hook := a.one(t, at+"/webhooks", at+"/webhooks/whe_")
	if got := a.post(t, hook+"/pause"); !strings.Contains(got.body, "You paused it.") || strings.Contains(got.body, hook+"/pause") {
		t.Errorf("pause: %d", got.status)
	}
	if got := a.post(t, hook+"/replay", "since", "2001-01-01T00:00"); got.status != 422 {
		t.Errorf("too far back: %d", got.status)
	}
	a.post(t, hook+"/resume")
	a.post(t, at+"/links/new", "providers", "MOCK", "life", "1h", "failure_redirect_url", "https://app.example/no", "expected_identity", "ada@example.org", "notify_failures", "true")
	link := a.one(t, at+"/links", at+"/links/lnk_")
	a.post(t, link+"/expire")
	since := regexp.MustCompile(`name="since" value="([^"]+)"`).FindStringSubmatch(a.get(t, hook+"/replay").body)
	if since == nil {
		t.Fatal("no time is proposed")
	}
	if got := a.post(t, hook+"/replay", "since", since[1]); got.status != 200 || !strings.Contains(got.body, "being sent again") {
		t.Errorf("replay: %d", got.status)
	}
}

// TestDashboardReconnectEmail has the application ask its end users by mail, and stop it, with the form of its settings.
func TestDashboardReconnectEmail(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a, at, key := s.signedIn(t, "Northwind")
	api := newAPI(s.install, s.base)
	api.key = key
	is := func(what, enabled, after string) {
		t.Helper()
		x := api.must(t, http.StatusOK, http.MethodGet, "/v1/application", nil)
		if x.text("reconnect_email.enabled") != enabled || x.text("reconnect_email.after_minutes") != after {
			t.Errorf("%s: %s", what, x.body)
		}
	}
	save := func(pairs ...string) seen {
		t.Helper()
		return a.post(t, at+"/settings", append([]string{"name", "Northwind", "auth_server_url", ""}, pairs...)...)
	}
	const enabled, after = "reconnect_email.enabled", "reconnect_email.after_minutes"
	if got := a.get(t, at+"/settings"); !strings.Contains(got.body, `name="`+after+`" value="60"`) || strings.Contains(got.body, `value="true" checked`) {
		t.Error("it is not off, or the usual hour is not proposed")
	}
	save(enabled, "true", after, "90")
	is("on", "true", "90")
	if got := a.get(t, at+"/settings"); !strings.Contains(got.body, `name="`+after+`" value="90"`) || !strings.Contains(got.body, `value="true" checked`) {
		t.Error("the page does not say what is set")
	}
	for _, wrong := range []string{"10081", "-1", "soon", "1.5", "-307445734561825860", "99999999999999999999"} {
		if got := save(enabled, "true", after, wrong, "auth_server_url", ""); got.status != 422 || !strings.Contains(got.body, "from 0 to 10080") || !strings.Contains(got.body, `value="`+wrong+`"`) {
			t.Errorf("%s: %d", wrong, got.status)
		}
	}
	if got := a.post(t, at+"/settings", "name", "", "auth_server_url", "nowhere", enabled, "true", after, "no"); got.status != 422 || strings.Count(got.body, `class="err"`) != 3 {
		t.Errorf("not all that is wrong is said at once: %d, %d errors", got.status, strings.Count(got.body, `class="err"`))
	}
	save()
	is("a form that does not have it", "true", "90")
	save(enabled, "true", after, "0")
	is("at once", "true", "0")
	save(enabled, "true", after, "")
	is("without a time", "true", "60")
	save(after, "10080")
	is("off", "false", "10080")
	door := onceValue.FindStringSubmatch(a.post(t, at+"/members/new", "email", "vi@example.org", "role", "viewer").body)
	v := s.board(t)
	v.post(t, door[1], "name", "Vi")
	if got := v.get(t, at+"/settings"); got.status != 200 || !strings.Contains(got.body, "by email to reconnect") || strings.Contains(got.body, after) {
		t.Errorf("a viewer: %d", got.status)
	}
	if got := v.post(t, at+"/settings", "name", "Northwind", enabled, "true", after, "1"); got.status != http.StatusForbidden {
		t.Errorf("a viewer changes it: %d", got.status)
	}
	is("after the viewer", "false", "10080")
}

// TestDashboardEditsAccount says with a form where an account's end user is asked to reconnect.
func TestDashboardEditsAccount(t *testing.T) {
	t.Parallel()
	s := localhost(t)
	a, at, key := s.signedIn(t, "Northwind")
	api := newAPI(s.install, s.base)
	api.key = key
	id := api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts", fields{"provider": "MOCK", "username": "ok", "password": "mock"}).text("account_id")
	is := func(what, email, locale string) {
		t.Helper()
		x := api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil)
		if x.text("notify_email") != email || x.text("notify_locale") != locale {
			t.Errorf("%s: %s", what, x.body)
		}
	}
	page := at + "/accounts/" + id
	if got := a.post(t, page+"/edit", "notify_email", "Maria.Home@example.org", "notify_locale", "pt-br"); !strings.Contains(got.body, "Saved.") || !strings.Contains(got.body, "Maria.Home@example.org") || !strings.Contains(got.body, "pt-BR") {
		t.Errorf("%d at %s", got.status, got.path)
	}
	is("saved", "Maria.Home@example.org", "pt-BR")
	if got := a.get(t, page+"/edit"); !strings.Contains(got.body, `value="Maria.Home@example.org"`) || !strings.Contains(got.body, `value="pt-BR"`) {
		t.Error("the form does not say what is set")
	}
	if got := a.post(t, page+"/edit", "notify_email", "no address", "notify_locale", "?"+strings.Repeat("x", 40)); got.status != 422 || strings.Count(got.body, `class="err"`) != 2 || !strings.Contains(got.body, `value="no address"`) {
		t.Errorf("all that is wrong at once: %d, %d errors", got.status, strings.Count(got.body, `class="err"`))
	}
	is("refused", "Maria.Home@example.org", "pt-BR")
	a.post(t, page+"/edit", "notify_email", "", "notify_locale", "")
	is("taken away", "", "")
	if !strings.Contains(a.get(t, at+"/audit").body, "change_account") {
		t.Error("the audit trail lacks it")
	}
}

// TestDashboardLinkOfAnAccount makes a link by hand, and connects with it: the account is called as the form says.
func TestDashboardLinkOfAnAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.board(t)
	a.post(t, h.firstURL(t), "email", "ada@example.org", "name", "Ada")
	at := "/dashboard/apps/" + appOf(t, h.server)
	for _, wrong := range []string{"acc_mine", "null", "a/b", strings.Repeat("x", 257)} {
		got := a.post(t, at+"/links/new", "providers", "IMAP", "life", "1h", "account_id", wrong, "locale", "no language", "notify_email", "nobody", "email", "nobody")
		if got.status != 422 || strings.Count(got.body, `class="err"`) != 4 || !strings.Contains(got.body, `value="no language"`) {
			t.Errorf("%.10s: %d, %d errors", wrong, got.status, strings.Count(got.body, `class="err"`))
		}
	}
	made := a.post(t, at+"/links/new", "providers", "IMAP", "life", "1h", "account_id", "crm-7", "locale", "de", "notify_email", "Maria.Home@example.org")
	shown := onceValue.FindStringSubmatch(made.body)
	if shown == nil {
		t.Fatalf("no link: %d", made.status)
	}
	token := shown[1][strings.LastIndexByte(shown[1], '/')+1:]
	h.seen.token(token)
	if got := a.get(t, shown[1]); got.status != 200 || !strings.Contains(got.body, `lang="de"`) {
		t.Errorf("its page is not German: %d", got.status)
	}
	email, password := h.user(t, "byhand")
	id := h.visit(link{url: shown[1], token: token}).mustConnect(t, email, password).Result.AccountID
	x := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/crm-7", nil)
	if x.text("id") != id || x.text("notify_email") != "Maria.Home@example.org" || x.text("notify_locale") != "de" {
		t.Errorf("%s", x.body)
	}
}

// TestDashboardForeignIDs asks for the objects of another application below one's own: each answers as one
// that does not exist, whatever is to be done with it.
func TestDashboardForeignIDs(t *testing.T) {
	t.Parallel()
	host, err := mailertest.Start(mailertest.Config{Users: map[string]string{"relay": "pass", "contoso": "words"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	in := newInstall(t)
	in.env["LATCHKEY_BASE_URL"] = strings.Replace(in.env["LATCHKEY_BASE_URL"], "127.0.0.1", "localhost", 1)
	in.env["LATCHKEY_SMTP_URL"] = "smtp+starttls://relay:pass@localhost:" + strconv.Itoa(host.Port())
	in.env["LATCHKEY_SMTP_FROM"] = "Latchkey <relay@house.test>"
	for k, v := range mailEnv(t, []string{"localhost. 60 IN A 127.0.0.1"}, []string{strconv.Itoa(host.Port())}, host.CAPEM()) {
		in.env[k] = v
	}
	s := in.start()
	a, at, _ := s.signedIn(t, "Northwind")
	other, key := a.application(t, "Contoso")
	s.fill(t, a, other, key)
	a.post(t, other+"/oidc-clients/new", "name", "Web", "redirect_uris", "https://app.example/cb", "id_token_signed_response_alg", "ES256")
	hook := a.one(t, other+"/webhooks", other+"/webhooks/whe_")
	api := newAPI(s.install, s.base)
	api.key = key
	sender := api.must(t, http.StatusCreated, http.MethodPost, "/v1/senders", fields{
		"kind": "basic", "sender_email": "login@contoso.test", "host": "localhost", "port": host.Port(), "username": "contoso", "password": "words",
	}).text("id")
	if got := a.upload(t, other+"/branding/images", "logo", wordmark(t, color.NRGBA{A: 255})); got != http.StatusOK {
		t.Fatalf("no image: %d", got)
	}
	for kind, of := range map[string]struct {
		id    string
		gets  []string
		posts []string
	}{
		"links":           {a.one(t, other+"/links", "lnk_"), []string{"", "/expire"}, []string{"/expire"}},
		"accounts":        {a.one(t, other+"/accounts", "acc_"), []string{"", "/edit", "/delete", "/reconnect-url/revoke"}, []string{"/edit", "/check", "/reconnect", "/reconnect-url", "/reconnect-url/revoke", "/delete"}},
		"webhooks":        {hook[strings.LastIndexByte(hook, '/')+1:], []string{"", "/edit", "/replay", "/rotate-secret", "/delete"}, []string{"/edit", "/test", "/resume", "/pause", "/replay", "/rotate-secret", "/delete"}},
		"deliveries":      {a.one(t, hook, "dlv_"), []string{""}, []string{"/replay"}},
		"keys":            {a.one(t, other+"/keys", "key_"), []string{"/delete"}, []string{"/delete"}},
		"provider-apps":   {a.one(t, other+"/provider-apps", "pap_"), []string{"", "/edit", "/delete"}, []string{"/edit", "/default", "/verify", "/delete"}},
		"oidc-clients":    {a.one(t, other+"/oidc-clients", "cli_"), []string{"", "/edit", "/rotate-secret", "/delete"}, []string{"/edit", "/rotate-secret", "/delete"}},
		"settings/email":  {sender, []string{"", "/edit", "/dns", "/setup", "/delete"}, []string{"/edit", "/use", "/proof", "/check", "/test", "/delete"}},
		"branding/images": {a.one(t, other+"/branding/images", "img_"), []string{"/delete"}, []string{"/use", "/delete"}},
	} {
		unknown := of.id[:4] + "06gzx6xh3r001zvca5cz7vxm4w"
		try := func(method, path string) {
			t.Helper()
			foreign, none := a.do(t, method, at+"/"+kind+"/"+of.id+path, url.Values{}), a.do(t, method, at+"/"+kind+"/"+unknown+path, url.Values{})
			if foreign.status != http.StatusNotFound || foreign.status != none.status || foreign.body != none.body {
				t.Errorf("%s %s/…%s: %d for a foreign one, %d for none; the pages are the same: %v", method, kind, path, foreign.status, none.status, foreign.body == none.body)
			}
		}
		for _, p := range of.gets {
			try(http.MethodGet, p)
		}
		for _, p := range of.posts {
			try(http.MethodPost, p)
		}
	}
	if got := a.get(t, other+"/accounts"); strings.Count(got.body, "/accounts/acc_") != 3 {
		t.Error("something of the other application's was changed")
	}
	if got := a.get(t, other+"/settings/email/"+sender); got.status != http.StatusOK || !strings.Contains(got.body, "login@contoso.test") {
		t.Errorf("the other application's sender: %d", got.status)
	}
	a.one(t, other+"/branding/images", "img_")
}
