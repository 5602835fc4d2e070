package imap

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// groupSettings folds the fields that most people need not see.
const groupSettings = "settings"

// ask makes the Turn that shows a step and waits for its answer.
func (s *state) ask(step connector.Step, issues ...connector.FieldIssue) connector.Turn {
	s.At = step.ID
	step.Errors = append(step.Errors, issues...)
	return connector.Turn{State: s.bytes(), Step: &step}
}

// emailStep asks for the address.
func (s *state) emailStep() connector.Step {
	email := connector.Field{
		Name: "email", Type: connector.FieldEmail, Required: true, Autocomplete: "email", MaxLength: 254,
		Value: s.Start.Email,
	}
	if s.Email.Local != "" {
		email.Value = s.Email.String()
	}
	return connector.Step{
		Kind: connector.KindForm, ID: stepEmail, Actions: []connector.Action{connector.ActSubmit},
		Fields: []connector.Field{email, {
			Name: "name", Type: connector.FieldText, Autocomplete: "name", MaxLength: maxName, Value: cmp.Or(s.Name, s.Start.Name),
		}},
	}
}

// args are what the texts of the steps may name.
func (s *state) args() map[string]string {
	a := map[string]string{"email": s.Email.String(), "domain": s.Email.Shown}
	if s.isFixed() {
		a["email"] = s.identity()
	}
	if p := s.provider(); p != nil {
		a["provider"] = p.Name
	}
	for _, p := range protocols() {
		if d := s.Mail.of(p); d != nil && d.Host != "" {
			a[string(p)] = address(d.Host, d.Port)
			a["host"] = cmp.Or(a["host"], d.Host)
		}
	}
	a["host"] = cmp.Or(a["host"], s.Email.Shown)
	a["provider"] = cmp.Or(a["provider"], a["host"])
	return a
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// formStep is the form that the state is at: imap.password, imap.settings or imap.reconnect.
func (s *state) formStep() connector.Step {
	step := connector.Step{
		Kind: connector.KindForm, ID: s.Form, Args: s.args(), Actions: []connector.Action{connector.ActSubmit},
		Notes: s.notes(), Verdicts: s.Verdicts,
	}
	if !s.isFixed() {
		step.Actions = append(step.Actions, connector.ActBack)
	}
	step.Fields = append(step.Fields, connector.Field{Name: "email", Type: connector.FieldReadonly, Value: step.Args["email"], Autocomplete: "username"})
	label := ""
	if p := s.provider(); p != nil && p.AppPassword {
		label = "app_password"
	}
	asked := s.passwordFields()
	for _, name := range asked {
		f := connector.Field{Name: name, Type: connector.FieldPassword, Required: true, Autocomplete: "current-password", MaxLength: maxPassword}
		if name == "password" {
			f.Label = label
		}
		step.Fields = append(step.Fields, f)
	}
	for _, p := range protocols() {
		if s.locked() {
			step.Fields = append(step.Fields, s.lockedFields(p)...)
			continue
		}
		step.Fields = append(step.Fields, sideFields(s.Mail.of(p), p, asked)...)
	}
	return step
}

// lockedFields show where a password goes that may go nowhere else.
func (s *state) lockedFields(p login.Protocol) []connector.Field {
	pre, d := string(p)+"_", s.Mail.of(p)
	if d == nil {
		return nil
	}
	show := func(name, value string) connector.Field {
		return connector.Field{Name: pre + name, Type: connector.FieldReadonly, Value: value, Group: groupSettings}
	}
	return []connector.Field{show("host", d.Host), show("port", strconv.Itoa(d.Port)), show("user", d.User)}
}

// sideFields are the settings of one protocol, prefilled.
func sideFields(d *side, p login.Protocol, asked []string) []connector.Field {
	pre := string(p) + "_"
	var host, port, user string
	enc := login.TLS
	if d != nil {
		host, port, user, enc = d.Host, strconv.Itoa(d.Port), d.User, cmp.Or(d.Encryption, login.UsualEncryption(d.Port), login.TLS)
	}
	fields := []connector.Field{
		{Name: pre + "host", Type: connector.FieldText, Value: host, MaxLength: maxHost},
		{Name: pre + "port", Type: connector.FieldNumber, Value: port, MaxLength: 5},
		{Name: pre + "encryption", Type: connector.FieldSelect, Value: string(enc), Options: encryptions()},
		{Name: pre + "user", Type: connector.FieldText, Value: user, MaxLength: maxUser},
		{Name: pre + "password", Type: connector.FieldPassword, MaxLength: maxPassword, Autocomplete: "off"},
	}
	fields = slices.DeleteFunc(fields, func(f connector.Field) bool { return slices.Contains(asked, f.Name) })
	for i := range fields {
		fields[i].Group = groupSettings
	}
	return fields
}

// encryptions are the choices of encryption. None is taken for a wish that is only granted for hosts
// that the operator listed.
func encryptions() []connector.Option {
	return []connector.Option{{ID: string(login.TLS)}, {ID: string(login.STARTTLS)}, {ID: string(login.None)}}
}

// notes are remarks on the form: what the provider needs, and what was not found.
func (s *state) notes() []connector.Note {
	var out []connector.Note
	note := func(level connector.NoteLevel, code, url string) {
		a := s.args()
		out = append(out, connector.Note{Level: level, Code: code, URL: url, Args: map[string]string{"provider": a["provider"], "domain": a["domain"]}})
	}
	if p := s.provider(); p != nil {
		switch {
		case p.NoPasswords:
			note(connector.NoteWarn, "no_passwords", "")
		case p.AppPassword:
			note(connector.NoteWarn, "app_password", p.AppHelpURL)
		case p.AppHelpURL != "":
			note(connector.NoteInfo, "app_password_maybe", p.AppHelpURL)
		}
		if p.SwitchOn {
			note(connector.NoteInfo, "imap_switch_on", p.SwitchOnURL)
		}
	}
	if s.Found == nil || s.Form == stepReconnect {
		return out
	}
	imap, smtp := s.Found.IMAP != nil, s.Found.SMTP != nil
	switch {
	case s.Found.NoIMAP:
		note(connector.NoteInfo, "no_imap", "")
	case s.Found.NoSMTP:
		note(connector.NoteInfo, "no_smtp", "")
	case !imap && !smtp:
		note(connector.NoteInfo, "settings_not_found", "")
	case !smtp:
		note(connector.NoteInfo, "smtp_not_found", "")
	case !imap:
		note(connector.NoteInfo, "imap_not_found", "")
	}
	return out
}

// passwordFields are the passwords to ask for: one, unless only one side of an account broke.
func (s *state) passwordFields() []string {
	if s.Form != stepReconnect {
		return []string{"password"}
	}
	stored := s.stored()
	if stored.IMAP == nil || stored.SMTP == nil {
		return []string{"password"}
	}
	broken := s.broken()
	if len(broken) == 0 || len(broken) == 2 {
		if stored.IMAP.Password == stored.SMTP.Password {
			return []string{"password"}
		}
		broken = protocols()
	}
	var out []string
	for _, p := range broken {
		out = append(out, string(p)+"_password")
	}
	return out
}

// overlay puts back what was typed where it could not be taken, so that nobody types it twice.
// Secrets stay empty.
func overlay(step connector.Step, values map[string]string) connector.Step {
	for i, f := range step.Fields {
		v, typed := values[f.Name]
		if typed && !f.Secret() && f.Type != connector.FieldReadonly {
			step.Fields[i].Value = v
		}
	}
	return step
}

// oauthStep offers the provider's own sign-in, which is better than a password.
func (s *state) oauthStep() connector.Step {
	a := s.args()
	if p, ok := s.oauthOffered(); ok {
		a["signin"] = oauthName(string(p))
	}
	return connector.Step{
		Kind: connector.KindChoose, ID: stepOAuth, Args: a,
		Fields: []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}},
		Options: []connector.Option{
			{ID: "oauth", Primary: true, Args: a},
			{ID: "password", Args: a},
		},
		Actions: s.withBack(connector.ActSubmit),
	}
}

