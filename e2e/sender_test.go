package e2e_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// lend gives a browser the login of somebody without one.
func (b *board) lend(t *testing.T, tab *browser.Tab) {
	t.Helper()
	base, err := url.Parse(b.s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(base) {
		if _, err := chromedp.Call(tab.Context(), network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: b.s.base}); err != nil {
			t.Fatal(err)
		}
	}
}

// settings is somebody at the settings of the application "default", in a browser.
type settings struct {
	*postOffice
	*browser.Tab
	t  *testing.T
	at string
}

func (o *postOffice) settings(t *testing.T, scripts bool) *settings {
	t.Helper()
	a := o.board(t)
	a.post(t, o.firstURL(t), "email", "ada@example.org", "name", "Ada Lindgren")
	p := &settings{postOffice: o, Tab: browser.Open(t), t: t, at: "/dashboard/apps/" + appOf(t, o.server)}
	a.lend(t, p.Tab)
	p.Scripts(scripts)
	p.View(1200, 820, "light")
	return p
}

// open goes to a page of the settings; press clicks what has the text; fill types into fields.
func (p *settings) open(path string) { p.t.Helper(); p.Do(chromedp.Navigate(p.base + p.at + path)) }

func (p *settings) press(text, then string) {
	p.t.Helper()
	// What is waited for may be on the page that is left, too.
	browser.Eval[string](p.Tab, `document.documentElement.dataset.left = "yes"`)
	p.Do(chromedp.Click(chromedp.Search(`//main//*[self::a or self::button][normalize-space()="`+text+`"]`)), chromedp.WaitVisible(chromedp.CSS("html:not([data-left]) "+then)))
	p.seen.hear(nil, []byte(browser.Eval[string](p.Tab, `document.documentElement.outerHTML`)))
}

func (p *settings) fill(pairs ...string) {
	p.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		at := chromedp.CSS("#f-" + pairs[i])
		p.Do(chromedp.Clear(at), chromedp.SendKeys(at, pairs[i+1]))
	}
}

func (p *settings) text(css string) string {
	p.t.Helper()
	return browser.Eval[string](p.Tab, `[...document.querySelectorAll(`+"`"+css+"`"+`)].map(e => e.innerText ?? e.value).join("\n")`)
}

func (p *settings) says(css, want string) {
	p.t.Helper()
	if got := p.text(css); !strings.Contains(got, want) {
		p.t.Errorf("at %s the page says %q, not %q", browser.Eval[string](p.Tab, "location.pathname"), got, want)
	}
}

// agree opens the link of the question in the sender's own mailbox, and clicks.
func (p *settings) agree(box string) {
	p.t.Helper()
	link := p.proof(p.t, box)
	back := browser.Eval[string](p.Tab, "location.pathname")
	p.Do(chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS("button.btn")))
	p.Do(chromedp.Click(chromedp.CSS("button.btn")), chromedp.WaitVisible(chromedp.CSS(".mark.good")))
	p.Do(chromedp.Navigate(p.base + back))
}

const inUse = ".state.good"

