package imap_test

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/i18n"
	"latchkey/internal/web/wizard"
)

func texts(t *testing.T) fs.FS {
	t.Helper()
	return newLab(t).conn.Describe().Texts
}

func TestTextsAgreeInAllLanguages(t *testing.T) {
	problems, err := i18n.Lint(texts(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// TestTextsSpeakTheLanguagesOfThePage: a page must not change its language in the middle of a step.
func TestTextsSpeakTheLanguagesOfThePage(t *testing.T) {
	own := texts(t)
	read := func(name string) map[string]string {
		data, err := fs.ReadFile(own, name)
		if err != nil {
			t.Errorf("the page speaks it, the connector does not: %v", err)
			return nil
		}
		out := map[string]string{}
		if err := json.Unmarshal(data, &out); err != nil {
			t.Fatal(name, err)
		}
		return out
	}
	names, err := fs.Glob(wizard.Texts(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 5 {
		t.Fatalf("the page speaks %v only: is it still where it was?", names)
	}
	english := read("en.json")
	placeholder := regexp.MustCompile(`\{\w+\}`)
	for _, name := range names {
		if name == "en.json" {
			continue
		}
		for key, text := range read(name) {
			if text == english[key] && strings.TrimSpace(placeholder.ReplaceAllString(text, "")) != "" {
				t.Errorf("%s: %s is still in English", name, key)
			}
		}
	}
}
