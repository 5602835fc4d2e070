package web

import (
	"strings"

	"golang.org/x/text/language"

	"latchkey"
	"latchkey/internal/errs"
)

// Limits, in bytes, of what applications call their accounts and of language tags.
const (
	MaxExternalID = 256
	MaxLanguage   = 35
)

// BadLanguage says what a language tag has to be.
const BadLanguage = "This must be a language tag such as en, de-CH or pt-BR."

// LanguageTag is the usual way to write a language tag (BCP 47); false where s is none.
func LanguageTag(s string) (string, bool) {
	if len(s) > MaxLanguage {
		return "", false
	}
	tag, err := language.Parse(s)
	if err != nil {
		return "", false
	}
	return tag.String(), true
}

// BadExternalID says why an application cannot call an account so; empty if it can.
func BadExternalID(s string) (errs.Code, string) {
	switch {
	case !validExternalID(s):
		return errs.CodeInvalidValue, "This may have 1 to 256 characters out of letters, digits and . _ ~ @ -"
	case reserved(s):
		return errs.CodeReserved, "This word is reserved. Choose another."
	case latchkey.HasPrefixOfID(s):
		return errs.CodeReserved, "This begins like an id of ours. Choose another."
	}
	return "", ""
}

// reserved words may not be an application's own name for an account: in a path they mean something
// else, or they are what a broken client sends.
func reserved(s string) bool {
	switch strings.ToLower(s) {
	case ".", "..", "checkpoint", "new", "all", "null", "undefined":
		return true
	}
	return false
}

func validExternalID(s string) bool {
	if s == "" || len(s) > MaxExternalID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._~@-", c) >= 0) {
			return false
		}
	}
	return true
}
