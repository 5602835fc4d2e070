package telegram

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/gotd/td/tgerr"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// failure ends a try. The cause is for the log; it holds what Telegram said and no secret.
func failure(code errs.Code, cause error) connector.Turn {
	f := &connector.Failure{Code: code, Retryable: code != errs.CodeAccountBlocked}
	if cause != nil {
		f.Detail = cause.Error()
	}
	return connector.Turn{Failure: f}
}

func (c *Connector) log(ctx context.Context, what string, err error) {
	c.cfg.Log.InfoContext(ctx, "telegram: "+what, slog.String("error", err.Error()))
}

// refused says what an error of the Work means for the person.
func (c *Connector) refused(ctx context.Context, err error, s state, name string) (connector.Turn, error) {
	if wait, ok := tgerr.AsFloodWait(err); ok {
		s.After, s.Until = name, c.cfg.Now().Add(wait)
		return show(floodStep(s, wait), s), nil
	}
	told, ok := tgerr.As(err)
	if !ok {
		return c.disconnected(ctx, err, s, name)
	}
	switch {
	case told.IsOneOf("SESSION_PASSWORD_NEEDED"):
		return c.askPassword(ctx, s)
	case told.IsOneOf("PHONE_NUMBER_INVALID"):
		return show(withError(phoneStep(s), "phone", errs.CodeInvalidPhone), s.fresh()), nil
	case told.IsOneOf("PHONE_NUMBER_BANNED", "USER_DEACTIVATED", "USER_DEACTIVATED_BAN", "INPUT_USER_DEACTIVATED"):
		return failure(errs.CodeAccountBlocked, err), nil
	case told.IsOneOf("PHONE_NUMBER_UNOCCUPIED"):
		return show(noAccountStep(s), s), nil
	case told.IsOneOf("PHONE_CODE_INVALID", "PHONE_CODE_EMPTY", "EMAIL_VERIFY_EXPIRED", "CODE_INVALID"):
		if s.Wrong++; s.Wrong >= wrongCodes {
			return failure(errs.CodeTooManyTries, err), nil
		}
		return show(withError(codeStep(s), "code", errs.CodeWrongCode), s), nil
	case told.IsOneOf("PHONE_CODE_EXPIRED", "PHONE_CODE_HASH_EMPTY", "CODE_HASH_INVALID"):
		return show(withError(phoneStep(s), "", errs.CodeCodeExpired), s.fresh()), nil
	case told.IsOneOf("PASSWORD_HASH_INVALID", "SRP_PASSWORD_CHANGED"):
		if s.Wrong++; s.Wrong >= wrongPass {
			return failure(errs.CodeTooManyTries, err), nil
		}
		return show(withError(passwordStep(s), "password", errs.CodeWrongPassword), s), nil
	case told.IsOneOf("SEND_CODE_UNAVAILABLE") && name == workResend:
		s.Sent.More = false
		return show(withError(codeStep(s), "", errs.CodeUnsupported), s), nil
	case told.IsOneOf("UPDATE_APP_TO_LOGIN", "SEND_CODE_UNAVAILABLE", "PHONE_PASSWORD_PROTECTED"):
		return show(useQRStep(), s), nil
	case told.IsOneOf("PHONE_NUMBER_FLOOD", "PHONE_PASSWORD_FLOOD"):
		return failure(errs.CodeTooManyTries, err), nil
	case told.IsOneOf("API_ID_INVALID", "API_ID_PUBLISHED_FLOOD", "CONNECTION_API_ID_INVALID"):
		t := failure(errs.CodeProviderUnavailable, err)
		t.Failure.RefusedApp = "client_id"
		return t, nil
	case told.Code >= 500:
		return c.disconnected(ctx, err, s, name)
	case told.IsOneOf("AUTH_RESTART", "AUTH_KEY_UNREGISTERED", "SESSION_REVOKED", "SESSION_EXPIRED", "AUTH_KEY_DUPLICATED", "AUTH_KEY_INVALID"):
		return c.anew(s), nil
	}
	return failure(errs.CodeCredentialRejected, err), nil
}

// anew begins the method again where the key is not good any more, and says so.
func (c *Connector) anew(s state) connector.Turn {
	if s.Phone == "" {
		return failure(errs.CodeInterrupted, errKeyUnknown)
	}
	return show(withError(phoneStep(s), "", errs.CodeInterrupted), s.fresh())
}

// disconnected asks again what was asked, where the answer to it was lost on the way.
func (c *Connector) disconnected(ctx context.Context, err error, s state, name string) (connector.Turn, error) {
	if ctx.Err() != nil {
		return connector.Turn{}, ctx.Err()
	}
	if errors.Is(err, errKeyUnknown) {
		return c.anew(s), nil
	}
	code := lineCode(err)
	c.log(ctx, "no answer", err)
	if proxys(code) { // nothing that the person types helps
		t := failure(code, err)
		t.Failure.Retryable = code == errs.CodeProxyUnreachable
		return t, nil
	}
	switch name {
	case workSend:
		return show(withError(phoneStep(s), "", code), s.fresh()), nil
	case workSignIn, workResend:
		return show(withError(codeStep(s), "", code), s), nil
	case workPassword:
		return show(withError(passwordStep(s), "", code), s), nil
	}
	return failure(code, err), nil
}

// proxys tells whether it is the proxy's doing.
func proxys(code errs.Code) bool {
	switch code {
	case errs.CodeProxyNotAllowed, errs.CodeProxyCredentials, errs.CodeProxyRefused, errs.CodeProxyUnreachable:
		return true
	}
	return false
}

// lost tells an end of the connection from an answer.
func lost(err error) bool {
	if err == nil {
		return false
	}
	told, ok := tgerr.As(err)
	return !ok || told.Code >= 500
}

// lineCode says how a connection failed.
func lineCode(err error) errs.Code {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Code != errs.CodeInternal {
		return e.Code
	}
	var timeout net.Error
	switch {
	case errors.Is(err, errNonsense):
		return errs.CodeProtocolError
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errs.CodeConnectionTimeout
	case errors.Is(err, io.EOF), errors.Is(err, errLine), errors.Is(err, net.ErrClosed):
		return errs.CodeConnectionClosed
	}
	return errs.CodeConnectionClosed
}

// Bounds on codes: each is a message that Telegram pays for, and a stranger's phone that rings.
const (
	codesPerLink  = 8
	codesPerPhone = 6
	codesWindow   = time.Hour
)

// countCodes counts codes for a link and for a number.
func (c *Connector) countCodes(ctx context.Context, s state) (over bool, err error) {
	if c.cfg.Tries == nil {
		return false, nil
	}
	now := c.cfg.Now()
	for _, b := range []struct {
		bucket string
		limit  int
	}{
		{"telegram-link:" + s.Application + "|" + s.Link, codesPerLink},
		{"telegram-phone:" + bucketOf(s.Application, s.Phone), codesPerPhone},
	} {
		n, err := c.cfg.Tries.Count(ctx, b.bucket, codesWindow, now)
		if err != nil {
			return false, err
		}
		over = over || n > b.limit
	}
	return over, nil
}
