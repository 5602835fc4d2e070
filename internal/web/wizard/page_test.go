package wizard_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"latchkey/internal/connector"
	"latchkey/internal/hosted"
	"latchkey/internal/web/wizard/wizardtest"
)

// maxPage is what a page may weigh with its stylesheet and script, unpacked.
const maxPage = 40 << 10

// TestEveryStateIsAWholePage checks on each state what holds for all of them.
func TestEveryStateIsAWholePage(t *testing.T) {
	h := newHouse(t)
	assets := 0
	key := regexp.MustCompile(`^[a-z]+(\.[a-z_0-9]+)+$`)
	for _, s := range wizardtest.States() {
		p := h.get(s.Path() + "?locale=" + s.Lang)
		if p.StatusCode != http.StatusOK && s.Name != "reconnect-expired" {
			t.Fatalf("%s: status %d", s.Name, p.StatusCode)
		}
		lang, dir := "en", "ltr"
		if s.Lang != "" {
			lang = s.Lang
		}
		if lang == "ar" {
			dir = "rtl"
		}
		root := p.one("html")
		if attr(root, "lang") != lang || attr(root, "dir") != dir {
			t.Errorf("%s: lang %q dir %q", s.Name, attr(root, "lang"), attr(root, "dir"))
		}
		if text(p.one("h1")) == "" || !strings.Contains(text(p.one("title")), s.Application()) {
			t.Errorf("%s: no heading, or a title without the application", s.Name)
		}
		if assets == 0 {
			assets = len(h.get(attr(p.one("link[rel=stylesheet]"), "href")).body) + len(h.get(attr(p.one("script"), "src")).body)
		}
		if n := len(p.body) + assets; n > maxPage {
			t.Errorf("%s weighs %d bytes", s.Name, n)
		}
		checkMarkup(t, s.Name, p, key)
		checkForms(t, s, p)
	}
}

func checkMarkup(t *testing.T, name string, p answer, key *regexp.Regexp) {
	t.Helper()
	ids := map[string]bool{}
	for n := range p.root.Descendants() {
		if n.Type == html.TextNode && key.MatchString(strings.TrimSpace(n.Data)) && !strings.Contains(n.Data, ".example") && !strings.Contains(n.Data, ".com") {
			t.Errorf("%s shows a key: %q", name, n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s has %s in its markup", name, a.Key)
			}
			if a.Key == "id" {
				if ids[a.Val] {
					t.Errorf("%s: id %s is there twice", name, a.Val)
				}
				ids[a.Val] = true
			}
			if (a.Key == "src" || a.Key == "href") && n.Data != "a" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "data:") {
				t.Errorf("%s loads %s", name, a.Val)
			}
		}
	}
	if len(p.all("style")) > 0 || len(p.all("script")) != 1 {
		t.Errorf("%s has a style or a script in its markup", name)
	}
	if strings.Contains(p.body, "ZgotmplZ") || strings.Contains(p.body, "&amp;amp;") {
		t.Errorf("%s is escaped wrongly", name)
	}
	if main := p.all(".btn"); len(main)-len(p.all(".btn.quiet")) > 1 {
		t.Errorf("%s has more than one main button", name)
	}
}

func checkForms(t *testing.T, s wizardtest.State, p answer) {
	t.Helper()
	for _, f := range p.all("form") {
		if attr(f, "method") != "post" || !strings.HasPrefix(attr(f, "action"), s.Path()) {
			t.Errorf("%s: a form goes to %s %q", s.Name, attr(f, "method"), attr(f, "action"))
		}
	}
	for _, n := range p.all("form input") {
		id := attr(n, "id")
		if attr(n, "type") == "hidden" {
			continue
		}
		if len(p.all("label[for="+id+"]")) != 1 {
			t.Errorf("%s: %s has no label", s.Name, id)
		}
		for ref := range strings.FieldsSeq(attr(n, "aria-describedby")) {
			if len(p.all("[id="+ref+"]")) != 1 {
				t.Errorf("%s: %s is described by %s, which is not there", s.Name, id, ref)
			}
		}
		if attr(n, "type") == "password" && has(n, "value") {
			t.Errorf("%s: %s has a value", s.Name, id)
		}
	}
}

