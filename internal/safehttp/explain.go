package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"latchkey/internal/errs"
)

// Errors of a dial that are not the network's.
var (
	errTooManyAddresses = errors.New("safehttp: the name has too many addresses")
	errBadName          = errors.New("safehttp: not a name that can be looked up")
)

// Errors of the HTTP client; they come wrapped in *url.Error, whose text holds the whole URL and is
// not for logs: use Explain.
var (
	// ErrBodyTooLarge is what reading an answer beyond ClientOptions.MaxBody returns.
	ErrBodyTooLarge = errors.New("safehttp: the answer is too large")
	// ErrRedirect is a redirect that is not followed: one too many, from https to http, or with
	// credentials in its URL.
	ErrRedirect = errors.New("safehttp: redirect not followed")
)

// Explain says in our words why a connection, a TLS handshake, a read or a request failed. The
// codes: host_not_found, host_not_allowed, port_not_allowed, connection_refused,
// connection_timeout, connection_closed, host_unreachable, certificate_invalid, tls_failed, and
// protocol_error for anything else. The cause keeps the original; it may hold a URL.
func Explain(err error) *errs.Error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return errs.As(explainDNS(err))
	}
	f := func(c errs.Code, detail string) *errs.Error { return errs.Wrap(err, errs.Unavailable, c, detail) }
	switch {
	case errors.Is(err, errBadName):
		return errs.Wrap(err, errs.Invalid, errs.CodeHostNotFound, "This is not the name of a server.")
	case isCertificate(err):
		return f(errs.CodeCertificateInvalid, "The server's certificate is not valid for this name, or not trusted.")
	case isTLS(err):
		return f(errs.CodeTLSFailed, "No encrypted connection could be agreed on with the server.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return f(errs.CodeConnectionRefused, "The server refused the connection.")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, errTooManyAddresses):
		return f(errs.CodeHostUnreachable, "The server cannot be reached from here.")
	case isTimeout(err):
		return f(errs.CodeConnectionTimeout, "The server did not answer in time.")
	case errors.Is(err, ErrBodyTooLarge):
		return f(errs.CodeProtocolError, "The server's answer was too large.")
	case errors.Is(err, ErrRedirect):
		return f(errs.CodeProtocolError, "The server sent us on to an address that we do not follow.")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return f(errs.CodeConnectionClosed, "The server closed the connection.")
	}
	return f(errs.CodeProtocolError, "The server did not answer as expected.")
}

// explainDial is Explain, but leaves the caller's own cancellation alone.
func explainDial(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return Explain(err)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

func isCertificate(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	// The other side's alerts come as a net.OpError with this Op.
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	// What this side finds wrong with the other's offer has no type, only crypto/tls's prefix.
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return strings.HasPrefix(err.Error(), "tls: ")
}
