package api

import (
	"context"
	"net/http"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/store"
)

// Mails knows the words of mails and what became of them.
type Mails interface {
	Templates(ctx context.Context, app latchkey.ApplicationID) ([]mailer.OwnTemplate, error)
	Template(ctx context.Context, app latchkey.ApplicationID, locale string) (mailer.OwnTemplate, error)
	PutTemplate(ctx context.Context, app latchkey.ApplicationID, locale string, t mailer.Template) (mailer.OwnTemplate, error)
	DeleteTemplate(ctx context.Context, app latchkey.ApplicationID, locale string) error
	Preview(ctx context.Context, app latchkey.Application, locale string, t *mailer.Template, link string) (mailer.Rendered, error)
	Mails(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error)
	MailsByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.MailStatus, p store.Page) ([]latchkey.Mail, error)
	Mail(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID) (latchkey.Mail, error)
}

// templateRequest describes the body of PUT /templates/{locale}.
type templateRequest struct {
	Subject string `json:"subject" maxLength:"200" doc:"One line."`
	Text    string `json:"text" maxLength:"65536" doc:"Holds {{code}} or {{link}}. Also {{app.name}}, {{device}}, {{time}}, {{minutes}} and {{locale}} are filled in."`
	HTML    string `json:"html,omitempty" maxLength:"65536" doc:"Without scripts, forms, and anything that is fetched when the mail is opened. Default: text alone."`
}

// previewRequest describes the body of POST /templates/{locale}/preview.
type previewRequest struct {
	Subject string `json:"subject,omitempty" maxLength:"200"`
	Text    string `json:"text,omitempty" maxLength:"65536"`
	HTML    string `json:"html,omitempty" maxLength:"65536"`
}

type template struct {
	Object    string  `json:"object" enum:"Template"`
	Locale    string  `json:"locale"`
	Subject   string  `json:"subject"`
	Text      string  `json:"text"`
	HTML      *string `json:"html"`
	UpdatedAt stamp   `json:"updated_at"`
}

type templateList struct {
	Object string     `json:"object" enum:"TemplateList"`
	Items  []template `json:"items" nullable:"false"`
}

type templateDeleted struct {
	Object string `json:"object" enum:"TemplateDeleted"`
}

type templatePreview struct {
	Object  string  `json:"object" enum:"TemplatePreview"`
	Locale  string  `json:"locale"`
	Subject string  `json:"subject"`
	Text    string  `json:"text"`
	HTML    *string `json:"html"`
}

type sentMail struct {
	Object    string  `json:"object" enum:"Mail"`
	ID        string  `json:"id"`
	Kind      string  `json:"kind" doc:"signin, sender_proof, test and others."`
	To        string  `json:"to"`
	Sender    *string `json:"sender" doc:"Whose mail host takes it; null: the default sender's."`
	Status    string  `json:"status" enum:"queued,accepted,failed,expired,canceled" doc:"accepted: the mail host took it, and may still bounce it. expired: it was not worth sending any more. canceled: it was not needed any more."`
	Attempts  int     `json:"attempts"`
	Code      *string `json:"code" doc:"What went wrong with the last try."`
	Detail    *string `json:"detail" doc:"What the mail host said to the last try."`
	DueAt     *stamp  `json:"due_at" doc:"When it is tried next; null when it is out of our hands."`
	ExpiresAt stamp   `json:"expires_at"`
	CreatedAt stamp   `json:"created_at"`
	UpdatedAt stamp   `json:"updated_at"`
	Test      bool    `json:"test,omitempty"`
}

