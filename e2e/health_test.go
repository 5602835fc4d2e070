package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"latchkey/e2e/browser"
)

// statusEvent is account.status_changed as an endpoint is sent it.
type statusEvent struct {
	Type string `json:"type"`
	Data struct {
		AccountID string `json:"account_id"`
		Status    string `json:"status"`
		Reason    string `json:"reason"`
		Action    string `json:"action"`
	} `json:"data"`
}

// nextStatus takes the next delivery and verifies its signature.
func nextStatus(t *testing.T, secret string, came <-chan posted) statusEvent {
	t.Helper()
	p := next(t, came)
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	headers := http.Header{}
	for k, v := range p.Headers {
		headers.Set(k, v)
	}
	if err := wh.Verify([]byte(p.Body), headers); err != nil {
		t.Fatalf("a delivery is signed wrongly: %v", err)
	}
	var ev statusEvent
	if err := json.Unmarshal([]byte(p.Body), &ev); err != nil {
		t.Fatal(err)
	}
	return ev
}

// TestBrokenAccountIsMended has a mailbox's password change behind our back. A scheduled check finds it
// out, the backend is told by a signed webhook and makes a URL for its email; weeks later (or now) the
// end user opens that, and mends the account in the wizard.
func TestBrokenAccountIsMended(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			h := newHouseWith(t, func(in *install) {
				in.env["LATCHKEY_CHECK_EVERY"] = "4s"
				if engine == "postgres" {
					in.postgres()
				}
			})
			h.breakAndMend(t, engine, engine == "sqlite")
		})
	}
}

func (h *house) breakAndMend(t *testing.T, name string, scripts bool) {
	t.Helper()
	endpoint, came := take(t)
	made := h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/webhooks", fields{"request_url": endpoint, "events": []string{"account.status_changed"}})
	email, password := h.user(t, "broken")
	account := h.visit(h.api.link(t)).mustConnect(t, email, password).Result.AccountID

	fresh := h.seen.password(" fresh")
	h.host.SetPassword(t, email, fresh)
	ev := nextStatus(t, made.text("secret"), came)
	if ev.Type != "account.status_changed" || ev.Data.AccountID != account || ev.Data.Status != "CREDENTIALS" || ev.Data.Reason != "password_changed" || ev.Data.Action != "reconnect" {
		t.Fatalf("told %+v", ev)
	}
	history := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+account+"/history", nil)
	if history.text("items.0.to.status") != "CREDENTIALS" || history.text("items.0.cause") != "check" || history.text("items.1.cause") != "wizard" {
		t.Errorf("history %s", history.body)
	}

	body := h.backend.links()
	body["name"] = "user_1234"
	url := h.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts/"+account+"/reconnect-url", body).text("url")
	token := url[strings.LastIndexByte(url, '/')+1:]
	h.seen.token(token)
	h.mendInBrowser(t, name, url, fresh, scripts)

	if ev = nextStatus(t, made.text("secret"), came); ev.Data.AccountID != account || ev.Data.Status != "OK" {
		t.Errorf("told %+v", ev)
	}
	acc := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+account, nil)
	if acc.text("status") != "OK" || acc.text("identity") != email {
		t.Errorf("the account is %s", acc.body)
	}
	links := h.api.must(t, http.StatusOK, http.MethodGet, "/v1/links?status=completed&limit=1", nil)
	if n := h.backend.await(t, links.text("items.0.id"), "RECONNECTED"); n.AccountID != account || n.Name != "user_1234" {
		t.Errorf("notified with %s", n.body)
	}
	h.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+account+"/reconnect-url", nil)
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("a revoked URL answers %d, %v", res.StatusCode, err)
	}
}

// mendInBrowser opens the URL of an email and goes through with it.
func (h *house) mendInBrowser(t *testing.T, name, url, password string, scripts bool) {
	t.Helper()
	tab := browser.Open(t)
	tab.Scripts(scripts)
	tab.View(1200, 820, "light")
	see := pictures{tab, browser.Axe(t), "mend-" + name, scripts}
	step := func(id string) { tab.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + id + `"] button.btn`))) }
	press := chromedp.Click(chromedp.CSS("button.btn"))

	tab.Do(chromedp.Navigate(url))
	step("reconnect.ask")
	if text := browser.Eval[string](tab, `document.body.innerText`); !strings.Contains(text, "broken@"+houseDomain) || !strings.Contains(text, "not accepted any more") {
		t.Errorf("the page says %q", text)
	}
	see.take(t, "1-url")
	tab.Do(press)
	step("link.start")
	if text := browser.Eval[string](tab, `document.body.innerText`); !strings.Contains(text, "not accepted any more") {
		t.Errorf("the link's page says %q", text)
	}
	see.take(t, "2-start")
	tab.Do(press)
	step("imap.reconnect")
	if n := browser.Eval[int64](tab, `document.querySelectorAll("main input:not([type=hidden]):not([readonly])").length`); n != 1 {
		t.Errorf("it asks for %d things", n)
	}
	see.take(t, "3-password")
	tab.Do(chromedp.SendKeys(chromedp.CSS("#f-password"), password), press, chromedp.WaitVisible(chromedp.CSS("#back")))
	tab.Do(chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`main[data-step="reconnect.works"]`)))
	see.take(t, "4-works")
	for _, m := range tab.Console() {
		if !strings.HasPrefix(m, "debug: ") {
			t.Errorf("console: %s", m)
		}
	}
}
