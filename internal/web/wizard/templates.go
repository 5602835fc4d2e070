package wizard

import (
	"embed"
	"fmt"
	"html/template"
	"strings"

	"latchkey/internal/connector"
	"latchkey/internal/i18n"
)

//go:embed templates/*.html
var templates embed.FS

// parsePages makes one set for each kind of step: the layout, the shared parts, and the kind's own body.
func parsePages() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{"say": say, "who": who, "plain": join}).
		ParseFS(templates, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("wizard: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, kind := range []string{
		string(connector.KindChoose), string(connector.KindForm), string(connector.KindRedirect), string(connector.KindDisplay),
		string(connector.KindWait), string(connector.KindChallenge), string(connector.KindExtension), string(connector.KindNotice), "error",
	} {
		set, err := shared.Clone()
		if err != nil {
			return nil, fmt.Errorf("wizard: %w", err)
		}
		if pages[kind], err = set.ParseFS(templates, "templates/"+kind+".html"); err != nil {
			return nil, fmt.Errorf("wizard: %s: %w", kind, err)
		}
	}
	return pages, nil
}

// say writes words with the data in them escaped and isolated (HTML §4.5.26), so that a name in
// Latin letters does not turn an Arabic sentence around. It is Go and not a template because a
// page calls it some thirty times.
func say(parts []i18n.Part) template.HTML { return mark(parts, "<bdi>", "</bdi>") }

// who is say for the line that names the application.
func who(parts []i18n.Part) template.HTML { return mark(parts, "<b><bdi>", "</bdi></b>") }

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
