package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// TestDemoOnce is `make demo ONCE=1`: every provider of the demo is connected, by QR code and by code,
// and an account whose phone ended it is mended under its id.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	in := newInstall(t)
	began := time.Now()
	c := in.command("demo", "--once")
	t.Logf("the journey took %v\n%s", time.Since(began), c.out)
	if c.code != 0 {
		t.Fatalf("status %d: %s%s", c.code, c.out, c.errOut)
	}
	for _, line := range []string{
		`maria@example-mail\.test, OK`,
		`Ada scans the QR code\n.*CREATION_SUCCESS: WHATSAPP of 4915112345678 is OK, id (acc_\w+); the phone lists 1 device`,
		`types the code [0-9A-Z]{4}-[0-9A-Z]{4}\n.*CREATION_SUCCESS: WHATSAPP of 442079460958 is OK`,
		`Tom scans the QR code\n.*two-step password\n.*CREATION_SUCCESS: TELEGRAM of \d+ is OK`,
		`the code that came to the phone, \d+\n.*CREATION_SUCCESS: TELEGRAM of \d+ is OK`,
		`→ CREDENTIALS \(session_terminated\), what helps: reconnect`,
		`RECONNECTED: WHATSAPP of 4915112345678 is OK, id (acc_\w+); the phone lists 1 device`,
	} {
		if !regexp.MustCompile(line).MatchString(c.out) {
			t.Errorf("it does not say %s", line)
		}
	}
	ids := regexp.MustCompile(`of 4915112345678 is OK, id (acc_\w+)`).FindAllStringSubmatch(c.out, -1)
	if len(ids) != 2 || ids[0][1] != ids[1][1] {
		t.Errorf("mended under another id: %v", ids)
	}
	if strings.Contains(c.errOut, "level=") {
		t.Errorf("it logs: %s", c.errOut)
	}
}

// demo runs `latchkey demo` until the test ends, and returns where its page is.
func (in *install) demo() string {
	in.t.Helper()
	cmd := exec.Command(in.bin, "demo")
	cmd.Env, cmd.Stdout, cmd.Stderr = in.environ(nil), in.log, in.log
	if err := cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				in.t.Errorf("the demo ends with status %d:\n%s", exit.ExitCode(), in.log.tail())
			}
		}
	})
	opened := regexp.MustCompile(`Open\s+(http://\S+)`)
	var url string
	eventually(in.t, startTime, "the demo is not there", func() bool {
		if m := opened.FindStringSubmatch(in.log.String()); m != nil {
			url = m[1]
		}
		return url != ""
	})
	return url
}

