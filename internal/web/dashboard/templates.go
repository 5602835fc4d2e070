package dashboard

import (
	"net/http"

	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/web/ui"
)

func templateRoutes() []route {
	const all, one = "/apps/{app}/settings/templates", "/apps/{app}/settings/templates/{locale}"
	routes := []route{
		{method: get, path: all, access: accessViewer, handle: listTemplates},
		{method: get, path: one, access: accessViewer, handle: templatePage},
		{method: post, path: one, access: accessDeveloper, action: "put_template", handle: saveTemplate},
		{method: get, path: one + "/preview", access: accessViewer, handle: previewKept},
		{method: post, path: one + "/preview", access: accessDeveloper, action: "preview_template", counted: true, handle: previewDraft},
		{method: get, path: one + "/reset", access: accessDeveloper, handle: askResetTemplate},
		{method: post, path: one + "/reset", access: accessDeveloper, action: "delete_template", handle: resetTemplate},
	}
	for i := range routes {
		routes[i].section, routes[i].tab = "settings", "templates"
	}
	return routes
}

func (c *call) locale() string { return c.r.PathValue("locale") }

func (c *call) templatePath(locale string) string { return c.appPath("/settings/templates/" + locale) }

func (c *call) language(locale string) string { return c.d.sayOr("language."+locale, locale) }

func listTemplates(c *call) (answer, error) {
	own, err := c.d.cfg.Mails.Templates(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("templates.title"), Lead: c.say("templates.lead")}
	t := &table{Caption: c.say("templates.title"), Cols: []string{c.say("templates.language"), c.say("templates.words"), c.say("templates.subject"), c.say("templates.changed")}}
	for _, l := range c.d.cfg.Mails.Locales() {
		r := row{{Text: c.language(l), Href: c.templatePath(l)}, {Text: c.say("templates.ours"), Badge: "plain"}, {Text: "–"}, {Text: "–"}}
		if l == mailer.AnyLocale {
			r[0].Sub, r[1].Text = c.say("templates.any_hint"), c.say("templates.none")
		}
		for _, o := range own {
			if o.Locale == l {
				r[1], r[2], r[3] = cell{Text: c.say("templates.yours"), Badge: "good"}, cell{Text: o.Subject}, when(o.UpdatedAt)
			}
		}
		t.Rows = append(t.Rows, r)
	}
	return answer{page: p.add(block{Table: t})}, nil
}

// template finds what readers of the language get: the application's own, or ours to begin with.
func (c *call) template() (t mailer.Template, own bool, err error) {
	kept, err := c.d.cfg.Mails.Template(c.ctx, c.app.ID, c.locale())
	if err == nil {
		return kept.Template, true, nil
	}
	if !errs.Is(err, errs.CodeNotFound) {
		return t, false, err
	}
	t, err = c.d.cfg.Mails.OurTemplate(c.locale())
	return t, false, err
}

func (c *call) templateForm(t mailer.Template, own bool) (*page, *form) {
	at := c.templatePath(c.locale())
	p := &page{
		Title: c.say("templates.one", "language", c.language(c.locale())), Lead: c.say("templates.own_lead"),
		Crumb: &link{c.say("templates.title"), c.appPath("/settings/templates")}, Frames: true,
	}
	switch {
	case !own && !c.may(accessDeveloper):
		p.Lead = c.say("templates.ours_view")
	case !own:
		p.Lead = c.say("templates.ours_lead")
	case c.may(accessDeveloper):
		p.Actions = []button{{Text: c.say("templates.reset"), Href: at + "/reset", Tone: "quiet"}}
	}
	return p, &form{
		Action: at, Submit: c.say("form.save"), Cancel: c.appPath("/settings/templates"), Wide: true,
		Second: &button{Text: c.say("templates.preview"), Href: at + "/preview", Target: previewFrame}, Fields: []field{
			{Name: "subject", Label: c.say("templates.subject"), Required: true, Max: 200, Value: c.entered("subject", t.Subject)},
			{Name: "text", Label: c.say("templates.text"), Hint: c.say("templates.fill_in") + " {{code}}, {{link}}, {{app.name}}, {{device}}, {{time}}, {{minutes}}, {{locale}}.", Type: "textarea", Rows: 14, Value: c.enteredLines("text", t.Text)},
			{Name: "html", Label: c.say("templates.html"), Hint: c.say("templates.html_hint"), Type: "textarea", Rows: 18, Value: c.enteredLines("html", t.HTML)},
		},
	}
}

