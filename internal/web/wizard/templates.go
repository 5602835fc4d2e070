package wizard

import (
	"embed"
	"fmt"
	"html/template"

	"latchkey/internal/connector"
	"latchkey/internal/web/ui"
)

//go:embed templates/*.html
var templates embed.FS

// parsePages makes one set for each kind of step: the layout, the shared parts, and the kind's own body.
func parsePages() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{"say": ui.Say, "who": ui.Who, "plain": join}).
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
