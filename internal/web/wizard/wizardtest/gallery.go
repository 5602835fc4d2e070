package wizardtest

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// State is one picture of the gallery. Its name is also its token.
type State struct {
	Name string
	// Lang is the reader's language; empty is English.
	Lang string
	View hosted.View
	// Reconnecting, if set, is shown instead, as the page of a reconnect URL.
	Reconnecting *hosted.Reconnecting
}

// Application is the name that the picture shows.
func (s State) Application() string {
	if s.Reconnecting != nil {
		return s.Reconnecting.Application.Name
	}
	return s.View.Application.Name
}

// Path is where the picture is.
func (s State) Path() string {
	if s.Reconnecting != nil {
		return "/r/" + s.Name
	}
	return "/c/" + s.Name
}

// Now is the time that the gallery stands still at.
func Now() time.Time { return time.Date(2026, time.June, 1, 9, 30, 0, 0, time.UTC) }

const (
	longName   = "Vereinigte Donaudampfschifffahrtsgesellschaftskapitänsversicherungen & Partner mbB"
	longDomain = "a-really-quite-unreasonably-long-subdomain-that-never-seems-to-end.mail.eu-central-1.studio-lindgren-photography.example"
)

//go:embed captcha.png
var captcha []byte

type actions = []connector.Action

func app(name string) latchkey.Application {
	return latchkey.Application{ID: "app_gallery", Name: name}
}

// bound is a view of the browser that holds the flow.
func bound(p latchkey.Provider, st connector.Step) hosted.View {
	st.Actions = append(st.Actions, connector.ActCancel)
	return hosted.View{
		Application: app("Northwind CRM"), Link: latchkey.Link{ID: "lnk_gallery", Type: latchkey.LinkCreate}, Bound: true, FlowID: "flw_gallery",
		Version: 3, Status: latchkey.FlowInProgress, Step: st, Provider: p,
	}
}

// notice is a view of any browser.
func notice(id string, status latchkey.FlowStatus, a ...connector.Action) hosted.View {
	return hosted.View{
		Application: app("Northwind CRM"), Link: latchkey.Link{ID: "lnk_gallery", Type: latchkey.LinkCreate}, Status: status,
		Step: connector.Step{Kind: connector.KindNotice, ID: id, Actions: a}, Scopes: []string{"mail.read", "mail.send"},
	}
}

func start(choices ...latchkey.Provider) hosted.View {
	v := notice(hosted.StepStart, latchkey.FlowCreated, connector.ActStart)
	v.Choices = choices
	return v
}

func with(v hosted.View, change func(*hosted.View)) hosted.View {
	change(&v)
	return v
}

// States returns the gallery.
func States() []State {
	var out []State
	out = append(out, startStates()...)
	out = append(out, mailStates()...)
	out = append(out, otherStates()...)
	out = append(out, endStates()...)
	out = append(out, reconnectStates()...)
	return append(out, worldStates()...)
}

func startStates() []State {
	four := []latchkey.Provider{latchkey.Google, latchkey.Microsoft, latchkey.IMAP, latchkey.WhatsApp}
	return []State{
		{Name: "start-choices", View: start(four...)},
		{Name: "start-all", View: start(latchkey.Providers()[:7]...)},
		{Name: "start-mailbox", View: start(latchkey.IMAP)},
		{Name: "start-google", View: start(latchkey.Google)},
		{Name: "start-test", View: with(start(latchkey.IMAP), func(v *hosted.View) { v.Application.Test = true })},
		{Name: "start-reconnect", View: with(start(latchkey.IMAP), func(v *hosted.View) { v.Link.Type, v.Reason = latchkey.LinkReconnect, latchkey.ReasonPasswordChanged })},
		{Name: "start-long-name", View: with(start(four...), func(v *hosted.View) { v.Application.Name = longName })},
		{Name: "start-bound", View: notice(hosted.StepBound, latchkey.FlowInProgress, connector.ActTakeOver)},
		{Name: "start-used", View: notice(hosted.StepUsed, latchkey.FlowCompleted)},
		{Name: "start-expired", View: notice(hosted.StepExpired, latchkey.FlowExpired)},
		{Name: "start-unavailable", View: notice(hosted.StepUnavailable, latchkey.FlowCreated)},
		{Name: "taken-over", View: notice(hosted.StepTakenOver, latchkey.FlowTakenOver, connector.ActTakeOver)},
		{Name: "picker", View: with(bound("", connector.Step{
			Kind: connector.KindChoose, ID: hosted.StepPicker, Actions: actions{connector.ActSubmit},
			Fields:  []connector.Field{{Name: "provider", Type: connector.FieldChoice, Required: true}},
			Options: []connector.Option{{ID: "GOOGLE"}, {ID: "MICROSOFT"}, {ID: "IMAP"}, {ID: "TELEGRAM"}},
		}), func(v *hosted.View) { v.Scopes = []string{"mail.read", "mail.send", "messages.read"} })},
	}
}