// TestDemoPhones is a visitor who has no phone to try it with: those on the page will do.
func TestDemoPhones(t *testing.T) {
	t.Parallel()
	page := newInstall(t).demo()
	desk, hand := browser.Open(t), browser.Open(t)
	look := func(name string) {
		t.Helper()
		hand.Inject(browser.Axe(t))
		for _, width := range []int64{390, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				hand.View(width, 900, scheme)
				for _, x := range hand.Check() {
					t.Errorf("%s: %s (%s)\n%v", name, x.ID, x.Help, x.Nodes)
				}
				if wide := browser.Eval[int64](hand, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s: the page is %d px wide on %d", name, wide, width)
				}
				hand.Shot(filepath.Join(browser.Root(t), "out", fmt.Sprintf("demo-%s-%d-%s.png", name, width, scheme)))
			}
		}
	}
	at := func(step string) {
		t.Helper()
		desk.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + step + `"] h1`)))
	}
	connect := func(with string) {
		t.Helper()
		// In the same tab: the phone is in another browser here.
		desk.Do(chromedp.Navigate(page), chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("[formtarget]").forEach(b => b.removeAttribute("formtarget"))`),
			chromedp.Click(chromedp.CSS(with)))
		at("link.start")
		desk.Do(chromedp.Click(chromedp.CSS("main .btn")))
	}
	press := func(phone, button string) {
		t.Helper()
		hand.Do(chromedp.Evaluate[chromedp.Void](`document.body.classList.add("old"), document.querySelector("#`+phone+` details").open = true`),
			chromedp.Click(chromedp.CSS("#"+phone+" button[value="+button+"]")),
			chromedp.WaitVisible(chromedp.CSS("body:not(.old) #"+phone+"-screen")))
	}
	says := func(phone, text string) {
		t.Helper()
		hand.Do(chromedp.Poll[chromedp.Void](fmt.Sprintf(`document.getElementById(%q).innerText.includes(%q)`, phone+"-screen", text)))
	}

	hand.View(390, 900, "light")
	hand.Do(chromedp.Navigate(page))
	look("phones-1")
	press("ada", "scan")
	says("ada", "no code on the screen")

	connect(`button[value=WHATSAPP]`)
	at("whatsapp.qr")
	desk.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
	press("ada", "scan")
	at("flow.done")
	says("ada", "online")
	look("phones-2")
	press("ada", "unlink")
	hand.Do(chromedp.Poll[chromedp.Void](`document.getElementById("accounts").innerText.includes("CREDENTIALS")`))
	look("phones-3")
	connect(`#accounts form button`)
	at("whatsapp.qr")
	desk.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
	press("ada", "scan")
	at("flow.done")
	press("ada", "ban")
	says("ada", "This account is banned")
	hand.Do(chromedp.Poll[chromedp.Void](`document.getElementById("accounts").innerText.includes("temporarily_blocked")`))

	// By code, and by an account that is asked for its passkey.
	connect(`button[value=WHATSAPP]`)
	at("whatsapp.qr")
	desk.Do(chromedp.WaitVisible(chromedp.CSS("main svg")), chromedp.Click(chromedp.CSS(`button[value=switch_method]`)))
	at("whatsapp.phone")
	desk.Do(chromedp.SetValue(chromedp.CSS(`input[name=phone]`), "+442079460958"), chromedp.Click(chromedp.CSS("main .btn")))
	desk.Do(chromedp.WaitVisible(chromedp.CSS("bdi#code")))
	hand.Do(chromedp.SetValue(chromedp.CSS("#patty-code"), browser.Eval[string](desk, `document.querySelector("bdi#code").textContent`)))
	press("patty", "code")
	at("flow.done")

	connect(`button[value=WHATSAPP]`)
	at("whatsapp.qr")
	desk.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
	press("cleo", "scan")
	at("whatsapp.passkey")
	press("cleo", "passkey")
	hand.Do(chromedp.WaitVisible(chromedp.CSS("#cleo-screen textarea")))
	desk.Do(chromedp.SetValue(chromedp.CSS("input[name=proof]"), browser.Eval[string](hand, `document.querySelector("#cleo-screen textarea").value`)))
	desk.Do(chromedp.Click(chromedp.CSS("button[value=submit]")))
	at("flow.done")

	// Telegram, without scripts on the phone's page.
	connect(`button[value=TELEGRAM]`)
	at("telegram.qr")
	desk.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
	press("tom", "scan")
	says("tom", "Scanned")
	at("telegram.password")
	desk.Do(chromedp.SetValue(chromedp.CSS("input[name=password]"), "quiet-otters"), chromedp.Click(chromedp.CSS("main .btn")))
	at("flow.done")
	says("tom", "Northwind CRM")
	look("phones-4")
	for _, b := range []*browser.Tab{desk, hand} {
		quiet(t, b)
	}
}

// TestDemoIsForThisMachine holds that a page that somebody leads here by a name of their own reads and
// does nothing.
func TestDemoIsForThisMachine(t *testing.T) {
	t.Parallel()
	page := newInstall(t).demo()
	ask := func(method, path string, set func(*http.Request)) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, page+path, strings.NewReader("do=unlink"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		set(req)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := ask(http.MethodPost, "/phones/ada", func(*http.Request) {}); got != http.StatusSeeOther {
		t.Errorf("the page's own button: %d", got)
	}
	if got := ask(http.MethodGet, "/live", func(r *http.Request) { r.Host = "evil.test:8081" }); got != http.StatusForbidden {
		t.Errorf("under another name: %d", got)
	}
	if got := ask(http.MethodPost, "/phones/ada", func(r *http.Request) { r.Header.Set("Origin", "https://evil.test") }); got != http.StatusForbidden {
		t.Errorf("from another site: %d", got)
	}
	if got := ask(http.MethodPost, "/phones/nobody", func(*http.Request) {}); got != http.StatusNotFound {
		t.Errorf("a phone that is not there: %d", got)
	}
}
