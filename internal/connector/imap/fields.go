package imap

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// Limits of what is typed, in bytes.
const (
	maxName     = 200
	maxUser     = 320
	maxPassword = 1024
	maxHost     = 260
)

// typed reads answers and collects what is wrong with them.
type typed struct {
	values map[string]string
	issues []connector.FieldIssue
}

func (t *typed) wrong(field string, code errs.Code, args map[string]string) {
	t.issues = append(t.issues, connector.FieldIssue{Field: field, Code: code, Args: args})
}

// has tells whether a field was answered at all: a client that leaves one out keeps what is there.
func (t *typed) has(field string) bool { _, ok := t.values[field]; return ok }

func (t *typed) trimmed(field string) string { return strings.TrimSpace(t.values[field]) }

func (t *typed) email(field string) (settings.Address, bool) {
	v := t.trimmed(field)
	if v == "" {
		t.wrong(field, errs.CodeRequired, nil)
		return settings.Address{}, false
	}
	a, err := settings.ParseAddress(v)
	if err != nil {
		t.wrong(field, errs.CodeInvalidEmail, nil)
		return settings.Address{}, false
	}
	return a, true
}

func (t *typed) name(field string) string {
	v := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, t.values[field])), " ")
	if len(v) > maxName {
		t.wrong(field, errs.CodeTooLong, map[string]string{"max": strconv.Itoa(maxName)})
		return ""
	}
	return strings.ToValidUTF8(v, "")
}

// host reads a server's name. People paste URLs and host:port; both are understood.
func (t *typed) host(field string) (host string, port int) {
	v := t.trimmed(field)
	if len(v) > maxHost {
		t.wrong(field, errs.CodeTooLong, map[string]string{"max": strconv.Itoa(maxHost)})
		return "", 0
	}
	if i := strings.Index(v, "://"); i > 0 {
		if u, err := url.Parse(v); err == nil && u.User == nil && u.Host != "" {
			v = u.Host
		}
	}
	v = strings.TrimSuffix(v, "/")
	if h, p, err := net.SplitHostPort(v); err == nil {
		if n, err := strconv.Atoi(p); err == nil && n >= 1 && n <= 65535 {
			v, port = h, n
		}
	}
	h, err := settings.ParseHost(v)
	if err != nil {
		t.wrong(field, errs.CodeInvalidValue, nil)
		return "", 0
	}
	return h, port
}

func (t *typed) port(field string) int {
	v := t.trimmed(field)
	// A JSON client's number may arrive as "993.0".
	v = strings.TrimSuffix(v, ".0")
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		if digits := strings.Trim(v, "0123456789"); digits == "" {
			t.wrong(field, errs.CodeOutOfRange, map[string]string{"min": "1", "max": "65535"})
		} else {
			t.wrong(field, errs.CodeInvalidType, nil)
		}
		return 0
	}
	if n < 1 || n > 65535 {
		t.wrong(field, errs.CodeOutOfRange, map[string]string{"min": "1", "max": "65535"})
		return 0
	}
	return n
}

func (t *typed) encryption(field string) login.Encryption {
	switch strings.ToLower(t.trimmed(field)) {
	case "", "default", "auto":
		return login.Auto
	case "tls", "ssl", "ssl/tls", "tls/ssl":
		return login.TLS
	case "starttls":
		return login.STARTTLS
	case "none", "plain":
		return login.None
	default:
		t.wrong(field, errs.CodeInvalidValue, nil)
		return login.Auto
	}
}

// line reads a login: one line, without what would end a command on the wire.
func (t *typed) line(field string, limit int) string {
	v := t.values[field]
	if field != "password" && !strings.HasSuffix(field, "_password") {
		v = strings.TrimSpace(v)
	}
	switch {
	case len(v) > limit:
		t.wrong(field, errs.CodeTooLong, map[string]string{"max": strconv.Itoa(limit)})
		return ""
	case strings.ContainsAny(v, "\x00\r\n"), !utf8.ValidString(v):
		t.wrong(field, errs.CodeInvalidValue, nil)
		return ""
	}
	return v
}

// side reads one protocol's fields over what is there already; nil if the host was cleared, which is
// how somebody says that they do not want this side.
func (t *typed) side(p login.Protocol, before *side, user string) *side {
	pre := string(p) + "_"
	var s side
	if before != nil {
		s = *before
	}
	s.Password = ""
	if t.has(pre+"host") && t.trimmed(pre+"host") == "" {
		return nil
	}
	if !t.has(pre+"host") && before == nil {
		return nil
	}
	pasted := 0
	if t.has(pre + "host") {
		if h, port := t.host(pre + "host"); h != "" {
			s.Host, pasted = h, port
		}
	}
	if t.has(pre + "encryption") {
		s.Encryption = t.encryption(pre + "encryption")
	}
	if t.has(pre + "port") {
		s.Port = t.port(pre + "port")
	}
	s.Port = cmp.Or(pasted, s.Port, login.UsualPort(p, s.Encryption))
	if t.has(pre + "user") {
		s.User = t.line(pre+"user", maxUser)
	}
	s.User = cmp.Or(s.User, user)
	return &s
}
