package imap

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
)

// The steps.
const (
	stepEmail     = "imap.email"
	stepDetect    = "imap.detect"
	stepPassword  = "imap.password"
	stepSettings  = "imap.settings"
	stepOAuth     = "imap.oauth"
	stepBridge    = "imap.bridge"
	stepVerify    = "imap.verify"
	stepPartial   = "imap.partial"
	stepReconnect = "imap.reconnect"
)

// state is everything a flow knows between two calls. The engine keeps it sealed.
type state struct {
	Start connector.Start `json:"start"`
	// At is the step asked; Form is the form to go back to.
	At    string           `json:"at"`
	Form  string           `json:"form,omitempty"`
	Email settings.Address `json:"email,omitzero"`
	Name  string           `json:"name,omitempty"`
	Found *settings.Result `json:"found,omitempty"`
	// Mail is what is to be tried, or was: typed, discovered or stored. While a question is open its
	// passwords are empty, but for those that imap.partial and imap.reconnect need to go on.
	Mail mail `json:"mail"`
	// Direct says that an application's backend gave the fields: nobody can be asked.
	Direct bool `json:"direct,omitempty"`
	// Alternatives are servers that spoke when the one typed did not.
	Alternatives []alternative `json:"alternatives,omitempty"`
	// Verdicts are of the last try.
	Verdicts []connector.Verdict `json:"verdicts,omitempty"`
}

// alternative is a server that could take a failed one's place.
type alternative struct {
	ID       string         `json:"id"`
	Protocol login.Protocol `json:"protocol"`
	Server   login.Server   `json:"server"`
}

// mail is how a mailbox is reached: the credential, and the form it is typed in. A side that is nil
// is not connected.
type mail struct {
	IMAP *side `json:"imap,omitempty"`
	SMTP *side `json:"smtp,omitempty"`
}

// side is one protocol of a mailbox.
type side struct {
	Host       string           `json:"host"`
	Port       int              `json:"port"`
	Encryption login.Encryption `json:"encryption"`
	User       string           `json:"user"`
	Password   string           `json:"password,omitempty"`
	// Token says that Password is an access token, which is lent and never kept.
	Token bool `json:"-"`
}

func (s *side) server() login.Server {
	return login.Server{Host: s.Host, Port: s.Port, Encryption: s.Encryption}
}

func (s *side) at(server login.Server) *side {
	c := *s
	c.Host, c.Port, c.Encryption = server.Host, server.Port, server.Encryption
	return &c
}

// of returns one side.
func (m *mail) of(p login.Protocol) *side {
	if p == login.SMTP {
		return m.SMTP
	}
	return m.IMAP
}

func (m *mail) set(p login.Protocol, s *side) {
	if p == login.SMTP {
		m.SMTP = s
		return
	}
	m.IMAP = s
}

// clone copies both sides.
func (m mail) clone() mail {
	for _, p := range protocols() {
		if s := m.of(p); s != nil {
			c := *s
			m.set(p, &c)
		}
	}
	return m
}

// withoutSecrets is the mail with no password in it.
func (m mail) withoutSecrets() mail {
	m = m.clone()
	for _, p := range protocols() {
		if s := m.of(p); s != nil {
			s.Password = ""
		}
	}
	return m
}

func protocols() []login.Protocol { return []login.Protocol{login.IMAP, login.SMTP} }

var errState = errors.New("imap: the state of the flow cannot be read")

func decodeState(b []byte) (*state, error) {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	return &s, nil
}

// bytes encodes the state. It is made of strings and numbers, which always encode.
func (s *state) bytes() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return b
}

// fixed is the address that the mailbox must have; zero if the end user chooses.
func (s *state) fixed() settings.Address {
	want := s.Start.ExpectedIdentity
	if s.Start.Prior != nil {
		want = s.Start.Prior.Identity
	}
	if want == "" {
		return settings.Address{}
	}
	a, err := settings.ParseAddress(want)
	if err != nil {
		// Not an address we could parse, and still the only one it may be.
		return settings.Address{Local: want, Shown: ""}
	}
	return a
}

func (s *state) isFixed() bool { return s.fixed() != settings.Address{} }

// locked tells whether servers are not the end user's to choose. The address of a mailbox is only
// typed: whoever may choose the servers too could pass any mailbox for the one that is expected.
func (s *state) locked() bool { return s.isFixed() && !s.Start.AllowServerChange }

func (s *state) reconnecting() bool { return s.Start.Prior != nil }

// oauthOffered tells whether the flow may go to the provider's own sign-in.
func (s *state) oauthOffered() (latchkey.Provider, bool) {
	p := oauthProvider(s.provider())
	return p, p != "" && slices.Contains(s.Start.OAuthOffered, p) && !slices.Contains(s.Start.Options.Disabled, "oauth")
}

func oauthProvider(p *settings.Provider) latchkey.Provider {
	if p == nil {
		return ""
	}
	switch p.OAuth {
	case settings.GoogleOAuth:
		return latchkey.Google
	case settings.MicrosoftOAuth:
		return latchkey.Microsoft
	case settings.NoOAuth:
	}
	return ""
}

// provider is whose mailbox it is, if known.
func (s *state) provider() *settings.Provider {
	if s.Found == nil {
		return nil
	}
	return s.Found.Provider
}
