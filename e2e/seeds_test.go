package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// curl runs the real program, as people paste it into a shell, and returns status and body.
func curl(t *testing.T, in *install, script string, env ...string) (status string, body []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.TrimSpace(script)+` --silent --show-error --write-out '\n%{http_code}'`)
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	i := strings.LastIndexByte(string(out), '\n')
	in.seen.hear(nil, out[:i])
	return string(out[i+1:]), out[:i]
}

func future() string { return time.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04:05.000Z") }

// linkCall is the call by which backends ask for a link, as its callers know it.
const linkCall = `curl --request POST \
--url HOST/v1/hosted/accounts/link \
--header "X-API-KEY: ${POSTPRESS_API_KEY}" \
--header 'accept: application/json' \
--header 'content-type: application/json' \
--data '{
"type": "create",
"providers": PROVIDERS,
"api_url": "HOST/v1",
"expiresOn": "DATE"MORE
}'`

// formCall is the call of the other dialect.
const formCall = `curl -X 'POST' \
  'HOST/v1/authentication/form' \
  -H 'Content-Type: application/json' \
  -H "Authorization: Bearer $KEY" \
  -d '{
  "account": "example",
  "name": "My Email Account",
  "email": "EMAIL",
  "redirectUrl": "https://myapp/account/settings.php"
}'`

// TestLinkCallOfTheField makes the call of the wizard's documentation, and follows it to its
// notification.
func TestLinkCallOfTheField(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "seed.test")
	s := run(t, mail.env)
	in := s.install
	backend := in.receive()
	fill := func(providers, more string) string {
		return strings.NewReplacer("HOST", s.base, "PROVIDERS", providers, "DATE", future(), "MORE", more).Replace(linkCall)
	}

	// The first example: a list of providers. Only WhatsApp needs no setting up.
	status, body := curl(t, in, fill(`["LINKEDIN", "WHATSAPP", "GOOGLE"]`, ""), "POSTPRESS_API_KEY="+in.key)
	if status != "201" || dig(body, "object") != "HostedAuthURL" || !strings.HasPrefix(dig(body, "url"), s.base+"/c/") || dig(body, "warnings") != "[]" {
		t.Fatalf("%s %s", status, body)
	}
	l, err := s.api.linkOf(response{body: body})
	if err != nil {
		t.Fatal(err)
	}
	if f, err := in.visit(l).look(t.Context()); err != nil || !strings.Contains(string(f.raw), "WhatsApp") {
		t.Errorf("the link does not offer what there is: %v %s", err, f.raw)
	}
	// Of the others none is set up, which a link says when it is opened.
	if _, body = curl(t, in, fill(`["LINKEDIN", "GOOGLE"]`, ""), "POSTPRESS_API_KEY="+in.key); dig(body, "object") != "HostedAuthURL" {
		t.Fatalf("%s", body)
	}
	if l, err = s.api.linkOf(response{body: body}); err != nil {
		t.Fatal(err)
	}
	if f, err := in.visit(l).look(t.Context()); err != nil || f.Failure == nil && !strings.Contains(string(f.raw), "unavailable") {
		t.Errorf("a link none of whose providers is set up does not say so: %v %s", err, f.raw)
	}

	// The second example: any provider, with a notification.
	status, body = curl(t, in, fill(`"*"`, `,
"notify_url": "`+backend.url+`/notify",
"name": "user_1234"`), "POSTPRESS_API_KEY="+in.key)
	if status != "201" {
		t.Fatalf("%s %s", status, body)
	}
	if l, err = s.api.linkOf(response{body: body}); err != nil {
		t.Fatal(err)
	}
	email, password := mail.user(in, "maria@seed.test")
	f := in.visit(l).mustConnect(t, email, password)
	n := backend.await(t, l.id, "CREATION_SUCCESS")
	if n.AccountID != f.Result.AccountID || n.Name != "user_1234" {
		t.Errorf("notified with %s", n.body)
	}
	if f.Result.RedirectURL != "" {
		t.Errorf("redirected to %q without having been told where", f.Result.RedirectURL)
	}

	// Without the key put in, the call says so.
	if status, body = curl(t, in, fill(`"*"`, ""), "POSTPRESS_API_KEY="); status != "401" || dig(body, "status") != "401" {
		t.Errorf("without a key: %s %s", status, body)
	}
}

