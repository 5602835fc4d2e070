package ui

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Theme is what an application puts over our pages.
type Theme struct {
	// AppName is the application's name, as its end users know it.
	AppName string
	// LogoURL is an image that we serve ourselves; empty shows the name's initial.
	LogoURL string
	// Brand and BrandInk are "#rrggbb": the colour of main buttons, and of what is written on them.
	// Both or none.
	Brand    string
	BrandInk string
	// Radius rounds corners, in CSS pixels; 0 leaves ours.
	Radius int
	// HeaderHTML stands in a fixed box above the page's own words. It must have been cleaned.
	HeaderHTML template.HTML
}

// maxRadius keeps a theme from turning cards into circles.
const maxRadius = 32

// Initial is the first letter of the application's name.
func (t Theme) Initial() string {
	for _, r := range t.AppName {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return string(unicode.ToUpper(r))
		}
	}
	r, n := utf8.DecodeRuneInString(t.AppName)
	if n == 0 || !unicode.IsPrint(r) {
		return "•"
	}
	return string(r)
}

// Stylesheet is the URL of the theme's own stylesheet, or empty for a theme without colours. The
// URL says all that the stylesheet does, so any replica can serve it, for ever.
func (t Theme) Stylesheet() string {
	spec := fmt.Sprintf("%s-%s-%d", strings.TrimPrefix(t.Brand, "#"), strings.TrimPrefix(t.BrandInk, "#"), t.Radius)
	if t.Brand == "" && t.Radius == 0 || themeCSS(spec) == "" {
		return ""
	}
	return themePath + spec + ".css"
}

// themeCSS turns the middle of a theme's URL into its stylesheet; empty if it is none.
func themeCSS(spec string) string {
	m := regexp.MustCompile(`^(?:([0-9a-fA-F]{6})-([0-9a-fA-F]{6})|-)-(\d{1,2})$`).FindStringSubmatch(spec)
	if m == nil {
		return ""
	}
	var b strings.Builder
	if m[1] != "" {
		fmt.Fprintf(&b, "--brand:#%s;--brand-ink:#%s;", strings.ToLower(m[1]), strings.ToLower(m[2]))
	}
	var radius int
	if _, err := fmt.Sscanf(m[3], "%d", &radius); err != nil || radius > maxRadius {
		return ""
	}
	if radius > 0 {
		fmt.Fprintf(&b, "--radius:%dpx;", radius)
	}
	return ":root:root{" + b.String() + "}\n"
}
