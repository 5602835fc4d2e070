package wizard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

// maxToken bounds what is hashed and looked up; tokens are far shorter.
const maxToken = 256

// tokenOf reads the link's token where its dialect has it.
func tokenOf(r *http.Request) (string, error) {
	token := r.PathValue("token")
	if token == "" {
		token = r.URL.Query().Get("data")
	}
	if token == "" || len(token) > maxToken {
		return "", errs.NotFoundf("link")
	}
	return token, nil
}

// self is the page's own URL: what a form posts to, and a refresh asks for.
func self(r *http.Request) string {
	q := url.Values{}
	for _, k := range []string{"data", "locale"} {
		if v := r.URL.Query().Get(k); v != "" && len(v) <= maxToken {
			q.Set(k, v)
		}
	}
	if len(q) == 0 {
		return r.URL.EscapedPath()
	}
	return r.URL.EscapedPath() + "?" + q.Encode()
}

func wantsJSON(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/flow") }

// page serves a link to a browser.
func (z *Wizard) page(w http.ResponseWriter, r *http.Request) {
	token, err := tokenOf(r)
	if err != nil {
		z.fail(w, r, err)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		z.getPage(w, r, token)
	case http.MethodPost:
		z.postPage(w, r, token)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		z.fail(w, r, errs.New(errs.Invalid, errs.CodeMethodNotAllowed, "This page can be read and answered, nothing else."))
	}
}

func (z *Wizard) getPage(w http.ResponseWriter, r *http.Request, token string) {
	v, err := z.cfg.Engine.View(r.Context(), token, z.cookies(r))
	if err != nil {
		z.fail(w, r, err)
		return
	}
	z.setCookie(w, v.SetCookie)
	v = shown(v)
	if v.Step.ID == hosted.StepStart {
		body, err := z.firstPage(r, token, v)
		if err != nil {
			z.fail(w, r, err)
			return
		}
		z.send(w, r, http.StatusOK, body)
		return
	}
	p, err := z.model(r, token, v)
	if err != nil {
		z.fail(w, r, err)
		return
	}
	switch {
	case p.Go != "" && !z.sendOnce(w, r, v):
		p.Go = ""
	case p.Soon != nil:
		p.Fine = append(p.Fine, p.Soon)
	}
	z.write(w, r, http.StatusOK, p)
}

func (z *Wizard) postPage(w http.ResponseWriter, r *http.Request, token string) {
	a, err := readForm(r)
	if err != nil {
		z.fail(w, r, err)
		return
	}
	a.Address = z.cfg.Address(r)
	v, err := z.cfg.Engine.Answer(r.Context(), token, z.cookies(r), from(r, a))
	z.setCookie(w, v.SetCookie)
	if err != nil && (v.Step.ID == "" || errs.As(err).Kind == errs.TooMany) {
		z.fail(w, r, err)
		return
	}
	if err != nil {
		// The answer was not taken, and the page that follows says how things stand.
		z.cfg.Log.DebugContext(r.Context(), "answer not taken", slog.String("code", string(errs.As(err).Code)), slog.String("link_id", string(v.Link.ID)))
	}
	ui.PageHeaders(w.Header())
	http.Redirect(w, r, self(r), http.StatusSeeOther) // the route that matched begins with /c/ or /accounts/
}

// flow serves a link to a JSON client.
func (z *Wizard) flow(w http.ResponseWriter, r *http.Request) {
	ui.PageHeaders(w.Header())
	token, err := tokenOf(r)
	if err != nil {
		z.cfg.Problem(w, r, err)
		return
	}
	var v hosted.View
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		v, err = z.cfg.Engine.View(r.Context(), token, z.cookies(r))
	case http.MethodPost:
		var a hosted.Answer
		if a, err = readJSON(r); err == nil {
			a.Address = z.cfg.Address(r)
			v, err = z.cfg.Engine.Answer(r.Context(), token, z.cookies(r), from(r, a))
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		err = errs.New(errs.Invalid, errs.CodeMethodNotAllowed, "A flow can be read and answered, nothing else.")
	}
	z.setCookie(w, v.SetCookie)
	status := http.StatusOK
	var refused *errs.Error
	if err != nil {
		if refused = errs.As(err); v.Step.ID == "" || !carriesFlow(refused) {
			z.cfg.Problem(w, r, err)
			return
		}
		status = web.StatusOf(refused)
	}
	web.WriteJSON(w, r, status, z.flowJSON(r, shown(v), refused))
}

// carriesFlow tells which refusals are answered with the step that the flow is at, so that a client
// goes on from there.
func carriesFlow(e *errs.Error) bool {
	return slices.Contains([]errs.Code{
		errs.CodeStaleVersion, errs.CodeLinkBound, errs.CodeLinkTakenOver, errs.CodeLinkUsed, errs.CodeLinkExpired,
	}, e.Code)
}

// maxCallback bounds the parameters of a callback, which strangers can make up.
const maxCallback = 32

// callback takes a browser that comes back from a provider.
func (z *Wizard) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	values := make(map[string]string, len(q))
	for k, v := range q {
		if k != "state" && len(values) < maxCallback {
			values[k] = v[0]
		}
	}
	back, err := z.cfg.Engine.Return(r.Context(), q.Get("state"), values, z.cookies(r))
	if err != nil {
		z.fail(w, r, err)
		return
	}
	if back.Admin != "" {
		z.write(w, r, http.StatusOK, z.adminModel(r, back.Admin))
		return
	}
	to := "/c/" + url.PathEscape(back.Token)
	if back.Dialect == latchkey.DialectForm {
		to = "/accounts/new?data=" + url.QueryEscape(back.Token)
	}
	ui.PageHeaders(w.Header())
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// write renders a page whole before a byte of it is sent.
func (z *Wizard) write(w http.ResponseWriter, r *http.Request, status int, p *page) {
	var b bytes.Buffer
	if err := z.pages[p.Template].ExecuteTemplate(&b, "layout", p); err != nil {
		z.cfg.Log.ErrorContext(r.Context(), "page not rendered", slog.String("template", p.Template), slog.String("error", err.Error()))
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	z.send(w, r, status, b.Bytes())
}

func (z *Wizard) send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	ui.PageHeaders(w.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(body); err != nil { // html/template wrote it
		z.cfg.Log.DebugContext(r.Context(), "page not sent", slog.String("error", err.Error()))
	}
}

// fail shows a page for a request that has no step to show.
func (z *Wizard) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := errs.As(err)
	status := web.StatusOf(e)
	if status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		z.cfg.Log.ErrorContext(r.Context(), "page failed", slog.String("code", string(e.Code)), slog.String("error", err.Error()),
			slog.String("request_id", web.InfoOf(r.Context()).RequestID))
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds()+0.999)))
	}
	z.write(w, r, status, z.errorModel(r, status))
}

// from notes what an answer's request says of its device. A wrong guess costs one click: every step
// that depends on it offers the other way.
func from(r *http.Request, a hosted.Answer) hosted.Answer {
	ua := r.UserAgent()
	a.Handheld = r.Header.Get("Sec-CH-UA-Mobile") == "?1"
	for _, mark := range []string{"Mobi", "Android", "iPhone", "iPad"} {
		a.Handheld = a.Handheld || strings.Contains(ua, mark)
	}
	return a
}
