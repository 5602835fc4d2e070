package i18n

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Fallback is the language in which every text exists.
const Fallback = "en"

// Catalog is a set of texts in several languages. It is immutable, and safe for use by many.
type Catalog struct {
	parent  *Catalog
	texts   map[string]map[string]message
	langs   []string
	chains  map[string][]string
	tags    map[string]language.Tag
	matcher language.Matcher
}

// Part is a stretch of a text: words of ours, or data that filled a placeholder.
type Part struct {
	Text string
	Data bool
}

// message is a parsed text. A Data part holds the placeholder's name.
type message []Part

// Load reads every <lang>.json at the top of each source. Later sources win over earlier ones.
func Load(sources ...fs.FS) (*Catalog, error) {
	return newCatalog(nil, sources)
}

// Extend returns a catalog with the texts of sources before those of c. c stays as it is. The
// languages offered to readers stay those of c: words of one connector do not make a language.
func (c *Catalog) Extend(sources ...fs.FS) (*Catalog, error) {
	return newCatalog(c, sources)
}

func newCatalog(parent *Catalog, sources []fs.FS) (*Catalog, error) {
	c := &Catalog{parent: parent, texts: map[string]map[string]message{}}
	for _, src := range sources {
		files, err := readFolder(src)
		if err != nil {
			return nil, err
		}
		for lang, texts := range files {
			if c.texts[lang] == nil {
				c.texts[lang] = make(map[string]message, len(texts))
			}
			for key, text := range texts {
				m, err := parse(text)
				if err != nil {
					return nil, fmt.Errorf("i18n: %s.json: %s: %w", lang, key, err)
				}
				c.texts[lang][key] = m
			}
		}
	}
	if parent != nil {
		c.langs, c.chains, c.tags, c.matcher = parent.langs, parent.chains, parent.tags, parent.matcher
		return c, nil
	}
	return c, c.index()
}

// readFolder decodes the language files of one folder.
func readFolder(src fs.FS) (map[string]map[string]string, error) {
	names, err := fs.Glob(src, "*.json")
	if err != nil {
		return nil, fmt.Errorf("i18n: %w", err)
	}
	files := make(map[string]map[string]string, len(names))
	for _, name := range names {
		data, err := fs.ReadFile(src, name)
		if err != nil {
			return nil, fmt.Errorf("i18n: %w", err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(data, &texts); err != nil {
			return nil, fmt.Errorf("i18n: %s: %w", name, err)
		}
		files[strings.TrimSuffix(path.Base(name), ".json")] = texts
	}
	return files, nil
}

// index prepares negotiation. English comes first, so that it is what a matcher gives to those
// whose languages we do not have.
func (c *Catalog) index() error {
	if c.texts[Fallback] == nil {
		return fmt.Errorf("i18n: no %s.json in any source", Fallback)
	}
	for lang := range c.texts {
		c.langs = append(c.langs, lang)
	}
	slices.SortFunc(c.langs, func(a, b string) int {
		if (a == Fallback) != (b == Fallback) {
			if a == Fallback {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	c.chains, c.tags = map[string][]string{}, map[string]language.Tag{}
	tags := make([]language.Tag, len(c.langs))
	for i, lang := range c.langs {
		tag, err := language.Parse(lang)
		if err != nil {
			return fmt.Errorf("i18n: %s.json: %w", lang, err)
		}
		tags[i], c.tags[lang], c.chains[lang] = tag, tag, chain(lang)
	}
	c.matcher = language.NewMatcher(tags)
	return nil
}

// chain is where a text of lang is looked for, in order.
func chain(lang string) []string {
	var out []string
	for l := lang; l != ""; {
		out = append(out, l)
		i := strings.LastIndexByte(l, '-')
		if i < 0 {
			break
		}
		l = l[:i]
	}
	if !slices.Contains(out, Fallback) {
		out = append(out, Fallback)
	}
	return out
}

// Languages returns the languages there are, English first.
func (c *Catalog) Languages() []string { return slices.Clone(c.langs) }

// Text returns the text of key in lang with its placeholders filled, and whether there is one.
func (c *Catalog) Text(lang, key string, args map[string]string) (string, bool) {
	m, ok := c.find(lang, key)
	if !ok {
		return "", false
	}
	if len(m) == 1 && !m[0].Data {
		return m[0].Text, true
	}
	var b strings.Builder
	for _, p := range m {
		b.WriteString(p.fill(args))
	}
	return b.String(), true
}

// Parts is Text with words and data apart.
func (c *Catalog) Parts(lang, key string, args map[string]string) ([]Part, bool) {
	m, ok := c.find(lang, key)
	if !ok {
		return nil, false
	}
	out := make([]Part, len(m))
	for i, p := range m {
		out[i] = Part{Text: p.fill(args), Data: p.Data}
	}
	return out, true
}

// Plural is Text for a number of things: it looks for "<key>.<category>", where the category is the
// one that n has in lang (CLDR: zero one two few many other), and then for "<key>.other". The
// number fills {count}.
func (c *Catalog) Plural(lang, key string, n int, args map[string]string) (string, bool) {
	filled := map[string]string{"count": fmt.Sprint(n)}
	for k, v := range args {
		filled[k] = v
	}
	form := plural.Cardinal.MatchPlural(c.tag(lang), n, 0, 0, 0, 0)
	if s, ok := c.Text(lang, key+"."+categories()[form], filled); ok {
		return s, true
	}
	return c.Text(lang, key+".other", filled)
}

func (c *Catalog) tag(lang string) language.Tag {
	if t, ok := c.tags[lang]; ok {
		return t
	}
	return language.English
}

func categories() map[plural.Form]string {
	return map[plural.Form]string{
		plural.Zero: "zero", plural.One: "one", plural.Two: "two",
		plural.Few: "few", plural.Many: "many", plural.Other: "other",
	}
}

func (c *Catalog) find(lang, key string) (message, bool) {
	ch, ok := c.chains[lang]
	if !ok {
		ch = chain(lang)
	}
	for _, l := range ch {
		for s := c; s != nil; s = s.parent {
			if m, ok := s.texts[l][key]; ok {
				return m, true
			}
		}
	}
	return nil, false
}

// fill returns what stands in the part's place. Data that is missing leaves an ellipsis: the
// sentence stays readable, and the gap visible.
func (p Part) fill(args map[string]string) string {
	if !p.Data {
		return p.Text
	}
	if v, ok := args[p.Text]; ok {
		return v
	}
	return "…"
}

// parse splits a text at its placeholders: {name}, of small letters, digits and underscores.
func parse(text string) (message, error) {
	var m message
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			return append(m, Part{Text: text}), nil
		}
		if text[i] == '}' {
			return nil, fmt.Errorf("a } without its {")
		}
		if i > 0 {
			m = append(m, Part{Text: text[:i]})
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return nil, fmt.Errorf("a { without its }")
		}
		name := text[i+1 : i+end]
		if !placeholderName(name) {
			return nil, fmt.Errorf("placeholder {%s}: not a name", name)
		}
		m = append(m, Part{Text: name, Data: true})
		text = text[i+end+1:]
	}
	return m, nil
}

// Fill splits a text that stands in no catalog at its placeholders, and fills them; without args their
// names stand in the parts. It fails where a brace is out of place.
func Fill(text string, args map[string]string) ([]Part, error) {
	m, err := parse(text)
	if err != nil || args == nil {
		return m, err
	}
	out := make([]Part, len(m))
	for i, p := range m {
		out[i] = Part{Text: p.fill(args), Data: p.Data}
	}
	return out, nil
}

func placeholderName(s string) bool {
	if s == "" {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}
