package ui

import (
	"html/template"
	"strings"

	"latchkey/internal/i18n"
)

// Say writes words with the data in them escaped and isolated (HTML §4.5.26), so that a name in
// Latin letters does not turn an Arabic sentence around. It is Go and not a template because a
// page calls it some thirty times.
func Say(parts []i18n.Part) template.HTML { return mark(parts, "<bdi>", "</bdi>") }

// Who is Say for a line that names the application.
func Who(parts []i18n.Part) template.HTML { return mark(parts, "<b><bdi>", "</bdi></b>") }

func mark(parts []i18n.Part, before, after string) template.HTML {
	var b strings.Builder
	for _, p := range parts {
		if p.Data {
			b.WriteString(before)
		}
		b.WriteString(template.HTMLEscapeString(p.Text))
		if p.Data {
			b.WriteString(after)
		}
	}
	return template.HTML(b.String()) //nolint:gosec // every word was escaped above
}
