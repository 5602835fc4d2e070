package latchkey_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/providerapps"
)

// TestDocsLead follows every link from one page of the documentation to another, and to its headings.
func TestDocsLead(t *testing.T) {
	pages := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	followed := 0
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, heading, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, m[1])
			} else if heading != "" && !anchors(read(t, target))[heading] {
				t.Errorf("%s: %s has no heading #%s", page, target, heading)
			}
		}
	}
	if followed < 30 {
		t.Fatalf("only %d links were found", followed)
	}
}

// TestProvidersHaveAPage: whoever has to register a client there is told how.
func TestProvidersHaveAPage(t *testing.T) {
	for _, p := range providerapps.Providers() {
		name := strings.ToLower(string(p))
		page := read(t, filepath.Join("docs", "providers", name+".md"))
		for _, want := range []string{"/oauth/callback", "--provider " + name, `"provider": "` + string(p) + `"`, "What the end user sees"} {
			if !strings.Contains(page, want) {
				t.Errorf("docs/providers/%s.md does not say %q", name, want)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// anchors are the names under which a page's headings are linked to.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#{1,6} (.+)$`).FindAllStringSubmatch(page, -1) {
		out[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}
