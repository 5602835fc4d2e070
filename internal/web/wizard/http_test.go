package wizard_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/web/ui"
	"latchkey/internal/web/wizard"
	"latchkey/internal/web/wizard/wizardtest"
)

func themed(c *wizard.Config) {
	c.Theme = func(context.Context, latchkey.Application) ui.Theme {
		return ui.Theme{Brand: "#0a7a45", BrandInk: "#ffffff", Radius: "4", LogoURL: "/logo.png", HeaderHTML: "<p>Hello</p>"}
	}
}

func TestPostAnswersAndGoesBackToThePage(t *testing.T) {
	h := newHouse(t)
	p := h.post("/c/password?locale=de", url.Values{"version": {"3"}, "action": {"submit"}, "email": {"a@b.example"}, "password": {"s3cret"}})
	if p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != "/c/password?locale=de" {
		t.Errorf("%d to %q", p.StatusCode, p.Header.Get("Location"))
	}
	want := hosted.Answer{Version: 3, Action: connector.ActSubmit, Address: "192.0.2.7", Values: map[string]string{"email": "a@b.example", "password": "s3cret"}}
	if diff := cmp.Diff([]hosted.Answer{want}, h.engine.Answers()); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(h.log.String(), "s3cret") || strings.Contains(p.body, "s3cret") {
		t.Error("the password is in the log or in the answer")
	}
	// A tile answers the choice; "back" pressed on the same page wins over the hidden action.
	h.post("/c/picker", url.Values{"version": {"3"}, "action": {"submit"}, "provider": {"IMAP"}})
	h.post("/c/picker", url.Values{"version": {"3"}, "action": {"submit", "back"}})
	got := h.engine.Answers()
	if got[1].Values["provider"] != "IMAP" || got[2].Action != connector.ActBack {
		t.Errorf("answers: %+v", got)
	}
}

func TestFormDialectHasTheSamePage(t *testing.T) {
	h := newHouse(t)
	p := h.get("/accounts/new?data=password&ignored=1")
	if p.StatusCode != http.StatusOK || attr(p.all("form")[0], "action") != "/accounts/new?data=password" || attr(p.one("main"), "data-flow") != "/c/password/flow" {
		t.Errorf("%d\n%s", p.StatusCode, p.body)
	}
	if p := h.post("/accounts/new?data=password", url.Values{"version": {"3"}, "action": {"back"}}); p.Header.Get("Location") != "/accounts/new?data=password" {
		t.Errorf("back to %q", p.Header.Get("Location"))
	}
	for _, path := range []string{"/accounts/new", "/accounts/new?data=", "/accounts/new?data=" + strings.Repeat("x", 300)} {
		if p := h.get(path); p.StatusCode != http.StatusNotFound {
			t.Errorf("%.40s: %d", path, p.StatusCode)
		}
	}
}

func TestCookiesAreBoundToTheHostOnHTTPS(t *testing.T) {
	set := &hosted.Cookie{Name: "bind", Value: "v4lue", MaxAge: time.Hour}
	for _, tc := range []struct {
		base, name string
		secure     bool
	}{{"https://auth.northwind.example", "__Host-bind", true}, {"http://auth.northwind.example", "bind", false}} {
		h := newHouse(t, func(c *wizard.Config) { c.BaseURL = tc.base })
		v := wizardtest.View(t, "start-mailbox")
		v.SetCookie = set
		h.engine.Set("x", v)
		for _, p := range []answer{h.get("/c/x"), h.get("/c/x/flow"), h.post("/c/x", url.Values{"action": {"start"}})} {
			all := p.Cookies()
			if len(all) != 1 {
				t.Fatalf("%d cookies", len(all))
			}
			c := all[0]
			if c.Name != tc.name || c.Value != "v4lue" || c.Secure != tc.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 3600 {
				t.Errorf("%s: %s", tc.base, c)
			}
		}
		h.get("/c/x", "Cookie", tc.name+"=mine")
		if got := h.engine.Cookies(); got[len(got)-1] != "mine" {
			t.Errorf("%s: the engine was given %q", tc.base, got)
		}
		if tc.secure {
			h.get("/c/x", "Cookie", "bind=planted")
			if got := h.engine.Cookies(); got[len(got)-1] != "" {
				t.Error("a cookie without the prefix was taken on https")
			}
		}
	}
}

