package api

import (
	"net/mail"
	"strings"

	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/web"
)

// Limits of what a request may hold.
const (
	maxURL           = 2048
	maxEmail         = 254
	maxLinkName      = 1024
	maxDisplayName   = 256
	maxIdentity      = 320
	maxExternalID    = web.MaxExternalID
	maxLocale        = web.MaxLanguage
	maxMetadata      = 50
	maxMetadataKey   = 64
	maxMetadataValue = 1024
)

// webURL reads an address that a browser or our notifications will go to.
func (f *fields) webURL(name string, required bool) string {
	s := f.str(name, text{required: required, max: maxURL, emptyAbsent: f.lenient})
	if s == "" {
		return ""
	}
	if why := web.BadURL(s); why != "" {
		f.fail(name, errs.CodeInvalidURL, why)
		return ""
	}
	return s
}

// email reads a bare address.
func (f *fields) email(name string) string {
	s := f.str(name, text{max: maxIdentity, trim: true, emptyAbsent: true})
	if s == "" {
		return ""
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > maxEmail || strings.ContainsAny(s, " \"<>") {
		f.fail(name, errs.CodeInvalidEmail, "This must be an email address like ada@example.org.")
		return ""
	}
	return s
}

// notifyEmail reads where an end user is told by mail when an account breaks: an address that mail of ours
// can be sent to.
func (f *fields) notifyEmail() string {
	const name = "notify_email"
	s := f.email(name)
	if s == "" {
		return ""
	}
	if _, err := address.Parse(s); err != nil {
		f.fail(name, errs.CodeInvalidEmail, "This must be an email address like ada@example.org.")
		return ""
	}
	return s
}

// externalID reads the application's own name for the account to be made.
func (f *fields) externalID(name string, emptyAbsent bool) string {
	s := f.str(name, text{max: maxExternalID, trim: true, emptyAbsent: emptyAbsent || f.lenient})
	if s == "" {
		return ""
	}
	if code, message := web.BadExternalID(s); code != "" {
		f.fail(name, code, message)
		return ""
	}
	return s
}

// accountRef reads an account's id: ours, or the application's own name for it.
func (f *fields) accountRef(name string, required bool) string {
	s := f.str(name, text{required: required, max: maxExternalID, trim: true, emptyAbsent: f.lenient})
	if s == "" {
		return ""
	}
	if !accountShape(s) {
		f.fail(name, errs.CodeInvalidValue, "This is not the id of an account.")
		return ""
	}
	return s
}

// accountShape tells whether s can be an account's id, ours or the application's.
func accountShape(s string) bool {
	if idShape(s, "acc_") {
		return true
	}
	code, _ := web.BadExternalID(s)
	return code == ""
}

const idLength = 26

// idShape tells whether s can be an id of ours of that prefix.
func idShape(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != idLength {
		return false
	}
	for i := range len(rest) {
		c := rest[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z') {
			return false
		}
	}
	return true
}

// locale reads a language tag.
func (f *fields) locale() string {
	return f.language("locale")
}

func (f *fields) language(name string) string {
	s := f.str(name, text{max: maxLocale, trim: true, emptyAbsent: f.lenient})
	if s == "" {
		return ""
	}
	tag, ok := web.LanguageTag(s)
	if !ok {
		f.fail(name, errs.CodeInvalidValue, web.BadLanguage)
	}
	return tag
}

// unsupported refuses fields that would change who is connected, or how: they are never ignored,
// in either dialect. False and empty values wish for nothing.
func (f *fields) unsupported(names ...string) {
	for _, name := range names {
		switch v := f.get(name); string(v) {
		case "", "false", `""`, "[]", "{}":
		default:
			f.fail(name, errs.CodeUnsupported, "This server does not support this field, and does not ignore it. Leave it out.")
		}
	}
}
