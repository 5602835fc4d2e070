package e2e_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector"
	"latchkey/internal/hosted"
	"latchkey/internal/web/wizard"
	"latchkey/internal/web/wizard/wizardtest"
)

// stage is a wizard over a scripted engine, on a port of its own.
type stage struct {
	engine *wizardtest.Engine
	url    string
	mu     sync.Mutex
	posts  int
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{engine: wizardtest.NewEngine(wizardtest.States())}
	mux := http.NewServeMux()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.mu.Lock()
			s.posts++
			s.mu.Unlock()
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	z, err := wizard.New(wizard.Config{
		Engine: s.engine, Connectors: wizardtest.Connectors(), BaseURL: srv.URL, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	z.Register(mux)
	return s
}

// quiet fails the test for whatever the page wrote to the console.
func quiet(t *testing.T, tab *browser.Tab) {
	t.Helper()
	for _, m := range tab.Console() {
		if !strings.HasPrefix(m, "debug: ") {
			t.Errorf("console: %s", m)
		}
	}
}

// TestWaitingPageGoesOnByItself changes the flow behind an open page: the page follows, and says so
// to those who cannot see it.
func TestWaitingPageGoesOnByItself(t *testing.T) {
	s := newStage(t)
	tab := browser.Open(t)
	s.engine.Set("x", wizardtest.View(t, "finding"))
	tab.Do(chromedp.Navigate(s.url + "/c/x"))
	waiting := wizardtest.View(t, "finding")
	waiting.Step.Progress[2].State, waiting.Step.Progress[3].State = connector.ProgressOK, connector.ProgressNow
	s.engine.Set("x", waiting)
	tab.Do(chromedp.WaitVisible(chromedp.CSS("li.now:last-child")))
	if got := browser.Eval[string](tab, `document.getElementById("say").textContent`); !strings.Contains(got, "Ready for your password") {
		t.Errorf("the status says %q", got)
	}
	s.engine.Set("x", wizardtest.View(t, "email-wrong"))
	tab.Do(chromedp.WaitVisible(chromedp.CSS("input[name=email]")))
	if got := browser.Eval[string](tab, `document.title + " / " + document.activeElement.id`); got != "Error: What is your email address? · Northwind CRM / f-email" {
		t.Errorf("title and focus: %s", got)
	}
	quiet(t, tab)
}

// TestAnAnswerIsSentOnce clicks twice before the server has said anything.
func TestAnAnswerIsSentOnce(t *testing.T) {
	s := newStage(t)
	tab := browser.Open(t)
	release := make(chan struct{})
	s.engine.OnAnswer = func(string, hosted.Answer) (hosted.View, error) {
		<-release
		return wizardtest.View(t, "password"), nil
	}
	tab.Do(chromedp.Navigate(s.url+"/c/password"), chromedp.SendKeys(chromedp.CSS("input[name=password]"), "s3cret"))
	loaded := chromedp.Events(tab.Context(), pageLoaded())
	busy := browser.Eval[string](tab, `const b = document.querySelector("button.btn"); b.click(); b.click();
		document.querySelector(".foot .link").click(); b.getAttribute("aria-busy")`)
	if busy != "true" {
		t.Errorf("the button that was pressed does not show it: %q", busy)
	}
	close(release)
	for _, err := range loaded {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.engine.Answers(); s.posts != 1 || len(got) != 1 || got[0].Values["password"] != "s3cret" || got[0].Action != connector.ActSubmit {
		t.Errorf("%d posts: %+v", s.posts, got)
	}
	if v := browser.Eval[string](tab, `document.querySelector("input[name=password]").value`); v != "" {
		t.Error("the password came back")
	}
	quiet(t, tab)
}

func TestPasswordCanBeSeenAndIsHiddenAgain(t *testing.T) {
	s := newStage(t)
	tab := browser.Open(t)
	tab.Do(chromedp.Navigate(s.url+"/c/password"), chromedp.WaitVisible(chromedp.CSS("[data-show=f-password]")))
	kind := func() string {
		return browser.Eval[string](tab, `document.getElementById("f-password").type + document.querySelector("[data-show=f-password]").textContent`)
	}
	seen := []string{kind()}
	for range 2 {
		tab.Do(chromedp.Click(chromedp.CSS("[data-show=f-password]")))
		seen = append(seen, kind())
	}
	if !slices.Equal(seen, []string{"passwordShow", "textHide", "passwordShow"}) {
		t.Errorf("the field was %v", seen)
	}
	quiet(t, tab)
}

// TestJourneyWithoutScript goes from the first page to the application with scripts switched off,
// under a name that is not loopback: there browsers send no Sec-Fetch-Site.
func TestJourneyWithoutScript(t *testing.T) {
	s := newStage(t)
	tab := browser.Open(t, "wizard.test", "crm.northwind.test")
	home := strings.Replace(s.url, "127.0.0.1", "crm.northwind.test", 1) + "/assets/home"
	wizardURL := strings.Replace(s.url, "127.0.0.1", "wizard.test", 1)
	steps := map[connector.Action]string{connector.ActStart: "email", connector.ActSubmit: "password"}
	s.engine.Set("x", wizardtest.View(t, "start-choices"))
	s.engine.OnAnswer = func(_ string, a hosted.Answer) (hosted.View, error) {
		v := wizardtest.View(t, steps[a.Action])
		if _, ok := a.Values["password"]; ok {
			v = wizardtest.View(t, "done")
			v.Link.Terms.BypassSuccess = true
			r := *v.Result
			r.RedirectURL = home
			v.Result = &r
		}
		s.engine.Set("x", v)
		return v, nil
	}
	tab.Scripts(false)
	tab.Do(
		chromedp.Navigate(wizardURL+"/c/x"),
		chromedp.Click(chromedp.CSS("button.tile[value=IMAP]")),
		chromedp.SendKeys(chromedp.CSS("input[name=email]"), "maria@studio-lindgren.example"),
		chromedp.Click(chromedp.CSS("button.btn")),
		chromedp.SendKeys(chromedp.CSS("input[name=password]"), "s3cret\r"),
	)
	arrived := chromedp.Events(tab.Context(), pageNavigated())
	for ev, err := range arrived {
		if err != nil {
			t.Fatalf("the browser did not arrive: %v", err)
		}
		if ev.Frame.URL == home {
			break
		}
	}
	got := s.engine.Answers()
	if len(got) != 3 || got[0].Values["provider"] != "IMAP" || got[1].Values["email"] == "" || got[2].Values["password"] != "s3cret" {
		t.Errorf("answers: %+v", got)
	}
}

// TestTypedWordsSurviveALook shows a form while something is being done: what was typed stays when
// the page looks again and finds a change.
func TestTypedWordsSurviveALook(t *testing.T) {
	s := newStage(t)
	tab := browser.Open(t)
	v := wizardtest.View(t, "one-time-code")
	v.Busy, v.Step.Poll = true, 50*time.Millisecond
	s.engine.Set("x", v)
	tab.Do(chromedp.Navigate(s.url+"/c/x"), chromedp.SendKeys(chromedp.CSS("input[name=code]"), "12345"))
	v.Step.Progress = []connector.Progress{{Code: "imap.ready", State: connector.ProgressNow}}
	s.engine.Set("x", v)
	tab.Do(chromedp.WaitVisible(chromedp.CSS("li.now")))
	if got := browser.Eval[string](tab, `document.querySelector("input[name=code]").value + "/" + document.activeElement.id`); got != "12345/f-code" {
		t.Errorf("typed and focus: %s", got)
	}
	quiet(t, tab)
}

// TestAPressOutlivesANewCode renews the page between the moment a button is pressed and the moment it is
// let go, and under a button that has the focus: the press counts, and the focus stays.
func TestAPressOutlivesANewCode(t *testing.T) {
	s := newStage(t)
	tab := browser.Open(t)
	tab.View(390, 1000, "light")
	v := wizardtest.View(t, "qr")
	v.Step.Poll = 50 * time.Millisecond
	const other = "button[name=action][value=switch_method]"
	renew := func() {
		t.Helper()
		before := browser.Eval[string](tab, `document.querySelector("main svg").innerHTML`)
		v.Step.Payload = strings.Replace(v.Step.Payload, "2@", "2@x", 1)
		v.Step.Attempt++
		s.engine.Set("x", v)
		tab.Do(chromedp.Poll[chromedp.Void](`document.querySelector("main svg").innerHTML !== ` + strconv.Quote(before)))
	}
	pressed := func(by string) {
		t.Helper()
		eventually(t, 10*time.Second, "the press was lost ("+by+")", func() bool {
			got := s.engine.Answers()
			return len(got) > 0 && got[len(got)-1].Action == connector.ActSwitchMethod
		})
	}
	s.engine.Set("x", v)
	tab.Do(chromedp.Navigate(s.url+"/c/x"), chromedp.WaitVisible(chromedp.CSS(other)))
	at := browser.Eval[[]float64](tab, `(() => { const r = document.querySelector("`+other+`").getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
	left := chromedp.Button("left")
	tab.Do(chromedp.MouseEvent(chromedp.MousePressed, at[0], at[1], left, chromedp.ClickCount(1)))
	renew()
	renew()
	tab.Do(chromedp.MouseEvent(chromedp.MouseReleased, at[0], at[1], left, chromedp.ClickCount(1)))
	pressed("mouse")

	s.engine.Set("y", v)
	tab.Do(chromedp.Navigate(s.url+"/c/y"), chromedp.WaitVisible(chromedp.CSS(other)),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("`+other+`").focus()`))
	n := len(s.engine.Answers())
	before := browser.Eval[string](tab, `document.querySelector("main svg").innerHTML`)
	v.Step.Payload = strings.Replace(v.Step.Payload, "2@", "2@y", 1)
	s.engine.Set("y", v)
	tab.Do(chromedp.Poll[chromedp.Void](`document.querySelector("main svg").innerHTML !== ` + strconv.Quote(before)))
	if got := browser.Eval[string](tab, `document.activeElement.value || ""`); got != "switch_method" {
		t.Errorf("the focus is on %q", got)
	}
	tab.Do(chromedp.KeyEvent("\r"))
	eventually(t, 10*time.Second, "the key was lost", func() bool { return len(s.engine.Answers()) > n })
}
