package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// office is an operator at the settings of the application "default", without a script.
func (o *postOffice) office(t *testing.T) (b *board, at string) {
	t.Helper()
	b = o.board(t)
	b.post(t, o.firstURL(t), "email", "ada@example.org", "name", "Ada Lindgren")
	return b, "/dashboard/apps/" + appOf(t, o.server)
}

// agrees opens the link of the question, in nobody's name, and presses the button.
func (o *postOffice) agrees(t *testing.T, box string) {
	t.Helper()
	link := o.proof(t, box)
	res, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res, err = http.Post(link, "application/x-www-form-urlencoded", http.NoBody); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("agreed: %d", res.StatusCode)
	}
}

// TestBasicSenderByForms makes the seed's first configuration with the pages' own forms.
func TestBasicSenderByForms(t *testing.T) {
	t.Parallel()
	o := newPostOffice(t)
	b, at := o.office(t)
	p := b.get(t, at+"/settings")
	p = b.follow(t, p, "Email provider")
	if !strings.Contains(p.says(t, "note"), "come from House <"+officeDefault+">, the default sender of this installation") {
		t.Errorf("before: %s", p.says(t, "note"))
	}
	p = b.follow(t, b.follow(t, p, "Use your own"), "Username and password")
	typed := []string{
		"sender_email", officeBasic, "sender_name", "Acme Sign-in", "host", houseServer, "port", port(o.host.Submission),
		"username", officeBasic, "password", o.boxes[officeBasic] + "x",
	}
	p = b.press(t, p, "Check and save", typed...)
	if p.status != http.StatusUnprocessableEntity || !strings.Contains(p.says(t, "err"), "refuses the username or the password") {
		t.Errorf("a wrong password: %d %s", p.status, p.says(t, "err"))
	}
	for i := 0; i < len(typed)-2; i += 2 {
		if got := p.field(t, typed[i]); got != typed[i+1] {
			t.Errorf("%s is %q after the refusal", typed[i], got)
		}
	}
	if p.field(t, "password") != "" {
		t.Error("the password is in the page")
	}
	p = b.press(t, p, "Check and save", "password", o.boxes[officeBasic])
	if !strings.Contains(p.says(t, "warn"), "A mail was sent to "+officeBasic) {
		t.Fatalf("saved: %d at %s\n%s", p.status, p.path, p.body)
	}
	if got := o.signsIn(t); got != `"House" <`+officeDefault+`>` {
		t.Errorf("before the address has agreed, login emails come from %s", got)
	}
	p = b.press(t, p, "Send the question again")
	o.proof(t, officeBasic) // the first link has ended
	o.agrees(t, officeBasic)
	p = b.press(t, b.get(t, p.path), "Use for login emails")
	if got := o.signsIn(t); got != `"Acme Sign-in" <`+officeBasic+`>` {
		t.Errorf("login emails come from %s", got)
	}
	p = b.press(t, p, "Check now")
	if !strings.Contains(p.says(t, "list"), "The host takes mail from the sender's address.") {
		t.Errorf("check: %s", p.says(t, "list"))
	}
	p = b.press(t, p, "Send a test mail", "to", officeUser)
	if m := o.next(t, officeUser); !strings.Contains(p.says(t, "good"), "The mail server took the test for "+officeUser) || m.Header.Get("From") != `"Acme Sign-in" <`+officeBasic+`>` {
		t.Errorf("test: %s from %s", p.says(t, "note"), m.Header.Get("From"))
	}
	o.changed(t, b, p)
}

