package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/imap/dovecottest"
)

// house is an installation beside a real mail host.
type house struct {
	*server
	host    *dovecottest.Server
	backend *receiver
}

const (
	houseDomain = "house.test"
	houseServer = "mail." + houseDomain
)

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseWith(t, func(*install) {})
}

// newHouseWith changes the installation before it runs.
func newHouseWith(t *testing.T, change func(*install)) *house {
	t.Helper()
	h := dovecottest.Start(t, dovecottest.Config{Names: []string{houseServer}})
	zone := []string{
		houseServer + ". 60 IN A 127.0.0.1", houseDomain + ". 60 IN MX 10 " + houseServer + ".",
		fmt.Sprintf("_imaps._tcp.%s. 60 IN SRV 0 1 %s %s.", houseDomain, port(h.IMAPS), houseServer),
		fmt.Sprintf("_submissions._tcp.%s. 60 IN SRV 0 1 %s %s.", houseDomain, port(h.Submissions), houseServer),
	}
	var ports []string
	for _, addr := range []string{h.IMAPS, h.IMAP, h.Submissions, h.Submission} {
		ports = append(ports, port(addr))
	}
	in := newInstall(t, mailEnv(t, zone, ports, h.CAPEM))
	change(in)
	s := in.start()
	return &house{s, h, s.receive()}
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// user makes a mailbox with a password that is not ASCII.
func (h *house) user(t *testing.T, name string) (email, password string) {
	t.Helper()
	email, password = name+"@"+houseDomain, h.seen.password("")
	h.host.SetPassword(t, email, password)
	return email, password
}

// told checks what backend and API say of a completed link, and returns the account.
func (h *house) told(t *testing.T, l link, email string) string {
	t.Helper()
	n := h.backend.await(t, l.id, "CREATION_SUCCESS")
	if n.Name != "user_1234" {
		t.Errorf("notified with %s", n.body)
	}
	if st := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil); st.text("status") != "completed" || st.text("account_id") != n.AccountID {
		t.Errorf("the link is %s", st.body)
	}
	acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+n.AccountID, nil)
	for path, want := range map[string]string{
		"identity": email, "status": "OK", "type": "IMAP", "identity_proof": "typed", "connection_params.mail.imap_host": houseServer,
		"connection_params.mail.imap_port": port(h.host.IMAPS), "connection_params.mail.smtp_port": port(h.host.Submissions),
		"connection_params.mail.imap_encryption": "tls", "sources.0.status": "OK", "sources.1.status": "OK",
	} {
		if got := acc.text(path); got != want {
			t.Errorf("the account's %s is %q, not %q", path, got, want)
		}
	}
	return n.AccountID
}

// TestDovecot connects mailboxes at a real mail host: with a browser, with a browser that runs no
// scripts, and through JSON alone.
func TestDovecot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		h.viaJSON(t)
	})
	t.Run("browser", func(t *testing.T) {
		t.Parallel()
		h.viaBrowser(t, "js", true)
	})
	t.Run("browser without scripts", func(t *testing.T) {
		t.Parallel()
		h.viaBrowser(t, "nojs", false)
	})
	t.Run("starttls", func(t *testing.T) {
		t.Parallel()
		h.viaSTARTTLS(t)
	})
	t.Run("reconnect", func(t *testing.T) {
		t.Parallel()
		h.reconnect(t)
	})
}

func (h *house) viaJSON(t *testing.T) {
	t.Helper()
	email, password := h.user(t, "json")
	l := h.api.link(t, h.backend.links())
	v := h.visit(l)
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	f = v.submit(t, f, fields{"password": password + "x"})
	if !f.has("password", "wrong_password") {
		t.Fatalf("a wrong password is answered with %s", f.raw)
	}
	if got, _ := f.field("email"); got != email {
		t.Errorf("the address is %q after a wrong password", got)
	}
	if f = v.submit(t, f, fields{"password": password}); !completed(f) {
		t.Fatalf("in the end: %s\n%s", f.raw, h.host.Log())
	}
	if id := h.told(t, l, email); id != f.Result.AccountID {
		t.Errorf("the end user was told %s, the backend %s", f.Result.AccountID, id)
	}
}

// viaSTARTTLS types ports and encryption by hand.
func (h *house) viaSTARTTLS(t *testing.T) {
	t.Helper()
	email, password := h.user(t, "starttls")
	v := h.visit(h.api.link(t))
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	f = v.submit(t, f, fields{
		"password": password, "imap_host": houseServer, "imap_port": port(h.host.IMAP), "imap_encryption": "starttls",
		"smtp_host": houseServer, "smtp_port": port(h.host.Submission), "smtp_encryption": "starttls",
	})
	if !completed(f) {
		t.Fatalf("%s\n%s", f.raw, h.host.Log())
	}
	acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+f.Result.AccountID, nil)
	if acc.text("connection_params.mail.imap_encryption") != "starttls" || acc.text("connection_params.mail.smtp_encryption") != "starttls" {
		t.Errorf("the account is %s", acc.body)
	}
}

// pictures takes pictures of the page in view and checks it for barriers: narrow and wide, light and dark.
type pictures struct {
	tab     *browser.Tab
	axe     string
	name    string
	scripts bool
}

func (p pictures) take(t *testing.T, page string) {
	t.Helper()
	p.tab.Scripts(true) // for the checker only: the page's own were not loaded
	p.tab.Inject(p.axe)
	for _, width := range []int64{390, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			p.tab.View(width, 820, scheme)
			name := fmt.Sprintf("journey-%s-%s-%d-%s", p.name, page, width, scheme)
			for _, v := range p.tab.Check() {
				t.Errorf("%s: %s (%s)\n%v", name, v.ID, v.Help, v.Nodes)
			}
			p.tab.Shot(filepath.Join(browser.Root(t), "out", name+".png"))
		}
	}
	p.tab.View(1200, 820, "light")
	p.tab.Scripts(p.scripts)
}

