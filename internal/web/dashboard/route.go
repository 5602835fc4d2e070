package dashboard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/operators"
	"latchkey/internal/store"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

// maxForm is the most that a form may hold: a service account's key is the largest.
const maxForm = 64 << 10

// access is what a route needs of who asks. Its zero value is a mistake that New finds.
type access int

const (
	accessUndeclared access = iota
	// accessOpen is for strangers.
	accessOpen
	// accessSignedIn is for any operator, about themselves.
	accessSignedIn
	// The next three are for operators with that role in the application that the path names.
	accessViewer
	accessDeveloper
	accessOwner
	// accessInstallation is for owners of the installation.
	accessInstallation
)

// role is the role in the application that the access needs; empty where none is.
func (a access) role() latchkey.Role {
	switch a {
	case accessViewer:
		return latchkey.RoleViewer
	case accessDeveloper:
		return latchkey.RoleDeveloper
	case accessOwner:
		return latchkey.RoleOwner
	}
	return ""
}

// route is one page, or what one button does.
type route struct {
	method, path string
	access       access
	// section is the entry of the menu that it belongs to; tab is the page of the section, where it has several.
	section, tab string
	// action is what the audit trail calls it, for every POST but those of strangers.
	action string
	// counted has the audit trail count it, and not write a line for each: nothing is changed.
	counted bool
	// upload has the handler read the body itself, once it is known who sends it.
	upload bool
	handle func(c *call) (answer, error)
}

// call is one request, after everything that all routes have in common.
type call struct {
	d        *Dashboard
	w        http.ResponseWriter
	r        *http.Request
	ctx      context.Context //nolint:containedctx // the request's, with the line of the audit trail
	rt       route
	operator latchkey.Operator
	login    latchkey.Login
	roles    operators.Roles
	app      latchkey.Application
	role     latchkey.Role
}

// answer is a page, a way to go on, or JSON for the script of passkeys.
type answer struct {
	page *page
	to   string
	json any
	// show writes something that is no page of the dashboard.
	show func(http.ResponseWriter) error
}

// may tells whether the operator could do what needs the access, here.
func (c *call) may(a access) bool {
	if a == accessInstallation {
		return c.roles.Installation()
	}
	return c.role.Includes(a.role())
}

func (c *call) say(key string, args ...string) string { return c.d.say(key, args...) }

// form is a field of the request's body, without spaces around it.
func (c *call) form(name string) string { return strings.TrimSpace(c.r.PostFormValue(name)) }

func (c *call) id() string { return c.r.PathValue("id") }

// appPath is a path below the application.
func (c *call) appPath(path string) string { return root + "/apps/" + string(c.app.ID) + path }

func (d *Dashboard) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ui.PageHeaders(w.Header())
		c := &call{d: d, w: w, r: r, ctx: r.Context(), rt: rt}
		ans, err := d.run(c)
		if err != nil {
			d.fail(c, err)
			return
		}
		switch {
		case ans.json != nil:
			web.WriteJSON(w, r, http.StatusOK, ans.json)
		case ans.show != nil:
			if err := ans.show(w); err != nil {
				d.cfg.Log.WarnContext(c.ctx, "page not written", slog.String("error", err.Error()))
			}
		case ans.to != "":
			w.Header().Del("Content-Type")
			http.Redirect(w, r, ans.to, http.StatusSeeOther)
		default:
			d.render(c, http.StatusOK, ans.page)
		}
	})
}

// run admits the request, and does what the route does.
func (d *Dashboard) run(c *call) (answer, error) {
	if err := c.readForm(); err != nil {
		return answer{}, err
	}
	if c.rt.access == accessOpen {
		if c.r.Method == http.MethodPost {
			if err := d.strangers.Take(web.Bucket(web.InfoOf(c.ctx).Address)); err != nil {
				return answer{}, err
			}
		}
		return c.rt.handle(c)
	}
	if err := d.admit(c); err != nil {
		return answer{}, err
	}
	if c.r.Method != http.MethodPost || c.rt.action == "" {
		return c.rt.handle(c)
	}
	return d.audited(c)
}

func (c *call) readForm() error {
	if c.rt.upload || c.r.Method != http.MethodPost || strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxForm)
	err := c.r.ParseForm()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return errs.Wrap(err, errs.Invalid, errs.CodeBodyTooLarge, "This form holds more than it may.")
	}
	if err != nil {
		return errs.Wrap(err, errs.Invalid, errs.CodeUnsupportedMedia, "This form could not be read.")
	}
	return nil
}

