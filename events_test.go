package latchkey_test

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"latchkey"
)

// TestEveryEventTypeIsKnownAndDocumented holds that a type of events, wherever it is written down, is
// among EventTypes (or no pattern would reach it) and has its line in docs/notifications.md.
func TestEveryEventTypeIsKnownAndDocumented(t *testing.T) {
	known := latchkey.EventTypes()
	seen := map[latchkey.EventType]bool{}
	for _, f := range house(t) {
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				typ, value := eventConstant(s)
				if !typ {
					continue
				}
				seen[value] = true
				if !slices.Contains(known, value) {
					t.Errorf("%s: event type %q is not in latchkey.EventTypes", f.path, value)
				}
			}
		}
	}
	text, err := os.ReadFile("docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+\\.[a-z_]+)` \\| .+ \\| .+ \\|$")
	var documented []latchkey.EventType
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, latchkey.EventType(m[1]))
	}
	for _, e := range known {
		if !seen[e] {
			t.Errorf("%q is no constant", e)
		}
		if !slices.Contains(documented, e) {
			t.Errorf("%q has no line in docs/notifications.md", e)
		}
	}
	for _, e := range documented {
		if !slices.Contains(known, e) {
			t.Errorf("docs/notifications.md has %q, which is no event", e)
		}
	}
}

// eventConstant tells whether a constant is an event type, and which.
func eventConstant(s ast.Spec) (bool, latchkey.EventType) {
	v, ok := s.(*ast.ValueSpec)
	if !ok || len(v.Values) != 1 {
		return false, ""
	}
	name := ""
	switch x := v.Type.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	lit, ok := v.Values[0].(*ast.BasicLit)
	if name != "EventType" || !ok {
		return false, ""
	}
	text, err := strconv.Unquote(lit.Value)
	return err == nil, latchkey.EventType(text)
}

func TestEventPatterns(t *testing.T) {
	for pattern, want := range map[string]bool{
		"*": true, "account.*": true, "account.connected": true, "link.*": false, "account": false, "account.": false, "acc*": false,
		"*.connected": false, "": false, ".*": false,
	} {
		if got := latchkey.MatchEvent(pattern, latchkey.EventAccountConnected); got != want {
			t.Errorf("%q: %v, want %v", pattern, got, want)
		}
	}
	for _, bad := range []string{"", ".*", "mail.*", "account", "account.connected ", strings.Repeat("a", 100)} {
		if latchkey.KnownPattern(bad) {
			t.Errorf("%q is known", bad)
		}
	}
}