// viaBrowser goes the whole way with a mouse and a keyboard.
func (h *house) viaBrowser(t *testing.T, name string, scripts bool) {
	t.Helper()
	email, password := h.user(t, name)
	l := h.api.link(t, h.backend.links())
	tab := browser.Open(t)
	tab.Scripts(scripts)
	tab.View(1200, 820, "light")
	see := pictures{tab, browser.Axe(t), name, scripts}
	step := func(id string) { tab.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + id + `"] button.btn`))) }
	press := chromedp.Click(chromedp.CSS("button.btn"))

	tab.Do(chromedp.Navigate(l.url))
	step("link.start")
	see.take(t, "1-start")
	tab.Do(press)
	step("imap.email")
	see.take(t, "2-email")
	tab.Do(chromedp.SendKeys(chromedp.CSS("#f-email"), email), press)
	step("imap.password")
	see.take(t, "3-password")
	tab.Do(chromedp.SendKeys(chromedp.CSS("#f-password"), password+"x"), press, chromedp.WaitVisible(chromedp.CSS("#f-password-err")))
	if got := browser.Eval[string](tab, `document.getElementById("f-email").value + "/" + document.getElementById("f-password").value`); got != email+"/" {
		t.Errorf("after a wrong password the page holds %q", got)
	}
	html := browser.Eval[string](tab, `document.documentElement.outerHTML`)
	h.seen.hear(nil, []byte(html))
	if strings.Contains(html, h.seen.core) {
		t.Error("the password is in the page")
	}
	if got := browser.Eval[string](tab, `document.getElementById("f-password-err").textContent`); !strings.Contains(got, houseServer) || !strings.Contains(got, email) {
		t.Errorf("it says %q", got)
	}
	see.take(t, "4-wrong-password")
	tab.Do(chromedp.SendKeys(chromedp.CSS("#f-password"), password), press, chromedp.WaitVisible(chromedp.CSS("#back")))
	account := h.told(t, l, email)
	at, err := url.Parse(browser.Eval[string](tab, `location.href`))
	if err != nil {
		t.Fatal(err)
	}
	if q := at.Query(); q.Get("account_id") != account || q.Get("link_id") != l.id || q.Get("tab") != "mail" || at.Fragment != "top" {
		t.Errorf("the browser is back at %s", at)
	}
	// Whoever comes back finds how it ended, and the way on.
	tab.Do(chromedp.Navigate(l.url), chromedp.WaitVisible(chromedp.CSS("a.btn")))
	if text := browser.Eval[string](tab, `document.body.innerText`); !strings.Contains(text, "Connected") || strings.Contains(text, "will be taken") {
		t.Errorf("whoever comes back is told %q", text)
	}
	see.take(t, "5-done")
	for _, m := range tab.Console() {
		if !strings.HasPrefix(m, "debug: ") {
			t.Errorf("console: %s", m)
		}
	}
}

// reconnect lets a mailbox's password change behind our back, and mends the account.
func (h *house) reconnect(t *testing.T) {
	t.Helper()
	email, password := h.user(t, "reconnect")
	f := h.visit(h.api.link(t)).mustConnect(t, email, password)
	account := f.Result.AccountID
	next := h.seen.password(" next")
	h.host.SetPassword(t, email, next)
	res := h.api.check(t, account, "CREDENTIALS")
	if res.text("reason") == "" || res.text("action") != "reconnect" || res.text("sources.0.status") != "CREDENTIALS" {
		t.Errorf("the account is %s", res.body)
	}
	body := fields{"type": "reconnect", "reconnect_account": account, "name": "user_1234"}
	for k, v := range h.backend.links() {
		body[k] = v
	}
	l, err := h.api.linkOf(h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/hosted/accounts/link", body))
	if err != nil {
		t.Fatal(err)
	}
	v := h.visit(l)
	f = v.at(t, nil, "imap.reconnect")
	for _, x := range f.Step.Fields {
		if asked := x.Type != "readonly"; asked != (x.Name == "password") {
			t.Errorf("the field %s has type %s", x.Name, x.Type)
		}
	}
	if got, _ := f.field("imap_host"); got != houseServer {
		t.Errorf("the server is %q", got)
	}
	for field, code := range map[string]string{"imap_host": "server_locked", "smtp_host": "server_locked", "imap_port": "server_locked", "imap_user": "server_locked", "email": "wrong_account"} {
		value := map[string]any{"imap_port": 143, "email": "other@" + houseDomain}[field]
		if value == nil {
			value = "evil.test"
		}
		got, err := v.answer(t.Context(), f.Version, "submit", fields{"password": next, field: value})
		if err != nil || completed(got) || !slices.Contains(got.wrong(), field+":"+code) {
			t.Errorf("%s posted: %v %s", field, err, got.raw)
		}
		if f, err = v.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if f = v.submit(t, f, fields{"password": password}); !f.has("password", "wrong_password") {
		t.Errorf("the old password is answered with %s", f.raw)
	}
	if f = v.submit(t, f, fields{"password": next}); !completed(f) || f.Result.AccountID != account || f.Result.State != "existing" {
		t.Fatalf("in the end: %s", f.raw)
	}
	if n := h.backend.await(t, l.id, "RECONNECTED"); n.AccountID != account || n.Name != "user_1234" {
		t.Errorf("notified with %s", n.body)
	}
	h.api.check(t, account, "OK")
}
