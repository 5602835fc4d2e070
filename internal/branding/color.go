package branding

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Contrasts that WCAG 2.2, level AA asks for: of text (§1.4.3), and of what has to be seen to use a
// page, such as the ring around what has the focus (§1.4.11).
const (
	MinText    = 4.5
	MinVisible = 3.0
)

// The pages' own colours that an accent lies on (page.css; a test compares them).
const (
	paperLight, groundLight = "#ffffff", "#f4f5f8"
	paperDark, groundDark   = "#17191e", "#0e1014"
)

// What stands on an accent, unless the application chooses; black where neither can be read.
const (
	inkLight = "#ffffff"
	inkDark  = "#0b1020"
	black    = "#000000"
)

var hexColor = regexp.MustCompile(`^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)

// ParseColor reads #rgb or #rrggbb, and returns the latter in small letters.
func ParseColor(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if !hexColor.MatchString(s) {
		return "", false
	}
	if len(s) == 4 {
		s = "#" + string([]byte{s[1], s[1], s[2], s[2], s[3], s[3]})
	}
	return s, true
}

// Contrast is the ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
func Contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is WCAG 2.2's relative luminance.
func luminance(c string) float64 {
	r, g, b := channels(c)
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func channels(c string) (r, g, b uint8) {
	n, err := strconv.ParseUint(strings.TrimPrefix(c, "#"), 16, 32)
	if err != nil {
		return 0, 0, 0
	}
	return uint8(n >> 16), uint8(n >> 8), uint8(n) //nolint:gosec // six digits, cut on purpose
}

// least is the smaller contrast of c with the two.
func least(c, a, b string) float64 { return min(Contrast(c, a), Contrast(c, b)) }

// inkOn chooses what is written on an accent: at least one of black and white has 4.58.
func inkOn(accent string) string {
	switch {
	case Contrast(accent, inkLight) >= MinText:
		return inkLight
	case Contrast(accent, inkDark) >= MinText:
		return inkDark
	}
	return black
}

// toward is the colour nearest to c, on the way to the target, that passes.
func toward(c, target string, passes func(string) bool) string {
	r, g, b := channels(c)
	tr, tg, tb := channels(target)
	const steps = 100
	for i := range steps + 1 {
		mix := func(from, to uint8) uint8 {
			return uint8(math.Round(float64(from) + (float64(to)-float64(from))*float64(i)/steps))
		}
		if got := fmt.Sprintf("#%02x%02x%02x", mix(r, tr), mix(g, tg), mix(b, tb)); passes(got) {
			return got
		}
	}
	return target
}

// visibleLight and visibleDark are the nearest colours that can be told from the page.
func visibleLight(c string) string {
	return toward(c, black, func(c string) bool { return least(c, paperLight, groundLight) >= MinVisible })
}

func visibleDark(c string) string {
	return toward(c, inkLight, func(c string) bool { return least(c, paperDark, groundDark) >= MinVisible })
}

// readableOn is the ink nearest to c that can be read on the accent.
func readableOn(c, accent string) string {
	ink := inkOn(accent)
	return toward(c, ink, func(c string) bool { return Contrast(c, accent) >= MinText })
}

// Palette is what the pages are painted with, all of it set: light, then dark.
type Palette struct{ Accent, Ink, AccentDark, InkDark string }

// palette fills in what the application left to us. The zero Palette is ours.
func (c Colors) palette() Palette {
	if c.Accent == "" {
		return Palette{}
	}
	p := Palette{Accent: c.Accent, Ink: c.AccentText, AccentDark: c.AccentDark, InkDark: c.AccentDarkText}
	if p.Ink == "" {
		p.Ink = inkOn(p.Accent)
	}
	if p.AccentDark == "" {
		// Well above what has to be: nobody looked at it.
		p.AccentDark = toward(p.Accent, inkLight, func(c string) bool { return least(c, paperDark, groundDark) >= MinText })
	}
	if p.InkDark == "" {
		p.InkDark = inkOn(p.AccentDark)
	}
	return p
}

// Ratio is a contrast as people read it, rounded down: 4.49 does not become 4.5.
func Ratio(r float64) string { return strconv.FormatFloat(math.Floor(r*10)/10, 'f', 1, 64) + ":1" }

// Measured is a contrast of the palette, beside what it needs.
type Measured struct {
	// Of names it: accent, accent_text, accent_dark or accent_dark_text.
	Of           string
	Color, On    string
	Ratio, Needs float64
}

// Measure returns the contrasts of what the pages are painted with.
func (c Colors) Measure() []Measured {
	p := c.palette()
	if p.Accent == "" {
		return nil
	}
	return []Measured{
		{"accent", p.Accent, groundLight, least(p.Accent, paperLight, groundLight), MinVisible},
		{"accent_text", p.Ink, p.Accent, Contrast(p.Ink, p.Accent), MinText},
		{"accent_dark", p.AccentDark, groundDark, least(p.AccentDark, paperDark, groundDark), MinVisible},
		{"accent_dark_text", p.InkDark, p.AccentDark, Contrast(p.InkDark, p.AccentDark), MinText},
	}
}

// Surfaces are the pages' colours that contrast is measured against, as they stand in the stylesheet.
func Surfaces() []string { return []string{paperLight, groundLight, paperDark, groundDark} }

// Rounded is the ratio with one place, rounded down.
func (m Measured) Rounded() float64 { return math.Floor(m.Ratio*10) / 10 }
