package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
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

// post is a mail host that keeps what it takes.
type post struct {
	t    *testing.T
	host *mailertest.Server
	read int
}

// withMail starts a mail host, and a server whose default sender it is.
func withMail(t *testing.T, env ...map[string]string) (*server, *post) {
	t.Helper()
	host, err := mailertest.Start(mailertest.Config{Users: map[string]string{"relay": "pass"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, host.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, map[string]string{
		"LATCHKEY_SMTP_URL":  "smtp+starttls://relay:pass@localhost:" + strconv.Itoa(host.Port()),
		"LATCHKEY_SMTP_FROM": "Acme <login@acme.test>", "LATCHKEY_CA_FILE": ca, "LATCHKEY_APP_NAME": "Acme",
	})
	return run(t, env...), &post{t: t, host: host}
}

var (
	mailCode = regexp.MustCompile(`(?m)^(\d{6})\r?$`)
	mailLink = regexp.MustCompile(`https?://[^\s"]+/signin/link/[^\s"=]+`)
)

// next waits for the next mail, and reads its code and link.
func (p *post) next() (code, link string) {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		arrived := p.host.Arrived()
		if all := p.host.Messages(); len(all) > p.read {
			raw := strings.ReplaceAll(string(all[p.read].Raw), "=\r\n", "")
			p.read++
			c, l := mailCode.FindStringSubmatch(raw), mailLink.FindString(raw)
			if c == nil || l == "" {
				p.t.Fatalf("no code and link in the mail:\n%s", raw)
			}
			return c[1], l
		}
		select {
		case <-arrived:
		case <-deadline:
			p.t.Fatal("no mail came")
		}
	}
}

// relyingParty is the program of e2e/oidc, running.
type relyingParty struct {
	t     *testing.T
	lines *bufio.Scanner
	url   string
}

func (r *relyingParty) line(into any) {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatalf("the client ended: %v", r.lines.Err())
	}
	if err := json.Unmarshal(r.lines.Bytes(), into); err != nil {
		r.t.Fatalf("%v: %s", err, r.lines.Text())
	}
}

// signInClient registers an OpenID Connect client and starts openid-client with it.
func signInClient(t *testing.T, s *server, public bool, alg string) *relyingParty {
	t.Helper()
	addr := freeAddr(t)
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	made := s.api.must(t, http.StatusCreated, "POST", "/v1/oidc-clients", fields{
		"name": "web", "public": public, "redirect_uris": []string{"http://localhost:" + port + "/cb"}, "id_token_signed_response_alg": alg,
	})
	dir := filepath.Join(browser.Root(t), "oidc")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openid-client")); err != nil {
		t.Fatalf("openid-client is missing; run: npm ci --prefix e2e/oidc --ignore-scripts --no-audit --no-fund\n%v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, "node", "login.mjs", made.text("issuer"), made.text("client_id"), made.text("client_secret"), port, alg)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	r := &relyingParty{t: t, lines: bufio.NewScanner(out)}
	var first struct{ URL string }
	r.line(&first)
	r.url = first.URL
	return r
}

// learned is what the client knows in the end.
type learned struct {
	Claims struct {
		Iss, Sub, Email string
		EmailVerified   bool  `json:"email_verified"`
		AuthTime        int64 `json:"auth_time"`
		Amr             []string
	}
	Info          struct{ Sub, Email string }
	Replay        string
	Failed, Cause string
}

func (r *relyingParty) want(email, method string) {
	r.t.Helper()
	var got learned
	r.line(&got)
	c := got.Claims
	if c.Email != email || !c.EmailVerified || c.AuthTime == 0 || len(c.Amr) != 1 || c.Amr[0] != method || got.Info.Sub != c.Sub || got.Replay != "invalid_grant" {
		r.t.Errorf("the client learned %+v", got)
	}
}

// TestOpenIDClientSignsIn is the whole way with scripts switched off: openid-client sends a browser,
// somebody types an address and the code of the mail, and the id token verifies against the JWKS.
func TestOpenIDClientSignsIn(t *testing.T) {
	s, mail := withMail(t)
	rp := signInClient(t, s, false, "RS256")
	tab := browser.Open(t)
	tab.Scripts(false)
	tab.Do(chromedp.Navigate(rp.url), chromedp.SendKeys(chromedp.CSS("input[name=email]"), "ada@example.com\r"), chromedp.WaitVisible(chromedp.CSS("input[name=code]")))
	code, link := mail.next()
	s.seen.token(link[strings.LastIndexByte(link, '.')+1:])
	tab.Do(chromedp.SendKeys(chromedp.CSS("input[name=code]"), "000000\r"), chromedp.WaitVisible(chromedp.CSS(".err")))
	tab.Do(chromedp.SendKeys(chromedp.CSS("input[name=code]"), code+"\r"), chromedp.WaitVisible(chromedp.CSS("#in")))
	rp.want("ada@example.com", "otp")
}

// TestLinkInAnotherBrowser opens the mail's link where it was not asked for, with scripts on, as a scanner
// or a thief would: nothing is used up and nobody gets in. Then its owner clicks.
func TestLinkInAnotherBrowser(t *testing.T) {
	s, mail := withMail(t)
	rp := signInClient(t, s, true, "ES256")
	tab := browser.Open(t)
	tab.Do(chromedp.Navigate(rp.url), chromedp.SendKeys(chromedp.CSS("input[name=email]"), "ada@example.com\r"), chromedp.WaitVisible(chromedp.CSS("input[name=code]")))
	code, link := mail.next()

	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPost} {
		req, err := http.NewRequestWithContext(t.Context(), method, link, strings.NewReader("action=use"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if strings.Contains(string(body), "Signed in") || res.Header.Get("Set-Cookie") != "" || res.Header.Get("Referrer-Policy") == "" ||
			res.Header.Get("Cache-Control") != "no-store" || method == http.MethodGet && !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
		}
	}
	thief := browser.Open(t)
	thief.Do(chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS("#code")))
	if got := browser.Eval[string](thief, `document.getElementById("code").textContent + "/" + document.querySelectorAll("form").length + "/" + document.querySelector("main").dataset.step`); got != code+"/0/link.elsewhere" {
		t.Errorf("another browser is shown %q", got)
	}
	if page := browser.Eval[string](thief, `document.querySelector("main").textContent`); !strings.Contains(page, "Chrome (Linux)") || strings.Contains(page, "ada@") {
		t.Errorf("another browser reads: %s", page)
	}
	// Nothing happens by itself: the page stays what it is while the scripts run.
	quiet(t, thief)
	if page := browser.Eval[string](tab, `document.querySelector("main").dataset.step`); page != "code" {
		t.Errorf("the tab that asked shows %s", page)
	}
	tab.Do(chromedp.Navigate(link), chromedp.Click(chromedp.CSS("button.btn")), chromedp.WaitVisible(chromedp.CSS("#in")))
	rp.want("ada@example.com", "email")
	thief.Do(chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS("[data-step='link.used']")))
}

