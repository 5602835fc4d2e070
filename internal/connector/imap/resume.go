package imap

import (
	"cmp"

	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// Begin starts a flow: with the address, or, where it is given, with what follows from it.
func (c *Connector) Begin(start connector.Start) (connector.Turn, error) {
	s := &state{Start: start, Name: start.Name}
	if start.Prior != nil {
		return c.beginReconnect(s)
	}
	if !s.isFixed() {
		return s.ask(s.emailStep()), nil
	}
	s.Email = s.fixed()
	if s.Email.Domain == "" {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeInvalidEmail}}, nil
	}
	return s.detectTurn(), nil
}

// detectTurn looks the address up, and shows how far that is.
func (s *state) detectTurn() connector.Turn {
	s.At, s.Verdicts, s.Alternatives = stepDetect, nil, nil
	state := s.bytes()
	return connector.Turn{State: state, Work: &connector.Work{
		Name: workDetect, Input: state, Show: s.detectStep(settings.Progress{}),
		Deadline: detectDeadline, Interrupt: connector.Rerun,
	}}
}

// verifyTurn tries the login. What it shows meanwhile can be left, and then holds no password.
func (s *state) verifyTurn() connector.Turn {
	s.At, s.Verdicts, s.Alternatives = stepVerify, nil, nil
	input := s.bytes()
	bare := *s
	bare.Mail = s.Mail.withoutSecrets()
	return connector.Turn{State: bare.bytes(), Work: &connector.Work{
		Name: workVerify, Input: input, Show: s.verifyStep(nil), Deadline: verifyDeadline, Interrupt: connector.Ask,
	}}
}

// Resume takes an answer.
func (c *Connector) Resume(b []byte, in connector.Input) (connector.Turn, error) {
	s, err := decodeState(b)
	if err != nil {
		return connector.Turn{}, err
	}
	switch in.Action {
	case connector.ActSubmit, connector.ActBack, connector.ActSwitchMethod:
	default:
		return c.show(s)
	}
	t := &typed{values: in.Values}
	switch s.At {
	case stepEmail:
		return c.resumeEmail(s, t), nil
	case stepDetect, stepBridge:
		return c.resumeDetect(s, in.Action), nil
	case stepOAuth:
		return c.resumeOAuth(s, in.Action, t), nil
	case stepPassword, stepSettings, stepReconnect:
		return c.resumeForm(s, in.Action, t), nil
	case stepVerify:
		return c.again(s), nil
	case stepPartial:
		return c.resumePartial(s, in.Action, t), nil
	default:
		return connector.Turn{}, errState
	}
}

// show asks what is being asked.
func (c *Connector) show(s *state) (connector.Turn, error) {
	switch s.At {
	case stepDetect:
		return s.detectTurn(), nil
	case stepBridge:
		return s.ask(s.bridgeStep()), nil
	case stepOAuth:
		return s.ask(s.oauthStep()), nil
	case stepPartial:
		return s.ask(s.partialStep()), nil
	case stepPassword, stepSettings, stepReconnect, stepVerify:
		return c.again(s), nil
	case stepEmail:
		return s.ask(s.emailStep()), nil
	default:
		return connector.Turn{}, errState
	}
}

func (c *Connector) resumeEmail(s *state, t *typed) connector.Turn {
	a, ok := t.email("email")
	name := t.name("name")
	if ok && s.isFixed() && !s.fixed().Same(a) {
		t.wrong("email", errs.CodeWrongAccount, map[string]string{"expected": s.identity()})
	}
	if len(t.issues) > 0 {
		return s.ask(overlay(s.emailStep(), t.values), t.issues...)
	}
	s.Email, s.Name, s.Mail, s.Found = a, name, mail{}, nil
	return s.detectTurn()
}

// resumeDetect: the end user does not want to wait, or to be told.
func (c *Connector) resumeDetect(s *state, action connector.Action) connector.Turn {
	if action == connector.ActSwitchMethod && !s.locked() {
		if s.Found == nil {
			s.Found = &settings.Result{}
		}
		return c.openSettings(s)
	}
	if s.At == stepBridge && action != connector.ActBack {
		return s.ask(s.bridgeStep())
	}
	if s.isFixed() {
		return s.detectTurn()
	}
	return s.ask(s.emailStep())
}

// openSettings asks for everything, with guesses where nothing is known.
func (c *Connector) openSettings(s *state) connector.Turn {
	s.Form = stepSettings
	if s.Mail.IMAP == nil && s.Mail.SMTP == nil {
		for _, p := range protocols() {
			if (p == login.IMAP && s.Found.NoIMAP) || (p == login.SMTP && s.Found.NoSMTP) {
				continue
			}
			g := settings.Guess(p, s.Email)
			s.Mail.set(p, &side{Host: g.Server.Host, Port: g.Server.Port, Encryption: g.Server.Encryption, User: g.User})
		}
	}
	return s.ask(s.formStep())
}

func (c *Connector) resumeOAuth(s *state, action connector.Action, t *typed) connector.Turn {
	if action == connector.ActBack && !s.isFixed() {
		return s.ask(s.emailStep())
	}
	provider, offered := s.oauthOffered()
	switch choice := t.trimmed("choice"); {
	case choice == "oauth" && offered:
		return connector.Turn{Switch: &connector.Switch{Provider: provider, Email: s.Email.String()}}
	case choice == "password":
		return c.form(s)
	case choice == "":
		t.wrong("choice", errs.CodeRequired, nil)
	default:
		t.wrong("choice", errs.CodeInvalidValue, nil)
	}
	return s.ask(s.oauthStep(), t.issues...)
}

