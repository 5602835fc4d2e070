package latchkey_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"latchkey"
)

// codesOf reads the values of all constants of a type from the files of this package.
func codesOf(t *testing.T, typ string) (codes []string) {
	t.Helper()
	for _, file := range []string{"account.go", "health.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != typ {
				return true
			}
			for _, v := range spec.Values {
				lit, ok := v.(*ast.BasicLit)
				if !ok {
					t.Fatalf("%s: a constant of %s is not a plain text", file, typ)
				}
				if s, err := strconv.Unquote(lit.Value); err != nil {
					t.Fatal(err)
				} else if s != "" {
					codes = append(codes, s)
				}
			}
			return true
		})
	}
	return codes
}

// TestCodesOfAccountsAreDocumented: callers branch on statuses, reasons, actions and causes.
func TestCodesOfAccountsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/accounts.md")
	if err != nil {
		t.Fatal(err)
	}
	for typ, least := range map[string]int{"AccountStatus": 6, "Reason": 15, "Action": 4, "Cause": 5} {
		codes := codesOf(t, typ)
		if len(codes) < least {
			t.Fatalf("only %d constants of %s were found", len(codes), typ)
		}
		for _, c := range codes {
			if !strings.Contains(string(doc), "`"+c+"`") {
				t.Errorf("docs/accounts.md does not say what %s %q means", typ, c)
			}
		}
	}
}

// TestReasonsHaveWords: the page of a reconnect URL says what broke, in the reader's words.
func TestReasonsHaveWords(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "de", "fr", "es", "ar"} {
		data, err := os.ReadFile("internal/web/wizard/texts/" + lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range codesOf(t, "Reason") {
			if !strings.Contains(string(data), `"reason.`+r+`":`) {
				t.Errorf("%s: reason.%s has no words", lang, r)
			}
		}
	}
}

// TestActions: whoever must act can.
func TestActions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status latchkey.AccountStatus
		reason latchkey.Reason
		want   latchkey.Action
	}{
		{"OK", "", ""},
		{"CONNECTING", "provider_trouble", "wait"},
		{"CREDENTIALS", "password_changed", "reconnect"},
		{"CREDENTIALS", "imap_disabled", "open_app"},
		{"PERMISSIONS", "account_blocked", "contact_admin"},
		{"PERMISSIONS", "consent_revoked", "reconnect"},
		{"ERROR", "account_blocked", "open_app"},
		{"ERROR", "rate_limited", "wait"},
		{"ERROR", "host_unreachable", "contact_admin"},
		{"STOPPED", "session_terminated", "reconnect"},
		{"STOPPED", "", "contact_admin"},
	} {
		if got := latchkey.ActionFor(c.status, c.reason); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.status, c.reason, got, c.want)
		}
	}
	for _, st := range codesOf(t, "AccountStatus") {
		for _, r := range codesOf(t, "Reason") {
			got := latchkey.ActionFor(latchkey.AccountStatus(st), latchkey.Reason(r))
			if (got == "") != (st == "OK") {
				t.Errorf("%s %s: action %q", st, r, got)
			}
		}
	}
}
