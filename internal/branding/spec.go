package branding

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/i18n"
)

// Branding is what an application set; see Spec for what each means. Its zero value is no branding.
type Branding struct {
	Name       string                       `json:"name,omitempty"`
	Logo       latchkey.ImageID             `json:"logo,omitempty"`
	LogoDark   latchkey.ImageID             `json:"logo_dark,omitempty"`
	Colors     Colors                       `json:"colors"`
	Texts      map[string]map[string]string `json:"texts,omitempty"`
	Links      Links                        `json:"links"`
	HeaderHTML string                       `json:"header_html,omitempty"`
}

// Colors are "#rrggbb", or empty for what follows from the others; without an Accent they are ours.
type Colors struct {
	// Accent is the colour of main buttons, AccentText what is written on it.
	Accent     string `json:"accent,omitempty"`
	AccentText string `json:"accent_text,omitempty"`
	// The same for readers who prefer dark pages.
	AccentDark     string `json:"accent_dark,omitempty"`
	AccentDarkText string `json:"accent_dark_text,omitempty"`
	// Radius rounds corners, in CSS pixels; nil leaves ours.
	Radius *int `json:"radius,omitempty"`
}

// Links are https addresses in the pages' foot.
type Links struct {
	Privacy string `json:"privacy,omitempty"`
	Terms   string `json:"terms,omitempty"`
	Support string `json:"support,omitempty"`
}

// MaxRadius is where corners end to be corners.
const MaxRadius = 24

// MaxName bounds the name that end users read.
const MaxName = 100

// AnyLanguage is the language of words for those that have none of their own.
const AnyLanguage = "*"

// Word is a text that an application may set.
type Word struct {
	Key string
	Max int
}

// Words lists them, in the order of the pages.
func Words() []Word {
	const title, text = 120, 500
	return []Word{
		{"start.title", title},
		{"start.text", text},
		{"reconnect.title", title},
		{"reconnect.text", text},
		{"consent.note", text},
		{"done.text", text},
		{"signin.title", title},
		{"signin.text", text},
		{"support", 60},
		{"footer", 300},
	}
}

// checker collects everything that is wrong.
type checker struct {
	problems []errs.FieldError
}

func (c *checker) fail(field string, code errs.Code, message string) {
	c.problems = append(c.problems, errs.FieldError{Field: field, Code: code, Message: message})
}

// check returns b as it is kept. languages are those of our pages.
func (c *checker) check(b Branding, languages []string) Branding {
	b.Name = c.words("name", strings.TrimSpace(b.Name), MaxName)
	b.Colors = c.colors(b.Colors)
	b.Links = Links{
		Privacy: c.link("links.privacy", b.Links.Privacy), Terms: c.link("links.terms", b.Links.Terms), Support: c.link("links.support", b.Links.Support),
	}
	b.Texts = c.texts(b.Texts, languages)
	return b
}

// words checks plain text of one line.
func (c *checker) words(field, s string, most int) string {
	switch {
	case utf8.RuneCountInString(s) > most:
		c.fail(field, errs.CodeTooLong, "This may have "+strconv.Itoa(most)+" characters at most.")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }):
		c.fail(field, errs.CodeInvalidValue, "This must be one line, without characters that control how text runs.")
	default:
		return s
	}
	return ""
}

func (c *checker) link(field, s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	u, ok := WebLink(s)
	if !ok {
		c.fail(field, errs.CodeInvalidURL, "This must be a whole address that begins with https://, without a user name.")
	}
	return u
}

func (c *checker) texts(in map[string]map[string]string, languages []string) map[string]map[string]string {
	known := Words()
	out := map[string]map[string]string{}
	for _, lang := range slices.Sorted(maps.Keys(in)) {
		at := "texts." + nameOf(lang)
		if lang == AnyLanguage {
			at = "texts.*"
		} else if !slices.Contains(languages, lang) {
			c.fail(at, errs.CodeUnsupported, "The pages speak "+strings.Join(languages, ", ")+"; * stands for all that have no words of their own.")
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(in[lang])) {
			i := slices.IndexFunc(known, func(w Word) bool { return w.Key == key })
			if i < 0 {
				c.fail(at+"."+strings.ReplaceAll(nameOf(strings.ReplaceAll(key, ".", ":")), ":", "."), errs.CodeUnknownField, "There is no text of that name.")
				continue
			}
			text := c.words(at+"."+key, strings.TrimSpace(in[lang][key]), known[i].Max)
			if text == "" {
				continue
			}
			if bad := badPlaceholder(text); bad {
				c.fail(at+"."+key, errs.CodeInvalidValue, "Of what is in braces only {app} can be filled in.")
				continue
			}
			if out[lang] == nil {
				out[lang] = map[string]string{}
			}
			out[lang][key] = text
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func badPlaceholder(text string) bool {
	parts, err := i18n.Fill(text, nil)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(parts, func(p i18n.Part) bool { return p.Data && p.Text != "app" })
}

func (c *checker) colors(in Colors) Colors {
	out := in
	for field, v := range map[string]*string{
		"accent": &out.Accent, "accent_text": &out.AccentText, "accent_dark": &out.AccentDark, "accent_dark_text": &out.AccentDarkText,
	} {
		if strings.TrimSpace(*v) == "" {
			*v = ""
			continue
		}
		color, ok := ParseColor(*v)
		if !ok {
			c.fail("colors."+field, errs.CodeInvalidValue, "This must be a colour like #1f5eff.")
		}
		*v = color
	}
	if r := in.Radius; r != nil && (*r < 0 || *r > MaxRadius) {
		c.fail("colors.radius", errs.CodeOutOfRange, "This must be from 0 to "+strconv.Itoa(MaxRadius)+".")
	}
	if out.Accent == "" {
		if in.Accent == "" && (out.AccentText != "" || out.AccentDark != "" || out.AccentDarkText != "") {
			c.fail("colors.accent", errs.CodeRequired, "The other colours go with an accent.")
		}
		return out
	}
	// What follows from a colour that is not good enough says nothing new.
	if c.seen("colors.accent", out.Accent, paperLight, groundLight, "light", visibleLight) {
		c.read("colors.accent_text", out.AccentText, out.Accent)
	}
	if out.AccentDark == "" || c.seen("colors.accent_dark", out.AccentDark, paperDark, groundDark, "dark", visibleDark) {
		c.read("colors.accent_dark_text", out.AccentDarkText, out.palette().AccentDark)
	}
	return out
}

// seen refuses an accent that cannot be told from the page.
func (c *checker) seen(field, color, paper, ground, scheme string, nearest func(string) string) bool {
	got := least(color, paper, ground)
	if got >= MinVisible {
		return true
	}
	c.fail(field, errs.CodeLowContrast, fmt.Sprintf(
		"On %s pages this has a contrast of %s, and 3:1 is needed to see it. The nearest that has it is %s.", scheme, Ratio(got), nearest(color)))
	return false
}

// read refuses writing that cannot be read on its accent.
func (c *checker) read(field, ink, accent string) {
	if ink == "" {
		return
	}
	if got := Contrast(ink, accent); got < MinText {
		c.fail(field, errs.CodeLowContrast, fmt.Sprintf(
			"On the accent this has a contrast of %s, and 4.5:1 is needed to read it. The nearest that has it is %s.", Ratio(got), readableOn(ink, accent)))
	}
}