func TestStartNamesWhoAsksAndForWhat(t *testing.T) {
	h := newHouse(t)
	p := h.get("/c/start-choices")
	if got := text(p.one("header")); !strings.Contains(got, "Northwind CRM wants to connect an account") {
		t.Errorf("the header says %q", got)
	}
	consent := text(p.one("section.consent"))
	for _, want := range []string{"Northwind CRM will be able to", "read the messages", "send messages from your address", "What is stored?", "auth.northwind.example"} {
		if !strings.Contains(consent, want) {
			t.Errorf("the consent does not say %q: %s", want, consent)
		}
	}
	var offered []string
	for _, b := range p.all("button.tile") {
		offered = append(offered, attr(b, "name")+"="+attr(b, "value"))
	}
	if got := strings.Join(offered, " "); got != "provider=GOOGLE provider=MICROSOFT provider=IMAP provider=WHATSAPP" {
		t.Errorf("tiles: %s", got)
	}
	if attr(p.one("input[name=action]"), "value") != "start" {
		t.Error("a tile does not start the flow")
	}
	if got := text(h.get("/c/start-mailbox").one("h1")); got != "Connect your mailbox to Northwind CRM" {
		t.Errorf("with one choice the heading is %q", got)
	}
	if one := h.get("/c/start-mailbox").one("button.btn"); attr(one, "value") != "start" {
		t.Error("with one choice there is no button to start")
	}
	if got := text(h.get("/c/start-test").one(".badge")); got != "Test" {
		t.Errorf("a test application is marked %q", got)
	}
}

// TestFirstPageIsOfItsOwnLink asks for two links of one application, and for one of another: a page
// that is kept must not tell one reader of another's link.
func TestFirstPageIsOfItsOwnLink(t *testing.T) {
	h := newHouse(t)
	a, b := wizardtest.View(t, "start-choices"), wizardtest.View(t, "start-choices")
	b.Application.Name = "Another"
	h.engine.Set("token-one", a)
	h.engine.Set("token-two", a)
	h.engine.Set("token-three", b)
	for range 2 {
		one, two, three := h.get("/c/token-one"), h.get("/accounts/new?data=token-two&locale=en"), h.get("/c/token-three")
		if attr(one.one("form"), "action") != "/c/token-one" || attr(one.one("main"), "data-flow") != "/c/token-one/flow" {
			t.Errorf("the first: %s", one.body)
		}
		if attr(two.one("form"), "action") != "/accounts/new?data=token-two&locale=en" || attr(two.one("main"), "data-flow") != "/c/token-two/flow" || strings.Contains(two.body, "token-one") {
			t.Errorf("the second: %s", two.body)
		}
		if !strings.Contains(text(three.one("header")), "Another") || strings.Contains(three.body, "Northwind") {
			t.Errorf("the third: %s", three.body)
		}
	}
	if p := h.get("/c/token-one?locale=ar"); attr(p.one("html"), "lang") != "ar" {
		t.Error("the language is not the reader's")
	}
}