// basic is the seed's first configuration, made in the dashboard: refused and explained with a wrong
// password, then saved, agreed to in the real mailbox, tested and used.
func (p *settings) basic() {
	p.t.Helper()
	p.open("/settings")
	p.press("Email provider", ".empty .btn")
	p.says(".note", "come from House <"+officeDefault+">, the default sender of this installation")
	p.press("Use your own", ".tile")
	p.Do(chromedp.Click(chromedp.CSS(".tile")), chromedp.WaitVisible(chromedp.CSS("#f-password")))
	p.says(".note.warn", "Microsoft is ending passwords")
	p.fill("sender_email", officeBasic, "sender_name", "Acme Sign-in", "host", houseServer, "port", port(p.host.Submission), "username", officeBasic, "password", p.boxes[officeBasic]+"x")
	p.press("Check and save", ".err")
	p.says("#f-password-err", "refuses the username or the password")
	for field, want := range map[string]string{"sender_email": officeBasic, "sender_name": "Acme Sign-in", "host": houseServer, "username": officeBasic, "password": ""} {
		if got := browser.Eval[string](p.Tab, `document.getElementById("f-`+field+`").value`); got != want {
			p.t.Errorf("%s is %q after the refusal", field, got)
		}
	}
	p.fill("password", p.boxes[officeBasic])
	p.press("Check and save", ".note.warn")
	p.says(".note.warn", "A mail was sent to "+officeBasic)
	if got := p.signsIn(p.t); !strings.Contains(got, "<"+officeDefault+">") {
		p.t.Errorf("before the address has agreed, login emails come from %s", got)
	}
	p.press("Send the question again", ".note.good")
	p.proof(p.t, officeBasic) // the first link has ended
	p.agree(officeBasic)
	p.says(".note.good", "Login emails of default come from it as soon as you choose it")
	p.press("Use for login emails", inUse)
	if got := p.signsIn(p.t); got != `"Acme Sign-in" <`+officeBasic+`>` {
		p.t.Errorf("login emails come from %s", got)
	}
	p.fill("to", officeUser)
	p.press("Send a test mail", ".note.good")
	p.says(".note.good", "The mail server took the test for "+officeUser)
	if m := p.next(p.t, officeUser); m.Header.Get("From") != `"Acme Sign-in" <`+officeBasic+`>` {
		p.t.Errorf("the test comes from %s", m.Header.Get("From"))
	}
	p.press("Check now", ".list")
	p.says(".list", "The host takes mail from the sender's address.")
}

// microsoft is the seed's second configuration: the commands are filled in with what was typed, and a
// wrong secret is explained.
func (p *settings) microsoft() {
	p.t.Helper()
	p.open(sendersOf + "/new?kind=microsoft")
	p.fill("sender_email", officeOAuth, "sender_name", "Acme", "client_id", p.entra.client, "client_secret", p.secretOf("wrong"), "tenant_id", p.entra.tenant)
	p.press("Fill in the commands below", "pre")
	for _, want := range []string{"AppId eq '" + p.entra.client + "'", "-TenantId '" + p.entra.tenant + "'", "Add-MailboxPermission -Identity '" + officeOAuth + "'"} {
		p.says("pre", want)
	}
	if got := browser.Eval[string](p.Tab, `document.getElementById("f-client_secret").value + document.getElementById("f-client_id").value`); got != p.entra.client {
		p.t.Errorf("the form holds %q", got)
	}
	p.fill("client_secret", p.secretOf("wrong"))
	p.press("Check and save", ".err")
	p.says("#f-client_secret-err", "The client secret is wrong.")
	p.fill("client_secret", p.entra.secret)
	p.press("Check and save", ".note.warn")
	p.agree(officeOAuth)
	p.press("Use for login emails", inUse)
	given := p.entra.given()
	if got := p.signsIn(p.t); got != `"Acme" <`+officeOAuth+`>` || given == 0 {
		p.t.Errorf("login emails come from %s, after %d tokens", got, given)
	}
}

const sendersOf = "/settings/email"

func (p *settings) secretOf(what string) string { return p.seen.core + "~" + what }

// TestSenderFromTheDashboard makes the seed's two configurations in Chromium against a real mail host and
// a token endpoint in Microsoft's shape; login emails then come from that sender with that name.
func TestSenderFromTheDashboard(t *testing.T) {
	o := newPostOffice(t)
	if got := o.signsIn(t); got != `"House" <`+officeDefault+`>` {
		t.Errorf("without a sender, login emails come from %s", got)
	}
	p := o.settings(t, true)
	p.basic()
	p.microsoft()
	p.open(sendersOf)
	p.says(".note.good", "Login emails of default come from Acme <"+officeOAuth+">.")
	p.press("Go back to the default sender", ".note")
	if got := o.signsIn(t); got != `"House" <`+officeDefault+`>` {
		t.Errorf("back at the default sender, login emails come from %s", got)
	}
	p.quiet()
}

