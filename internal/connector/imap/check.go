package imap

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// Check logs in on both sides. An outage is told from a refusal: only the latter sends the end user
// back to the wizard.
func (c *Connector) Check(ctx context.Context, a connector.Credential) (connector.Health, error) {
	m, err := decodeSecret(a.Secret)
	if err != nil {
		return connector.Health{ //nolint:nilerr // it is an answer: only the end user can mend this
			Status: latchkey.AccountCredentials, Reason: latchkey.ReasonSealedUnreadable, Detail: "the stored credential cannot be read",
		}, nil
	}
	var (
		wg      sync.WaitGroup
		results [2]*login.Error
	)
	for i, p := range protocols() {
		if d := m.of(p); d != nil {
			wg.Go(func() {
				if a.Lent != "" {
					results[i] = c.checkLent(ctx, a, p, *d)
					return
				}
				_, err := c.login.Verify(ctx, p, d.server(), d.User, d.Password)
				results[i] = login.AsError(err)
			})
		}
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return connector.Health{}, fmt.Errorf("imap: check given up: %w", err)
	}
	h := connector.Health{Status: latchkey.AccountOK}
	for i, p := range protocols() {
		if m.of(p) == nil {
			continue
		}
		status, reason := healthOf(results[i])
		h.Sources = append(h.Sources, latchkey.Source{ID: sourceID(string(p)), Status: status, Reason: reason})
		if worse(status, h.Status) {
			h.Status, h.Reason = status, reason
		}
		if results[i] != nil {
			h.Detail += fmt.Sprintf("%s %s: %v; ", p, m.of(p).Host, results[i])
		}
	}
	return h, nil
}

// Host implements connector.Placer.
func (c *Connector) Host(params json.RawMessage) string {
	m, err := decodeParams(params)
	if err != nil {
		return ""
	}
	for _, p := range protocols() {
		if d := m.of(p); d != nil {
			return strings.ToLower(d.Host)
		}
	}
	return ""
}

// worse orders states by who has to act: the end user, the operator, nobody.
func worse(a, b latchkey.AccountStatus) bool {
	order := map[latchkey.AccountStatus]int{latchkey.AccountConnecting: 1, latchkey.AccountError: 2, latchkey.AccountCredentials: 3}
	return order[a] > order[b]
}

// healthOf says what an error means for an account that worked before.
func healthOf(e *login.Error) (latchkey.AccountStatus, latchkey.Reason) {
	if e == nil {
		return latchkey.AccountOK, latchkey.ReasonNone
	}
	switch e.Code {
	case errs.CodeWrongPassword:
		return latchkey.AccountCredentials, latchkey.ReasonPasswordChanged
	case errs.CodeAppPassword, errs.CodeUseOAuth:
		return latchkey.AccountCredentials, latchkey.ReasonAppPassword
	case errs.CodeIMAPDisabled:
		return latchkey.AccountCredentials, latchkey.ReasonIMAPDisabled
	case errs.CodeSMTPDisabled:
		return latchkey.AccountCredentials, latchkey.ReasonSMTPDisabled
	case errs.CodeCredentialRejected:
		return latchkey.AccountCredentials, latchkey.ReasonConsentRevoked
	case errs.CodeAuthServerUnreachable:
		return latchkey.AccountConnecting, latchkey.ReasonAuthServerDown
	case errs.CodeAuthServerRefused:
		return latchkey.AccountError, latchkey.ReasonAuthServerRefused
	case errs.CodeAccountBlocked:
		return latchkey.AccountError, latchkey.ReasonBlocked
	case errs.CodeHostNotAllowed, errs.CodePortNotAllowed, errs.CodePlaintextRefused:
		return latchkey.AccountError, latchkey.ReasonEgressDenied
	case errs.CodeTooManyConnections, errs.CodeRateLimited:
		return latchkey.AccountConnecting, latchkey.ReasonRateLimited
	case errs.CodeHostNotFound:
		return latchkey.AccountConnecting, latchkey.ReasonHostNotFound
	case errs.CodeTLSFailed, errs.CodeCertificateInvalid, errs.CodeNoSTARTTLS:
		return latchkey.AccountConnecting, latchkey.ReasonTLS
	case errs.CodeNotIMAP, errs.CodeNotSMTP, errs.CodeProtocolError, errs.CodeNoAuthMethod:
		return latchkey.AccountConnecting, latchkey.ReasonProtocol
	default:
		return latchkey.AccountConnecting, latchkey.ReasonHostUnreachable
	}
}
