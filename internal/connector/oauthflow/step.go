package oauthflow

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"latchkey/internal/connector"
)

// The steps that are no problem's, without the provider's name.
const (
	stepPrepare  = "prepare"
	stepRedirect = "redirect"
	stepExchange = "exchange"
	stepVerify   = "verify"
	stepIMAPOff  = "imap_off"
	stepSMTPOff  = "smtp_off"
	stepMailOff  = "mail_off"
	stepDirect   = "direct"
	// stepAdminAsk is ProblemAdminConsent where no link leads to where an administrator allows it.
	stepAdminAsk = "admin_ask"
)

// What can be chosen where a mailbox does not open.
const (
	choiceAgain    = "again"
	choiceReadOnly = "read_only"
	choiceOther    = "other"
)

func (f *Flow) chooses(at string) bool {
	return slices.Contains([]string{stepIMAPOff, stepSMTPOff, stepMailOff}, at)
}

// show rests the flow at a step.
func (f *Flow) show(s *state, at string) connector.Turn {
	s.At = at
	step := f.step(s)
	return connector.Turn{State: s.bytes(), Step: step}
}

// step is the step at which the flow is.
func (f *Flow) step(s *state) *connector.Step {
	st := &connector.Step{Kind: connector.KindNotice, ID: f.Spec.Name + "." + s.At, Args: f.args(s)}
	switch s.At {
	case stepRedirect:
		st.Kind, st.URL = connector.KindRedirect, f.authorizeURL(s)
		st.Actions = []connector.Action{connector.ActRefresh}
	case stepPrepare:
		st.Kind = connector.KindWait
		st.Progress = []connector.Progress{{Code: "oauth_provider", State: connector.ProgressNow, Args: st.Args}}
	case stepExchange, stepVerify:
		st.Kind = connector.KindWait
		st.Progress = f.progress(s.At == stepVerify)
	case stepIMAPOff, stepSMTPOff, stepMailOff:
		f.mailStep(s, st)
	case stepDirect:
		st.Kind = connector.KindForm
		st.Fields = directFields(s)
		st.Actions = []connector.Action{connector.ActSubmit}
	case string(ProblemAdminConsent):
		f.adminStep(s, st)
	case string(ProblemScopes):
		st.Actions = []connector.Action{connector.ActSubmit, connector.ActSwitchMethod}
		for _, sc := range s.missing() {
			if f.Spec.ScopeCode == nil {
				continue
			}
			n := connector.Note{Level: connector.NoteWarn, Code: f.Spec.Name + "_scope_" + f.Spec.ScopeCode(sc), Args: st.Args}
			if !slices.ContainsFunc(st.Notes, func(o connector.Note) bool { return o.Code == n.Code }) {
				st.Notes = append(st.Notes, n)
			}
		}
	case string(ProblemWrongAccount), string(ProblemWrongType), string(ProblemRejected):
		// Another account is what its main button is for.
		st.Actions = []connector.Action{connector.ActSubmit}
	case string(ProblemBrowser):
		// In a window without an address bar there is nothing to copy but what the page shows.
		st.Kind, st.Display, st.Payload = connector.KindDisplay, connector.DisplayCode, connector.LinkPlaceholder
		st.Actions = []connector.Action{connector.ActSubmit}
	default:
		st.Actions = []connector.Action{connector.ActSubmit, connector.ActSwitchMethod}
	}
	return st
}

func (f *Flow) mailStep(s *state, st *connector.Step) {
	st.Kind, st.Verdicts = connector.KindChoose, s.Verdicts
	st.Fields = []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}}
	st.Options = []connector.Option{{ID: choiceAgain, Primary: true}}
	if s.At == stepSMTPOff {
		st.Options = append(st.Options, connector.Option{ID: choiceReadOnly})
	}
	st.Options = append(st.Options, connector.Option{ID: choiceOther})
	st.Actions = []connector.Action{connector.ActSubmit}
}

// adminStep shows the link with which an administrator allows the application, where there is one.
func (f *Flow) adminStep(s *state, st *connector.Step) {
	st.Actions = []connector.Action{connector.ActSubmit, connector.ActSwitchMethod}
	if f.Spec.AdminConsentURL == nil {
		return
	}
	link := f.Spec.AdminConsentURL(s.app(), s.Asked, s.Start.CallbackURL)
	if link == "" {
		st.ID = f.Spec.Name + "." + stepAdminAsk
		return
	}
	st.Kind, st.Display, st.Payload = connector.KindDisplay, connector.DisplayCode, link
}

// args fill the texts.
func (f *Flow) args(s *state) map[string]string {
	a := map[string]string{"expected": s.expected(), "email": ""}
	if !f.Spec.Mail && s.Start.Prior != nil {
		a["expected"] = firstOf(s.Start.Prior.Name, a["expected"])
	}
	if s.Person != nil {
		a["email"] = s.Person.shown()
	}
	if a["email"] == "" {
		a["email"] = firstOf(s.expected(), s.Start.Email)
	}
	for name, v := range a {
		if v == "" {
			delete(a, name)
		}
	}
	if len(a) == 0 {
		return nil
	}
	return a
}

// shown is what a person is called on a page.
func (p *Person) shown() string { return firstOf(p.Email, p.Username, p.Name, p.ID) }

func (f *Flow) progress(granted bool) []connector.Progress {
	states := []connector.ProgressState{connector.ProgressNow, connector.ProgressNext}
	if granted {
		states = []connector.ProgressState{connector.ProgressOK, connector.ProgressNow}
	}
	second := "oauth_profile"
	if f.Spec.Mail {
		second = "oauth_mailbox"
	}
	return []connector.Progress{
		{Code: "oauth_permission", State: states[0]}, {Code: second, State: states[1]},
	}
}

// missing are the scopes that were asked for and not granted. Those of signing in are not counted:
// providers rename or leave them out.
func (s *state) missing() []string {
	if s.Secret == nil || s.Secret.Scope == "" {
		return nil // RFC 6749 §5.1: left out, it is as asked
	}
	have := map[string]bool{}
	for _, sc := range splitScopes(s.Secret.Scope) {
		have[scopeName(sc)] = true
	}
	var out []string
	for _, sc := range s.Asked {
		if !signInScope(sc) && !have[scopeName(sc)] {
			out = append(out, sc)
		}
	}
	return out
}

// splitScopes reads a list of scopes: with spaces (RFC 6749 §3.3), or with commas, as LinkedIn and
// Instagram have it.
func splitScopes(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}

// scopeName makes scopes comparable: Microsoft writes those of Graph with and without their resource.
func scopeName(sc string) string {
	sc = strings.ToLower(sc)
	for _, host := range []string{"https://graph.microsoft.com/", "https://graph.microsoft.us/", "https://dod-graph.microsoft.us/", "https://microsoftgraph.chinacloudapi.cn/"} {
		sc = strings.TrimPrefix(sc, host)
	}
	return sc
}

func signInScope(sc string) bool {
	return slices.Contains([]string{"openid", "email", "profile", "offline_access"}, strings.ToLower(sc))
}

// tell writes to the operator's log.
func (f *Flow) tell(ctx context.Context, s *state, what string, err error) {
	f.log.InfoContext(ctx, "oauth: "+what, slog.String("provider", string(f.Spec.Provider)), slog.String("link_id", string(s.Start.LinkID)),
		slog.String("provider_app", s.app().ID), slog.String("problem", string(f.problemOf(err))), slog.String("detail", said(err)))
}