// emailStep asks for an address.
func emailStep(value string, issues ...connector.FieldIssue) connector.Step {
	return connector.Step{
		Kind: connector.KindForm, ID: "imap.email", Actions: actions{connector.ActSubmit, connector.ActBack}, Errors: issues,
		Fields: []connector.Field{{Name: "email", Type: connector.FieldEmail, Required: true, Value: value}},
	}
}

// PasswordStep asks for a mailbox's password; the README's picture is of it.
func PasswordStep(issues ...connector.FieldIssue) connector.Step {
	sec := []connector.Option{{ID: "tls"}, {ID: "starttls"}, {ID: "none"}}
	set := func(name string, t connector.FieldType, value string, o ...connector.Option) connector.Field {
		return connector.Field{Name: name, Type: t, Value: value, Group: "settings", Options: o}
	}
	return connector.Step{
		Kind: connector.KindForm, ID: "imap.password", Args: map[string]string{"host": "Fastmail"},
		Actions: actions{connector.ActSubmit, connector.ActBack}, Errors: issues,
		Notes: []connector.Note{{Level: connector.NoteWarn, Code: "app_password", Args: map[string]string{"host": "Fastmail"}, URL: "https://app.fastmail.com/settings/security"}},
		Fields: []connector.Field{
			{Name: "email", Type: connector.FieldEmail, Required: true, Value: "maria@studio-lindgren.example"},
			{Name: "password", Type: connector.FieldPassword, Required: true, Label: "app_password"},
			set("imap_host", connector.FieldText, "imap.fastmail.com"), set("imap_port", connector.FieldNumber, "993"),
			set("imap_encryption", connector.FieldSelect, "tls", sec...), set("imap_user", connector.FieldText, ""), set("imap_password", connector.FieldPassword, ""),
			set("smtp_host", connector.FieldText, "smtp.fastmail.com"), set("smtp_port", connector.FieldNumber, "465"),
			set("smtp_encryption", connector.FieldSelect, "tls", sec...),
		},
	}
}

func findingStep(domain string) connector.Step {
	return connector.Step{
		Kind: connector.KindWait, ID: "imap.finding", Args: map[string]string{"email": "maria@" + domain}, Actions: actions{connector.ActSwitchMethod},
		Progress: []connector.Progress{
			{Code: "imap.lookup", State: connector.ProgressOK, Args: map[string]string{"domain": domain}},
			{Code: "imap.hosted", State: connector.ProgressOK, Args: map[string]string{"host": "Fastmail"}},
			{Code: "imap.greet", State: connector.ProgressNow, Args: map[string]string{"imap": "imap.fastmail.com", "smtp": "smtp.fastmail.com"}},
			{Code: "imap.ready", State: connector.ProgressNext},
		},
	}
}

func partialStep(host string) connector.Step {
	return connector.Step{
		Kind: connector.KindChoose, ID: "imap.partial", Actions: actions{connector.ActSubmit, connector.ActBack},
		Fields:  []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}},
		Options: []connector.Option{{ID: "use_587", Primary: true}, {ID: "edit"}, {ID: "receive_only"}},
		Verdicts: []connector.Verdict{
			{Source: "imap", OK: true, Server: host + ":993"},
			{Source: "smtp", Server: host + ":25", Code: errs.CodeConnectionTimeout, Args: map[string]string{"port": "25"}, Detail: "dial tcp: i/o timeout"},
		},
	}
}

