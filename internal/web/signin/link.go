package signin

import (
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/i18n"
	"latchkey/internal/signin"
)

// link serves what a mail's link opens. Scanners of mail open links as well, some run scripts and some
// press buttons: only a POST uses the link, only in the browser that asked, and no script sends it.
func (p *Pages) link(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	browser := p.browser(r)
	if err := method(r); err != nil {
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.fail(w, r, latchkey.Application{}, err)
		return
	}
	if r.Method == http.MethodPost {
		si, err := p.cfg.SignIns.Consume(r.Context(), token, browser)
		switch {
		case err == nil || errs.Is(err, errs.CodeSignInUsed):
			if err == nil && len(si.BrowserHash) > 0 {
				p.remember(w, r, si)
			}
			p.end(w, r, si)
			return
		case errs.Is(err, errs.CodeCodeExpired) || errs.Is(err, errs.CodeOtherBrowser):
			// The page says it.
		default:
			p.fail(w, r, latchkey.Application{}, err)
			return
		}
	}
	o, err := p.cfg.SignIns.Open(r.Context(), token, browser)
	if err != nil {
		p.fail(w, r, latchkey.Application{}, err)
		return
	}
	app, err := p.applicationOf(r, o.SignIn)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	p.opened(w, r, app, o)
}

// end follows a link that was used. A browser that began the sign-in has a page for it; one that only
// had the link is shown the way back by this very answer.
func (p *Pages) end(w http.ResponseWriter, r *http.Request, si latchkey.SignIn) {
	if len(si.BrowserHash) > 0 {
		see(w, p.self(r, si.ID, ""))
		return
	}
	app, err := p.applicationOf(r, si)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	if si.Status == latchkey.SignInProved && si.Method == latchkey.SignInByLink {
		p.done(w, r, app, si)
		return
	}
	p.opened(w, r, app, signin.Opened{SignIn: si, Used: true})
}

func (p *Pages) opened(w http.ResponseWriter, r *http.Request, app latchkey.Application, o signin.Opened) {
	v, s := p.page(r, app, o.SignIn.Locale)
	device := o.SignIn.Device
	if device == "" {
		device = s.text("device.unknown")
	}
	s = s.with("email", o.SignIn.Email, "device", device, "when", p.ago(s, o.SignIn.SentAt))
	kind := "here"
	switch {
	case o.Used && len(o.SignIn.BrowserHash) > 0 && o.Here:
		// A click on the link again, in the browser that it signed in.
		p.done(w, r, app, o.SignIn)
		return
	case o.Used:
		kind, v.Mark = "used", "bad"
	case o.Over:
		kind, v.Mark = "over", "bad"
	case !o.Here:
		kind = "elsewhere"
		v.Code, v.Copy, v.Copied = o.Code, s.text("link.copy"), s.text("link.copied")
	default:
		v.Action, v.Submit = "use", s.text("link.here.submit")
	}
	v.Step, v.Heading, v.Lead = "link."+kind, s.parts("link."+kind+".title"), s.parts("link."+kind+".text")
	if fine := s.parts("link." + kind + ".fine"); fine != nil {
		v.Fine = append(v.Fine, fine)
	}
	p.write(w, r, http.StatusOK, v, s)
}

// ago says when, without knowing where the reader's clock stands.
func (p *Pages) ago(s speaker, at time.Time) string {
	minutes := int(p.cfg.Now().Sub(at) / time.Minute)
	if minutes < 1 {
		return s.text("ago.now")
	}
	text, _ := s.cat.Plural(s.lang, "ago", minutes, s.args)
	return text
}

// ui18n makes one part of a text that is filled already.
func ui18n(text string) []i18n.Part { return []i18n.Part{{Text: text}} }
