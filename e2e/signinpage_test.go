package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// TestHostedSignInPage is the way of an application without a library: a link, a page of ours, and one
// request. A stranger who has used up the address's hour keeps nobody out of a browser that was in before.
func TestHostedSignInPage(t *testing.T) {
	s, mail := withMail(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `<!doctype html><p id="in">In</p>`)
	}))
	t.Cleanup(app.Close)
	home := strings.Replace(app.URL, "127.0.0.1", "localhost", 1) + "/in"
	s.api.must(t, http.StatusOK, "PUT", "/v1/signin-settings", fields{"redirect_uris": []string{home}})
	page := s.base + "/signin?" + url.Values{"application": {appOf(t, s)}, "redirect_uri": {home}, "state": {"s1"}}.Encode()
	tab := browser.Open(t)
	signIn := func() response {
		t.Helper()
		tab.Do(chromedp.Navigate(page), chromedp.SendKeys(chromedp.CSS("input[name=email]"), "ada@example.com\r"), chromedp.WaitVisible(chromedp.CSS("input[name=code]")))
		code, _ := mail.next()
		tab.Do(chromedp.SendKeys(chromedp.CSS("input[name=code]"), code+"\r"), chromedp.WaitVisible(chromedp.CSS("#in")))
		back, err := url.Parse(browser.Eval[string](tab, "location.href"))
		if err != nil {
			t.Fatal(err)
		}
		if back.Query().Get("state") != "s1" {
			t.Errorf("the browser came back to %s", back)
		}
		return s.api.must(t, http.StatusOK, "POST", "/v1/signins/"+back.Query().Get("signin_id")+"/verify", fields{"code": back.Query().Get("code")})
	}
	if got := signIn(); got.text("email") != "ada@example.com" || got.text("device_token") == "" {
		t.Errorf("%s", got.body)
	}
	for refused := false; !refused; {
		res, err := s.api.call(t.Context(), http.MethodPost, "/v1/signins", fields{"email": "ada@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if refused = res.status == http.StatusTooManyRequests; !refused {
			mail.next()
		}
	}
	signIn()
}
