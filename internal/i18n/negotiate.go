package i18n

import (
	"strings"

	"golang.org/x/text/language"
)

// maxWish bounds what is parsed of a header that a stranger sends.
const maxWish = 256

// Negotiate returns the language for the first of the wishes that can be met. A wish is a tag
// ("de-AT") or a whole Accept-Language (RFC 9110 §12.5.4); empty and unknown ones are passed over.
// Nobody's wish met means English.
func (c *Catalog) Negotiate(wishes ...string) string {
	for _, w := range wishes {
		if w == "" || len(w) > maxWish {
			continue
		}
		if _, ok := c.tags[w]; ok {
			return w
		}
		tags, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(w, "_", "-"))
		if err != nil || len(tags) == 0 {
			continue
		}
		_, i, confidence := c.matcher.Match(tags...)
		// CLDR takes English for a distant match of many languages; the next wish may be closer.
		if confidence == language.No || confidence == language.Low && c.langs[i] == Fallback {
			continue
		}
		return c.langs[i]
	}
	return Fallback
}

// Direction is how the language is written: "ltr" or "rtl".
func Direction(lang string) string {
	tag, err := language.Parse(lang)
	if err != nil {
		return "ltr"
	}
	switch script, _ := tag.Script(); script.String() {
	case "Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg":
		return "rtl"
	}
	return "ltr"
}
