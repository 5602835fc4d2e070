package ui_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/web/ui"
)

type album map[latchkey.ImageID]latchkey.Image

func (a album) Image(_ context.Context, id latchkey.ImageID) (latchkey.Image, error) {
	if id == "img_broken" {
		return latchkey.Image{}, errors.New("the database is gone: secret")
	}
	img, ok := a[id]
	if !ok {
		return img, errs.NotFoundf("image")
	}
	return img, nil
}

func TestImagesAreServedAsImagesOnly(t *testing.T) {
	mux := http.NewServeMux()
	a, err := ui.NewAssets()
	if err != nil {
		t.Fatal(err)
	}
	a.Register(mux)
	ui.RegisterImages(mux, album{
		"img_a": {Type: "image/png", Body: []byte("\x89PNG")}, "img_evil": {Type: "text/html", Body: []byte("<script>")},
	}, slog.New(slog.DiscardHandler))
	ask := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	got := ask(http.MethodGet, "/assets/brand/img_a")
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Content-Length": "4",
	} {
		if got.Header().Get(name) != want {
			t.Errorf("%s: %q", name, got.Header().Get(name))
		}
	}
	if csp := got.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "sandbox") {
		t.Errorf("policy %q", csp)
	}
	if got.Code != http.StatusOK || got.Body.String() != "\x89PNG" || !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %q %v", got.Code, got.Body, got.Header())
	}
	if head := ask(http.MethodHead, "/assets/brand/img_a"); head.Code != http.StatusOK || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
	for _, path := range []string{"/assets/brand/img_none", "/assets/brand/img_evil"} {
		if w := ask(http.MethodGet, path); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if w := ask(http.MethodGet, "/assets/brand/img_broken"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("broken: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "/assets/brand/img_a"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestHeldStylesheetsHaveOneScheme(t *testing.T) {
	a, get := serve(t)
	plain := read(t, get(a.PageCSS("")))
	if !strings.Contains(plain, "(prefers-color-scheme:dark)") || !strings.Contains(plain, "color-scheme:light dark") {
		t.Fatal("the stylesheet follows nobody's wish")
	}
	for scheme, medium := range map[string]string{ui.SchemeLight: "@media not all{", ui.SchemeDark: "@media all{"} {
		css := read(t, get(a.PageCSS(scheme)))
		if strings.Contains(css, "prefers-color-scheme") || !strings.Contains(css, medium) || !strings.Contains(css, "color-scheme:"+scheme+";") {
			t.Errorf("%s does not hold", scheme)
		}
	}
}

type said map[string]string

func (s *said) Text(lang, key string) string { return (*s)[lang+" "+key] }

func TestFootAndMark(t *testing.T) {
	f, err := ui.NewFoot()
	if err != nil {
		t.Fatal(err)
	}
	if got := f.HTML(ui.Theme{AppName: "A"}, "en"); got != "" {
		t.Errorf("nothing to say: %q", got)
	}
	words := &said{"de footer": "© {app} <b>", "de support": "Frag {app}"}
	theme := ui.Theme{AppName: "A&B", Privacy: `https://a.example/?x="y"`, Support: "https://a.example/help", Words: words, LogoURL: "/l", LogoDarkURL: "/d"}
	got := string(f.HTML(theme, "de"))
	for _, want := range []string{`href="https://a.example/?x=&#34;y&#34;"`, "Datenschutz", "Frag <bdi>A&amp;B</bdi>", "© <bdi>A&amp;B</bdi> &lt;b&gt;", `rel="noopener noreferrer"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing: %s", want, got)
		}
	}
	if en := string(f.HTML(theme, "en")); !strings.Contains(en, ">Help<") || strings.Contains(en, "©") {
		t.Errorf("English: %s", en)
	}
	if m := string(theme.Mark()); !strings.Contains(m, `srcset="/d"`) || !strings.Contains(m, `src="/l"`) {
		t.Errorf("mark: %s", m)
	}
	theme.Scheme = ui.SchemeDark
	if m := string(theme.Mark()); strings.Contains(m, "/l") || !strings.Contains(m, `src="/d"`) {
		t.Errorf("mark held to dark: %s", m)
	}
}