func mailStates() []State {
	busy := func(v *hosted.View) { v.Busy = true }
	wrong := connector.FieldIssue{Field: "password", Code: errs.CodeWrongPassword, Args: map[string]string{"host": "imap.fastmail.com"}}
	return []State{
		{Name: "email", View: bound(latchkey.IMAP, emailStep(""))},
		{Name: "email-wrong", View: bound(latchkey.IMAP, emailStep("maria@", connector.FieldIssue{Field: "email", Code: errs.CodeInvalidEmail}))},
		{Name: "email-note", View: bound(latchkey.IMAP, emailStep("maria@lindgren.example", connector.FieldIssue{Code: errs.CodeInterrupted}))},
		{Name: "finding", View: with(bound(latchkey.IMAP, findingStep("studio-lindgren.example")), busy)},
		{Name: "password", View: bound(latchkey.IMAP, PasswordStep())},
		{Name: "password-wrong", View: bound(latchkey.IMAP, PasswordStep(wrong))},
		{Name: "password-errors", View: bound(latchkey.IMAP, PasswordStep(wrong,
			connector.FieldIssue{Field: "imap_port", Code: errs.CodePortNotAllowed}, connector.FieldIssue{Field: "smtp_host", Code: errs.CodeHostNotFound}))},
		{Name: "partial", View: bound(latchkey.IMAP, partialStep("mail.lindgren.example"))},
		{Name: "notice", View: bound(latchkey.IMAP, connector.Step{Kind: connector.KindNotice, ID: "imap.hello", Actions: actions{connector.ActSubmit, connector.ActBack}})},
		{Name: "wait-bare", View: with(bound(latchkey.IMAP, connector.Step{Kind: connector.KindWait, ID: "telegram.confirm", Actions: actions{connector.ActBack}}), busy)},
	}
}

func otherStates() []State {
	qr := connector.Step{
		Kind: connector.KindDisplay, ID: "whatsapp.scan", Display: connector.DisplayQR, Attempt: 2, Attempts: 6, Poll: time.Second,
		Payload:   "2@Zx9Qk1mN7vT3bY6cW8dR0fG2hJ4kL5pS,AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG=,HiJkLmNoPqRsTuVwXyZ0123456789AbCdEfGhIjKlM=,NoPqRsTuVwXyZ0123456789AbCdEfGhIjKlMnOpQrS=",
		ExpiresAt: Now().Add(14 * time.Second), Actions: actions{connector.ActSwitchMethod, connector.ActBack},
	}
	code := connector.Step{
		Kind: connector.KindDisplay, ID: "whatsapp.code", Display: connector.DisplayCode, Payload: "K7QX-2M9P", Poll: time.Second,
		ExpiresAt: Now().Add(155 * time.Second), Actions: actions{connector.ActSwitchMethod, connector.ActBack},
	}
	otp := connector.Step{
		Kind: connector.KindForm, ID: "telegram.code", Args: map[string]string{"phone": "+49 •••• 4411"}, ResendAt: Now().Add(28 * time.Second),
		Fields:  []connector.Field{{Name: "code", Type: connector.FieldCode, Required: true, MaxLength: 8}},
		Actions: actions{connector.ActSubmit, connector.ActResend, connector.ActSwitchMethod, connector.ActBack},
	}
	admin := connector.Step{
		Kind: connector.KindWait, ID: "microsoft.admin", Args: map[string]string{"tenant": "lindgren.onmicrosoft.com"}, Actions: actions{connector.ActSwitchMethod},
		Fields: []connector.Field{{Name: "link", Type: connector.FieldReadonly, Value: "https://login.microsoftonline.com/5c1e0000-0000-4000-8000-000000000000/adminconsent?client_id=1"}},
		Notes:  []connector.Note{{Level: connector.NoteGood, Code: "close"}},
	}
	return []State{
		{Name: "qr", View: with(bound(latchkey.WhatsApp, qr), func(v *hosted.View) { v.Busy = true })},
		{Name: "pairing-code", View: with(bound(latchkey.WhatsApp, code), func(v *hosted.View) { v.Busy = true })},
		{Name: "one-time-code", View: bound(latchkey.Telegram, otp)},
		{Name: "one-time-code-wrong", View: with(bound(latchkey.Telegram, otp), func(v *hosted.View) {
			v.Step.Errors = []connector.FieldIssue{{Field: "code", Code: errs.CodeWrongCode}}
		})},
		{Name: "admin-consent", View: with(bound(latchkey.Microsoft, admin), func(v *hosted.View) { v.Busy = true })},
		{Name: "method", View: bound(latchkey.LinkedIn, connector.Step{
			Kind: connector.KindChoose, ID: "linkedin.method", Actions: actions{connector.ActSubmit, connector.ActBack},
			Fields: []connector.Field{{Name: "method", Type: connector.FieldChoice}}, Options: []connector.Option{{ID: "password"}, {ID: "cookies"}},
		})},
		{Name: "challenge", View: bound(latchkey.LinkedIn, connector.Step{
			Kind: connector.KindChallenge, ID: "linkedin.captcha", Actions: actions{connector.ActSubmit, connector.ActRefresh, connector.ActBack},
			Fields: []connector.Field{{Name: "solution", Type: connector.FieldText, Required: true}},
			Extra:  json.RawMessage(`{"type":"image","image":"data:image/png;base64,` + base64.StdEncoding.EncodeToString(captcha) + `","prompt":"Capital letters and digits."}`),
		})},
		{Name: "extension", View: bound(latchkey.LinkedIn, connector.Step{
			Kind: connector.KindExtension, ID: "linkedin.extension", Actions: actions{connector.ActSubmit, connector.ActBack},
			Fields: []connector.Field{{Name: "proof", Type: connector.FieldPassword, Required: true}},
			Extra:  json.RawMessage(`{"type":"extension","url":"https://example.com/extension"}`),
		})},
		{Name: "redirect", View: bound(latchkey.Google, connector.Step{
			Kind: connector.KindRedirect, ID: "google.redirect", URL: "https://accounts.google.example/o/oauth2/auth?client_id=1", Actions: actions{connector.ActBack},
		})},
		{Name: "wrong-account", View: bound(latchkey.Google, connector.Step{
			Kind: connector.KindNotice, ID: hosted.StepWrongAccount, Actions: actions{connector.ActSubmit},
			Args:   map[string]string{"expected": "maria@studio-lindgren.example", "actual": "info@studio-lindgren.example"},
			Errors: []connector.FieldIssue{{Code: errs.CodeWrongAccount}},
		})},
	}
}

