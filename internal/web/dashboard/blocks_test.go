package dashboard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"latchkey/internal/errs"
)

// TestRefusedFormSaysWhere: the note of a refused form speaks of the page, not of an API answer's list;
// a box that may be ticked names its hint; a cell with nothing in it stays empty.
func TestRefusedFormSaysWhere(t *testing.T) {
	d, app, _ := open(t)
	c := &call{d: d, app: app, r: httptest.NewRequest(http.MethodGet, site+"/dashboard", nil)}
	refused := errs.InvalidFields(errs.FieldError{Field: "name", Code: errs.CodeInvalidParameters, Message: "Too odd."})
	f := &form{Submit: "Save", Fields: []field{
		{Name: "name", Label: "Name"},
		{Name: "test", Type: "checkbox", Label: "A test", Hint: "It stays one."},
	}}
	ans, err := c.again(&page{Title: "New"}, f, refused)
	if err != nil {
		t.Fatal(err)
	}
	ans.page.frame = frame{Assets: d.assets}
	ans.page.add(block{Table: &table{Caption: "Members", Cols: []string{"Name", ""}, Rows: []row{{{Text: "Ada"}, {}}}}})
	var b strings.Builder
	if err := d.pages.ExecuteTemplate(&b, "page", ans.page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"What to change stands below", "Too odd.", `aria-describedby="f-test-hint"`, "<td></td>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "see errors") {
		t.Error("the page speaks of a list that it does not have")
	}
}
