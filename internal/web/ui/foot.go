package ui

import (
	"embed"
	"html/template"
	"io/fs"
	"strings"

	"latchkey/internal/i18n"
)

//go:embed texts/*.json
var footTexts embed.FS

// Foot is what stands below a page's card: the application's links and its small print.
type Foot struct{ words *i18n.Catalog }

// NewFoot reads the words.
func NewFoot() (*Foot, error) {
	sub, err := fs.Sub(footTexts, "texts")
	if err != nil {
		return nil, err
	}
	words, err := i18n.Load(sub)
	return &Foot{words: words}, err
}

// HTML is the foot of a page; empty where the theme has nothing for it.
func (f *Foot) HTML(t Theme, lang string) template.HTML {
	var b strings.Builder
	link := func(url, label string) {
		if url == "" || label == "" {
			return
		}
		tab, _ := f.words.Text(lang, "new_tab", nil)
		b.WriteString(`<a href="` + template.HTMLEscapeString(url) + `" target="_blank" rel="noopener noreferrer">` + label +
			`<span class="vh"> ` + template.HTMLEscapeString(tab) + "</span></a>\n")
	}
	label := func(key string) string {
		text, _ := f.words.Text(lang, key, nil)
		return template.HTMLEscapeString(text)
	}
	support := label("support")
	if own := t.Own(lang, "support"); own != nil {
		support = string(Say(own))
	}
	link(t.Support, support)
	link(t.Privacy, label("privacy"))
	link(t.Terms, label("terms"))
	if own := t.Own(lang, "footer"); own != nil {
		b.WriteString(`<p dir="auto">` + string(Say(own)) + "</p>\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return template.HTML("<footer class=\"under\">" + b.String() + "</footer>") //nolint:gosec // every word was escaped above
}