// changed edits, refuses to remove what is in use, and removes.
func (o *postOffice) changed(t *testing.T, b *board, p seen) {
	t.Helper()
	edit := b.follow(t, p, "Edit")
	p = b.press(t, edit, "Check and save", "sender_name", "Acme")
	if !strings.Contains(p.says(t, "good"), "Saved.") || !strings.Contains(p.body, "Acme &lt;"+officeBasic) {
		t.Errorf("another name, and the secret stays: %d %s", p.status, p.says(t, "err"))
	}
	moved := b.press(t, edit, "Check and save", "username", officeOAuth)
	if moved.status != http.StatusUnprocessableEntity || !strings.Contains(moved.says(t, "err"), "it is cleared when host, port or username changes") {
		t.Errorf("another username: %d %s", moved.status, moved.says(t, "err"))
	}
	inUse := b.follow(t, p, "Remove")
	if !strings.Contains(inUse.body, "Login emails come from this sender") {
		t.Errorf("removing what is in use: %s", inUse.body)
	}
	if list := b.press(t, inUse, "Go back to the default sender"); !strings.Contains(list.says(t, "note"), "from House <"+officeDefault+">") {
		t.Errorf("back: %s", list.says(t, "note"))
	}
	gone := b.press(t, b.follow(t, b.get(t, p.path), "Remove"), "Remove")
	if !strings.Contains(gone.says(t, "note"), "The sender is removed.") {
		t.Errorf("removed: %d %s", gone.status, gone.says(t, "note"))
	}
	if got := o.signsIn(t); got != `"House" <`+officeDefault+`>` {
		t.Errorf("with the sender removed, login emails come from %s", got)
	}
}

// TestMicrosoftSenderByForms makes the seed's second configuration: the commands are filled in with what
// was typed, what Microsoft refuses stands beside its field, and mail leaves by XOAUTH2.
func TestMicrosoftSenderByForms(t *testing.T) {
	t.Parallel()
	o := newPostOffice(t)
	b, at := o.office(t)
	p := b.get(t, at+sendersOf+"/new?kind=microsoft")
	if !strings.Contains(p.body, "CLIENT_ID") {
		t.Error("what is not typed yet has no name in the commands")
	}
	typed := []string{"sender_email", officeOAuth, "sender_name", "Acme", "client_id", o.entra.client, "tenant_id", o.entra.tenant, "secret_expires_at", "2028-01-31"}
	p = b.press(t, p, "Fill in the commands below", append(typed, "client_secret", o.entra.secret)...)
	for _, want := range []string{"AppId eq &#39;" + o.entra.client + "&#39;", "-TenantId &#39;" + o.entra.tenant + "&#39;", "Add-MailboxPermission -Identity &#39;" + officeOAuth + "&#39;"} {
		if !strings.Contains(p.body, want) {
			t.Errorf("the commands lack %s", want)
		}
	}
	evil := b.press(t, p, "Fill in the commands below", "client_id", `x'; Remove-Item C:\ #`)
	if pre := evil.body[strings.Index(evil.body, "<pre"):]; strings.Contains(pre, "Remove-Item") || !strings.Contains(pre, "CLIENT_ID") {
		t.Error("something that is no client id stands in a command")
	}
	for _, c := range []struct{ field, wrong, says string }{
		{"tenant_id", "00000000-1111-4222-8333-444444444444", "There is no such tenant"},
		{"client_id", "00000000-1111-4222-8333-444444444444", "no application of this client id"},
		{"client_secret", o.seen.core + "~wrong", "The client secret is wrong."},
	} {
		fill := append(append([]string{}, typed...), "client_secret", o.entra.secret, c.field, c.wrong)
		got := b.press(t, p, "Check and save", fill...)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.says(t, "err"), c.says) || got.field(t, "client_secret") != "" || got.field(t, "sender_name") != "Acme" {
			t.Errorf("a wrong %s: %d %s", c.field, got.status, got.says(t, "err"))
		}
	}
	p = b.press(t, p, "Check and save", append(typed, "client_secret", o.entra.secret)...)
	if !strings.Contains(p.says(t, "warn"), "A mail was sent to "+officeOAuth) || !strings.Contains(p.body, "31 Jan 2028") {
		t.Fatalf("saved: %d at %s\n%s%s", p.status, p.path, p.says(t, "err"), p.says(t, "note"))
	}
	o.agrees(t, officeOAuth)
	p = b.press(t, b.get(t, p.path), "Use for login emails")
	if got := o.signsIn(t); got != `"Acme" <`+officeOAuth+`>` || o.entra.given() == 0 {
		t.Errorf("login emails come from %s, after %d tokens", got, o.entra.given())
	}
	if setup := b.follow(t, p, "What to do at Microsoft"); !strings.Contains(setup.body, o.entra.client) {
		t.Error("the steps lack the client id")
	}
	dns := b.follow(t, p, "SPF, DKIM and DMARC")
	if !strings.Contains(dns.body, "v=spf1 mx ~all") || !strings.Contains(dns.body, "_dmarc."+houseDomain) {
		t.Errorf("dns: %d %s", dns.status, dns.body)
	}
}

