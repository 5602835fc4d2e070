package imap

import (
	"cmp"

	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// Direct connects from fields that an application's backend gives (POST /v1/accounts): imap_host,
// imap_port, imap_user, imap_password, imap_encryption and the same for smtp; email and name. Without
// hosts they are looked up. Errors come back on the form, each on its field.
func (c *Connector) Direct(start connector.Start, values map[string]string) (connector.Turn, error) {
	t := &typed{values: values}
	s := &state{Start: start, Direct: true, Form: stepSettings, Name: cmp.Or(t.name("name"), start.Name)}
	s.Email = s.directAddress(t)
	s.Mail = s.stored().withoutSecrets()
	m, lookup := s.directMail(t)
	if len(t.issues) > 0 {
		s.Mail = keepTyped(s.Mail, m)
		return s.ask(overlay(s.formStep(), values), t.issues...), nil
	}
	s.Mail = m
	if lookup {
		return s.detectTurn(), nil
	}
	return s.verifyTurn(), nil
}

// directAddress is the mailbox's address: as given, as pinned, or the login where that is an address.
func (s *state) directAddress(t *typed) settings.Address {
	fixed := s.fixed()
	given := cmp.Or(t.trimmed("email"), s.Start.Email)
	if given == "" && s.isFixed() {
		return fixed
	}
	if given == "" {
		for _, f := range []string{"imap_user", "smtp_user"} {
			if a, err := settings.ParseAddress(t.trimmed(f)); err == nil {
				return a
			}
		}
		t.wrong("email", errs.CodeRequired, nil)
		return settings.Address{}
	}
	a, err := settings.ParseAddress(given)
	if err != nil {
		t.wrong("email", errs.CodeInvalidEmail, nil)
		return settings.Address{}
	}
	if s.isFixed() && !fixed.Same(a) {
		t.wrong("email", errs.CodeWrongAccount, map[string]string{"expected": s.identity(), "actual": a.String()})
	}
	return a
}

// directMail reads the sides, and tells whether their servers are to be looked up.
func (s *state) directMail(t *typed) (m mail, lookup bool) {
	known := s.Mail.IMAP != nil || s.Mail.SMTP != nil
	for _, p := range protocols() {
		before := s.Mail.of(p)
		if known && s.locked() {
			s.refuseOthers(t, p, before)
			if before != nil {
				d := *before
				m.set(p, &d)
			}
			continue
		}
		m.set(p, t.side(p, before, s.Email.Wire()))
	}
	if m.IMAP == nil && m.SMTP == nil {
		lookup = true
		for _, p := range protocols() {
			m.set(p, &side{User: t.line(string(p)+"_user", maxUser)})
		}
	}
	if s.Start.Lent == "" {
		s.directPasswords(t, &m)
	}
	return m, lookup
}

// directPasswords: one password given serves both sides.
func (s *state) directPasswords(t *typed, m *mail) {
	own := map[login.Protocol]string{}
	for _, p := range protocols() {
		own[p] = t.line(string(p)+"_password", maxPassword)
	}
	common := cmp.Or(t.line("password", maxPassword), own[login.IMAP], own[login.SMTP])
	for _, p := range protocols() {
		d := m.of(p)
		if d == nil {
			continue
		}
		d.Password = cmp.Or(own[p], common)
		if d.Password == "" && !t.bad(string(p)+"_password") {
			t.wrong(string(p)+"_password", errs.CodeRequired, nil)
		}
	}
}