func TestSentAwayOnceByItself(t *testing.T) {
	h := newHouse(t)
	first := h.get("/c/redirect")
	const to = "https://accounts.google.example/o/oauth2/auth?client_id=1"
	if got := attr(first.one("meta[http-equiv=refresh]"), "content"); got != "0;url="+to {
		t.Errorf("refresh: %q", got)
	}
	if attr(first.one("a.btn"), "href") != to {
		t.Error("there is no link for those whose browser does not refresh")
	}
	if len(first.Cookies()) != 1 {
		t.Fatal("nothing remembers that the browser was sent away")
	}
	second := h.get("/c/redirect", "Cookie", first.Cookies()[0].Name+"="+first.Cookies()[0].Value)
	if len(second.all("meta[http-equiv=refresh]")) != 0 || attr(second.one("a.btn"), "href") != to || len(second.all("button[value=back]")) != 1 {
		t.Errorf("who came back is trapped:\n%s", second.body)
	}
	v := wizardtest.View(t, "redirect")
	v.Step.URL = "javascript:alert(1)"
	h.engine.Set("x", v)
	if p := h.get("/c/x"); len(p.all("meta[http-equiv=refresh]")) != 0 || len(p.all("a.btn")) != 0 {
		t.Errorf("a script is a place to go: %s", p.body)
	}
}

func TestDoneReturnsToTheApplication(t *testing.T) {
	h := newHouse(t)
	const to = "https://crm.northwind.example/done?account_id=acc_1"
	p := h.get("/c/done")
	if attr(p.one("a.btn"), "href") != to || attr(p.one("main"), "data-go") != to || attr(p.one("main"), "data-wait") != "2500" {
		t.Errorf("done: %s", p.body)
	}
	v := wizardtest.View(t, "done")
	v.Link.Terms.BypassSuccess = true
	h.engine.Set("x", v)
	if p := h.get("/c/x"); attr(p.one("meta[http-equiv=refresh]"), "content") != "0;url="+to {
		t.Errorf("bypass: %s", p.body)
	}
	if p := h.get("/c/done-warning"); has(p.one("main"), "data-go") || !strings.Contains(text(p.one(".note.warn")), "Sending is not set up yet") {
		t.Errorf("a warning is whisked away: %s", p.body)
	}
	if p := h.get("/c/done-stays"); len(p.all("a.btn")) != 0 || !strings.Contains(p.body, "You can close this page.") {
		t.Errorf("without a URL: %s", p.body)
	}
	v = wizardtest.View(t, "canceled")
	v.Failure = &hosted.Failure{Code: errs.CodeCanceled, RedirectURL: "https://crm.northwind.example/no?error=canceled"}
	h.engine.Set("x", v)
	if p := h.get("/c/x"); attr(p.one("meta[http-equiv=refresh]"), "content") != "0;url=https://crm.northwind.example/no?error=canceled" {
		t.Errorf("canceled: %s", p.body)
	}
	if p := h.get("/c/failed"); has(p.one("main"), "data-go") || attr(p.one("button.btn"), "value") != "start" || len(p.all("a.btn.quiet")) != 1 {
		t.Errorf("failed: %s", p.body)
	}
}

