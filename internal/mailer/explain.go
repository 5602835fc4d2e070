package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/oauth2"

	"latchkey/internal/errs"
)

// blame is whose matter a refusal is. It decides whether another sender could do better.
type blame int

const (
	ofNobody    blame = iota // the network, or a busy host
	ofSender                 // login, rights, the host itself
	ofRecipient              // the address that was written to
	ofMessage                // what was written
)

// verdict is what a failure means.
type verdict struct {
	// Code is in our words; Detail is what the host said, for the operator.
	Code      errs.Code
	Detail    string
	Temporary bool
	Blame     blame
}

// maxDetail bounds what a host can write into our log.
const maxDetail = 500

// explain reads a failure. What a mail host means by 535 or 550 depends on the enhanced code
// (RFC 3463) and, with Microsoft and Google, on words.
func explain(err error) verdict {
	if p := protocol(err); p != nil {
		return explainReply(stageOf(err), p.Code, p.Msg)
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return explainToken(e)
	}
	if e, ok := errors.AsType[*graphError](err); ok {
		return explainGraph(e)
	}
	v := verdict{Temporary: true, Blame: ofNobody, Detail: clean(err.Error())}
	e, ours := errors.AsType[*errs.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	_, badName := errors.AsType[x509.HostnameError](err)
	_, badRecord := errors.AsType[tls.RecordHeaderError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case ours:
		v.Code, v.Detail = e.Code, e.Detail
		if e.Kind == errs.Forbidden || e.Code == errs.CodeHostNotFound {
			v.Temporary, v.Blame = false, ofSender
		}
	case errors.Is(err, errNoSTARTTLS):
		v.Code, v.Temporary, v.Blame = errs.CodeNoSTARTTLS, false, ofSender
	case errors.Is(err, errBusy):
		v.Code = errs.CodeUnavailable
	case errors.Is(err, errNoUTF8):
		v.Code, v.Temporary, v.Blame = errs.CodeSenderNotAllowed, false, ofSender
	case errors.Is(err, errNoAuth):
		v.Code, v.Temporary, v.Blame = errs.CodeNoAuthMethod, false, ofSender
	case errors.Is(err, errServiceAccount):
		v.Code, v.Temporary, v.Blame = errs.CodeServiceAccount, false, ofSender
	case isDNS && dns.IsNotFound:
		v.Code, v.Blame = errs.CodeHostNotFound, ofSender
	case badCert, badName:
		v.Code, v.Temporary, v.Blame = errs.CodeCertificateInvalid, false, ofSender
	case badRecord, stageOf(err) == stageTLS && !errors.Is(err, context.DeadlineExceeded):
		v.Code, v.Blame = errs.CodeTLSFailed, ofSender
	case errors.Is(err, syscall.ECONNREFUSED):
		v.Code = errs.CodeConnectionRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && timeout.Timeout():
		v.Code = errs.CodeConnectionTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		v.Code = errs.CodeConnectionClosed
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		v.Code = errs.CodeHostUnreachable
	default:
		v.Code = errs.CodeProtocolError
	}
	return v
}

func stageOf(err error) stage {
	if e, ok := errors.AsType[*stageError](err); ok {
		return e.stage
	}
	return stageConnect
}

// explainReply reads an answer of the mail host.
func explainReply(s stage, code int, text string) verdict {
	v := verdict{Detail: clean(strconv.Itoa(code) + " " + text), Temporary: code < 500}
	low := strings.ToLower(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(low, w) {
				return true
			}
		}
		return false
	}
	switch {
	// Microsoft: learn.microsoft.com, “Fix NDR error 550 5.7.1” and “SMTP AUTH is disabled”.
	case has("smtpclientauthentication is disabled", "5.7.139") && has("disabled"):
		v.Code, v.Blame, v.Temporary = errs.CodeSMTPDisabled, ofSender, false
	case has("5.7.30", "basic authentication is not supported"):
		v.Code, v.Blame, v.Temporary = errs.CodeUseOAuth, ofSender, false
	case has("5.7.60", "sendasdenied", "not authorized to send as", "send as this sender", "sender address rejected: not owned"):
		v.Code, v.Blame, v.Temporary = errs.CodeSenderNotAllowed, ofSender, false
	// Google: support.google.com/a/answer/3726730.
	case has("application-specific password", "5.7.9 "):
		v.Code, v.Blame, v.Temporary = errs.CodeAppPassword, ofSender, false
	case has("4.3.2", "5.2.2 mailbox full", "throttl", "too many", "rate limit", "4.7.0 temporary", "quota exceeded", "4.7.28"), code == 432:
		v.Code, v.Blame, v.Temporary = errs.CodeRateLimited, ofSender, true
	case s == stageAuth && (code == 535 || code == 534 || code == 530 || code == 538):
		v.Code, v.Blame = errs.CodeCredentialRejected, ofSender
	case s == stageAuth && code >= 500:
		v.Code, v.Blame = errs.CodeNoAuthMethod, ofSender
	case code == 530 || has("5.7.57", "authentication required"):
		v.Code, v.Blame, v.Temporary = errs.CodeNoAuthMethod, ofSender, false
	case s == stageFrom && code >= 500:
		v.Code, v.Blame = errs.CodeSenderNotAllowed, ofSender
	case s == stageTo && code >= 500:
		v.Code, v.Blame = errs.CodeRecipientRefused, ofRecipient
		if has("relay", "5.7.1 ", "not permitted") {
			v.Code, v.Blame = errs.CodeSenderNotAllowed, ofSender
		}
	case s == stageData && code >= 500:
		v.Code, v.Blame = errs.CodeMessageRefused, ofMessage
	case code == 421:
		v.Code = errs.CodeUnavailable
	case code >= 500:
		v.Code, v.Blame = errs.CodeProtocolError, ofSender
	default:
		v.Code = errs.CodeUnavailable
	}
	return v
}

// explainToken reads the answer of a token endpoint (RFC 6749 §5.2; Microsoft puts its own number
// into the description).
func explainToken(e *oauth2.RetrieveError) verdict {
	v := verdict{Detail: clean(e.ErrorCode + " " + e.ErrorDescription), Blame: ofSender}
	status := 0
	if e.Response != nil {
		status = e.Response.StatusCode
	}
	number := e.ErrorDescription
	if _, rest, ok := strings.Cut(number, "AADSTS"); ok {
		number = rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	}
	switch {
	case status >= 500 || status == 429:
		v.Code, v.Temporary, v.Blame = errs.CodeUnavailable, true, ofNobody
	case number == "7000222":
		v.Code = errs.CodeClientSecretExpired
	case number == "7000215", number == "7000216", number == "7000218":
		v.Code = errs.CodeClientSecret
	case number == "700016":
		v.Code = errs.CodeClientID
	case number == "90002", number == "900023", number == "90023":
		v.Code = errs.CodeTenant
	case number == "65001", e.ErrorCode == "unauthorized_client":
		v.Code = errs.CodeConsentMissing
	case e.ErrorCode == "invalid_client":
		v.Code = errs.CodeClientSecret
	default:
		v.Code = errs.CodeCredentialRejected
	}
	return v
}

// clean makes a host's words one line that cannot be mistaken for ours.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}