// TestFormCallOfTheField makes the call of the other dialect, and follows it to its redirect.
func TestFormCallOfTheField(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "seed.test")
	s := run(t, mail.env)
	in := s.install
	email, password := mail.user(in, "user@seed.test")
	call := strings.NewReplacer("HOST", s.base, "EMAIL", email).Replace(formCall)

	var account string
	for _, state := range []string{"new", "existing"} {
		status, body := curl(t, in, call, "KEY="+in.key)
		if status != "200" || !strings.HasPrefix(dig(body, "url"), s.base+"/accounts/new?data=") {
			t.Fatalf("%s %s", status, body)
		}
		var whole map[string]any
		if err := json.Unmarshal(body, &whole); err != nil || len(whole) != 1 {
			t.Errorf("the answer is %s: %v", body, err)
		}
		l, err := s.api.linkOf(response{body: body})
		if err != nil {
			t.Fatal(err)
		}
		v := in.visit(l)
		f := v.at(t, nil, "imap.email")
		if got, _ := f.field("email"); got != email {
			t.Errorf("the address is %q, not filled in", got)
		}
		if got, _ := f.field("name"); got != "My Email Account" {
			t.Errorf("the name is %q, not filled in", got)
		}
		f = v.mustConnect(t, email, password)
		if want := "https://myapp/account/settings.php?account=example&state=" + state; f.Result.RedirectURL != want {
			t.Errorf("redirected to %q, not %q", f.Result.RedirectURL, want)
		}
		if account != "" && f.Result.AccountID != account {
			t.Errorf("the second time the account is %s, not %s", f.Result.AccountID, account)
		}
		account = f.Result.AccountID
		page, err := send(v.http, request(t, http.MethodGet, l.url))
		if err != nil || page.status != http.StatusOK || !strings.Contains(string(page.body), "https://myapp/account/settings.php?account=example&amp;state="+state) {
			t.Errorf("the last page does not lead back: %v %d", err, page.status)
		}
	}
	res := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/example", nil)
	if res.text("id") != account || res.text("external_id") != "example" || res.text("identity") != email {
		t.Errorf("the account is %s", res.body)
	}
}

func request(t *testing.T, method, to string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestDialects holds that both headers and all three prefixes lead to the same API, each in its own
// dialect.
func TestDialects(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "dialect.test")
	s := run(t, mail.env)
	in := s.install
	email, password := mail.user(in, "maria@dialect.test")
	in.visit(s.api.link(t)).mustConnect(t, email, password)

	for path, typ := range map[string]string{"/v1/accounts": "IMAP", "/api/v1/accounts": "MAIL", "//api/v1/accounts": "MAIL"} {
		for _, header := range []string{"X-API-KEY: " + in.key, "Authorization: Bearer " + in.key} {
			name, value, _ := strings.Cut(header, ": ")
			req := request(t, http.MethodGet, s.base)
			req.URL = &url.URL{Scheme: "http", Host: req.URL.Host, Path: path} // as it is, slashes and all
			req.Header.Set(name, value)
			res, err := send(s.api.http, req)
			if err != nil || res.status != http.StatusOK || res.text("items.0.type") != typ {
				t.Errorf("%s with %s: %v %d %s", path, name, err, res.status, res.body)
			}
		}
	}

	// What callers of the other dialect also send is understood there, and refused where it is strict.
	body := fields{"type": "create", "providers": []string{"MAIL"}, "expiresOn": future(), "some_new_field": 1}
	s.api.must(t, http.StatusCreated, http.MethodPost, "/api/v1/hosted/accounts/link", body)
	res := s.api.must(t, http.StatusBadRequest, http.MethodPost, "/v1/hosted/accounts/link", body)
	if res.text("errors.0.field") != "some_new_field" || res.text("errors.0.code") != "unknown_field" {
		t.Errorf("an unknown field is answered with %s", res.body)
	}
	for _, path := range []string{"/v1/nothing", "/api/v1/nothing"} {
		if res := s.api.must(t, http.StatusNotFound, http.MethodGet, path, nil); res.text("status") != "404" || res.text("type") == "" {
			t.Errorf("%s: %s", path, res.body)
		}
	}
}

// TestEveryFieldAtOnce sends nothing but mistakes: all are named, and none is repeated.
func TestEveryFieldAtOnce(t *testing.T) {
	t.Parallel()
	s := run(t)
	bad := s.seen.password("in a field")
	res := s.api.must(t, http.StatusBadRequest, http.MethodPost, "/v1/hosted/accounts/link", fields{
		"type": bad, "providers": []any{bad, 7}, "expiresOn": bad, "name": 12, "notify_url": "ftp://" + bad, "success_redirect_url": "//" + bad,
		"failure_redirect_url": "http://user:" + bad + "@x.test/", "email": bad, "metadata": bad, "locale": bad, "notify_failures": bad, "api_url": bad,
		"allow_server_change": bad, "account_id": bad, "reconnect_account": bad, "bypass_success_screen": 3, "unheard_of": bad,
	})
	var problem struct {
		Errors []struct{ Field, Code, Message string }
	}
	if err := json.Unmarshal(res.body, &problem); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, e := range problem.Errors {
		if e.Code == "" || e.Message == "" {
			t.Errorf("%+v", e)
		}
		named[strings.SplitN(e.Field, "[", 2)[0]] = true
	}
	for _, f := range []string{
		"type", "providers", "expiresOn", "name", "notify_url", "success_redirect_url", "failure_redirect_url", "email", "metadata", "locale",
		"notify_failures", "api_url", "allow_server_change", "account_id", "reconnect_account", "bypass_success_screen", "unheard_of",
	} {
		if !named[f] {
			t.Errorf("%s is wrong and not named: %s", f, res.body)
		}
	}
	// That no value is repeated, the witness sees.
}
