package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// inspect looks at the page in view in both sizes and colours, without leaving it, and wants nothing
// wrong with it.
func (p *settings) inspect(axe, name string) {
	p.t.Helper()
	p.Inject(axe)
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			p.View(width, 820, scheme)
			shot := fmt.Sprintf("%s-%d-%s", name, width, scheme)
			for _, v := range p.Check() {
				p.t.Errorf("%s: %s (%s)\n%v", shot, v.ID, v.Help, v.Nodes)
			}
			if wide := browser.Eval[int64](p.Tab, "document.documentElement.scrollWidth"); wide > width {
				p.t.Errorf("%s: the page is %d px wide", shot, wide)
			}
			if small := browser.Eval[string](p.Tab, smallTargets); small != "" {
				p.t.Errorf("%s: too small to touch: %s", shot, small)
			}
			p.Shot(filepath.Join(browser.Root(p.t), "out", "senders", shot+".png"))
		}
	}
	p.View(1280, 820, "light")
}

// TestSenderPages looks at each page and state of the email provider, the texts and the mail log. The
// pictures are in e2e/out/senders.
func TestSenderPages(t *testing.T) {
	o := newPostOffice(t)
	p := o.settings(t, true)
	axe := browser.Axe(t)
	at := func(name, path string) {
		t.Helper()
		p.open(path)
		p.inspect(axe, name)
	}
	at("none", sendersOf)
	at("no-mails", "/settings/mails")
	at("new", sendersOf+"/new")
	for _, kind := range []string{"basic", "microsoft", "google"} {
		at("new-"+kind, sendersOf+"/new?kind="+kind)
	}
	p.press("Check and save", ".err")
	p.inspect(axe, "refused-google")
	p.open(sendersOf + "/new?kind=basic")
	p.fill("sender_email", officeBasic, "sender_name", "Acme Sign-in", "host", houseServer, "port", port(o.host.Submission), "username", officeBasic, "password", "wrong")
	p.press("Check and save", ".err")
	p.inspect(axe, "refused-basic")
	p.fill("password", o.boxes[officeBasic])
	p.press("Check and save", ".note.warn")
	p.inspect(axe, "unproven")
	one := strings.TrimPrefix(browser.Eval[string](p.Tab, "location.pathname"), p.at)
	p.agree(officeBasic)
	p.inspect(axe, "ready")
	p.press("Use for login emails", inUse)
	p.inspect(axe, "used")
	p.press("Check now", ".list")
	p.inspect(axe, "check-ok")
	p.fill("to", officeUser)
	p.press("Send a test mail", ".note.good")
	p.inspect(axe, "tested")
	at("dns", one+"/dns")
	at("setup", one+"/setup")
	at("edit", one+"/edit")
	at("remove-used", one+"/delete")
	o.host.SetPassword(t, officeBasic, o.seen.core+"-changed")
	p.open(one)
	p.press("Check now", ".list")
	p.inspect(axe, "check-failed")
	at("broken", one)
	p.open(sendersOf + "/new?kind=microsoft")
	p.fill("sender_email", officeOAuth, "client_id", o.entra.client, "client_secret", p.secretOf("wrong"), "tenant_id", o.entra.tenant)
	p.press("Fill in the commands below", "pre")
	p.inspect(axe, "commands")
	p.fill("client_secret", p.secretOf("wrong"))
	p.press("Check and save", ".err")
	p.inspect(axe, "refused-microsoft")
	p.fill("client_secret", o.entra.secret)
	p.press("Check and save", ".note.warn")
	p.inspect(axe, "unproven-microsoft")
	two := strings.TrimPrefix(browser.Eval[string](p.Tab, "location.pathname"), p.at)
	at("setup-microsoft", two+"/setup")
	at("remove", two+"/delete")
	at("list", sendersOf)
	p.texts(axe)
	at("mails", "/settings/mails")
	p.Do(chromedp.Click(chromedp.CSS("td a")), chromedp.WaitVisible(chromedp.CSS(".facts")))
	p.inspect(axe, "mail")
	viewer := o.board(t)
	made := o.command("operator", "invite", "vi@example.org", "--app", "default", "--role", "viewer", "--json")
	var door struct{ URL string }
	unmarshal(t, made.out, &door)
	viewer.post(t, door.URL, "name", "Vi")
	viewer.lend(t, p.Tab)
	at("viewer", one)
	at("viewer-texts", "/settings/templates/en")
	p.quiet()
}

// texts looks at the pages of the mails' texts, and at the previews in their frame.
func (p *settings) texts(axe string) {
	p.t.Helper()
	p.open("/settings/templates")
	p.inspect(axe, "texts")
	p.open("/settings/templates/de")
	p.inspect(axe, "text-ours")
	if got := browser.Eval[bool](p.Tab, `(() => { try { return document.querySelector("iframe.mail").contentDocument !== null } catch { return false } })()`); got {
		p.t.Error("the frame is of our own origin")
	}
	p.fill("subject", "{{app.name}}: {{code}}")
	p.Do(chromedp.Click(chromedp.Search(`//main//button[normalize-space()="Preview"]`)))
	p.inspect(axe, "text-preview")
	p.fill("text", "Hello")
	p.press("Save", ".err")
	p.inspect(axe, "text-refused")
}
