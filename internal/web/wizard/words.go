package wizard

import (
	"maps"
	"strings"

	"latchkey/internal/i18n"
	"latchkey/internal/web/ui"
)

// speaker says things in the reader's language, with the words of the connector that asks.
type speaker struct {
	cat  *i18n.Catalog
	lang string
	args map[string]string
	// theme has the application's own words, for the few texts that may be its own.
	theme ui.Theme
}

// own is the application's text for a key, else the first of ours that has words.
func (s speaker) own(key string, keys ...string) []i18n.Part {
	if p := s.theme.Own(s.lang, key); p != nil {
		return p
	}
	return s.parts(keys...)
}

// ours are the placeholders that nobody can fill with something else: what a page says about who
// asks must stay true.
func ours() []string { return []string{"app", "site"} }

// with adds arguments.
func (s speaker) with(args map[string]string) speaker {
	if len(args) == 0 {
		return s
	}
	merged := maps.Clone(s.args)
	maps.Copy(merged, args)
	for _, k := range ours() {
		if v, ok := s.args[k]; ok {
			merged[k] = v
		}
	}
	s.args = merged
	return s
}

// text says the first of the keys that has words; "" if none has.
func (s speaker) text(keys ...string) string {
	for _, k := range keys {
		if t, ok := s.cat.Text(s.lang, k, s.args); ok {
			return t
		}
	}
	return ""
}

// parts is text with words and data apart, so that data can be isolated on a page that is written
// the other way round.
func (s speaker) parts(keys ...string) []i18n.Part {
	for _, k := range keys {
		if p, ok := s.cat.Parts(s.lang, k, s.args); ok {
			return p
		}
	}
	return nil
}

// plain makes parts of words that come from outside.
func plain(s string) []i18n.Part { return []i18n.Part{{Text: s, Data: true}} }

// orName falls back to a name made readable, for words that a connector forgot.
func orName(parts []i18n.Part, name string) []i18n.Part {
	if parts != nil {
		return parts
	}
	return plain(readable(name))
}

func readable(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.ReplaceAll(name, "_", " ")
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// join is the plain text of parts.
func join(parts []i18n.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}
