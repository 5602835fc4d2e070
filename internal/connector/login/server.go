package login

import (
	"net"
	"strconv"
	"strings"

	"latchkey/internal/errs"
)

// Protocol is what a server is for.
type Protocol string

// The protocols: reading and sending.
const (
	IMAP Protocol = "imap"
	SMTP Protocol = "smtp"
)

// Encryption is how a connection is made private.
type Encryption string

// The kinds of encryption. Auto lets the port decide, and tries what else there is.
const (
	Auto     Encryption = ""
	TLS      Encryption = "tls"
	STARTTLS Encryption = "starttls"
	None     Encryption = "none"
)

// Server is where one protocol of a mailbox is served.
type Server struct {
	Host       string     `json:"host"`
	Port       int        `json:"port"`
	Encryption Encryption `json:"encryption"`
}

// Address is host:port, as dialers take it.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// SameAs tells whether two servers are the same place, however it is encrypted.
func (s Server) SameAs(o Server) bool {
	return s.Port == o.Port && strings.EqualFold(strings.TrimSuffix(s.Host, "."), strings.TrimSuffix(o.Host, "."))
}

// UsualEncryption is what a well-known mail port speaks (RFC 8314 §3), or Auto for other ports.
func UsualEncryption(port int) Encryption {
	switch port {
	case 993, 465, 2465:
		return TLS
	case 143, 587, 25, 2525, 2587:
		return STARTTLS
	default:
		return Auto
	}
}

// UsualPort is the port of a protocol under an encryption.
func UsualPort(p Protocol, e Encryption) int {
	switch {
	case p == IMAP && (e == TLS || e == Auto):
		return 993
	case p == IMAP:
		return 143
	case e == TLS:
		return 465
	default:
		return 587
	}
}

// Error is why a server could not be reached or did not let us in.
type Error struct {
	Code errs.Code
	// Text is what the server said: one cleaned line without secrets. For the operator, and for a
	// reader who unfolds it; often empty.
	Text string
	// raw is what Text was made of. It may hold what we sent, and goes no further than this package.
	raw string
	// Cause is for the log. It never holds what the server said.
	Cause error
	// otherWay says that the other kind of encryption could work on this port.
	otherWay bool
}

// Error is for logs.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Text != "" {
		s += ": " + strconv.Quote(e.Text)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Refused tells whether the server answered and said no to the login itself, so that another port
// or encryption would not help.
func (e *Error) Refused() bool {
	switch e.Code {
	case errs.CodeWrongPassword, errs.CodeAppPassword, errs.CodeIMAPDisabled, errs.CodeSMTPDisabled,
		errs.CodeAccountBlocked, errs.CodeUseOAuth, errs.CodeRateLimited, errs.CodeTooManyConnections,
		errs.CodeUnavailable:
		return true
	default:
		return false
	}
}

// clean makes one printable line of what a server said, without the secrets given.
func clean(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	var b strings.Builder
	space := false
	for _, r := range text {
		if r <= ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == '\u2028' || r == '\u2029' {
			space = b.Len() > 0
			continue
		}
		// Marks that turn text around could make a server's words look like ours.
		if (r >= '\u200b' && r <= '\u200f') || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069') {
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		if b.Len() >= maxText {
			b.WriteString("…")
			break
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}

const maxText = 300
