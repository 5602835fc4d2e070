package signin

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	"latchkey/internal/web"
)

// Bounds of what a form may hold.
const (
	maxForm   = 32 << 10
	maxFields = 40
)

// form reads a posted form.
func form(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errs.New(errs.Invalid, errs.CodeUnsupportedMedia, "Send the body as application/x-www-form-urlencoded.")
	}
	body, err := web.ReadBody(r, maxForm)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil || len(values) > maxFields || !utf8.Valid(body) {
		return nil, errs.New(errs.Invalid, errs.CodeInvalidParameters, "The form did not arrive as it should.")
	}
	return values, nil
}

func method(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return nil
	}
	return errs.New(errs.Invalid, errs.CodeMethodNotAllowed, "This page can be read and answered, nothing else.")
}

// start serves the page that asks for an address, for an application that names it in the query.
func (p *Pages) start(w http.ResponseWriter, r *http.Request) {
	if err := method(r); err != nil {
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.fail(w, r, latchkey.Application{}, err)
		return
	}
	q := r.URL.Query()
	app, err := p.application(r, q.Get("application"))
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	uri, err := p.redirectOf(r, app, q)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	req := signin.Request{ApplicationID: app.ID, RedirectURI: uri, State: q.Get("state")}
	if r.Method != http.MethodPost {
		p.ask(w, r, app, http.StatusOK, "", "", listed(q.Get("ui_locales")))
		return
	}
	values, err := form(r)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	p.begin(w, r, app, req, values.Get("email"))
}

func (p *Pages) application(r *http.Request, id string) (latchkey.Application, error) {
	if !strings.HasPrefix(id, "app_") || len(id) > 64 || strings.ContainsRune(id, 0) || !utf8.ValidString(id) {
		return latchkey.Application{}, errs.NotFoundf("application")
	}
	return p.cfg.Application(r.Context(), latchkey.ApplicationID(id))
}

// redirectOf is where the browser goes in the end: exactly one of those that the application allows, or
// the first of them where the query names none.
func (p *Pages) redirectOf(r *http.Request, app latchkey.Application, q url.Values) (string, error) {
	set, err := p.cfg.SignIns.Settings(r.Context(), app.ID)
	if err != nil {
		return "", err
	}
	uri := q.Get("redirect_uri")
	if uri == "" && len(set.RedirectURIs) > 0 {
		uri = set.RedirectURIs[0]
	}
	if !slices.Contains(set.RedirectURIs, uri) || len(q.Get("state")) > signin.MaxState || strings.ContainsRune(q.Get("state"), 0) || !utf8.ValidString(q.Get("state")) {
		return "", errs.InvalidFields(errs.FieldError{Field: "redirect_uri", Code: errs.CodeInvalidURL, Message: "This is not one of the application's."})
	}
	return uri, nil
}

// listed writes ui_locales, which stand with spaces between them, the way Accept-Language has them.
func listed(locales string) string { return strings.Join(strings.Fields(locales), ",") }

// ask shows the page that asks for an address.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request, app latchkey.Application, status int, email, problem string, wishes ...string) {
	v, s := p.page(r, app, wishes...)
	v.Step, v.Heading, v.Lead = "ask", s.parts("ask.title"), s.parts("ask.text")
	if own := v.Theme.Own(v.Lang, "signin.title"); own != nil {
		v.Heading = own
	}
	if own := v.Theme.Own(v.Lang, "signin.text"); own != nil {
		v.Lead = own
	}
	v.Field = &field{Name: "email", Type: "email", Label: s.text("ask.field"), Value: email, Auto: "email", Mode: "email", Max: signin.MaxEmail}
	if problem != "" {
		v.Field.Error = s.parts("ask.error." + problem)
	}
	v.Action, v.Submit = "begin", s.text("ask.submit")
	v.Fine = append(v.Fine, s.parts("ask.fine"))
	p.write(w, r, status, v, s)
}

// begin takes an address, and binds the sign-in to this browser.
func (p *Pages) begin(w http.ResponseWriter, r *http.Request, app latchkey.Application, req signin.Request, email string) {
	if strings.TrimSpace(email) == "" {
		p.ask(w, r, app, http.StatusBadRequest, "", "required")
		return
	}
	req.Email, req.Locale, req.Device = email, p.locale(r), web.Device(r.UserAgent())
	req.By = signin.By{Browser: p.bind(w, r), Network: network(r), Familiar: p.familiar(r)}
	v, err := p.cfg.SignIns.Begin(r.Context(), req)
	if e := errs.As(err); err != nil && len(e.Fields) > 0 && e.Fields[0].Field == "email" {
		p.ask(w, r, app, http.StatusBadRequest, email, "invalid_email")
		return
	}
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	see(w, p.self(r, v.ID, ""))
}

func network(r *http.Request) string { return web.Bucket(web.InfoOf(r.Context()).Address) }

// locale is the language of the reader's mail: there are more of those than pages have.
func (p *Pages) locale(r *http.Request) string {
	for _, wish := range []string{r.URL.Query().Get("locale"), r.URL.Query().Get("ui_locales"), r.Header.Get("Accept-Language")} {
		if len(wish) > 256 {
			continue
		}
		if tags, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(wish, " ", ",")); err == nil && len(tags) > 0 {
			return tags[0].String()
		}
	}
	return ""
}

// self is the page of a sign-in, in the language that was chosen; said is what happened just now.
func (p *Pages) self(r *http.Request, id latchkey.SignInID, said string) string {
	q := url.Values{}
	locale := r.URL.Query().Get("locale")
	if locale == "" {
		// A client's ui_locales stands on the page before only.
		locale = strings.SplitN(r.URL.Query().Get("ui_locales"), " ", 2)[0]
	}
	if locale != "" && len(locale) <= signin.MaxLocale {
		q.Set("locale", locale)
	}
	if said != "" {
		q.Set("said", said)
	}
	to := "/signin/" + url.PathEscape(string(id))
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}