// quiet wants nothing on the console but that forms were refused.
func (p *settings) quiet() {
	p.t.Helper()
	for _, m := range p.Console() {
		if !strings.HasPrefix(m, "debug: ") && !strings.Contains(m, "status of 422") {
			p.t.Errorf("console: %s", m)
		}
	}
}

// TestSenderWithoutScript does the first of them with scripts switched off, then edits and removes it.
func TestSenderWithoutScript(t *testing.T) {
	o := newPostOffice(t)
	p := o.settings(t, false)
	p.basic()
	p.press("Edit", "#f-host")
	p.fill("sender_name", "Acme")
	p.press("Check and save", ".note.good") // the secret stays
	p.says("h1", "Acme <"+officeBasic+">")
	p.press("Edit", "#f-host")
	p.fill("username", officeOAuth)
	p.press("Check and save", ".err")
	p.says("#f-password-err", "it is cleared when host, port or username changes")
	p.press("Cancel", inUse)
	p.press("Remove", ".btn")
	p.says("h1", "Login emails come from this sender")
	p.press("Go back to the default sender", ".note")
	p.Do(chromedp.Click(chromedp.CSS("td a")), chromedp.WaitVisible(chromedp.CSS(".facts")))
	p.press("Remove", ".btn.danger")
	p.press("Remove", ".empty")
	if got := o.signsIn(t); got != `"House" <`+officeDefault+`>` {
		t.Errorf("with the sender removed, login emails come from %s", got)
	}
}

// TestSenderRules holds the seed's note in a running installation, both ways: a sender's address is no
// login of the application's people, neither at the dashboard nor at the application.
func TestSenderRules(t *testing.T) {
	t.Parallel()
	o := newPostOffice(t)
	a := o.board(t)
	a.post(t, o.firstURL(t), "email", "Maria@House.TEST", "name", "Maria")
	at := "/dashboard/apps/" + appOf(t, o.server)
	form := func(email, user string) []string {
		return []string{
			"kind", "basic", "sender_email", email, "sender_name", "Acme", "host", houseServer, "port", port(o.host.Submission),
			"username", user, "password", o.boxes[user],
		}
	}
	for _, email := range []string{officeUser, "MARIA@house.test", " maria@HOUSE.test "} {
		if got := a.post(t, at+sendersOf+"/new", form(email, officeUser)...); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "signs in to the dashboard of this application with this address") {
			t.Errorf("%q as a sender: %d at %s", email, got.status, got.path)
		}
	}
	made := a.post(t, at+sendersOf+"/new", form("Login@HOUSE.test", officeBasic)...)
	if made.status != http.StatusOK || !strings.Contains(made.body, "Does the address agree?") {
		t.Fatalf("%d at %s\n%s", made.status, made.path, made.body)
	}
	o.proof(t, officeBasic)
	for _, email := range []string{officeBasic, "LOGIN@house.test"} {
		if got := a.post(t, at+"/members/new", "email", email, "role", "viewer"); got.status < 400 || strings.Contains(got.body, "on its way") {
			t.Errorf("%s became a member: %d at %s", email, got.status, got.path)
		}
		o.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/signins", fields{"email": email})
	}
	if got := len(o.host.Inbox(t, officeBasic, o.boxes[officeBasic])); got != 1 {
		t.Errorf("the sender's address got %d mails, and may sign in", got)
	}
	// Another application is not locked out by it.
	other := a.post(t, "/dashboard/apps/new", "name", "Other", "test", "true")
	elsewhere := regexp.MustCompile(`/dashboard/apps/(app_\w+)"`).FindStringSubmatch(other.body)[0]
	if got := a.post(t, strings.TrimSuffix(elsewhere, `"`)+"/members/new", "email", officeBasic, "role", "viewer"); got.status >= 400 {
		t.Errorf("another application's member: %d %s", got.status, got.body)
	}
	for _, secret := range onceValue.FindAllStringSubmatch(other.body, -1) {
		o.seen.token(secret[1])
	}
	id := regexp.MustCompile(`/settings/email/(snd_\w+)`).FindStringSubmatch(made.path)[1]
	if got := a.get(t, strings.TrimSuffix(elsewhere, `"`)+sendersOf+"/"+id); got.status != http.StatusNotFound {
		t.Errorf("the sender of another application: %d", got.status)
	}
	trail := a.get(t, at+"/audit").body
	if !strings.Contains(trail, "create_sender") {
		t.Error("the audit trail lacks create_sender")
	}
}

