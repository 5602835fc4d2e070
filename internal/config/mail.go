package config

import (
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	"latchkey/internal/secret"
)

// Mail is the default sender: whose relay takes the login emails of applications without a sender of
// their own, and the operators'.
type Mail struct {
	SMTPURL  secret.Text `name:"smtp-url" env:"LATCHKEY_SMTP_URL" placeholder:"URL" help:"Mail relay of the default sender: smtp+starttls://user:password@host:587 or smtps://user:password@host:465; smtp:// only on loopback or for hosts of --allow-plaintext-mail."`
	SMTPFrom string      `name:"smtp-from" env:"LATCHKEY_SMTP_FROM" placeholder:"ADDRESS" help:"What the default sender's mail comes from: Name <address>."`
}

// Relay is LATCHKEY_SMTP_URL and LATCHKEY_SMTP_FROM, read. Its zero value means that there is none.
type Relay struct {
	Host string
	Port int
	// Encryption is tls, starttls or none.
	Encryption         string
	Username, Password string
	Email, Name        string
}

// Relay reads the default sender. Check has told what is wrong with it.
func (c *Config) Relay() Relay {
	r, _ := c.readRelay()
	return r
}

func (c *Config) checkMail(add func(variable, format string, args ...any)) {
	if c.SMTPURL.IsZero() != (c.SMTPFrom == "") {
		add("LATCHKEY_SMTP_URL", "and LATCHKEY_SMTP_FROM go together: a relay, and what its mail comes from")
		return
	}
	if _, wrong := c.readRelay(); wrong != "" {
		variable, what, _ := strings.Cut(wrong, " ")
		add(variable, "%s", what)
	}
}

// readRelay returns what is wrong as a variable and words; it never holds the URL, which has a password.
func (c *Config) readRelay() (r Relay, wrong string) {
	if c.SMTPURL.IsZero() {
		return Relay{}, ""
	}
	const form = "LATCHKEY_SMTP_URL must be smtp+starttls://user:password@host:587 or smtps://user:password@host:465"
	u, err := url.Parse(c.SMTPURL.Reveal())
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Relay{}, form
	}
	var port string
	switch u.Scheme {
	case "smtps":
		r.Encryption, port = "tls", "465"
	case "smtp+starttls":
		r.Encryption, port = "starttls", "587"
	case "smtp":
		r.Encryption, port = "none", "25"
		if !loopback(u.Hostname()) && !c.mayBePlain(u.Hostname()) {
			return Relay{}, "LATCHKEY_SMTP_URL must be encrypted (smtps:// or smtp+starttls://), unless the relay is on loopback or in LATCHKEY_ALLOW_PLAINTEXT_MAIL"
		}
	default:
		return Relay{}, form
	}
	if u.Port() != "" {
		port = u.Port()
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Relay{}, form
	}
	from, err := mail.ParseAddress(c.SMTPFrom)
	if err != nil {
		return Relay{}, "LATCHKEY_SMTP_FROM must be an address, such as: Acme <login@acme.com>"
	}
	r.Host, r.Port, r.Username = u.Hostname(), int(n), u.User.Username()
	r.Password, _ = u.User.Password()
	r.Email, r.Name = from.Address, from.Name
	return r, ""
}

func (c *Config) mayBePlain(host string) bool {
	for _, h := range c.AllowPlaintextMail {
		if strings.EqualFold(strings.TrimSpace(h), host) {
			return true
		}
	}
	return false
}
