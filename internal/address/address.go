// Package address reads email addresses as people type them. It owns what makes two of them the
// same: sign-in, senders and operators compare the canonical form, and nothing else. It must not
// know who uses an address, nor whether it exists.
package address

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Bounds of RFC 5321 §4.5.3.1, in bytes.
const (
	maxAddress = 254
	maxLocal   = 64
)

// ErrInvalid is every address that is not taken. It never holds the address.
var ErrInvalid = errors.New("address: not an email address")

// Address is one email address.
type Address struct {
	// Typed is what mail is sent to: the local part as it was typed, and the canonical domain, so
	// that what is written to and what is compared are one mailbox.
	Typed string
	// Canonical tells addresses apart: NFC, in lower case, the domain in its ASCII form (IDNA2008).
	Canonical string
	// Bucket is what limits count: the canonical form without +tag, and without the dots that
	// Gmail ignores. Two people may share one; it is no identity.
	Bucket string
}

// Parse reads one address. Quoted local parts, comments, display names and address literals are
// refused: nobody's mailbox needs them, and they are read differently by different systems.
func Parse(s string) (Address, error) {
	typed := norm.NFC.String(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(typed, "@")
	if !ok || len(typed) > maxAddress || len(local) > maxLocal || !dotAtom(local) {
		return Address{}, ErrInvalid
	}
	host, err := idna.Lookup.ToASCII(strings.ToLower(domain))
	if err != nil || !hostname(host) {
		return Address{}, ErrInvalid
	}
	a := Address{Typed: local + "@" + host, Canonical: strings.ToLower(local) + "@" + host}
	if len(a.Canonical) > maxAddress {
		return Address{}, ErrInvalid
	}
	a.Bucket = bucket(strings.ToLower(local), host)
	return a, nil
}

// SameMailbox tells whether mail to two addresses lies in one mailbox, as far as their writing shows it:
// +tags, and Gmail's dots. It is for rules that refuse; who somebody is, the canonical form tells.
func SameMailbox(a, b string) bool {
	x, errX := Parse(a)
	y, errY := Parse(b)
	if errX != nil || errY != nil {
		return a == b
	}
	return x.Bucket == y.Bucket
}

// Domain is the canonical domain.
func (a Address) Domain() string {
	_, domain, _ := strings.Cut(a.Canonical, "@")
	return domain
}

// ASCII tells whether the address can be sent to without SMTPUTF8 (RFC 6531).
func (a Address) ASCII() bool {
	local, _, _ := strings.Cut(a.Canonical, "@")
	return strings.IndexFunc(local, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// dotAtom is RFC 5322 §3.2.3, with letters of all scripts (RFC 6532 §3.2).
func dotAtom(s string) bool {
	if s == "" || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..") || !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		switch {
		case r < utf8.RuneSelf:
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.", r)
		case unicode.ToLower(r) < utf8.RuneSelf:
			// In lower case it would pass for somebody else's ASCII (U+0130 for i).
			return true
		default:
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)
		}
	}) < 0
}

// hostname wants a name with a dot, of letters, digits and hyphens (RFC 1123 §2.1).
func hostname(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	// The last label of a name is never a number: it would be an address (RFC 3696 §2).
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Trim(last, "0123456789") != ""
}

func bucket(local, host string) string {
	if base, _, ok := strings.Cut(local, "+"); ok && base != "" {
		local = base
	}
	if host == "gmail.com" || host == "googlemail.com" {
		local, host = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	return local + "@" + host
}