type mailList struct {
	Object string     `json:"object" enum:"MailList"`
	Items  []sentMail `json:"items" nullable:"false"`
	Cursor *string    `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

func showTemplate(t mailer.OwnTemplate) template {
	return template{Object: "Template", Locale: t.Locale, Subject: t.Subject, Text: t.Text, HTML: orNull(t.HTML), UpdatedAt: at(t.UpdatedAt)}
}

func showMail(c *call, m latchkey.Mail) sentMail {
	out := sentMail{
		Object: "Mail", ID: string(m.ID), Kind: m.Kind, To: m.To, Sender: orNull(string(m.SenderID)), Status: string(m.Status), Attempts: m.Attempts,
		Code: orNull(m.Code), Detail: orNull(m.Detail), ExpiresAt: at(m.ExpiresAt), CreatedAt: at(m.CreatedAt), UpdatedAt: at(m.UpdatedAt), Test: c.app.Test,
	}
	if m.Status == latchkey.MailQueued {
		out.DueAt = optional(&m.DueAt)
	}
	return out
}

// listTemplates answers GET /templates.
func (a *API) listTemplates(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.Mails.Templates(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	out := templateList{Object: "TemplateList", Items: make([]template, len(all))}
	for i, t := range all {
		out.Items[i] = showTemplate(t)
	}
	return answer{http.StatusOK, out}, nil
}

// getTemplate answers GET /templates/{locale}.
func (a *API) getTemplate(ctx context.Context, c *call) (answer, error) {
	t, err := a.cfg.Mails.Template(ctx, c.app.ID, c.r.PathValue("locale"))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, showTemplate(t)}, nil
}

// putTemplate answers PUT /templates/{locale}.
func (a *API) putTemplate(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	t, _, err := readTemplate(f)
	if err != nil {
		return answer{}, err
	}
	own, err := a.cfg.Mails.PutTemplate(ctx, c.app.ID, c.r.PathValue("locale"), t)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, showTemplate(own)}, nil
}

// readTemplate reads a template as it was written: with lines. given tells whether there is any.
func readTemplate(f *fields) (t mailer.Template, given bool, err error) {
	for _, m := range []struct {
		name string
		to   *string
	}{{"subject", &t.Subject}, {"text", &t.Text}, {"html", &t.HTML}} {
		if s := f.pasted(m.name, maxRequest); s != nil {
			*m.to, given = *s, true
		}
	}
	if given {
		for _, p := range t.Check() {
			if !f.failed(p.Field) {
				f.problem = append(f.problem, p)
			}
		}
	}
	return t, given, f.done()
}

// deleteTemplate answers DELETE /templates/{locale}.
func (a *API) deleteTemplate(ctx context.Context, c *call) (answer, error) {
	if err := a.cfg.Mails.DeleteTemplate(ctx, c.app.ID, c.r.PathValue("locale")); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, templateDeleted{Object: "TemplateDeleted"}}, nil
}

// previewTemplate answers POST /templates/{locale}/preview.
func (a *API) previewTemplate(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	t, given, err := readTemplate(f)
	if err != nil {
		return answer{}, err
	}
	var try *mailer.Template
	if given {
		try = &t
	}
	r, err := a.cfg.Mails.Preview(ctx, c.app, c.r.PathValue("locale"), try, a.base+"/signin/preview")
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, templatePreview{Object: "TemplatePreview", Locale: r.Locale, Subject: r.Subject, Text: r.Text, HTML: orNull(r.HTML)}}, nil
}

// listMails answers GET /mails.
func (a *API) listMails(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page, status := q.page("eml_"), latchkey.MailStatus(q.param("status"))
	switch status {
	case "", latchkey.MailQueued, latchkey.MailAccepted, latchkey.MailFailed, latchkey.MailExpired, latchkey.MailCanceled:
	default:
		q.fail("status", errs.CodeInvalidValue, "This must be queued, accepted, failed, expired or canceled.")
	}
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	limit := page.Limit
	page.Limit++
	read := func() ([]latchkey.Mail, error) { return a.cfg.Mails.Mails(ctx, c.app.ID, page) }
	if status != "" {
		read = func() ([]latchkey.Mail, error) { return a.cfg.Mails.MailsByStatus(ctx, c.app.ID, status, page) }
	}
	all, err := read()
	if err != nil {
		return answer{}, err
	}
	all, cursor := paged(all, limit, func(x latchkey.Mail) string { return string(x.ID) })
	out := mailList{Object: "MailList", Items: make([]sentMail, len(all)), Cursor: cursor}
	for i, m := range all {
		out.Items[i] = showMail(c, m)
	}
	return answer{http.StatusOK, out}, nil
}

// getMail answers GET /mails/{id}.
func (a *API) getMail(ctx context.Context, c *call) (answer, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "eml_") {
		return answer{}, errs.NotFoundf("mail")
	}
	m, err := a.cfg.Mails.Mail(ctx, c.app.ID, latchkey.MailID(id))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, showMail(c, m)}, nil
}

func localeParam() param {
	return param{name: "locale", in: "path", text: "A language (en, de, fr, es, ar, it, ja, nl, pl, pt, tr, zh), or any for languages without a template of their own.", pattern: "^[a-z]{2,3}$", example: "en"}
}

func (a *API) mailRoutes() []route {
	one := func(text string) []docAnswer {
		return []docAnswer{{status: http.StatusOK, text: text, body: template{}}}
	}
	missing := []int{http.StatusNotFound}
	return []route{
		{
			method: http.MethodGet, path: "/templates", permission: latchkey.PermSettings, handle: a.listTemplates,
			doc: doc{
				id: "listTemplates", tag: tagMail, summary: "List templates", text: "The application's own words for its sign-in mail, by language. Others have our words.",
				answers: []docAnswer{{status: http.StatusOK, text: "All of them.", body: templateList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/templates/{locale}", permission: latchkey.PermSettings, handle: a.getTemplate,
			doc: doc{
				id: "getTemplate", tag: tagMail, summary: "Read a template", text: "404 where readers of the language get our words.",
				params: []param{localeParam()}, answers: one("The template."), errors: missing,
			},
		},
		{
			method: http.MethodPut, path: "/templates/{locale}", permission: latchkey.PermSettings, handle: a.putTemplate,
			doc: doc{
				id: "putTemplate", tag: tagMail, summary: "Set a template",
				text:   "Refused without {{code}} and {{link}}, and where a value could become markup or opening the mail would fetch something.",
				params: []param{localeParam()}, request: templateRequest{}, examples: templateExamples(), answers: one("The template."), errors: missing,
			},
		},
		{
			method: http.MethodDelete, path: "/templates/{locale}", permission: latchkey.PermSettings, handle: a.deleteTemplate,
			doc: doc{
				id: "deleteTemplate", tag: tagMail, summary: "Go back to our words", text: "Readers of the language get our words again.",
				params: []param{localeParam()}, answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: templateDeleted{}}}, errors: missing,
			},
		},
		{
			method: http.MethodPost, path: "/templates/{locale}/preview", permission: latchkey.PermSettings, audited: auditCounted, handle: a.previewTemplate,
			doc: doc{
				id: "previewTemplate", tag: tagMail, summary: "Preview a template",
				text:   "The mail with values of nobody's: of the template in the body, or without one of what readers get now. Nothing is saved.",
				params: []param{localeParam()}, request: previewRequest{}, examples: templateExamples(),
				answers: []docAnswer{{status: http.StatusOK, text: "The mail.", body: templatePreview{}}}, errors: missing,
			},
		},
		{
			method: http.MethodGet, path: "/mails", permission: latchkey.PermSettings, handle: a.listMails,
			doc: doc{
				id: "listMails", tag: tagMail, summary: "List mails",
				text:    "What became of the application's mail, newest first, for 30 days. Texts are not kept: they hold codes.",
				params:  append(pageParams(), param{name: "status", in: "query", text: "Only mails in this status.", enum: []any{"queued", "accepted", "failed", "expired", "canceled"}}),
				answers: []docAnswer{{status: http.StatusOK, text: "A page of mails.", body: mailList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/mails/{id}", permission: latchkey.PermSettings, handle: a.getMail,
			doc: doc{
				id: "getMail", tag: tagMail, summary: "Read what became of a mail", text: "Where the mail stands, and what its host said.",
				params:  []param{{name: "id", in: "path", text: "The mail's id.", pattern: "^eml_[0-9a-z]{26}$", example: exampleMailID}},
				answers: []docAnswer{{status: http.StatusOK, text: "The mail.", body: sentMail{}}}, errors: missing,
			},
		},
	}
}