// TestSignInsOverTheAPI is the way of a backend that has pages of its own.
func TestSignInsOverTheAPI(t *testing.T) {
	t.Parallel()
	s, mail := withMail(t)
	begin := fields{"email": "ada@example.com", "redirect_uri": "https://app.example.com/in", "locale": "de", "user_agent": "Mozilla/5.0 (iPhone) Safari/604.1", "ip": "203.0.113.9"}
	made := s.api.must(t, http.StatusAccepted, "POST", "/v1/signins", begin)
	id := made.text("id")
	if made.text("object") != "SignIn" || !strings.HasPrefix(id, "sin_") || made.text("expires_at") == "" {
		t.Errorf("%s", made.body)
	}
	code, link := mail.next()
	if !strings.HasPrefix(link, s.base+"/signin/link/") {
		t.Errorf("the link leads to %s", link)
	}
	s.api.must(t, http.StatusTooEarly, "POST", "/v1/signins/"+id+"/resend", fields{})
	s.api.must(t, http.StatusBadRequest, "POST", "/v1/signins/"+id+"/verify", fields{"code": "12345x"})
	got := s.api.must(t, http.StatusOK, "POST", "/v1/signins/"+id+"/verify", fields{"code": code})
	if got.text("email") != "ada@example.com" || got.text("email_verified") != "true" || strings.Count(got.text("id_token"), ".") != 2 {
		t.Errorf("%s", got.body)
	}
	s.api.must(t, http.StatusConflict, "POST", "/v1/signins/"+id+"/verify", fields{"code": code})
	s.api.must(t, http.StatusNotFound, "POST", "/v1/signins/sin_00000000000000000000000000/verify", fields{"code": code})

	// A link that a backend asked for leads to the backend's page, by a click.
	made = s.api.must(t, http.StatusAccepted, "POST", "/v1/signins", begin)
	id = made.text("id")
	_, link = mail.next()
	res, err := http.Post(link, "application/x-www-form-urlencoded", strings.NewReader("action=use"))
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	grant := regexp.MustCompile(`https://app\.example\.com/in\?code=([^&"]+)&amp;signin_id=` + id).FindSubmatch(page)
	if grant == nil {
		t.Fatalf("no way back on the page:\n%s", page)
	}
	s.api.must(t, http.StatusOK, "POST", "/v1/signins/"+id+"/verify", fields{"code": string(grant[1])})
	s.api.must(t, http.StatusConflict, "POST", "/v1/signins/"+id+"/verify", fields{"code": string(grant[1])})
	if events := s.api.must(t, http.StatusOK, "GET", "/v1/events?type=signin.completed", nil); events.text("items.1.id") == "" || events.text("items.2.id") != "" {
		t.Errorf("%s", events.body)
	}

	// The Host header moves nothing.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/oidc/"+appOf(t, s)+"/.well-known/openid-configuration", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	if res, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	doc, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if strings.Contains(string(doc), "evil") || !strings.Contains(string(doc), s.base+"/oidc/") {
		t.Errorf("discovery believes the Host header: %s", doc)
	}
	for body, status := range map[string]int{`{"email":"nobody"}`: 400, `{"email":"a@b.io","redirect_uri":"javascript:alert(1)"}`: 400, `{"email":"a@b.io","x":1}`: 400, `{}`: 400} {
		if res := s.api.must(t, status, "POST", "/v1/signins", json.RawMessage(body)); strings.Contains(string(res.body), "nobody") {
			t.Errorf("the value is shown: %s", res.body)
		}
	}
}

func appOf(t *testing.T, s *server) string {
	t.Helper()
	return s.api.must(t, http.StatusOK, "GET", "/v1/application", nil).text("id")
}

// TestNoSender asks for mail where none can be sent.
func TestNoSender(t *testing.T) {
	t.Parallel()
	s := run(t)
	s.api.must(t, http.StatusConflict, "POST", "/v1/signins", fields{"email": "ada@example.com"})
}