// TestSenderCommands does on the command line what the dashboard does, beside a running server.
func TestSenderCommands(t *testing.T) {
	t.Parallel()
	o := newPostOffice(t)
	run := func(want int, secret string, args ...string) command {
		t.Helper()
		c := o.commandWith(map[string]string{"SENDER_SECRET": secret}, append([]string{"sender"}, args...)...)
		if c.code != want {
			t.Fatalf("sender %v: %d\n%s%s", args, c.code, c.out, c.errOut)
		}
		if strings.Contains(c.out+c.errOut, o.seen.core) {
			t.Errorf("sender %v shows the secret", args)
		}
		return c
	}
	set := []string{
		"set", "--app", "default", "--kind", "basic", "--sender-email", officeBasic, "--sender-name", "Acme", "--host", houseServer,
		"--port", port(o.host.Submission), "--username", officeBasic, "--json",
	}
	if c := run(1, o.boxes[officeBasic]+"x", set...); !strings.Contains(c.errOut, "password: The host refuses the username or the password.") {
		t.Errorf("a wrong password: %s", c.errOut)
	}
	var made struct{ ID string }
	unmarshal(t, run(0, o.boxes[officeBasic], set...).out, &made)
	if c := run(0, "", "list", "--app", "default"); !strings.Contains(c.out, made.ID) || !strings.Contains(c.out, "waits for its address") || !strings.Contains(c.out, officeDefault) {
		t.Errorf("list: %s", c.out)
	}
	run(1, "", "use", "--app", "default", made.ID)
	res, err := http.Post(o.proof(t, officeBasic), "application/x-www-form-urlencoded", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	run(0, "", "use", "--app", "default", made.ID)
	if got := o.signsIn(t); got != `"Acme" <`+officeBasic+`>` {
		t.Errorf("login emails come from %s", got)
	}
	run(0, "", "set", "--app", "default", made.ID, "--sender-name", "Acme Sign-in")
	if c := run(0, "", "check", "--app", "default", made.ID); !strings.Contains(c.out, "✓ auth") {
		t.Errorf("check: %s", c.out)
	}
	run(0, "", "test", "--app", "default", made.ID, "--to", officeUser)
	if m := o.next(t, officeUser); m.Header.Get("From") != `"Acme Sign-in" <`+officeBasic+`>` {
		t.Errorf("the test comes from %s", m.Header.Get("From"))
	}
	if c := run(0, "", "show", "--app", "default", made.ID); !strings.Contains(c.out, "login emails come from it") {
		t.Errorf("show: %s", c.out)
	}
	run(1, "", "remove", "--app", "default", made.ID)
	run(0, "", "use", "--app", "default", "default")
	run(0, "", "remove", "--app", "default", made.ID)
	trail := o.command("audit", "--app", "default").out
	for _, action := range []string{"create_sender", "update_sender", "check_sender", "test_sender", "delete_sender", "change_application"} {
		if !strings.Contains(trail, action) {
			t.Errorf("the audit trail lacks %s", action)
		}
	}
}
