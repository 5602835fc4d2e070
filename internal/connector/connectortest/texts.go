package connectortest

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/i18n"
)

// CheckTexts holds that a connector's texts agree in all languages, and that it speaks every one that
// the page around it speaks: a page must not change its language in the middle of a step.
func CheckTexts(t *testing.T, own, page fs.FS) {
	t.Helper()
	problems, err := i18n.Lint(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	names, err := fs.Glob(page, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 5 {
		t.Fatalf("the page speaks %v only: is it still where it was?", names)
	}
	english := readTexts(t, own, "en.json")
	for _, name := range names {
		if name == "en.json" {
			continue
		}
		for key, text := range readTexts(t, own, name) {
			if text == english[key] && !sameEverywhere(key, text) {
				t.Errorf("%s: %s is still in English", name, key)
			}
		}
	}
}

func readTexts(t *testing.T, own fs.FS, name string) map[string]string {
	t.Helper()
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

// sameEverywhere tells whether a text has nothing to translate: data alone, or a provider's own name.
func sameEverywhere(key, text string) bool {
	if rest := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(text, ""); strings.TrimSpace(rest) == "" {
		return true
	}
	provider, ok := strings.CutPrefix(key, "provider.")
	return ok && strings.EqualFold(provider, text)
}