// end is a finished flow, as its own browser sees it.
func end(id string, status latchkey.FlowStatus, a ...connector.Action) hosted.View {
	v := bound(latchkey.IMAP, connector.Step{Kind: connector.KindNotice, ID: id})
	v.Status, v.Step.Actions = status, a
	return v
}

func endStates() []State {
	done := func(change func(*hosted.Result)) hosted.View {
		v := end(hosted.StepDone, latchkey.FlowCompleted)
		v.Result = &hosted.Result{AccountID: "acc_1", State: "new", Identity: "maria@studio-lindgren.example", RedirectURL: "https://crm.northwind.example/done?account_id=acc_1"}
		change(v.Result)
		return v
	}
	failed := func(code errs.Code, back string) hosted.View {
		v := end(hosted.StepFailed, latchkey.FlowFailed, connector.ActStart)
		v.Failure = &hosted.Failure{Code: code, Retryable: true, RedirectURL: back}
		return v
	}
	canceled := end(hosted.StepCanceled, latchkey.FlowCanceled, connector.ActStart)
	canceled.Failure = &hosted.Failure{Code: errs.CodeCanceled, Retryable: true}
	return []State{
		{Name: "done", View: done(func(*hosted.Result) {})},
		{Name: "done-stays", View: done(func(r *hosted.Result) { r.RedirectURL, r.State = "", "existing" })},
		{Name: "done-warning", View: done(func(r *hosted.Result) { r.Warnings = []string{"smtp_later"} })},
		{Name: "failed", View: failed(errs.CodeTimedOut, "https://crm.northwind.example/failed?error=timed_out")},
		{Name: "failed-denied", View: failed(errs.CodeAccessDenied, "")},
		{Name: "failed-plain", View: failed(errs.CodeConnectionRefused, "")},
		{Name: "canceled", View: canceled},
	}
}

// worldStates are the same pages in other languages, and with words that are too long.
func worldStates() []State {
	var out []State
	again := func(lang, suffix string, states []State, names ...string) {
		for _, s := range states {
			for _, n := range names {
				if s.Name == n {
					out = append(out, State{Name: n + suffix, Lang: lang, View: s.View})
				}
			}
		}
	}
	all := append(append(append(startStates(), mailStates()...), otherStates()...), endStates()...)
	again("ar", "-ar", all, "start-choices", "finding", "password-errors", "partial", "qr", "pairing-code", "one-time-code", "wrong-account", "done", "start-bound")
	again("de", "-de", all, "start-long-name", "password-errors", "partial", "start-bound", "failed", "one-time-code")
	again("fr", "-fr", all, "start-choices", "failed")
	again("es", "-es", all, "start-choices", "start-expired")
	long := with(bound(latchkey.IMAP, partialStep(longDomain)), func(v *hosted.View) { v.Application.Name = longName })
	finding := with(bound(latchkey.IMAP, findingStep(longDomain)), func(v *hosted.View) { v.Busy = true })
	return append(out, State{Name: "partial-long", View: long}, State{Name: "finding-long", Lang: "de", View: finding})
}

// View returns the View of a state.
func View(t testing.TB, name string) hosted.View {
	t.Helper()
	for _, s := range States() {
		if s.Name == name {
			return s.View
		}
	}
	t.Fatalf("the gallery has no state %s", name)
	return hosted.View{}
}