func oauthName(provider string) string {
	if provider == "MICROSOFT" {
		return "Microsoft"
	}
	return "Google"
}

func (s *state) withBack(actions ...connector.Action) []connector.Action {
	if s.isFixed() {
		return actions
	}
	return append(actions, connector.ActBack)
}

// bridgeStep says that a provider's mail cannot be reached over the internet.
func (s *state) bridgeStep() connector.Step {
	actions := s.withBack()
	if !s.locked() {
		actions = append(actions, connector.ActSwitchMethod)
	}
	return connector.Step{Kind: connector.KindNotice, ID: stepBridge, Args: s.args(), Actions: actions}
}

// partialStep says which side works, and offers what can be done about the other.
func (s *state) partialStep() connector.Step {
	step := connector.Step{
		Kind: connector.KindChoose, ID: stepPartial, Args: s.args(), Verdicts: s.Verdicts,
		Fields:  []connector.Field{{Name: "choice", Type: connector.FieldChoice, Required: true}},
		Actions: []connector.Action{connector.ActSubmit, connector.ActBack},
	}
	for i, alt := range s.Alternatives {
		step.Options = append(step.Options, connector.Option{
			ID: alt.ID, Primary: i == 0,
			Args: map[string]string{"host": alt.Server.Host, "port": strconv.Itoa(alt.Server.Port)},
		})
	}
	step.Options = append(step.Options, connector.Option{ID: "edit", Primary: len(s.Alternatives) == 0})
	for _, v := range s.Verdicts {
		if v.OK {
			step.Options = append(step.Options, connector.Option{ID: v.Source + "_only"})
			step.Args["works"] = v.Source
		}
	}
	return step
}

