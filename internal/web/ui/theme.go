package ui

import (
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/i18n"
)

// Theme is what an application puts over our pages. It can be compared: pages that were made of equal
// themes are alike.
type Theme struct {
	// AppName is the application's name, as its end users know it.
	AppName string
	// LogoURL is an image that we serve ourselves, and LogoDarkURL another for dark pages. Without the
	// first the name's initial is shown.
	LogoURL, LogoDarkURL string
	// Brand and BrandInk are "#rrggbb": the colour of main buttons, and of what is written on them.
	// Both or none. The dark ones are for readers who prefer dark pages; without them the others are.
	Brand, BrandInk         string
	BrandDark, BrandDarkInk string
	// Radius rounds corners, in CSS pixels, as digits; empty leaves ours.
	Radius string
	// HeaderHTML stands in a fixed box above the page's own words. It must have been cleaned.
	HeaderHTML template.HTML
	// Privacy, Terms and Support are https addresses for the foot.
	Privacy, Terms, Support string
	// Words are the application's own; nil has none. They must be comparable.
	Words Words
	// Scheme is "light" or "dark" where a page is shown so whatever its reader prefers; empty else.
	Scheme string
}

// Words are texts that an application has instead of ours, or beside them.
type Words interface {
	// Text is the text for a key in a language; empty where there is none.
	Text(lang, key string) string
}

// The schemes that a page can be held to.
const (
	SchemeLight = "light"
	SchemeDark  = "dark"
)

// maxRadius keeps a theme from turning cards into circles.
const maxRadius = 32

// Own is the application's own text; nil where it has none.
func (t Theme) Own(lang, key string) []i18n.Part {
	if t.Words == nil {
		return nil
	}
	text := t.Words.Text(lang, key)
	if text == "" {
		return nil
	}
	parts, err := i18n.Fill(text, map[string]string{"app": t.AppName})
	if err != nil {
		return []i18n.Part{{Text: text}}
	}
	return parts
}

// Mark is the logo, or the name's initial in its place. The name stands beside it, so it says nothing.
func (t Theme) Mark() template.HTML {
	esc := template.HTMLEscapeString
	img := func(src string) string { return `<img class="logo" src="` + esc(src) + `" alt="" height="40">` }
	switch {
	case t.LogoURL == "":
		return template.HTML(`<span class="logo" aria-hidden="true">` + esc(t.Initial()) + `</span>`) //nolint:gosec // escaped
	case t.LogoDarkURL == "" || t.Scheme == SchemeLight:
		return template.HTML(img(t.LogoURL)) //nolint:gosec // escaped
	case t.Scheme == SchemeDark:
		return template.HTML(img(t.LogoDarkURL)) //nolint:gosec // escaped
	}
	return template.HTML(`<picture><source srcset="` + esc(t.LogoDarkURL) + `" media="(prefers-color-scheme:dark)">` + img(t.LogoURL) + `</picture>`) //nolint:gosec // escaped
}

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
	bare := func(c string) string { return strings.TrimPrefix(c, "#") }
	spec := strings.Join([]string{bare(t.Brand), bare(t.BrandInk), bare(t.BrandDark), bare(t.BrandDarkInk), t.Radius}, "-")
	if spec == "----" {
		return ""
	}
	if t.Scheme != "" {
		spec = t.Scheme + "." + spec
	}
	if themeCSS(spec) == "" {
		return ""
	}
	return themePath + spec + ".css"
}

// themeSpec is the middle of a theme's URL: perhaps a scheme, then colours in pairs, then the radius.
var themeSpec = regexp.MustCompile(`^(?:(light|dark)\.)?` + colorPair + `-` + colorPair + `-(\d{0,2})$`)

const colorPair = `(?:([0-9a-f]{6})-([0-9a-f]{6})|-)`

// themeCSS turns the middle of a theme's URL into its stylesheet; empty if it is none.
func themeCSS(spec string) string {
	m := themeSpec.FindStringSubmatch(strings.ToLower(spec))
	if m == nil {
		return ""
	}
	paint := func(brand, ink string) string {
		if brand == "" {
			return ""
		}
		return "--brand:#" + brand + ";--brand-ink:#" + ink + ";"
	}
	light, dark, scheme := paint(m[2], m[3]), paint(m[4], m[5]), m[1]
	if scheme == SchemeDark && dark != "" {
		light = dark
	}
	if m[6] != "" {
		radius, err := strconv.Atoi(m[6])
		if err != nil || radius > maxRadius {
			return ""
		}
		light += "--radius:" + strconv.Itoa(radius) + "px;"
	}
	css := ":root:root{" + light + "}\n"
	if scheme == "" && dark != "" {
		css += "@media (prefers-color-scheme:dark){:root:root{" + dark + "}}\n"
	}
	return css
}
