package e2e_test

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/mailer/mailertest"
)

// TestEndUserIsAskedByMail has a mailbox's password change behind our back. The application has said where
// its end user reads mail: a mail from the application's own sender arrives there, and its URL leads
// through the wizard until the account works again. No backend takes part after that.
func TestEndUserIsAskedByMail(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			askedByMail(t, engine)
		})
	}
}

func askedByMail(t *testing.T, engine string) {
	t.Helper()
	host, err := mailertest.Start(mailertest.Config{Users: map[string]string{"relay": "pass", "acme": "words"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	p := &post{t: t, host: host}
	h := newHouseWith(t, func(in *install) {
		in.env["LATCHKEY_CHECK_EVERY"], in.env["LATCHKEY_APP_NAME"] = "4s", "Acme"
		in.env["LATCHKEY_SMTP_URL"] = "smtp+starttls://relay:pass@localhost:" + strconv.Itoa(host.Port())
		in.env["LATCHKEY_SMTP_FROM"] = "Latchkey <relay@house.test>"
		in.env["LATCHKEY_ALLOW_MAIL"] += "," + strconv.Itoa(host.Port())
		in.trust(t, host.CAPEM())
		if engine == "postgres" {
			in.postgres()
		}
	})
	h.ownSender(t, p)
	set := h.api.must(t, http.StatusOK, http.MethodPut, "/v1/application", fields{"reconnect_email": fields{"enabled": true, "after_minutes": 0}})
	if set.text("reconnect_email.enabled") != "true" {
		t.Errorf("the setting is %s", set.body)
	}
	email, password := h.user(t, "broken")
	account := h.visit(h.api.link(t, fields{"notify_email": "Maria.Home@example.org", "locale": "de"})).mustConnect(t, email, password).Result.AccountID
	if acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+account, nil); acc.text("notify_email") != "Maria.Home@example.org" || acc.text("notify_locale") != "de" {
		t.Errorf("the account is %s", acc.body)
	}

	fresh := h.seen.password(" fresh")
	h.host.SetPassword(t, email, fresh)
	m := p.message()
	if m.From != "login@acme.test" || m.To != "Maria.Home@example.org" || m.User != "acme" {
		t.Errorf("sent by %s from %s to %s", m.User, m.From, m.To)
	}
	header, plain, html := parts(t, m)
	if got := header.Get("Subject"); !strings.Contains(got, "Acme") || !strings.Contains(got, "verbinden") {
		t.Errorf("subject %q", got)
	}
	if header.Get("Auto-Submitted") != "auto-generated" || header.Get("List-Unsubscribe") != "" {
		t.Errorf("header %v", header)
	}
	url := regexp.MustCompile(regexp.QuoteMeta(h.base) + `/r/\S+`).FindString(plain)
	if url == "" || !strings.Contains(html, url) || !strings.Contains(plain, "b•••@"+houseDomain) || strings.Contains(plain, email) {
		t.Fatalf("the mail says\n%s\n%s", plain, html)
	}
	h.seen.token(url[strings.LastIndexByte(url, '/')+1:])
	log := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/mails?limit=1", nil)
	if log.text("items.0.kind") != "reconnect" {
		t.Errorf("the log of mails is %s", log.body)
	}
	var told response
	eventually(t, 30*time.Second, "the event can be read", func() bool {
		told = h.api.must(t, http.StatusOK, http.MethodGet, "/v1/events?type=account.reconnect_email", nil)
		return told.text("items.0.data.account_id") == account
	})
	if told.text("items.0.data.mail_id") != log.text("items.0.id") {
		t.Errorf("told %s", told.body)
	}

	h.mendFromMail(t, engine, html, url, fresh)
	if acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+account, nil); acc.text("status") != "OK" || acc.text("identity") != email {
		t.Errorf("the account is %s", acc.body)
	}
	if n := len(host.Messages()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

// trust adds a certificate to those that the installation trusts.
func (in *install) trust(t *testing.T, pem []byte) {
	t.Helper()
	f, err := os.OpenFile(in.env["LATCHKEY_CA_FILE"], os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(pem)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ownSender gives the application a sender of its own, whose address agrees.
func (h *house) ownSender(t *testing.T, p *post) {
	t.Helper()
	made := h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/senders", fields{
		"kind": "basic", "sender_email": "login@acme.test", "sender_name": "Acme", "host": "localhost", "port": p.host.Port(), "username": "acme", "password": "words",
	})
	_, plain, _ := parts(t, p.message())
	link := regexp.MustCompile(regexp.QuoteMeta(h.base) + `/senders/\S+`).FindString(plain)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", h.base)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("agreeing answers %d, %v", res.StatusCode, err)
	}
	h.api.must(t, http.StatusOK, http.MethodPut, "/v1/application", fields{"sender": made.text("id")})
}

// message waits for the next mail.
func (p *post) message() mailertest.Message {
	p.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		arrived := p.host.Arrived()
		if all := p.host.Messages(); len(all) > p.read {
			p.read++
			return all[p.read-1]
		}
		select {
		case <-arrived:
		case <-deadline:
			p.t.Fatal("no mail came")
		}
	}
}

// parts reads a mail as a mailbox would.
func parts(t *testing.T, m mailertest.Message) (header mail.Header, plain, html string) {
	t.Helper()
	parsed, err := m.Parse()
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	parsed.Header["Subject"] = []string{subject}
	_, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for r := multipart.NewReader(parsed.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parsed.Header, plain, html
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			html = string(b)
		} else {
			plain = string(b)
		}
	}
}

