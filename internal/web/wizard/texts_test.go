package wizard

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/i18n"
)

func TestTextsAgreeInAllLanguages(t *testing.T) {
	problems, err := i18n.Lint(Texts())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func english(t *testing.T) map[string]string {
	t.Helper()
	data, err := fs.ReadFile(Texts(), "en.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryCodeOfAConnectionHasWords reads the list of codes: whoever adds one adds its words.
func TestEveryCodeOfAConnectionHasWords(t *testing.T) {
	words := english(t)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "errs", "codes.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST || !strings.Contains(g.Doc.Text(), "field") {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			code := strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)
			seen++
			if words["error."+code] == "" {
				t.Errorf("error.%s has no words", code)
			}
		}
	}
	if seen < 30 {
		t.Errorf("found %d codes only: is the list still where it was?", seen)
	}
}

// TestNoTextIsUnused looks for each key, or for the beginning that the code completes.
func TestNoTextIsUnused(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html", filepath.Join("..", "..", "hosted", "*.go")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(data)
		}
	}
	// Keys that are made of codes of others: steps, fields, providers, errors, scopes, actions.
	made := regexp.MustCompile(`^(error|reason|failure|provider|field|option|group|source|scope|action|page\.error|page\.state|page\.problems|link\.start\.title|link\.start\.text|flow\.done\.text)\.`)
	say := regexp.MustCompile(`^page\.(\w+)$`)
	for key := range english(t) {
		if made.MatchString(key) || strings.Contains(source.String(), `"`+key+`"`) {
			continue
		}
		if m := say.FindStringSubmatch(key); m != nil && strings.Contains(source.String(), ".Say."+m[1]) || key == "page.optional" || key == "page.show" || key == "page.hide" {
			continue
		}
		step, _, _ := strings.Cut(key, ".title")
		step, _, _ = strings.Cut(step, ".text")
		step, _, _ = strings.Cut(step, ".action")
		step = strings.TrimSuffix(step, ".submit")
		if !strings.Contains(source.String(), `"`+step+`"`) {
			t.Errorf("nothing says %s", key)
		}
	}
}