func TestFormHasWhatPhonesAndReadersNeed(t *testing.T) {
	p := newHouse(t).get("/c/password-errors")
	email := p.one("input[name=email]")
	for k, want := range map[string]string{"type": "email", "inputmode": "email", "autocapitalize": "none", "autocomplete": "username", "dir": "ltr", "value": "maria@studio-lindgren.example"} {
		if got := attr(email, k); got != want {
			t.Errorf("email: %s=%q, want %q", k, got, want)
		}
	}
	pw := p.one("input[name=password]")
	if attr(pw, "autocomplete") != "current-password" || attr(pw, "aria-invalid") != "true" || attr(pw, "aria-describedby") != "f-password-err" || !has(pw, "autofocus") {
		t.Errorf("password: %+v", pw.Attr)
	}
	if got := text(p.one("[id=f-password-err]")); !strings.Contains(got, "imap.fastmail.com did not accept this password") {
		t.Errorf("the connector's own words for its error are not used: %q", got)
	}
	if attr(p.one("input[name=smtp_port]"), "inputmode") != "numeric" || attr(p.one("input[name=imap_password]"), "autocomplete") != "off" {
		t.Error("the settings have the wrong keyboard or autofill")
	}
	if !has(p.one("details.fold"), "open") || has(newHouse(t).get("/c/password").one("details.fold"), "open") {
		t.Error("the settings are open where nothing is wrong with them, or closed where something is")
	}
	asked := wizardtest.View(t, "password")
	asked.Step.ID = "imap.settings"
	h := newHouse(t)
	h.engine.Set("settings", asked)
	if !has(h.get("/c/settings").one("details.fold"), "open") {
		t.Error("the step that asks for the settings hides them")
	}
	var links []string
	for _, a := range p.all("div[role=alert] a") {
		links = append(links, attr(a, "href"))
	}
	if got := strings.Join(links, " "); got != "#f-password #f-imap_port #f-smtp_host" {
		t.Errorf("the summary leads to %s", got)
	}
	if !strings.HasPrefix(text(p.one("title")), "Error: ") {
		t.Errorf("the title is %q", text(p.one("title")))
	}
	if show := p.all("[data-show=f-password]")[0]; attr(show, "data-hide") != "Hide" || attr(show, "data-word") != "Show" {
		t.Errorf("the button that shows a password says %v", show.Attr)
	}
	if code := newHouse(t).get("/c/one-time-code").one("input[name=code]"); attr(code, "autocomplete") != "one-time-code" || attr(code, "inputmode") != "numeric" {
		t.Error("a one-time code does not say that it is one")
	}
}

func TestEachKindShowsItsOwn(t *testing.T) {
	h := newHouse(t)
	if p := h.get("/c/finding"); len(p.all("ol.steps li")) != 4 || attr(p.one("progress"), "value") != "2" || !strings.Contains(p.body, `<noscript><meta http-equiv="refresh" content="3;url=/c/finding"></noscript>`) {
		t.Errorf("wait: %s", p.body)
	}
	if p := h.get("/c/wait-bare"); has(p.one("progress"), "value") {
		t.Error("progress that nobody knows has a value")
	}
	if p := h.get("/c/qr"); attr(p.one("svg.qr"), "role") != "img" || attr(p.one("[data-left]"), "data-left") != "14" || len(p.all("ol.how li")) != 2 {
		t.Errorf("qr: %s", p.body)
	}
	if p := h.get("/c/pairing-code"); text(p.one("[id=code]")) != "K7QX-2M9P" || attr(p.one("[data-copy=code]"), "type") != "button" {
		t.Errorf("code: %s", p.body)
	}
	if p := h.get("/c/challenge"); !strings.HasPrefix(attr(p.one("img.shot"), "src"), "data:image/png;base64,iVBOR") || len(p.all("button[value=refresh]")) != 1 {
		t.Errorf("challenge: %s", p.body)
	}
	if p := h.get("/c/extension"); attr(p.one("main a.btn"), "href") != "https://example.com/extension" || attr(p.one("main a.btn"), "rel") != "noopener noreferrer" {
		t.Errorf("extension: %s", p.body)
	}
	if p := h.get("/c/partial"); len(p.all("li.verdict.good")) != 1 || len(p.all("li.verdict")) != 2 || text(p.one("button[value=use_587]")) != "Use port 587" || !strings.Contains(text(p.one("button[value=edit]")), "Your password has to be typed again") {
		t.Errorf("partial: %s", p.body)
	}
	if p := h.get("/c/admin-consent"); attr(p.one("[id=f-link]"), "name") != "" || len(p.all("[data-copy=f-link]")) != 1 {
		t.Errorf("readonly: %s", p.body)
	}
	if p := h.get("/c/wrong-account"); !strings.Contains(text(p.one("p.lead")), "for maria@studio-lindgren.example, but you signed in as info@studio-lindgren.example") || len(p.all("div[role=alert]")) != 0 {
		t.Errorf("wrong account: %s", p.body)
	}
	if p := h.get("/c/one-time-code"); !strings.Contains(text(p.one("button[value=resend]")), "(0:28)") || len(p.all("button[value=cancel]")) != 1 || len(p.all("button[value=back]")) != 1 {
		t.Errorf("one-time code: %s", p.body)
	}
}