// form asks for the password, and for what was not found.
func (c *Connector) form(s *state) connector.Turn {
	missing := (s.Mail.IMAP == nil && !s.Found.NoIMAP) || (s.Mail.SMTP == nil && !s.Found.NoSMTP)
	nothing := s.Mail.IMAP == nil && s.Mail.SMTP == nil
	if s.locked() && nothing {
		return connector.Turn{Failure: &connector.Failure{
			Code: errs.CodeNothingFound, Args: map[string]string{"domain": s.Email.Shown}, Retryable: true,
		}}
	}
	if missing && !s.locked() {
		return c.openSettings(s)
	}
	s.Form = stepPassword
	return s.ask(s.formStep())
}

// again shows the form that was answered last.
func (c *Connector) again(s *state, issues ...connector.FieldIssue) connector.Turn {
	s.Mail, s.Alternatives = s.Mail.withoutSecrets(), nil
	if s.Form == "" {
		s.Form = stepSettings
	}
	return s.ask(s.formStep(), issues...)
}

func (c *Connector) resumeForm(s *state, action connector.Action, t *typed) connector.Turn {
	if action == connector.ActBack && !s.isFixed() {
		s.Verdicts = nil
		return s.ask(s.emailStep())
	}
	if t.has("email") {
		if a, ok := t.email("email"); ok && !a.Same(s.Email) {
			if !s.isFixed() {
				s.Email, s.Mail, s.Found = a, mail{}, nil
				return s.detectTurn()
			}
			t.wrong("email", errs.CodeWrongAccount, map[string]string{"expected": s.identity()})
		}
	}
	m := s.readMail(t)
	if len(t.issues) > 0 {
		s.Mail = keepTyped(s.Mail, m)
		return s.ask(overlay(s.formStep(), t.values), t.issues...)
	}
	s.Mail = m
	return s.verifyTurn()
}

// keepTyped is what the form shows after an answer that could not be taken whole.
func keepTyped(before, typed mail) mail {
	out := before.withoutSecrets()
	for _, p := range protocols() {
		if d := typed.of(p); d != nil && d.Host != "" {
			c := *d
			c.Password = ""
			out.set(p, &c)
		}
	}
	return out
}

// readMail reads servers, logins and passwords.
func (s *state) readMail(t *typed) mail {
	var m mail
	for _, p := range protocols() {
		before := s.Mail.of(p)
		if s.locked() {
			s.refuseOthers(t, p, before)
			if before != nil {
				c := *before
				m.set(p, &c)
			}
			continue
		}
		m.set(p, t.side(p, before, s.Email.Wire()))
	}
	if m.IMAP == nil && m.SMTP == nil {
		t.wrong("imap_host", errs.CodeRequired, nil)
	}
	s.readPasswords(t, &m)
	return m
}

// refuseOthers complains of servers and logins that are not the known ones.
func (s *state) refuseOthers(t *typed, p login.Protocol, known *side) {
	pre := string(p) + "_"
	differs := func(field, want string) {
		if t.has(field) && t.trimmed(field) != want {
			t.wrong(field, errs.CodeServerLocked, nil)
		}
	}
	if known == nil {
		differs(pre+"host", "")
		return
	}
	if t.has(pre + "host") {
		if h, port := t.host(pre + "host"); h != "" && (h != known.Host || (port != 0 && port != known.Port)) {
			t.wrong(pre+"host", errs.CodeServerLocked, nil)
		}
	}
	if port := t.port(pre + "port"); port != 0 && port != known.Port {
		t.wrong(pre+"port", errs.CodeServerLocked, nil)
	}
	if t.has(pre+"user") && t.trimmed(pre+"user") != "" {
		differs(pre+"user", known.User)
	}
}

// readPasswords gives each side its own password, the common one, or the stored one if it was not asked for.
func (s *state) readPasswords(t *typed, m *mail) {
	common := t.line("password", maxPassword)
	asked := s.passwordFields()
	stored := s.stored()
	missing := map[string]bool{}
	for _, p := range protocols() {
		d := m.of(p)
		if d == nil {
			continue
		}
		own := string(p) + "_password"
		d.Password = cmp.Or(t.line(own, maxPassword), common)
		if d.Password != "" || t.bad(own) || t.bad("password") {
			continue
		}
		switch old := stored.of(p); {
		case s.Form == stepReconnect && old != nil && !contains(asked, "password") && !contains(asked, own) && old.Host == d.Host:
			d.Password = old.Password
		case contains(asked, own), !contains(asked, "password"):
			missing[own] = true
		default:
			missing["password"] = true
		}
	}
	for _, f := range []string{"password", "imap_password", "smtp_password"} {
		if missing[f] {
			t.wrong(f, errs.CodeRequired, nil)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// bad tells whether a field was complained of.
func (t *typed) bad(field string) bool {
	for _, i := range t.issues {
		if i.Field == field {
			return true
		}
	}
	return false
}

// resumePartial: one side works; what about the other?
func (c *Connector) resumePartial(s *state, action connector.Action, t *typed) connector.Turn {
	choice := t.trimmed("choice")
	if action == connector.ActBack || choice == "edit" {
		return c.again(s)
	}
	for _, alt := range s.Alternatives {
		if alt.ID == choice {
			s.Mail.set(alt.Protocol, s.Mail.of(alt.Protocol).at(alt.Server))
			return s.verifyTurn()
		}
	}
	for _, v := range s.Verdicts {
		if v.OK && choice == v.Source+"_only" {
			p := login.Protocol(v.Source)
			only := mail{}
			only.set(p, s.Mail.of(p))
			s.Mail = only
			// The check that this side passed may be long ago.
			return s.verifyTurn()
		}
	}
	code := errs.CodeInvalidValue
	if choice == "" {
		code = errs.CodeRequired
	}
	return s.ask(s.partialStep(), connector.FieldIssue{Field: "choice", Code: code})
}
