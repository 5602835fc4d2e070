package settings

import (
	"strings"

	"latchkey/internal/connector/login"
)

// OAuth names who could sign the mailbox's owner in instead of a password.
type OAuth string

// The kinds of OAuth that mailboxes come with.
const (
	NoOAuth        OAuth = ""
	GoogleOAuth    OAuth = "google"
	MicrosoftOAuth OAuth = "microsoft"
)

// Provider is what is known of a big mail provider. Facts only.
type Provider struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Domains are addresses' domains; MX are suffixes of mail exchangers; Hosts are suffixes of the
	// provider's servers, by which it is recognised when another source names them.
	Domains []string `json:"-"`
	MX      []string `json:"-"`
	Hosts   []string `json:"-"`
	// IMAP and SMTP in order of preference.
	IMAP []login.Server `json:"-"`
	SMTP []login.Server `json:"-"`
	// User is how the login is made of the address, with placeholders; the address if empty.
	User  string `json:"-"`
	OAuth OAuth  `json:"oauth,omitempty"`
	// AppPassword says that the usual password does not work here; AppHelpURL is the page where one is made.
	AppPassword bool   `json:"app_password,omitempty"`
	AppHelpURL  string `json:"app_help_url,omitempty"`
	// SwitchOn says that IMAP has to be switched on first; SwitchOnURL is where.
	SwitchOn    bool   `json:"switch_on,omitempty"`
	SwitchOnURL string `json:"switch_on_url,omitempty"`
	// NoPasswords says that passwords, also app passwords, are no longer taken.
	NoPasswords bool `json:"no_passwords,omitempty"`
	// Bridge says that there is no IMAP server on the internet, only a program on the owner's machine.
	Bridge bool `json:"bridge,omitempty"`
}

// Table is the providers, indexed.
type Table struct {
	byDomain map[string]*Provider
	all      []*Provider
}

// NewTable builds the table of the providers known here.
func NewTable() *Table {
	t := &Table{byDomain: map[string]*Provider{}}
	for _, list := range [][]Provider{worldwide(), independent(), germany(), europe(), elsewhere(), hosters()} {
		for _, p := range list {
			t.all = append(t.all, &p)
			for _, d := range p.Domains {
				t.byDomain[d] = &p
			}
		}
	}
	return t
}

// All lists the providers.
func (t *Table) All() []*Provider { return t.all }

// ByDomain finds the provider of an address's domain; nil if it is nobody's that we know.
func (t *Table) ByDomain(domain string) *Provider {
	return t.byDomain[strings.ToLower(strings.TrimSuffix(domain, "."))]
}

// ByMX finds the provider that takes mail at a mail exchanger.
func (t *Table) ByMX(host string) *Provider {
	return t.bySuffix(host, func(p *Provider) []string { return p.MX })
}

// ByHost finds the provider that a mail server belongs to.
func (t *Table) ByHost(host string) *Provider {
	return t.bySuffix(host, func(p *Provider) []string { return p.Hosts })
}

func (t *Table) bySuffix(host string, of func(*Provider) []string) *Provider {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, p := range t.all {
		for _, suffix := range of(p) {
			if host == suffix || strings.HasSuffix(host, "."+suffix) {
				return p
			}
		}
	}
	return nil
}

// on and its siblings write servers as providers' help pages do.
func on(host string, port int, e login.Encryption) login.Server {
	return login.Server{Host: host, Port: port, Encryption: e}
}

func imaps(host string) []login.Server { return []login.Server{on(host, 993, login.TLS)} }

func smtps(host string) []login.Server {
	return []login.Server{on(host, 465, login.TLS), on(host, 587, login.STARTTLS)}
}

func submission(host string) []login.Server { return []login.Server{on(host, 587, login.STARTTLS)} }
