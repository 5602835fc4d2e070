package dashboard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/branding"
	"latchkey/internal/errs"
)

// TestBrandingFormsRender fills the templates of branding as their pages do.
func TestBrandingFormsRender(t *testing.T) {
	d, app, _ := open(t)
	c := &call{d: d, app: app, r: httptest.NewRequest(http.MethodGet, site+"/dashboard", nil)}
	radius := 3
	f := c.lookForm(branding.Branding{
		Name: "N", Colors: branding.Colors{Accent: "#0a7a45", Radius: &radius}, Links: branding.Links{Privacy: "https://a.example/?x=\"y\""},
	})
	if _, ok := f.wrong(errs.InvalidFields(errs.FieldError{Field: "colors.accent_dark", Code: errs.CodeLowContrast, Message: "too dark"})); !ok {
		t.Error("a field's error is not taken")
	}
	var b strings.Builder
	err := d.pages.ExecuteTemplate(&b, "page", &page{Painting: true, frame: frame{Assets: d.assets}, Blocks: []block{
		{Paint: f},
		{Preview: &preview{Frames: []brandFrame{{"Light", "Preview", "/p?" + url.Values{"a": {"b"}}.Encode()}}}},
		{Upload: &upload{Action: "/x", Use: field{Name: "use", Type: "select"}, Errs: []string{"no picture"}}},
		{Gallery: []picture{{ID: "img_x", Src: "/assets/brand/img_x", Uses: []string{"Logo"}, Acts: []button{{Text: "Delete", Href: "/d"}}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`fill="#0a7a45"`, `data-needs="4.5"`, "Contrast 4.9:1, needs 3:1", "too dark", "no picture", `sandbox="allow-same-origin"`, `src="/assets/brand/img_x"`,
		`value="3"`, `enctype="multipart/form-data"`, "https://a.example/?x=&#34;y&#34;",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "ZgotmplZ") || strings.Contains(b.String(), "⟦") {
		t.Errorf("something was filtered, or has no words:\n%s", b.String())
	}
}
