package login

import (
	"encoding/base64"
	"strings"

	"latchkey/internal/errs"
)

// phrase is a part of a server's answer that tells what is the matter.
type phrase struct {
	code  errs.Code
	parts []string // any of these, in lower case
}

// phrases are what big providers and common servers say, most telling first. Response codes alone
// do not tell an app password from a wrong one, so the words are looked at.
func phrases() []phrase {
	return []phrase{
		{errs.CodeAppPassword, []string{
			"application-specific password", "app-specific password", "application specific password",
			"app password", "application password", "parol prilozheniya", "authorized code", "authorization code",
			"web login required", "via your web browser", "with your web browser", "5.7.9",
		}},
		{errs.CodeUseOAuth, []string{
			"basic authentication is disabled", "basic auth is disabled", "basicauthblocked", "use oauth",
			"oauth is required", "modern authentication",
		}},
		{errs.CodeSMTPDisabled, []string{
			"smtpclientauthentication is disabled", "smtp auth is disabled", "smtp access is disabled", "smtp is disabled",
			"smtp service is not open", "not enabled for smtp", "smtp is not enabled",
		}},
		{errs.CodeIMAPDisabled, []string{
			"not enabled for imap", "enable imap", "imap access is disabled", "imap is disabled", "imap is not enabled",
			"imap access is not enabled", "imap access not enabled", "imap disabled", "imap not enabled",
			"imap access is restricted", "authenticated but not connected", "imap service is not",
			"does not have access rights to this service", "imap/pop3 deactivated", "imap is turned off",
		}},
		{errs.CodeTooManyConnections, []string{
			"too many connections", "too many simultaneous", "too many concurrent", "maximum number of connections",
			"connection limit", "concurrent connection", "too many open", "maximum connections",
		}},
		{errs.CodeRateLimited, []string{
			"rate limit", "too many login", "too many auth", "too many failed", "too many attempts", "too many invalid",
			"throttle", "login frequency", "frequency limited", "wait a while",
		}},
		{errs.CodeAccountBlocked, []string{
			"account is locked", "account locked", "account has been locked", "account is disabled", "account disabled",
			"account has been disabled", "account is suspended", "suspended", "account is blocked", "account blocked",
			"account has been blocked", "user is blocked", "mailbox is disabled", "mailbox disabled", "account inactive",
			"account is inactive", "deactivated",
		}},
		{errs.CodePlaintextRefused, []string{
			"must issue a starttls", "encryption required", "tls is required", "plaintext authentication disallowed",
			"cleartext logins disallowed", "starttls first",
		}},
		{errs.CodeUnavailable, []string{
			"temporary authentication failure", "temporarily unavailable", "try again later", "internal error",
			"service unavailable", "server is busy", "system busy",
		}},
	}
}

// byText finds what a server's words mean; empty if they say nothing more.
func byText(text string) errs.Code {
	low := strings.ToLower(text)
	for _, p := range phrases() {
		for _, part := range p.parts {
			if strings.Contains(low, part) {
				return p.code
			}
		}
	}
	return ""
}

// said keeps a server's words both ways: cleaned, and as they came for as long as it is not known
// which secrets have to be taken out of them. What cleaning cuts or joins could hide a part of one.
func said(code errs.Code, text string) *Error {
	return &Error{Code: code, Text: clean(text), raw: text}
}

// imapRefusal translates the answer to AUTHENTICATE or LOGIN: NO or BAD, a response code
// (RFC 5530 §3), and words.
func imapRefusal(bad bool, code, text string) *Error {
	e := said(byText(text), text)
	if e.Code != "" {
		return e
	}
	switch strings.ToUpper(code) {
	case "AUTHENTICATIONFAILED", "EXPIRED":
		e.Code = errs.CodeWrongPassword
	case "UNAVAILABLE", "SERVERBUG", "INUSE":
		e.Code = errs.CodeUnavailable
	case "PRIVACYREQUIRED":
		e.Code = errs.CodePlaintextRefused
	case "LIMIT":
		e.Code = errs.CodeTooManyConnections
	case "AUTHORIZATIONFAILED", "CONTACTADMIN", "NOPERM":
		e.Code = errs.CodeAccountBlocked
	default:
		e.Code = errs.CodeWrongPassword
		if bad {
			e.Code = errs.CodeProtocolError
		}
	}
	return e
}

// imapGreetingError translates a BYE instead of a greeting.
func imapGreetingError(text string) *Error {
	e := said(byText(text), text)
	if e.Code == "" {
		e.Code = errs.CodeUnavailable
	}
	return e
}

// smtpGreetingError translates an answer that is not 220: 421 is "not now", 554 "not you"
// (RFC 5321 §3.1).
func smtpGreetingError(code int, text string) *Error {
	e := said(byText(text), text)
	if e.Code != "" {
		return e
	}
	e.Code = errs.CodeUnavailable
	if code >= 500 {
		e.Code = errs.CodeProtocolError
	}
	return e
}

// smtpRefusal translates the answer to AUTH (RFC 4954 §6 and §4).
func smtpRefusal(code int, text string) *Error {
	e := said(byText(text), text)
	switch {
	case e.Code != "":
	case code == 535 || code == 432:
		e.Code = errs.CodeWrongPassword
	case code == 534:
		e.Code = errs.CodeAppPassword
	case code == 525:
		e.Code = errs.CodeAccountBlocked
	case code == 530 || code == 538:
		e.Code = errs.CodePlaintextRefused
	case code == 421 || code == 451 || code == 454:
		e.Code = errs.CodeUnavailable
	case code >= 500 && code <= 504:
		e.Code = errs.CodeNoAuthMethod
	case code == 550 || code == 553 || code == 554:
		e.Code = errs.CodeWrongPassword
	default:
		e.Code = errs.CodeProtocolError
	}
	return e
}

// without takes a login out of the server's words.
func (e *Error) without(user, password string) *Error {
	if e.raw != "" {
		e.Text, e.raw = clean(e.raw, secretForms(user, password)...), ""
	}
	return e
}

// secretForms lists the ways in which a server could say back what it was sent.
func secretForms(user, password string) []string {
	enc := base64.StdEncoding
	return []string{
		enc.EncodeToString([]byte("\x00" + user + "\x00" + password)),
		enc.EncodeToString([]byte(password)),
		password,
		// As quoted strings have it (RFC 9051 §4.3), and as a server could tidy it up.
		strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password),
		strings.Join(strings.Fields(password), " "),
	}
}