// TestMailTextsAndLog changes the sign-in mail of a language, sees it before and after, goes back, and
// reads the log.
func TestMailTextsAndLog(t *testing.T) {
	t.Parallel()
	o := newPostOffice(t)
	b, at := o.office(t)
	list := b.follow(t, b.get(t, at+"/settings"), "Email texts")
	p := b.follow(t, list, "English")
	text := p.field(t, "text")
	if !strings.Contains(text, "{{code}}") || !strings.Contains(text, "{{link}}") || !strings.Contains(p.field(t, "html"), "{{link}}") {
		t.Errorf("it does not begin with our texts: %s", text)
	}
	for _, bad := range [][]string{{"text", "Hello"}, {"html", `<script>alert(1)</script>{{code}}`}, {"html", `<img src="https://x.example/a.gif">{{code}}`}, {"subject", ""}} {
		if got := b.press(t, p, "Save", bad...); got.status != http.StatusUnprocessableEntity || got.says(t, "err") == "" || got.field(t, bad[0]) != bad[1] {
			t.Errorf("%v: %d", bad, got.status)
		}
		if got := b.press(t, p, "Preview", bad...); !strings.Contains(got.body, "This cannot be sent") || strings.Contains(got.body, "<script") {
			t.Errorf("preview of %v: %d %s", bad, got.status, got.body)
		}
	}
	own := []string{"subject", "{{app.name}}: {{code}}", "text", "Code {{code}} & link {{link}}", "html", `<p style="color:red">{{code}}</p><a href="{{link}}">in</a>`}
	if got := b.press(t, p, "Preview", own...); !strings.Contains(got.body, "Code 123456 &amp; link") || !strings.Contains(got.body, "&lt;p style=&#34;color:red&#34;&gt;123456") {
		t.Errorf("preview: %s", got.body)
	}
	p = b.press(t, p, "Save", own...)
	if !strings.Contains(p.body, "These are your own texts.") {
		t.Errorf("saved: %d %s", p.status, p.says(t, "err"))
	}
	o.signsIn(t)
	all := o.host.Inbox(t, officeUser, o.boxes[officeUser])
	if raw := string(all[len(all)-1]); !regexp.MustCompile(`Code \d{6} & link`).MatchString(raw) {
		t.Errorf("the mail has other words:\n%s", raw)
	}
	p = b.press(t, b.follow(t, p, "Go back to our texts"), "Go back to our texts")
	if !strings.Contains(p.says(t, "note"), "Readers get our words again.") {
		t.Errorf("reset: %d", p.status)
	}
	o.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/signins", fields{"email": officeDefault}) // withheld: mail comes from it
	log := b.follow(t, p, "Mail log")
	if !strings.Contains(log.says(t, "good"), "Accepted by the mail server") || !strings.Contains(log.body, "Not sent: login emails come from this very address") || strings.Contains(log.body, "What went wrong") {
		t.Errorf("log: %s", log.body)
	}
	failed := b.get(t, log.path+"?status=failed")
	for end := time.Now().Add(time.Minute); !strings.Contains(failed.body, officeDefault) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		failed = b.get(t, log.path+"?status=failed") // it goes through its lane as one that is sent
	}
	if strings.Contains(failed.body, officeUser) || !strings.Contains(failed.body, officeDefault) {
		t.Errorf("failed ones: %s", failed.body)
	}
	if one := b.follow(t, log, officeUser); !strings.Contains(one.body, "The default sender") || regexp.MustCompile(`\b\d{6}\b`).MatchString(one.says(t, "facts")) {
		t.Errorf("one: %s", one.body)
	}
}
