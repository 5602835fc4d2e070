package branding_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"testing"

	"latchkey/internal/branding"
)

func TestContrast(t *testing.T) {
	// The values of W3C's own examples: black on white, and the grays that just pass and just fail.
	for _, tc := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#ffffff", 1},
		{"#767676", "#ffffff", 4.54},
		{"#777777", "#ffffff", 4.48},
		{"#0000ff", "#ffffff", 8.59},
		{"#ff0000", "#ffffff", 3.99},
	} {
		if got := branding.Contrast(tc.a, tc.b); math.Abs(got-tc.want) > 0.01 {
			t.Errorf("%s on %s: %.3f, want %.2f", tc.a, tc.b, got, tc.want)
		}
	}
	if got := branding.Ratio(4.4999); got != "4.4:1" {
		t.Errorf("4.4999 is shown as %s", got)
	}
}

func TestParseColor(t *testing.T) {
	for in, want := range map[string]string{
		"#1F5EFF": "#1f5eff", " #abc ": "#aabbcc", "#12345": "", "red": "", "1f5eff": "", "#1f5eff80": "", "#1f5ef;}": "", "": "",
	} {
		if got, ok := branding.ParseColor(in); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
}

// TestEveryAccentCanBeUsed: whatever accent passes, all that follows from it can be seen and read.
func TestEveryAccentCanBeUsed(t *testing.T) {
	usable := 0
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				accent := fmt.Sprintf("#%02x%02x%02x", r, g, b)
				for _, m := range (branding.Colors{Accent: accent}).Measure() {
					if m.Of == "accent" {
						if m.Ratio >= m.Needs {
							usable++
						}
						continue
					}
					if m.Ratio < m.Needs {
						t.Fatalf("accent %s: %s is %s on %s: %.2f, needs %.1f", accent, m.Of, m.Color, m.On, m.Ratio, m.Needs)
					}
				}
			}
		}
	}
	if usable == 0 {
		t.Error("no accent can be used")
	}
}

// TestSurfacesAreTheStylesheets: contrast is measured against the colours that the pages have.
func TestSurfacesAreTheStylesheets(t *testing.T) {
	css, err := os.ReadFile("../web/ui/static/page.css")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`--(?:paper|ground):(#[0-9a-f]+);`).FindAllStringSubmatch(string(css), -1) {
		c, ok := branding.ParseColor(m[1])
		if !ok {
			t.Fatalf("%s is no colour", m[1])
		}
		got = append(got, c)
	}
	if want := branding.Surfaces(); !slices.Equal(got, want) {
		t.Errorf("the stylesheet has %v, contrast is measured against %v", got, want)
	}
}