func TestOtherSitesCannotAnswer(t *testing.T) {
	h := newHouse(t)
	form := url.Values{"action": {"start"}}
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "", "Origin", "null"}} {
		if p := h.post("/c/start-mailbox", form, header...); p.StatusCode != http.StatusForbidden || p.one("h1") == nil {
			t.Errorf("%v: %d", header, p.StatusCode)
		}
		if p := h.postJSON("/c/start-mailbox/flow", `{"action":"start"}`, header...); p.StatusCode != http.StatusForbidden || !strings.Contains(p.body, `"errors/cross_origin_request"`) {
			t.Errorf("%v: JSON %d %s", header, p.StatusCode, p.body)
		}
	}
	if len(h.engine.Answers()) != 0 {
		t.Error("an answer reached the engine")
	}
	if p := h.post("/c/start-mailbox", form, "Sec-Fetch-Site", "", "Origin", "http://auth.northwind.example"); p.StatusCode != http.StatusSeeOther {
		t.Errorf("the own origin is refused: %d", p.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	h := newHouse(t)
	for _, p := range []answer{h.get("/c/password"), h.get("/c/none"), h.post("/c/password", url.Values{"action": {"start"}}), h.get("/c/password/flow"), h.get("/oauth/callback?state=none")} {
		csp := p.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "form-action 'self'") {
			t.Errorf("policy: %s", csp)
		}
		for k, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow",
		} {
			if got := p.Header.Get(k); got != want {
				t.Errorf("%d: %s is %q", p.StatusCode, k, got)
			}
		}
	}
}

// failing is an engine that always fails.
type failing struct {
	wizard.Engine
	err error
}

func (f failing) View(context.Context, string, func(string) string) (hosted.View, error) {
	return hosted.View{}, f.err
}

func (f failing) Answer(context.Context, string, func(string) string, hosted.Answer) (hosted.View, error) {
	return hosted.View{}, f.err
}

func TestFailuresAreTold(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		words  string
		typ    string
	}{
		{errs.NotFoundf("link"), 404, "This link does not work", "errors/not_found"},
		{&errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: 90*time.Second + time.Millisecond}, 429, "Too many tries", "errors/too_many_requests"},
		{errs.New(errs.Unavailable, errs.CodeUnavailable, ""), 503, "not available right now", "errors/service_unavailable"},
		{errors.New("disk full at /var/canary"), 500, "went wrong on our side", "errors/internal_error"},
	} {
		h := newHouse(t, func(c *wizard.Config) { c.Engine = failing{err: tc.err} })
		for _, p := range []answer{h.get("/c/x"), h.post("/c/x", url.Values{"action": {"start"}})} {
			if p.StatusCode != tc.status || !strings.Contains(text(p.one("h1")), tc.words) || strings.Contains(p.body, "canary") {
				t.Errorf("%v: %d %s", tc.err, p.StatusCode, p.body)
			}
		}
		p := h.get("/c/x/flow")
		if p.StatusCode != tc.status || !strings.Contains(p.body, `"type":"`+tc.typ+`"`) || p.Header.Get("Content-Type") != "application/json" || strings.Contains(p.body, "canary") {
			t.Errorf("%v: JSON %d %s", tc.err, p.StatusCode, p.body)
		}
		if tc.status == 429 && (h.get("/c/x").Header.Get("Retry-After") != "91" || p.Header.Get("Retry-After") != "91") {
			t.Errorf("Retry-After is %q and %q", h.get("/c/x").Header.Get("Retry-After"), p.Header.Get("Retry-After"))
		}
		if tc.status == 500 && !strings.Contains(h.log.String(), "canary") {
			t.Error("the cause is not in the log")
		}
	}
}

func TestMethodsAndMedia(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/c/password", "/c/password/flow"} {
		if p := h.do(request(http.MethodPut, path, "")); p.StatusCode != http.StatusMethodNotAllowed || p.Header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("PUT %s: %d", path, p.StatusCode)
		}
		if p := h.do(request(http.MethodHead, path, "")); p.StatusCode != http.StatusOK || p.body != "" {
			t.Errorf("HEAD %s: %d %q", path, p.StatusCode, p.body)
		}
	}
	big := `{"action":"start","values":{"a":"` + strings.Repeat("x", 65<<10) + `"}}`
	for _, tc := range []struct {
		kind, body string
		status     int
	}{{"text/plain", `{"action":"start"}`, 415}, {"", `{}`, 415}, {"application/json; charset=utf-8", `{"action":"start"}`, 200}, {"application/json", big, 413}, {"application/json", `{`, 400}} {
		if p := h.do(request(http.MethodPost, "/c/password/flow", tc.body, "Content-Type", tc.kind)); p.StatusCode != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.kind, p.StatusCode, tc.status, p.body)
		}
	}
	for kind, want := range map[string]int{"multipart/form-data; boundary=x": 415, "application/json": 415} {
		if p := h.do(request(http.MethodPost, "/c/password", "action=start", "Content-Type", kind, "Sec-Fetch-Site", "same-origin")); p.StatusCode != want {
			t.Errorf("form as %s: %d", kind, p.StatusCode)
		}
	}
}

