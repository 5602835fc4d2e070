package wizard

import (
	"net/http"
	"net/url"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/web/ui"
)

// reconnect serves a reconnect URL, which stands in emails: a GET shows what broke and changes nothing;
// the POST of its one button makes a fresh link and goes there. That is our own page, so that no other
// site can be where the form ends.
func (z *Wizard) reconnect(w http.ResponseWriter, r *http.Request) {
	token, err := tokenOf(r)
	if err != nil {
		z.fail(w, r, err)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		z.getReconnect(w, r, token)
	case http.MethodPost:
		z.postReconnect(w, r, token)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		z.fail(w, r, errs.New(errs.Invalid, errs.CodeMethodNotAllowed, "This page can be read and answered, nothing else."))
	}
}

func (z *Wizard) getReconnect(w http.ResponseWriter, r *http.Request, token string) {
	v, err := z.cfg.Engine.Reconnecting(r.Context(), token)
	if err != nil && !errs.Is(err, errs.CodeLinkExpired) {
		z.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if err != nil {
		status = http.StatusGone
	}
	z.write(w, r, status, z.reconnectModel(r, v, err != nil))
}

func (z *Wizard) postReconnect(w http.ResponseWriter, r *http.Request, token string) {
	made, err := z.cfg.Engine.Reconnect(r.Context(), token, z.cfg.Address(r))
	if err != nil && !errs.Is(err, errs.CodeLinkExpired) {
		z.fail(w, r, err)
		return
	}
	to := self(r)
	if made.Token != "" {
		to = "/c/" + url.PathEscape(made.Token)
		if locale := r.URL.Query().Get("locale"); locale != "" && len(locale) <= maxToken {
			to += "?locale=" + url.QueryEscape(locale)
		}
	}
	ui.PageHeaders(w.Header())
	http.Redirect(w, r, to, http.StatusSeeOther) // our own route
}

// reconnectModel says who asks, which account it is, and what broke; or that there is nothing to do.
func (z *Wizard) reconnectModel(r *http.Request, v hosted.Reconnecting, expired bool) *page {
	shared := z.words[""]
	s := speaker{cat: shared, lang: shared.Negotiate(r.URL.Query().Get("locale"), v.Locale, r.Header.Get("Accept-Language"))}
	s.theme = z.theme(r.Context(), v.Application)
	s.args = map[string]string{"app": s.theme.AppName, "site": z.site, "account": v.Shown}
	if v.Provider != "" {
		s.args["provider"] = z.voice(s, string(v.Provider)).text("provider." + string(v.Provider))
	}
	p := z.frame(r, s)
	p.Template = string(connector.KindNotice)
	if v.Application.Test {
		p.Test = s.text("page.test")
	}
	switch {
	case expired:
		p.Step, p.Mark = "reconnect.expired", "bad"
	case v.Status == latchkey.AccountOK:
		p.Step, p.Mark = "reconnect.works", "good"
	case !v.Mendable():
		p.Step = "reconnect.wait"
		p.Lead = s.reason(v.Reason, "", "reconnect.wait.text")
		p.Away = &away{URL: p.Self, Label: s.parts("page.check_again"), Quiet: true}
	default:
		p.Step = "reconnect.ask"
		p.Who = s.parts("page.who.reconnect")
		p.Lead = s.reason(v.Reason, "reconnect.text", "reconnect.ask.text")
		p.Main = &button{Name: "action", Value: "reconnect", Label: s.parts("reconnect.ask.submit")}
		p.Fine = lines(s.parts("reconnect.ask.fine"))
	}
	p.Heading = s.parts(p.Step + ".title")
	if p.Step == "reconnect.ask" {
		p.Heading = s.own("reconnect.title", "reconnect.ask.title")
	}
	if p.Lead == nil {
		p.Lead = s.parts(p.Step + ".text")
	}
	p.DocTitle = s.docTitle(join(p.Heading), false)
	return p
}