// mendFromMail opens the mail as a browser shows it, follows its button, and goes through with it.
func (h *house) mendFromMail(t *testing.T, name, html, url, password string) {
	t.Helper()
	mailbox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, html)
	}))
	defer mailbox.Close()
	tab := browser.Open(t)
	tab.Scripts(false)
	see := pictures{tab, browser.Axe(t), "reconnect-mail-" + name, false}
	for _, scheme := range []string{"dark", "light"} {
		tab.View(390, 820, scheme)
		tab.Do(chromedp.Navigate(mailbox.URL), chromedp.WaitVisible(chromedp.CSS("a")))
		tab.Shot(filepath.Join(browser.Root(t), "out", "journey-reconnect-mail-"+name+"-0-mail-"+scheme+".png"))
	}
	if href := browser.Eval[string](tab, `document.querySelector("a").href`); href != url {
		t.Errorf("the button leads to %s", href)
	}
	step := func(id string) { tab.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + id + `"] button.btn`))) }
	press := chromedp.Click(chromedp.CSS("button.btn"))
	tab.Do(chromedp.Click(chromedp.CSS("a")))
	step("reconnect.ask")
	if lang := browser.Eval[string](tab, `document.documentElement.lang`); lang != "de" {
		t.Errorf("the page is in %s", lang)
	}
	tab.Do(press)
	step("link.start")
	tab.Do(press)
	step("imap.reconnect")
	tab.Do(chromedp.SendKeys(chromedp.CSS("#f-password"), password), press, chromedp.WaitVisible(chromedp.CSS(`main[data-step="flow.done"]`)))
	see.take(t, "1-done")
	tab.Do(chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`main[data-step="reconnect.works"]`)))
	for _, m := range tab.Console() {
		if !strings.HasPrefix(m, "debug: ") {
			t.Errorf("console: %s", m)
		}
	}
}

// TestSettingsOfReconnectMail checks what the API takes.
func TestSettingsOfReconnectMail(t *testing.T) {
	t.Parallel()
	s := run(t)
	for body, field := range map[string]string{
		`{"reconnect_email":true}`:                                        "reconnect_email",
		`{"reconnect_email":{}}`:                                          "reconnect_email.enabled",
		`{"reconnect_email":{"enabled":true,"after_minutes":10081}}`:      "reconnect_email.after_minutes",
		`{"reconnect_email":{"enabled":true,"after":"1h"}}`:               "reconnect_email.after",
		`{"reconnect_email":{"enabled":"perhaps","after_minutes":false}}`: "reconnect_email.after_minutes",
	} {
		res := s.api.must(t, http.StatusBadRequest, http.MethodPut, "/v1/application", json.RawMessage(body))
		if !strings.Contains(string(res.body), `"`+field+`"`) {
			t.Errorf("%s is answered with %s", body, res.body)
		}
	}
	app := s.api.must(t, http.StatusOK, http.MethodPut, "/v1/application", fields{"reconnect_email": fields{"enabled": true}})
	if app.text("reconnect_email.enabled") != "true" || app.text("reconnect_email.after_minutes") != "60" {
		t.Errorf("%s", app.body)
	}
	app = s.api.must(t, http.StatusOK, http.MethodPut, "/v1/application", fields{"reconnect_email": nil})
	if app.text("reconnect_email.enabled") != "false" {
		t.Errorf("%s", app.body)
	}
	s.api.must(t, http.StatusBadRequest, http.MethodPost, "/v1/hosted/accounts/link", fields{"providers": "IMAP", "notify_email": `"a b"@example.org`})
	s.api.must(t, http.StatusNotFound, http.MethodPatch, "/v1/accounts/acc_06gzqw5p4gx4nygpg4e5psn2ym", fields{"notify_email": "a@example.org"})
}
