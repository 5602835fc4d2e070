package settings

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Address is an email address, taken apart.
type Address struct {
	// Local is the local part as typed, quotes included.
	Local string `json:"local"`
	// Domain is the domain in ASCII and lower case; Shown is as typed, in lower case.
	Domain string `json:"domain"`
	Shown  string `json:"shown"`
}

// String is the address as it is shown and stored: local part as typed, domain in lower case.
func (a Address) String() string { return a.Local + "@" + a.Shown }

// Wire is the address with its domain in ASCII, as logins take it.
func (a Address) Wire() string { return a.Local + "@" + a.Domain }

// Same tells whether two addresses name the same mailbox: domains are compared in ASCII, local parts
// without case, as mail systems do in practice.
func (a Address) Same(b Address) bool {
	return a.Domain == b.Domain && strings.EqualFold(a.Local, b.Local)
}

var errAddress = errors.New("settings: not an email address")

// ParseAddress parses what somebody typed for an email address: dot-atoms, quoted local parts
// (RFC 5321 §4.1.2), letters of any script (RFC 6531 §3.3), and domains in any script.
func ParseAddress(s string) (Address, error) {
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || len(s) > 254 || !utf8.ValidString(s) {
		return Address{}, errAddress
	}
	local, shown := s[:at], strings.ToLower(strings.TrimSuffix(s[at+1:], "."))
	if len(local) > 64 || !validLocal(local) {
		return Address{}, errAddress
	}
	domain, err := ParseHost(shown)
	if err != nil || !strings.Contains(domain, ".") {
		return Address{}, errAddress
	}
	if _, err := netip.ParseAddr(domain); err == nil {
		return Address{}, errAddress
	}
	return Address{Local: local, Domain: domain, Shown: shown}, nil
}

func validLocal(s string) bool {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return validQuoted(s[1 : len(s)-1])
	}
	if strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if r >= utf8.RuneSelf {
			if !unicode.IsPrint(r) {
				return false
			}
			continue
		}
		if !atext(r) && r != '.' {
			return false
		}
	}
	return true
}

func validQuoted(s string) bool {
	escaped := false
	for _, r := range s {
		switch {
		case r < ' ' || r == 0x7f || (r >= utf8.RuneSelf && !unicode.IsPrint(r)):
			return false
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			return false
		}
	}
	return !escaped
}

// atext of RFC 5322 §3.2.3.
func atext(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

var errHost = errors.New("settings: not a host name")

// ParseHost parses a host name in any script, or an IP address, into the form that is looked up:
// ASCII, lower case, without a final dot.
func ParseHost(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		if ip.Zone() != "" {
			return "", errHost
		}
		return ip.String(), nil
	}
	ascii, err := idna.Lookup.ToASCII(s)
	if err != nil || ascii == "" || len(ascii) > 253 {
		return "", errHost
	}
	labels := strings.Split(ascii, ".")
	for _, label := range labels {
		if len(label) == 0 || len(label) > 63 || !ldh(label) {
			return "", errHost
		}
	}
	// A last label of digits is an IP address that was not one ("127.1"): resolvers differ on it.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", errHost
	}
	return ascii, nil
}

func ldh(label string) bool {
	for i := range len(label) {
		b := label[i]
		inner := i > 0 && i < len(label)-1
		if !(b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || (b == '-' && inner) || (b == '_' && i == 0 && len(label) > 1)) {
			return false
		}
	}
	return true
}
