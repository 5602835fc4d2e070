package api_test

import (
	"bytes"
	"encoding/base64"
	stdimage "image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

func logoFile(t *testing.T, w int) []byte {
	t.Helper()
	img := stdimage.NewNRGBA(stdimage.Rect(0, 0, w, 20))
	for x := range w {
		img.SetNRGBA(x, x%20, color.NRGBA{R: 10, G: 122, B: 69, A: 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asDataURL(data []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
}

func TestBrandingIsSetAndRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if r := h.as(h.app, http.MethodGet, "/v1/branding", ""); r.status != http.StatusOK || r.str("object") != "Branding" || r.body["updated_at"] != nil || r.body["logo"] != nil {
		t.Fatalf("nothing is set yet: %s", r.raw)
	}
	made := h.as(h.app, http.MethodPost, "/v1/branding/images", `{"image":"`+asDataURL(logoFile(t, 40))+`"}`)
	if made.status != http.StatusCreated || made.str("object") != "Image" || made.str("url") != "https://connect.test/assets/brand/"+made.str("id") || made.body["shown"] != false {
		t.Fatalf("image: %d %s", made.status, made.raw)
	}
	body := `{"name":"Northwind CRM","logo":"` + made.str("id") + `","logo_dark":"` + asDataURL(logoFile(t, 50)) + `",
		"colors":{"accent":"#0A7A45","radius":8},"texts":{"en":{"start.title":"Connect to {app}"},"*":{"footer":"© Northwind"}},
		"links":{"privacy":"https://northwind.example/privacy"},
		"header_html":"<p>Hi <img src=\"` + made.str("id") + `\" onerror=\"alert(1)\"></p>\n<script>alert(1)</script>"}`
	put := h.as(h.app, http.MethodPut, "/v1/branding", body)
	if put.status != http.StatusOK {
		t.Fatalf("%d %s", put.status, put.raw)
	}
	if put.str("name") != "Northwind CRM" || put.str("header_html") != `<p>Hi <img src="/assets/brand/`+made.str("id")+`" alt=""/></p>` || !strings.HasPrefix(put.str("logo_dark"), "img_") {
		t.Errorf("kept: %s", put.raw)
	}
	var codes []string
	for _, w := range put.body["warnings"].([]any) {
		codes = append(codes, w.(map[string]any)["code"].(string))
	}
	if !slices.Equal(codes, []string{"removed_attribute", "removed_element"}) {
		t.Errorf("warnings: %v", codes)
	}
	if n := len(put.body["contrast"].([]any)); n != 4 {
		t.Errorf("%d contrasts", n)
	}
	got := h.as(h.app, http.MethodGet, "/v1/branding", "")
	for _, name := range []string{"name", "logo", "logo_url", "logo_dark", "colors", "texts", "links", "header_html", "updated_at"} {
		if !cmp.Equal(put.body[name], got.body[name]) {
			t.Errorf("%s: put %v, got %v", name, put.body[name], got.body[name])
		}
	}
	// PUT replaces.
	if r := h.as(h.app, http.MethodPut, "/v1/branding", `{"name":"Only this"}`); r.body["logo"] != nil || r.body["header_html"] != nil || r.str("name") != "Only this" {
		t.Errorf("replaced: %s", r.raw)
	}
	if r := h.as(h.app, http.MethodDelete, "/v1/branding", ""); r.status != http.StatusOK || r.str("object") != "BrandingDeleted" {
		t.Errorf("deleted: %s", r.raw)
	}
	if r := h.as(h.app, http.MethodGet, "/v1/branding", ""); r.body["name"] != nil {
		t.Errorf("after deletion: %s", r.raw)
	}
	wantAudited(t, h, "put_branding", "add_image", "delete_branding")
}

// wantAudited looks for lines of the application's trail.
func wantAudited(t *testing.T, h *house, actions ...string) {
	t.Helper()
	lines, err := h.store.Audit().List(t.Context(), h.app.Application.ID, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range actions {
		if !slices.ContainsFunc(lines, func(e latchkey.AuditEntry) bool { return e.Action == a && e.ActorID == string(h.app.APIKey.ID) }) {
			t.Errorf("the trail has no %s", a)
		}
	}
}

func TestBrandingSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	r := h.as(h.app, http.MethodPut, "/v1/branding", `{"name":7,"logo":"data:image/png;base64,`+base64.StdEncoding.EncodeToString([]byte("<svg onload=alert(1)>"))+`",
		"logo_dark":"data:text/html,x","colors":{"accent":"#ffee00","shade":"x","radius":"8"},"texts":{"xx":{"footer":"x"},"en":{"nope":"x","footer":7}},
		"links":{"terms":"http://a.io"},"css":"*{}"}`)
	wantProblem(t, r, http.StatusBadRequest, errs.CodeInvalidParameters)
	got := r.codes()
	slices.Sort(got)
	want := []string{
		"colors.accent: low_contrast", "colors.radius: invalid_type", "colors.shade: unknown_field", "css: unknown_field", "links.terms: invalid_url",
		"logo: unsupported", "logo_dark: invalid_value", "name: invalid_type", "texts.en.footer: invalid_type", "texts.en.nope: unknown_field", "texts.xx: unsupported",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if images, err := h.store.Images().List(t.Context(), h.app.Application.ID); err != nil || len(images) != 0 {
		t.Errorf("a refused branding left %d images (%v)", len(images), err)
	}
}

func TestImagesAreUploadedInThreeWays(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("image", "../../logo.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(logoFile(t, 30))
	_ = w.Close()
	first := h.as(h.app, http.MethodPost, "/v1/branding/images", form.String(), "Content-Type: "+w.FormDataContentType())
	if first.status != http.StatusCreated {
		t.Fatalf("form: %d %s", first.status, first.raw)
	}
	for name, r := range map[string]reply{
		"raw":  h.as(h.app, http.MethodPost, "/v1/branding/images", string(logoFile(t, 30)), "Content-Type: image/png"),
		"json": h.as(h.app, http.MethodPost, "/v1/branding/images", `{"image":"`+asDataURL(logoFile(t, 30))+`"}`),
	} {
		if r.status != http.StatusOK || r.str("id") != first.str("id") {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	for name, tc := range map[string]struct {
		body, kind string
		status     int
		code       errs.Code
	}{
		"another field": {strings.Replace(form.String(), `name="image"`, `name="file"`, 1), w.FormDataContentType(), http.StatusBadRequest, errs.CodeInvalidParameters},
		"broken form":   {form.String()[:form.Len()-70], w.FormDataContentType(), http.StatusUnsupportedMediaType, errs.CodeUnsupportedMedia},
		"no boundary":   {form.String(), "multipart/form-data", http.StatusUnsupportedMediaType, errs.CodeUnsupportedMedia},
		"svg":           {"<svg/>", "image/svg+xml", http.StatusBadRequest, errs.CodeInvalidParameters},
		"text":          {"x", "text/plain", http.StatusUnsupportedMediaType, errs.CodeUnsupportedMedia},
		"nothing":       {"", "image/png", http.StatusBadRequest, errs.CodeInvalidParameters},
		"too much":      {strings.Repeat("x", 3<<20+1), "image/png", http.StatusRequestEntityTooLarge, errs.CodeBodyTooLarge},
		"no picture":    {`{"image":"x"}`, "application/json", http.StatusBadRequest, errs.CodeInvalidParameters},
	} {
		r := h.as(h.app, http.MethodPost, "/v1/branding/images", tc.body, "Content-Type: "+tc.kind)
		if r.status != tc.status || r.str("type") != "errors/"+string(tc.code) {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	// A picture that lies about its kind is what its bytes say.
	if r := h.as(h.app, http.MethodPost, "/v1/branding/images", string(logoFile(t, 31)), "Content-Type: image/gif"); r.status != http.StatusCreated || r.str("type") != "image/png" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

func TestImagesBelongToTheirApplication(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.as(h.app, http.MethodPost, "/v1/branding/images", string(logoFile(t, 30)), "Content-Type: image/png")
	id := made.str("id")
	if r := h.as(h.other, http.MethodPut, "/v1/branding", `{"logo":"`+id+`"}`); !slices.Equal(r.codes(), []string{"logo: invalid_value"}) {
		t.Errorf("another's logo: %s", r.raw)
	}
	foreign, unknown := h.as(h.other, http.MethodDelete, "/v1/branding/images/"+id, ""), h.as(h.other, http.MethodDelete, "/v1/branding/images/img_00000000000000000000000000", "")
	wantProblem(t, foreign, http.StatusNotFound, errs.CodeNotFound)
	if foreign.str("detail") != unknown.str("detail") {
		t.Errorf("a foreign image answers %s, an unknown one %s", foreign.raw, unknown.raw)
	}
	if r := h.as(h.other, http.MethodGet, "/v1/branding/images", ""); len(r.body["items"].([]any)) != 0 {
		t.Errorf("another's images: %s", r.raw)
	}
	if r := h.as(h.app, http.MethodPut, "/v1/branding", `{"header_html":"<img src='`+id+`'>"}`); r.status != http.StatusOK {
		t.Fatalf("%s", r.raw)
	}
	wantProblem(t, h.as(h.app, http.MethodDelete, "/v1/branding/images/"+id, ""), http.StatusConflict, errs.CodeConflict)
	if r := h.as(h.app, http.MethodGet, "/v1/branding/images", ""); r.body["items"].([]any)[0].(map[string]any)["shown"] != true {
		t.Errorf("shown: %s", r.raw)
	}
	h.as(h.app, http.MethodDelete, "/v1/branding", "")
	if r := h.as(h.app, http.MethodDelete, "/v1/branding/images/"+id, ""); r.status != http.StatusOK || r.str("object") != "ImageDeleted" {
		t.Errorf("%s", r.raw)
	}
	// A key without the permission sets nothing.
	_, weak, err := h.apps.CreateKey(t.Context(), h.app.Application.ID, "weak", []latchkey.Permission{latchkey.PermLinks})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"GET /v1/branding", "PUT /v1/branding", "DELETE /v1/branding", "POST /v1/branding/images", "GET /v1/branding/images", "DELETE /v1/branding/images/" + id} {
		method, path, _ := strings.Cut(route, " ")
		wantProblem(t, h.send(method, path, "", "X-API-KEY: "+weak.Reveal()), http.StatusForbidden, errs.CodePermission)
	}
}