func TestFlowJSON(t *testing.T) {
	h := newHouse(t)
	p := h.get("/c/password-wrong/flow")
	var got map[string]any
	if err := json.Unmarshal([]byte(p.body), &got); err != nil {
		t.Fatal(err)
	}
	step := got["step"].(map[string]any)
	fields := step["fields"].([]any)
	want := map[string]any{"name": "email", "type": "email", "label": "Email address", "required": true, "value": "maria@studio-lindgren.example"}
	if diff := cmp.Diff(want, fields[0]); diff != "" {
		t.Error(diff)
	}
	if pw := fields[1].(map[string]any); pw["label"] != "App password" || pw["value"] != nil {
		t.Errorf("password: %v", pw)
	}
	delete(step, "fields")
	delete(step, "notes")
	wantAll := map[string]any{
		"object": "Flow", "id": "flw_gallery", "version": 3.0, "status": "in_progress",
		"step": map[string]any{
			"kind": "form", "id": "imap.password", "title": "Sign in to your mailbox",
			"actions": []any{"submit", "back", "cancel"},
			"errors": []any{map[string]any{
				"field": "password", "code": "wrong_password",
				"message": "imap.fastmail.com did not accept this password. Check that you pasted all 16 letters.",
			}},
		},
	}
	if diff := cmp.Diff(wantAll, got); diff != "" {
		t.Error(diff)
	}
}

func TestFlowJSONOfEachKind(t *testing.T) {
	h := newHouse(t)
	for path, wants := range map[string][]string{
		"/c/start-choices/flow": {`"status":"created"`, `"version":0`, `"kind":"notice"`, `"actions":["start"]`, `"options":[{"id":"GOOGLE","label":"Google"`, `"errors":[]`},
		"/c/finding/flow":       {`"poll_ms":1000`, `{"code":"imap.lookup","state":"ok","text":"Looked up studio-lindgren.example"}`},
		"/c/qr/flow":            {`"payload":"2@`, `"display":"qr"`, `"expires_at":"2026-06-01T09:30:14.000Z"`, `"attempt":2`, `"attempts":6`},
		"/c/redirect/flow":      {`"url":"https://accounts.google.example/o/oauth2/auth?client_id=1"`},
		"/c/partial/flow":       {`"source":"smtp","ok":false,"title":"Outgoing mail","server":"mail.lindgren.example:25","code":"connection_timeout","message":"Port 25`, `"primary":true`},
		"/c/done/flow":          {`"result":{"account_id":"acc_1","state":"new"`, `"redirect_url":"https://crm.northwind.example/done?account_id=acc_1"`},
		"/c/failed/flow":        {`"failure":{"code":"timed_out","message":"There was no answer`},
		"/c/method/flow":        {`"fields":[{"name":"method","type":"choice"`, `{"id":"cookies","label":"With this browser’s session","hint":"Needs an extension"}`},
		"/c/picker/flow":        {`"name":"provider","type":"choice"`, `{"id":"IMAP","label":"Another mailbox","hint":"Any provider, by IMAP and SMTP"}`},
	} {
		p := h.get(path)
		for _, want := range wants {
			if !strings.Contains(strings.ReplaceAll(p.body, `\u0026`, "&"), want) {
				t.Errorf("%s has no %s:\n%s", path, want, p.body)
			}
		}
		if strings.Contains(p.body, "…") {
			t.Errorf("%s has a gap in its words: %s", path, p.body)
		}
	}
}