func TestSettingsOfAChallengeCannotBeAScript(t *testing.T) {
	h := newHouse(t)
	for _, extra := range []string{
		`{"image":"data:image/svg+xml;base64,PHN2Zz4="}`, `{"image":"data:text/html;base64,AAAA"}`, `{"image":"javascript:alert(1)"}`,
		`{"image":"https://tracker.example/x.png"}`, `{"image":"data:image/png;base64,AA\" onerror=\"x"}`, `{"url":"javascript:alert(1)"}`, `[]`, `{`,
	} {
		v := wizardtest.View(t, "challenge")
		v.Step.Extra = []byte(extra)
		h.engine.Set("x", v)
		p := h.get("/c/x")
		if p.StatusCode != http.StatusOK || len(p.all("img")) != 0 || len(p.all("main a")) != 0 {
			t.Errorf("%s: %d\n%s", extra, p.StatusCode, p.body)
		}
	}
}

func TestNoSecretIsShownAgain(t *testing.T) {
	const canary = "hunter2-canary"
	h := newHouse(t)
	for _, typ := range []connector.FieldType{connector.FieldPassword, connector.FieldCode} {
		v := wizardtest.View(t, "password")
		v.Step.Fields = []connector.Field{{Name: "password", Type: typ, Value: canary, Required: true}}
		h.engine.Set("x", v)
		if p := h.get("/c/x"); strings.Contains(p.body, canary) {
			t.Errorf("%s stands in the page", typ)
		}
		if p := h.get("/c/x/flow"); strings.Contains(p.body, canary) {
			t.Errorf("%s stands in the JSON", typ)
		}
	}
}

func TestHostileWordsStayWords(t *testing.T) {
	const evil = `"><script>alert(1)</script><b onclick='x'>{app}{{.}}`
	h := newHouse(t)
	for _, name := range []string{"start-choices", "password-errors", "partial", "finding", "pairing-code", "wrong-account", "done-warning", "admin-consent", "method", "one-time-code"} {
		v := wizardtest.View(t, name)
		v.Application.Name = evil
		v.Link.Name = evil
		args := map[string]string{"app": "Google", "site": "google.com"}
		for k := range v.Step.Args {
			args[k] = evil
		}
		v.Step.Args = args
		for i := range v.Step.Fields {
			v.Step.Fields[i].Value = evil
		}
		for i := range v.Step.Options {
			v.Step.Options[i].Label = evil
		}
		for i := range v.Step.Verdicts {
			v.Step.Verdicts[i].Server, v.Step.Verdicts[i].Detail = evil, evil
		}
		if v.Step.Payload != "" {
			v.Step.Payload = evil
		}
		if v.Result != nil {
			r := *v.Result
			r.Identity, r.RedirectURL = evil, "javascript:alert(1)"
			v.Result = &r
		}
		h.engine.Set("x", v)
		p := h.get("/c/x")
		if p.StatusCode != http.StatusOK || len(p.all("script")) != 1 || len(p.all("[onclick]")) != 0 || strings.Contains(p.body, `href="javascript`) {
			t.Errorf("%s: %s", name, p.body)
		}
		if !strings.Contains(text(p.one("header")), evil) || strings.Contains(p.body, "google.com") {
			t.Errorf("%s: a step's arguments changed who asks: %s", name, text(p.one("header")))
		}
	}
}

