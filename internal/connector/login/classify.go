package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"latchkey/internal/errs"
)

func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: errs.CodeProtocolError, Cause: err}
}

// AsError returns the Error in err's chain; nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	return asError(err)
}

// classifyDial says why there is no connection.
func classifyDial(ctx context.Context, err error) *Error {
	// The egress policy speaks in the house's own errors.
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return &Error{Code: e.Code, Cause: err}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return &Error{Code: errs.CodeHostNotFound, Cause: err}
		}
		if dns.IsTimeout || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &Error{Code: errs.CodeConnectionTimeout, Cause: err}
		}
		return &Error{Code: errs.CodeHostNotFound, Cause: err}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Code: errs.CodeCanceled, Cause: err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		isTimeout(err):
		return &Error{Code: errs.CodeConnectionTimeout, Cause: err}
	case errors.Is(err, syscall.ECONNRESET):
		return &Error{Code: errs.CodeConnectionClosed, Cause: err}
	default: // refused, no route, network unreachable
		return &Error{Code: errs.CodeConnectionRefused, Cause: err}
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// classify says why an open connection came to an end. The libraries do not keep the errors of the
// connection in their chains, so the guard is asked first.
func classify(ctx context.Context, g *guard, p Protocol, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case g.tooMuch.Load():
		return &Error{Code: notProtocol(p), Cause: errTooMuch}
	case errors.Is(g.ctx.Err(), context.Canceled):
		return &Error{Code: errs.CodeCanceled, Cause: g.ctx.Err()}
	case ctx.Err() != nil:
		return &Error{Code: errs.CodeConnectionTimeout, Cause: ctx.Err()}
	case errors.Is(err, errLongLine):
		return &Error{Code: notProtocol(p), Cause: err}
	}
	if te, ok := errors.AsType[*tlsError](err); ok {
		return classifyTLS(te.error)
	}
	switch {
	case g.eof.Load(), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return &Error{Code: errs.CodeConnectionClosed, Cause: io.ErrUnexpectedEOF}
	case isTimeout(err):
		return &Error{Code: errs.CodeConnectionTimeout, Cause: os.ErrDeadlineExceeded}
	default:
		// What is left are complaints of the protocol libraries, which may quote the server (and so,
		// what we sent it). Their words stay here.
		return &Error{Code: errs.CodeProtocolError}
	}
}

func notProtocol(p Protocol) errs.Code {
	if p == SMTP {
		return errs.CodeNotSMTP
	}
	return errs.CodeNotIMAP
}

func classifyTLS(err error) *Error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Error{Code: errs.CodeCertificateInvalid, Text: certificateText(err), Cause: err}
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) {
		return &Error{Code: errs.CodeConnectionClosed, Cause: err}
	}
	return &Error{Code: errs.CodeTLSFailed, Cause: err}
}

// certificateText says in a word what is wrong with a certificate.
func certificateText(err error) string {
	if h, ok := errors.AsType[x509.HostnameError](err); ok {
		names := "no name"
		if h.Certificate != nil && len(h.Certificate.DNSNames) > 0 {
			names = h.Certificate.DNSNames[0]
		}
		return clean("issued to " + names)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "issued by an unknown authority"
	}
	if ce, ok := errors.AsType[x509.CertificateInvalidError](err); ok && ce.Reason == x509.Expired {
		return "expired"
	}
	return ""
}
