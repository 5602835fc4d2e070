package ui_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"

	"latchkey/internal/web/ui"
)

func serve(t *testing.T) (*ui.Assets, func(path string, header ...string) *http.Response) {
	t.Helper()
	a, err := ui.NewAssets()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	a.Register(mux)
	return a, func(path string, header ...string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Result()
	}
}

func TestAssetsAreKeptForEver(t *testing.T) {
	a, get := serve(t)
	for name, kind := range map[string]string{"page.css": "text/css", "page.js": "text/javascript"} {
		plain := get(a.URL(name))
		if plain.StatusCode != http.StatusOK || !strings.HasPrefix(plain.Header.Get("Content-Type"), kind) || !strings.Contains(plain.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, plain.StatusCode, plain.Header)
		}
		packed := get(a.URL(name), "Accept-Encoding", "br, gzip")
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s is not packed: %v", name, packed.Header)
		}
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := io.ReadAll(plain.Body); err != nil || string(unpacked) != string(want) || len(want) == 0 {
			t.Errorf("%s: packed and plain differ (%v)", name, err)
		}
	}
	// A page of another release gets a stylesheet, but nobody keeps it under that name.
	if old := get("/assets/0123456789ab/page.css"); old.StatusCode != http.StatusOK || old.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("another release: %d %s", old.StatusCode, old.Header.Get("Cache-Control"))
	}
	for _, path := range []string{"/assets/x/none.css", "/assets/x/..%2f..%2fgo.mod", "/assets/theme/x.css", "/assets/theme/000000-ffffff---99.css", "/assets/theme/000000-ffffff---4", "/assets/theme/red;}-ffffff---4.css", "/assets/theme/000000-ffffff-4.css", "/assets/theme/night.000000-ffffff---4.css", "/assets/brand/x"} {
		if got := get(path); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
}

// maxScript is what the script may weigh: it is a convenience, not an application.
const maxScript = 5 << 10

func TestScriptStaysSmall(t *testing.T) {
	a, get := serve(t)
	body, err := io.ReadAll(get(a.URL("page.js")).Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > maxScript {
		t.Errorf("the script weighs %d bytes", len(body))
	}
	for _, bad := range []string{`(inner|outer)HTML\s*\+?=[^=]`, `eval\(`, `document\.write`, `insertAdjacentHTML`} {
		if regexp.MustCompile(bad).Match(body) {
			t.Errorf("the script uses %s", bad)
		}
	}
}

func TestThemeIsAFunctionOfItsURL(t *testing.T) {
	_, get := serve(t)
	for _, tc := range []struct {
		theme ui.Theme
		css   string
	}{
		{ui.Theme{Brand: "#0A7A45", BrandInk: "#ffffff", Radius: "4"}, ":root:root{--brand:#0a7a45;--brand-ink:#ffffff;--radius:4px;}\n"},
		{ui.Theme{Brand: "#0a7a45", BrandInk: "#ffffff"}, ":root:root{--brand:#0a7a45;--brand-ink:#ffffff;}\n"},
		{ui.Theme{Brand: "#0a7a45", BrandInk: "#ffffff", BrandDark: "#5fd39a", BrandDarkInk: "#0b1020"}, ":root:root{--brand:#0a7a45;--brand-ink:#ffffff;}\n@media (prefers-color-scheme:dark){:root:root{--brand:#5fd39a;--brand-ink:#0b1020;}}\n"},
		{ui.Theme{Brand: "#0a7a45", BrandInk: "#ffffff", BrandDark: "#5fd39a", BrandDarkInk: "#0b1020", Scheme: "dark", Radius: "0"}, ":root:root{--brand:#5fd39a;--brand-ink:#0b1020;--radius:0px;}\n"},
		{ui.Theme{Brand: "#0a7a45", BrandInk: "#ffffff", BrandDark: "#5fd39a", BrandDarkInk: "#0b1020", Scheme: "light"}, ":root:root{--brand:#0a7a45;--brand-ink:#ffffff;}\n"},
		{ui.Theme{Radius: "8"}, ":root:root{--radius:8px;}\n"},
	} {
		got := get(tc.theme.Stylesheet())
		body, err := io.ReadAll(got.Body)
		if err != nil || string(body) != tc.css || got.Header.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%+v: %q (%v)", tc.theme, body, err)
		}
	}
	for _, bad := range []ui.Theme{{}, {Brand: "red"}, {Brand: "#000000"}, {Brand: "#000000;}*{", BrandInk: "#ffffff"}, {Brand: "#000000", BrandInk: "#ffffff", Radius: "99"}} {
		if got := bad.Stylesheet(); got != "" {
			t.Errorf("%+v has the stylesheet %s", bad, got)
		}
	}
}

func TestInitial(t *testing.T) {
	for name, want := range map[string]string{"northwind": "N", "  éclair": "É", "«Acme»": "A", "7th": "7", "": "•", "→": "→", "\x00": "•", "مرحبا": "م"} {
		if got := (ui.Theme{AppName: name}).Initial(); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestQRDrawsEveryModule reads the picture back and compares it with the code.
func TestQRDrawsEveryModule(t *testing.T) {
	const payload = "2@Zx9Qk1mN7vT3bY6cW8dR0fG2hJ4kL5pS,AbCdEf=,HiJk=,NoPq="
	svg, err := ui.QR(payload, `a "label" <b>`)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(payload, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	const margin = 4
	if !strings.Contains(string(svg), `aria-label="a &#34;label&#34; &lt;b&gt;"`) || !strings.Contains(string(svg), `viewBox="0 0 `+strconv.Itoa(code.Size+2*margin)) {
		t.Errorf("label or size: %.200s", svg)
	}
	black := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(string(svg), -1) {
		x, y, n := number(t, m[1]), number(t, m[2]), number(t, m[3])
		for i := range n {
			black[[2]int{x + i - margin, y - margin}] = true
		}
	}
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) != black[[2]int{x, y}] {
				t.Fatalf("module %d,%d is drawn wrongly", x, y)
			}
		}
	}
	if _, err := ui.QR(strings.Repeat("x", 5000), ""); err == nil {
		t.Error("5,000 bytes fit no code")
	}
}

// TestMailsAreApart: a mail in a frame runs nothing, fetches nothing and has an origin of its own; only
// pages that say so show frames.
func TestMailsAreApart(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	ui.PageHeaders(h)
	if p := h.Get("Content-Security-Policy"); strings.Contains(p, "frame-src") || strings.Contains(p, "unsafe") {
		t.Error(p)
	}
	ui.FrameHeaders(h)
	if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "frame-src 'self'") || !strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "unsafe") {
		t.Error(p)
	}
	ui.MailHeaders(h)
	if p := h.Get("Content-Security-Policy"); !strings.HasPrefix(p, "sandbox; default-src 'none'; ") || strings.Contains(p, "script") || strings.Contains(p, "allow-") || strings.Contains(p, "img-src") || h.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Error(h)
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func read(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", r.StatusCode, err)
	}
	return string(body)
}