// TestUnboundBrowserLearnsNothing hands the page a View in which the engine forgot to leave out
// what only the flow's own browser may see.
func TestUnboundBrowserLearnsNothing(t *testing.T) {
	h := newHouse(t)
	leaky := func(id string) hosted.View {
		v := wizardtest.View(t, "password-errors")
		v.Bound, v.Version, v.Link.Name, v.Link.Terms.Email = false, 7, "user_canary", "canary@private.example"
		v.Step.ID, v.Step.Kind = id, connector.KindNotice
		v.Step.Payload, v.Step.URL, v.Step.Args = "canary-payload", "https://canary.example", map[string]string{"email": "canary@private.example"}
		v.Step.Verdicts = wizardtest.View(t, "partial").Step.Verdicts
		v.Result = &hosted.Result{AccountID: "acc_canary", Identity: "canary@private.example", RedirectURL: "https://canary.example"}
		v.Failure = &hosted.Failure{Code: "wrong_password", RedirectURL: "https://canary.example"}
		return v
	}
	for _, id := range []string{hosted.StepStart, hosted.StepBound, hosted.StepUsed, hosted.StepTakenOver, "imap.password"} {
		v := leaky(id)
		if id == "imap.password" {
			v.Step.Kind = connector.KindForm
		}
		h.engine.Set("x", v)
		for _, path := range []string{"/c/x", "/c/x/flow"} {
			p := h.get(path)
			for _, bad := range []string{"canary", "maria@", "fastmail", "flw_", "lindgren", "wrong_password"} {
				if strings.Contains(p.body, bad) {
					t.Errorf("%s of %s shows %q:\n%s", path, id, bad, p.body)
				}
			}
			if !strings.HasSuffix(path, "flow") {
				continue
			}
			if start := id == hosted.StepStart; strings.Contains(p.body, `"version":0`) != start || strings.Contains(p.body, `"version"`) != start {
				t.Errorf("%s has a version, or start has not: %s", id, p.body)
			}
		}
	}
}

func TestLanguageFollowsTheReader(t *testing.T) {
	h := newHouse(t)
	v := wizardtest.View(t, "start-mailbox")
	v.Link.Terms.Locale = "fr"
	h.engine.Set("x", v)
	for _, tc := range []struct{ query, accept, want string }{
		{"", "", "fr"}, {"", "de", "fr"}, {"?locale=ar", "de", "ar"}, {"?locale=ja", "", "fr"}, {"?locale=%22%3E%3Cscript%3E", "", "fr"},
	} {
		p := h.get("/c/x"+tc.query, "Accept-Language", tc.accept)
		if got := attr(p.one("html"), "lang"); got != tc.want {
			t.Errorf("%q, %q: %s, want %s", tc.query, tc.accept, got, tc.want)
		}
	}
	if got := attr(h.get("/c/start-mailbox", "Accept-Language", "es-MX,es;q=0.8").one("html"), "lang"); got != "es" {
		t.Errorf("the browser's wish gave %s", got)
	}
	if got := attr(h.get("/c/x?locale=de").one("form"), "action"); got != "/c/x?locale=de" {
		t.Errorf("an answer forgets the language: %s", got)
	}
}

func TestThemeDressesThePage(t *testing.T) {
	h := newHouse(t, themed)
	p := h.get("/c/password")
	css := p.all("link[rel=stylesheet]")
	if len(css) != 2 {
		t.Fatalf("%d stylesheets", len(css))
	}
	if got := h.get(attr(css[1], "href")).body; got != ":root:root{--brand:#0a7a45;--brand-ink:#ffffff;--radius:4px;}\n" {
		t.Errorf("the theme is %q", got)
	}
	if attr(p.one("img.logo"), "src") != "/logo.png" || text(p.one(".brandbox")) != "Hello" || !strings.Contains(text(p.one("header")), "Northwind") {
		t.Error("logo, header or name is missing")
	}
	if p := h.get("/c/start-mailbox"); len(p.all("section.consent")) != 1 {
		t.Error("a theme removed the consent")
	}
}
