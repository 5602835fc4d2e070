package imap

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
)

// beginReconnect asks only for what broke. Where nothing is left of the old credential, the servers
// are looked up anew, for the same address.
func (c *Connector) beginReconnect(s *state) (connector.Turn, error) {
	s.Email = s.fixed()
	s.Name = cmp.Or(s.Name, s.Start.Prior.Name)
	s.Mail = s.stored().withoutSecrets()
	if s.Mail.IMAP == nil && s.Mail.SMTP == nil {
		return s.detectTurn(), nil
	}
	s.Form = stepReconnect
	s.Found = &settings.Result{Provider: c.providerOf(s.Email, s.Mail)}
	return s.ask(s.formStep()), nil
}

// providerOf is whose mailbox it is, as far as the table knows without asking anybody.
func (c *Connector) providerOf(a settings.Address, m mail) *settings.Provider {
	table := c.finder.Table()
	if p := table.ByDomain(a.Domain); p != nil {
		return p
	}
	for _, proto := range protocols() {
		if d := m.of(proto); d != nil {
			if p := table.ByHost(d.Host); p != nil {
				return p
			}
		}
	}
	return nil
}

// stored is the credential of the account to mend: the secret, or what is public of it where the
// secret cannot be read any more.
func (s *state) stored() mail {
	if s.Start.Prior == nil {
		return mail{}
	}
	if m, err := decodeSecret(s.Start.Prior.Secret); err == nil {
		return m
	}
	m, err := decodeParams(s.Start.Prior.Params)
	if err != nil {
		return mail{}
	}
	return m
}

// broken lists the sides whose credentials were refused.
func (s *state) broken() []login.Protocol {
	var out []login.Protocol
	for _, p := range protocols() {
		i := slices.IndexFunc(s.Start.Prior.Sources, func(src latchkey.Source) bool { return strings.EqualFold(src.ID, string(p)) })
		if i < 0 {
			continue
		}
		if st := s.Start.Prior.Sources[i].Status; st == latchkey.AccountCredentials || st == latchkey.AccountPermissions {
			out = append(out, p)
		}
	}
	return out
}

// identity is the address as it is stored: as the link pins it, or as it was typed.
func (s *state) identity() string {
	if s.Start.Prior != nil {
		return s.Start.Prior.Identity
	}
	if s.Start.ExpectedIdentity != "" {
		return s.Start.ExpectedIdentity
	}
	return s.Email.String()
}

// params is the public part of a credential, as connection_params shows it.
type params struct {
	Mail struct {
		IMAPHost       string           `json:"imap_host,omitempty"`
		IMAPPort       int              `json:"imap_port,omitempty"`
		IMAPUser       string           `json:"imap_user,omitempty"`
		IMAPEncryption login.Encryption `json:"imap_encryption,omitempty"`
		SMTPHost       string           `json:"smtp_host,omitempty"`
		SMTPPort       int              `json:"smtp_port,omitempty"`
		SMTPUser       string           `json:"smtp_user,omitempty"`
		SMTPEncryption login.Encryption `json:"smtp_encryption,omitempty"`
	} `json:"mail"`
}

func encodeParams(m mail) (json.RawMessage, error) {
	var p params
	if d := m.IMAP; d != nil {
		p.Mail.IMAPHost, p.Mail.IMAPPort, p.Mail.IMAPUser, p.Mail.IMAPEncryption = d.Host, d.Port, d.User, d.Encryption
	}
	if d := m.SMTP; d != nil {
		p.Mail.SMTPHost, p.Mail.SMTPPort, p.Mail.SMTPUser, p.Mail.SMTPEncryption = d.Host, d.Port, d.User, d.Encryption
	}
	return json.Marshal(p)
}

func decodeParams(b []byte) (mail, error) {
	var p params
	if err := json.Unmarshal(b, &p); err != nil {
		return mail{}, err
	}
	var m mail
	if q := p.Mail; q.IMAPHost != "" {
		m.IMAP = &side{Host: q.IMAPHost, Port: q.IMAPPort, User: q.IMAPUser, Encryption: q.IMAPEncryption}
	}
	if q := p.Mail; q.SMTPHost != "" {
		m.SMTP = &side{Host: q.SMTPHost, Port: q.SMTPPort, User: q.SMTPUser, Encryption: q.SMTPEncryption}
	}
	return m, nil
}

// decodeSecret reads a credential.
func decodeSecret(b []byte) (mail, error) {
	var m mail
	if err := json.Unmarshal(b, &m); err != nil {
		return mail{}, err
	}
	if m.IMAP == nil && m.SMTP == nil {
		return mail{}, errState
	}
	return m, nil
}