// admit finds out who it is, in which application, and whether they may.
func (d *Dashboard) admit(c *call) error {
	var err error
	if c.operator, c.login, err = d.cfg.Operators.Authenticate(c.ctx, d.cookie(c.r)); err != nil {
		return err
	}
	if c.roles, err = d.cfg.Operators.RolesOf(c.ctx, c.operator); err != nil {
		return err
	}
	if id := c.r.PathValue("app"); id != "" {
		c.role = c.roles.In(latchkey.ApplicationID(id))
		if c.role == "" {
			return noPage() // as one that does not exist
		}
		if c.app, err = d.cfg.Applications.Get(c.ctx, latchkey.ApplicationID(id)); err != nil {
			c.role = ""
			if errs.Is(err, errs.CodeNotFound) {
				return noPage()
			}
			return err
		}
		web.InfoOf(c.ctx).ApplicationID = c.app.ID
	}
	if c.rt.access == accessSignedIn || c.may(c.rt.access) {
		return nil
	}
	err = errs.New(errs.Forbidden, errs.CodePermission, d.say("forbidden."+roleName(c.rt.access)))
	if c.r.Method == http.MethodPost && d.cfg.Trail != nil {
		e := c.entry()
		e.Outcome = string(errs.CodePermission)
		d.cfg.Trail.Count(e)
	}
	return err
}

func roleName(a access) string {
	if r := a.role(); r != "" {
		return string(r)
	}
	return "installation"
}

func noPage() error {
	return errs.New(errs.NotFound, errs.CodeNotFound, "There is no such page, or it is not for you to see.")
}

// entry is the request's line of the audit trail.
func (c *call) entry() latchkey.AuditEntry {
	info := web.InfoOf(c.ctx)
	e := latchkey.AuditEntry{
		ApplicationID: c.app.ID, Actor: latchkey.ActorOperator, ActorID: string(c.operator.ID), ActorName: c.operator.Email,
		Action: c.rt.action, RequestID: info.RequestID,
	}
	if id := c.id(); latchkey.HasPrefixOfID(id) && len(id) < 40 {
		e.Target = id
	}
	if info.Address.IsValid() {
		e.Address = info.Address.String()
	}
	return e
}

// audited does what the route does; the line of the audit trail is written in the same transaction.
func (d *Dashboard) audited(c *call) (answer, error) {
	if d.cfg.Trail == nil {
		return c.rt.handle(c)
	}
	e := c.entry()
	if c.rt.counted {
		ans, err := c.rt.handle(c)
		if err != nil {
			e.Outcome = string(errs.As(err).Code)
		}
		d.cfg.Trail.Count(e)
		return ans, err
	}
	ctx, note := store.WithAudit(c.ctx, d.cfg.Trail.Fill(e))
	c.ctx = ctx
	ans, err := c.rt.handle(c)
	switch {
	case err != nil:
		e.Outcome = string(errs.As(err).Code)
		d.cfg.Trail.Count(e)
	case ans.page != nil && ans.page.refused:
		e.Outcome = string(errs.CodeInvalidParameters)
		d.cfg.Trail.Count(e)
	case note.Pending(): // there was nothing to change, or no transaction of ours
		d.cfg.Trail.Write(ctx, note.Entry())
	}
	return ans, err
}

// crossOrigin answers what another site made a browser send.
func (d *Dashboard) crossOrigin(w http.ResponseWriter, r *http.Request) {
	ui.PageHeaders(w.Header())
	d.fail(&call{d: d, w: w, r: r, ctx: r.Context()},
		errs.New(errs.Forbidden, errs.CodeCrossOrigin, "This request came from another site. Open the page itself and try again there."))
}

// fail answers with an error as a page, in words. Who is not signed in is sent to where they can.
func (d *Dashboard) fail(c *call, err error) {
	e := errs.As(err)
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		web.WriteProblem(c.w, c.r, err)
		return
	}
	if e.Kind == errs.Unauthenticated {
		to := root + "/sign-in"
		if c.r.Method == http.MethodGet && c.r.URL.Path != root {
			to += "?next=" + url.QueryEscape(c.r.URL.Path)
		}
		c.w.Header().Del("Content-Type")
		http.Redirect(c.w, c.r, to, http.StatusSeeOther)
		return
	}
	status := web.StatusOf(e)
	if status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		d.cfg.Log.ErrorContext(c.ctx, "page failed", slog.String("code", string(e.Code)), slog.String("error", err.Error()),
			slog.String("request_id", web.InfoOf(c.ctx).RequestID))
	}
	if e.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds()+0.999)))
	}
	p := &page{Title: d.sayOr("error."+string(e.Code), d.say("error.title")), Narrow: c.operator.ID == ""}
	p.add(block{Note: &note{Tone: "bad", Text: e.Detail}})
	if status >= http.StatusInternalServerError {
		p.add(block{Text: d.say("error.request", "id", web.InfoOf(c.ctx).RequestID)})
	}
	back := link{Text: d.say("error.back"), Href: root}
	if c.app.ID != "" {
		back.Href = c.appPath("")
	}
	p.add(block{Links: []link{back}})
	d.render(c, status, p)
}