// failureIssue puts a failed side's error on the field that can mend it.
func (s *state) failureIssue(p login.Protocol, d *side, e *login.Error, ownPassword bool) connector.FieldIssue {
	issue := connector.FieldIssue{Code: e.Code, Args: failureArgs(s, p, d)}
	pre := string(p) + "_"
	switch e.Code {
	case errs.CodeWrongPassword, errs.CodeAppPassword:
		issue.Field = "password"
		if ownPassword {
			issue.Field = pre + "password"
		}
	case errs.CodeHostNotFound, errs.CodeConnectionRefused, errs.CodeConnectionTimeout, errs.CodeConnectionClosed,
		errs.CodeTLSFailed, errs.CodeCertificateInvalid, errs.CodeNotIMAP, errs.CodeNotSMTP, errs.CodeHostNotAllowed,
		errs.CodeNoAuthMethod, errs.CodeProtocolError, errs.CodeHostUnreachable:
		issue.Field = pre + "host"
	case errs.CodePortNotAllowed:
		issue.Field = pre + "port"
	case errs.CodeNoSTARTTLS, errs.CodePlaintextRefused:
		issue.Field = pre + "encryption"
	}
	// An error on a field that is not shown would be lost.
	if hidden := issue.Field == pre+"encryption" || issue.Field == pre+"password"; hidden && s.locked() && !slices.Contains(s.passwordFields(), issue.Field) {
		issue.Field = ""
	}
	return issue
}

func failureArgs(s *state, p login.Protocol, d *side) map[string]string {
	return map[string]string{
		"host": d.Host, "port": strconv.Itoa(d.Port), "user": d.User, "protocol": string(p), "provider": s.args()["provider"],
	}
}

// fromFound is the mail as it was discovered.
func fromFound(r *settings.Result) mail {
	var m mail
	for p, f := range map[login.Protocol]*settings.Found{login.IMAP: r.IMAP, login.SMTP: r.SMTP} {
		if f != nil {
			m.set(p, &side{Host: f.Server.Host, Port: f.Server.Port, Encryption: f.Server.Encryption, User: f.User})
		}
	}
	return m
}