// enteredLines is entered for what may begin and end with spaces.
func (c *call) enteredLines(name, kept string) string {
	if c.r.Method == post {
		return c.r.PostFormValue(name)
	}
	return kept
}

// previewFrame is the name of the frame that shows previews. It is sandboxed, and what is shown in it
// brings a policy of its own: a mail needs its inline styles, which our pages do without.
const previewFrame = "preview"

func (c *call) withPreview(p *page, f *form) *page {
	if f != nil {
		p.add(block{Form: f})
	}
	return p.add(block{Heading: c.say("templates.preview")}, block{Frame: &frameBlock{Name: previewFrame, Title: c.say("templates.preview"), Src: c.templatePath(c.locale()) + "/preview"}})
}

func templatePage(c *call) (answer, error) {
	t, own, err := c.template()
	if err != nil {
		return answer{}, err
	}
	p, f := c.templateForm(t, own)
	if !c.may(accessDeveloper) {
		f = nil
	}
	return answer{page: c.withPreview(p, f)}, nil
}

func (c *call) draft() mailer.Template {
	return mailer.Template{Subject: c.form("subject"), Text: c.r.PostFormValue("text"), HTML: c.r.PostFormValue("html")}
}

func saveTemplate(c *call) (answer, error) {
	_, err := c.d.cfg.Mails.PutTemplate(c.ctx, c.app.ID, c.locale(), c.draft())
	if err == nil {
		return answer{to: c.templatePath(c.locale()) + "?done=saved"}, nil
	}
	_, own, lost := c.template()
	if lost != nil {
		return answer{}, lost
	}
	p, f := c.templateForm(mailer.Template{}, own)
	ans, err := c.again(p, f, err)
	if err == nil {
		c.withPreview(p, nil)
	}
	return ans, err
}

func askResetTemplate(c *call) (answer, error) {
	if _, err := c.d.cfg.Mails.Template(c.ctx, c.app.ID, c.locale()); err != nil {
		return answer{}, err
	}
	return c.ask(c.say("templates.reset_title", "language", c.language(c.locale())), c.say("templates.reset_lead"), c.say("templates.reset"), c.r.URL.Path, c.templatePath(c.locale()))
}

func resetTemplate(c *call) (answer, error) {
	return answer{to: c.appPath("/settings/templates?done=template_reset")}, c.d.cfg.Mails.DeleteTemplate(c.ctx, c.app.ID, c.locale())
}

// previewKept shows what readers get now, previewDraft what they would get with what was typed.
func previewKept(c *call) (answer, error) { return c.preview(nil) }

func previewDraft(c *call) (answer, error) {
	t := c.draft()
	return c.preview(&t)
}

// previewed is what stands in the frame.
type previewed struct {
	mailer.Rendered
	Wrong []string
}

func (c *call) preview(t *mailer.Template) (answer, error) {
	r, err := c.d.cfg.Mails.Preview(c.ctx, c.app, c.locale(), t, c.d.base+"/signin/preview")
	show := previewed{Rendered: r}
	if e := errs.As(err); err != nil && e.Kind == errs.Invalid {
		for _, f := range e.Fields {
			show.Wrong = append(show.Wrong, c.say("templates."+f.Field)+": "+f.Message)
		}
	} else if err != nil {
		return answer{}, err
	}
	ui.MailHeaders(c.w.Header())
	return answer{show: func(w http.ResponseWriter) error { return c.d.pages.ExecuteTemplate(w, "preview", show) }}, nil
}