func TestFlowJSONIsInTheReadersLanguage(t *testing.T) {
	p := newHouse(t).get("/c/password-wrong/flow", "Accept-Language", "de")
	if !strings.Contains(p.body, "hat dieses Passwort nicht angenommen") || !strings.Contains(p.body, `"label":"App-Passwort"`) {
		t.Error(p.body)
	}
}

func TestRefusedAnswersCarryTheFlow(t *testing.T) {
	h := newHouse(t)
	refuse := func(err error) {
		h.engine.OnAnswer = func(string, hosted.Answer) (hosted.View, error) { return wizardtest.View(t, "password"), err }
	}
	refuse(errs.New(errs.Conflict, errs.CodeStaleVersion, "The flow has moved on."))
	p := h.postJSON("/c/password/flow", `{"version":2,"action":"submit","values":{}}`)
	for _, want := range []string{`"object":"Flow"`, `"version":3`, `"id":"imap.password"`, `"error":{"code":"stale_version","message":"The flow has moved on."}`} {
		if p.StatusCode != http.StatusConflict || !strings.Contains(p.body, want) {
			t.Errorf("stale: %d, no %s in %s", p.StatusCode, want, p.body)
		}
	}
	if p := h.post("/c/password", url.Values{"version": {"2"}, "action": {"submit"}}); p.StatusCode != http.StatusSeeOther {
		t.Errorf("a stale page is answered %d", p.StatusCode)
	}
	refuse(errs.InvalidFields(errs.FieldError{Field: "x", Code: errs.CodeUnknownField, Message: "There is no such field."}))
	if p := h.postJSON("/c/password/flow", `{"version":3,"action":"submit","values":{"x":"y"}}`); p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, `"errors/invalid_parameters"`) || strings.Contains(p.body, "Flow") {
		t.Errorf("unknown field: %d %s", p.StatusCode, p.body)
	}
	refuse(&errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyTries, RetryAfter: time.Minute})
	if p := h.post("/c/password", url.Values{"version": {"3"}, "action": {"submit"}}); p.StatusCode != http.StatusTooManyRequests || p.Header.Get("Retry-After") != "60" {
		t.Errorf("too many: %d %q", p.StatusCode, p.Header.Get("Retry-After"))
	}
}

func TestCallbackLeadsBackToThePage(t *testing.T) {
	h := newHouse(t)
	if p := h.get("/oauth/callback?state=redirect&code=x"); p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != "/c/redirect" {
		t.Errorf("%d to %q", p.StatusCode, p.Header.Get("Location"))
	}
	v := wizardtest.View(t, "redirect")
	v.Link.Dialect = latchkey.DialectForm
	h.engine.Set("form", v)
	if p := h.get("/oauth/callback?state=form&code=x"); p.Header.Get("Location") != "/accounts/new?data=form" {
		t.Errorf("to %q", p.Header.Get("Location"))
	}
	if p := h.get("/oauth/callback?state=none"); p.StatusCode != http.StatusNotFound {
		t.Errorf("a forged state: %d", p.StatusCode)
	}
}

func TestNewRefusesBrokenConfiguration(t *testing.T) {
	for _, base := range []string{"", "auth.example", "ftp://auth.example", "https://"} {
		if _, err := wizard.New(wizard.Config{BaseURL: base}); err == nil {
			t.Errorf("base URL %q was taken", base)
		}
	}
}

func BenchmarkFirstPage(b *testing.B) {
	engine := wizardtest.NewEngine(wizardtest.States())
	z, err := wizard.New(wizard.Config{Engine: engine, Connectors: wizardtest.Connectors(), BaseURL: "https://a.example", Now: wizardtest.Now})
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	z.Register(mux)
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: http.Header{}}
		mux.ServeHTTP(w, request(http.MethodGet, "/c/start-choices", "", "Accept-Language", "de-CH,de;q=0.9,en;q=0.8"))
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
