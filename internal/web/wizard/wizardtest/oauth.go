package wizardtest

import (
	"net/http"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/google"
	"latchkey/internal/connector/instagram"
	"latchkey/internal/connector/linkedin"
	"latchkey/internal/connector/microsoft"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// OAuthConnectors describes the providers that are signed in to at the provider, with their own words.
func OAuthConnectors() []connector.Descriptor {
	nobody := &http.Client{} // they describe themselves, and ask nobody
	return []connector.Descriptor{
		google.New(google.Config{HTTP: nobody}).Describe(), microsoft.New(microsoft.Config{HTTP: nobody}).Describe(),
		linkedin.New(linkedin.Config{HTTP: nobody}).Describe(), instagram.New(instagram.Config{HTTP: nobody}).Describe(),
	}
}

// signIn is a provider with the steps that it has of its own.
type signIn struct {
	provider latchkey.Provider
	name     string
	second   string // what is done after the permission
	notices  []string
	mail     bool
	notes    []string
	imap     string
	smtp     string
	actual   string // who signed in by mistake
	expected string
}

func signIns() []signIn {
	common := []string{"cancelled", "again", "browser", "blocked", "offline", "rejected", "unavailable", "wrong_type", "wrong_account"}
	mail := signIn{
		second: "oauth_mailbox", mail: true, notes: []string{"mail", "send"}, notices: common,
		actual: "info@studio-lindgren.example", expected: "maria@studio-lindgren.example",
	}
	profile := signIn{second: "oauth_profile", notices: common, actual: "Maria Lindgren", expected: "Studio Lindgren"}
	g, m, l, i := mail, mail, profile, profile
	g.provider, g.name, g.imap, g.smtp = latchkey.Google, "google", "imap.gmail.com:993", "smtp.gmail.com:465"
	m.provider, m.name, m.imap, m.smtp = latchkey.Microsoft, "microsoft", "outlook.office365.com:993", "smtp.office365.com:587"
	m.notices = append([]string{"not_assigned", "admin_ask"}, common...)
	l.provider, l.name, l.notes = latchkey.LinkedIn, "linkedin", []string{"other"}
	i.provider, i.name, i.notes = latchkey.Instagram, "instagram", []string{"basic", "messages"}
	return []signIn{g, m, l, i}
}

// OAuthStates are the pages of the four providers, in the languages named.
func OAuthStates(langs ...string) []State {
	var out []State
	for _, s := range signIns() {
		for _, st := range s.steps() {
			v := bound(s.provider, st)
			v.Busy = st.Kind == connector.KindWait || st.Kind == connector.KindDisplay
			for _, lang := range langs {
				out = append(out, State{Name: st.ID + "-" + lang, Lang: lang, View: v})
			}
		}
	}
	for _, lang := range langs {
		out = append(out, State{Name: "start-" + lang, Lang: lang, View: start(latchkey.Google, latchkey.Microsoft, latchkey.LinkedIn, latchkey.Instagram)})
		done := end(hosted.StepDone, latchkey.FlowCompleted)
		done.Provider = latchkey.Google
		done.Result = &hosted.Result{AccountID: "acc_1", State: "new", Identity: "maria@studio-lindgren.example", Warnings: []string{"smtp_not_connected"}}
		out = append(out, State{Name: "done-" + lang, Lang: lang, View: done})
	}
	return out
}

func (s signIn) steps() []connector.Step {
	wait := func(id string, states ...connector.ProgressState) connector.Step {
		return connector.Step{Kind: connector.KindWait, ID: s.name + "." + id, Progress: []connector.Progress{
			{Code: "oauth_permission", State: states[0]}, {Code: s.second, State: states[1]},
		}}
	}
	scopes := s.notice("scopes")
	for _, n := range s.notes {
		scopes.Notes = append(scopes.Notes, connector.Note{Level: connector.NoteWarn, Code: s.name + "_scope_" + n})
	}
	out := []connector.Step{
		{Kind: connector.KindRedirect, ID: s.name + ".redirect", URL: "https://sign-in.example/authorize?client_id=1", Actions: actions{connector.ActRefresh}},
		{Kind: connector.KindWait, ID: s.name + ".prepare", Progress: []connector.Progress{{Code: "oauth_provider", State: connector.ProgressNow}}},
		wait("exchange", connector.ProgressNow, connector.ProgressNext), wait("verify", connector.ProgressOK, connector.ProgressNow), scopes,
	}
	for _, id := range s.notices {
		out = append(out, s.notice(id))
	}
	if s.mail {
		out = append(out, s.closed("imap_off", errs.CodeIMAPDisabled, ""), s.closed("smtp_off", "", errs.CodeSMTPDisabled),
			s.closed("mail_off", errs.CodeIMAPDisabled, errs.CodeSMTPDisabled))
	}
	if s.provider == latchkey.Microsoft {
		admin := s.notice("admin_consent")
		admin.Kind, admin.Display = connector.KindDisplay, connector.DisplayCode
		admin.Payload = "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=5c1e0000-0000-4000-8000-000000000000" +
			"&redirect_uri=https%3A%2F%2Fauth.northwind.example%2Foauth%2Fcallback&scope=https%3A%2F%2Foutlook.office.com%2FIMAP.AccessAsUser.All&state=adm.flw_gallery"
		out = append(out, admin)
	}
	return out
}

func (s signIn) notice(id string) connector.Step {
	st := connector.Step{
		Kind: connector.KindNotice, ID: s.name + "." + id, Args: map[string]string{"email": s.expected, "expected": s.expected},
		Actions: actions{connector.ActSubmit, connector.ActSwitchMethod},
	}
	switch id {
	case "wrong_account":
		st.Args["email"], st.Actions = s.actual, actions{connector.ActSubmit}
	case "browser":
		st.Kind, st.Display, st.Actions = connector.KindDisplay, connector.DisplayCode, actions{connector.ActSubmit}
		st.Payload = "https://auth.northwind.example/c/mBZVf0cRrUWwhDqkJ7HkR3mYbQ1Xn5tLsE8uPoAiGdK"
	case "wrong_type", "rejected":
		st.Actions = actions{connector.ActSubmit}
	}
	return st
}

// closed is a mailbox that does not open, with what its two servers said.
func (s signIn) closed(id string, imap, smtp errs.Code) connector.Step {
	st := s.notice(id)
	st.Kind, st.Actions = connector.KindChoose, actions{connector.ActSubmit}
	st.Fields = []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}}
	st.Options = []connector.Option{{ID: "again", Primary: true}, {ID: "other"}}
	if imap == "" {
		st.Options = []connector.Option{{ID: "again", Primary: true}, {ID: "read_only"}, {ID: "other"}}
	}
	verdict := func(source, server string, code errs.Code) connector.Verdict {
		return connector.Verdict{Source: source, Server: server, OK: code == "", Code: code}
	}
	st.Verdicts = []connector.Verdict{verdict("imap", s.imap, imap), verdict("smtp", s.smtp, smtp)}
	return st
}
