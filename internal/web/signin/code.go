package signin

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
)

// What a page says of what happened just now; a row says the rest.
const (
	saidWrong   = "wrong"
	saidResent  = "resent"
	saidWait    = "wait"
	saidLimited = "limited"
	saidEmpty   = "empty"
)

// signIn serves the page of one sign-in to the browser that began it.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) {
	if err := method(r); err != nil {
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.fail(w, r, latchkey.Application{}, err)
		return
	}
	browser := p.browser(r)
	v, err := p.cfg.SignIns.Look(r.Context(), latchkey.SignInID(r.PathValue("id")), browser)
	if err != nil {
		p.fail(w, r, latchkey.Application{}, err)
		return
	}
	app, err := p.applicationOf(r, v)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	if r.Method == http.MethodPost {
		p.answer(w, r, app, v, browser)
		return
	}
	if v.Status != latchkey.SignInPending {
		p.done(w, r, app, v)
		return
	}
	p.code(w, r, app, v)
}

// applicationOf is the zero application for the installation's own sign-ins.
func (p *Pages) applicationOf(r *http.Request, v latchkey.SignIn) (latchkey.Application, error) {
	if v.ApplicationID == "" {
		return latchkey.Application{}, nil
	}
	return p.cfg.Application(r.Context(), v.ApplicationID)
}

// answer takes a code, or sends another mail.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request, app latchkey.Application, v latchkey.SignIn, browser string) {
	values, err := form(r)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	by := signin.By{Browser: browser}
	said := ""
	switch values.Get("action") {
	case "verify":
		if values.Get("code") == "" {
			said = saidEmpty
			break
		}
		var proved latchkey.SignIn
		if proved, err = p.cfg.SignIns.Verify(r.Context(), v.ApplicationID, v.ID, values.Get("code"), by); err == nil {
			p.remember(w, r, proved)
		}
	case "resend":
		if _, err = p.cfg.SignIns.Resend(r.Context(), v.ApplicationID, v.ID, by); err == nil {
			said = saidResent
		}
	default:
		err = errs.New(errs.Invalid, errs.CodeActionNotOffered, "This page has no such button.")
	}
	if err != nil {
		switch errs.As(err).Code {
		case errs.CodeWrongCode:
			said = saidWrong
		case errs.CodeTooEarly:
			said = saidWait
		case errs.CodeTooManyRequests:
			said = saidLimited
		case errs.CodeTooManyTries, errs.CodeCodeExpired, errs.CodeSignInUsed:
			// The row says it.
		default:
			p.fail(w, r, app, err)
			return
		}
	}
	see(w, p.self(r, v.ID, said))
}

// code shows the page that asks for the code.
func (p *Pages) code(w http.ResponseWriter, r *http.Request, app latchkey.Application, si latchkey.SignIn) {
	v, s := p.page(r, app, si.Locale)
	s = s.with("email", si.Email)
	now := p.cfg.Now()
	v.Self = p.self(r, si.ID, "")
	v.Step, v.Heading = "code", s.parts("code.title")
	said := r.URL.Query().Get("said")
	left := signin.MaxTries - si.Current.Tries
	sendable := si.Sends < signin.MaxSends && now.Before(si.CreatedAt.Add(signin.Renewable))
	switch {
	case !now.Before(si.ExpiresAt()):
		v.Note, v.Level = s.parts("code.expired"), "bad"
	case left <= 0:
		v.Note, v.Level = s.parts("code.exhausted"), "bad"
	default:
		v.Field = &field{Name: "code", Type: "text", Label: s.text("code.field"), Auto: "one-time-code", Mode: "numeric", Max: 12, Code: true}
		v.Lead = s.parts("code.text")
		v.Action, v.Submit = "verify", s.text("code.submit")
		p.said(v, s, said, left, si)
	}
	switch {
	case v.Field == nil && sendable && now.Sub(si.SentAt) >= signin.ResendAfter:
		v.Action, v.Submit = "resend", s.text("code.resend")
	case sendable:
		v.Resend = p.resend(s, si, now)
	case v.Field == nil:
		v.Note = s.parts("code.limit")
	}
	v.Fine = append(v.Fine, s.parts("code.fine"))
	if back := p.again(si); back != "" {
		v.Back = &way{URL: template.URL(back), Label: s.text("code.back")} //nolint:gosec // a path of ours
	}
	p.write(w, r, http.StatusOK, v, s)
}

// said writes what happened just now.
func (p *Pages) said(v *view, s speaker, said string, left int, si latchkey.SignIn) {
	switch said {
	case saidWrong:
		text, _ := s.cat.Plural(s.lang, "code.error.wrong", left, s.args)
		v.Field.Error = ui18n(text)
	case saidEmpty:
		v.Field.Error = s.parts("ask.error.required")
	case saidResent:
		if si.Sends > 1 {
			v.Note, v.Level = s.parts("code.resent"), "good"
		}
	case saidWait:
		v.Note, v.Level = s.parts("code.wait"), "warn"
	case saidLimited:
		v.Note, v.Level = s.parts("code.limited"), "bad"
	}
}

func (p *Pages) resend(s speaker, si latchkey.SignIn, now time.Time) *resend {
	wait := si.SentAt.Add(signin.ResendAfter).Sub(now)
	seconds := 0
	if wait > 0 {
		seconds = int((wait + time.Second - 1) / time.Second)
	}
	return &resend{Label: s.text("code.resend"), Left: seconds, Clock: fmt.Sprintf("%d:%02d", seconds/60, seconds%60)}
}

// again is the page on which the sign-in was begun.
func (p *Pages) again(si latchkey.SignIn) string {
	if si.ApplicationID == "" {
		return ""
	}
	q := url.Values{"redirect_uri": {si.RedirectURI}}
	if si.State != "" {
		q.Set("state", si.State)
	}
	if si.OIDC == nil {
		q.Set("application", string(si.ApplicationID))
		return "/signin?" + q.Encode()
	}
	q.Set("client_id", string(si.OIDC.ClientID))
	q.Set("response_type", "code")
	q.Set("scope", si.OIDC.Scope)
	if si.OIDC.Nonce != "" {
		q.Set("nonce", si.OIDC.Nonce)
	}
	if si.OIDC.Challenge != "" {
		q.Set("code_challenge", si.OIDC.Challenge)
		q.Set("code_challenge_method", "S256")
	}
	return "/oidc/" + string(si.ApplicationID) + "/authorize?" + q.Encode()
}

// done shows the end, and the way back to the application.
func (p *Pages) done(w http.ResponseWriter, r *http.Request, app latchkey.Application, si latchkey.SignIn) {
	v, s := p.page(r, app, si.Locale)
	v.Step, v.Mark, v.Heading, v.Lead = "done", "good", s.parts("done.title"), s.parts("done.text")
	to := p.cfg.SignIns.Redirect(si)
	if to == "" {
		v.Fine = append(v.Fine, s.parts("done.stay"))
		p.write(w, r, http.StatusOK, v, s)
		return
	}
	v.Go = to
	v.Away = &way{URL: template.URL(to), Label: s.text("done.away")} //nolint:gosec // registered by the application, character by character
	v.Fine = append(v.Fine, s.parts("done.soon"))
	p.write(w, r, http.StatusOK, v, s)
}
