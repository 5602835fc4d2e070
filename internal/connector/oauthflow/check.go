package oauthflow

import (
	"context"
	"fmt"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// Check tries the credential: it opens the mailbox, or asks for the profile. An access token that has
// ended is renewed first, and then stands in the Health.
func (f *Flow) Check(ctx context.Context, c connector.Credential) (connector.Health, error) {
	s, err := decodeSecret(c.Secret)
	if err != nil {
		return *refusal(latchkey.ReasonSealedUnreadable, "the stored credential cannot be read").Refused, nil //nolint:nilerr // it is what was found
	}
	if s.Kind == KindAuthServer {
		return f.checkLent(ctx, c, s)
	}
	if c.App == nil {
		return connector.Health{Status: latchkey.AccountError, Reason: latchkey.ReasonProviderApp, Detail: "the account's client is gone"}, nil
	}
	var rotated []byte
	if s.stale(f.now()) {
		r, err := f.Refresh(ctx, c)
		switch {
		case err != nil:
			return connector.Health{}, err
		case r.Refused != nil:
			return *r.Refused, nil
		case r.RefusedApp != "":
			return connector.Health{Status: latchkey.AccountError, Reason: latchkey.ReasonProviderApp, Detail: "the provider refuses the client: " + r.RefusedApp}, nil
		}
		rotated = r.Secret
		if s, err = decodeSecret(rotated); err != nil {
			return connector.Health{}, err
		}
	}
	var h connector.Health
	if f.Spec.Mail && s.Protocol != protocolAPI {
		h = mailHealth(f.open(ctx, *c.App, s, !s.ReadOnly), s.ReadOnly)
	} else if h, err = f.checkAPI(ctx, *c.App, s); err != nil {
		return connector.Health{}, err
	}
	if err := ctx.Err(); err != nil {
		return connector.Health{}, fmt.Errorf("oauthflow: check given up: %w", err)
	}
	h.Secret = rotated
	return h, nil
}

func (f *Flow) checkAPI(ctx context.Context, app connector.App, s Secret) (connector.Health, error) {
	id := "API"
	if !f.Spec.Mail {
		id = "PROFILE"
	}
	h := connector.Health{Status: latchkey.AccountOK}
	var err error
	if f.Spec.Profile != nil {
		_, err = f.Spec.Profile(ctx, f.http, app, s, Person{ID: s.Subject, Email: s.Mailbox, Aliases: []string{s.Mailbox}})
	}
	switch p := f.problemOf(err); {
	case err == nil:
	case p == ProblemRejected:
		h.Status, h.Reason = latchkey.AccountCredentials, latchkey.ReasonConsentRevoked
	case p == ProblemScopes, p == ProblemBlocked:
		h.Status, h.Reason = latchkey.AccountPermissions, latchkey.ReasonConsentRevoked
	default:
		return connector.Health{}, fmt.Errorf("oauthflow: check: %s", said(err))
	}
	if err != nil {
		h.Detail = said(err)
	}
	h.Sources = []latchkey.Source{{ID: id, Status: h.Status, Reason: h.Reason}}
	return h, nil
}

// mailHealth says what the servers' answers mean for the account.
func mailHealth(results [2]*login.Error, readOnly bool) connector.Health {
	h := connector.Health{Status: latchkey.AccountOK}
	rank := map[latchkey.AccountStatus]int{latchkey.AccountConnecting: 1, latchkey.AccountError: 2, latchkey.AccountPermissions: 3, latchkey.AccountCredentials: 4}
	for i, e := range results {
		if i == 1 && readOnly {
			continue
		}
		id := []string{"IMAP", "SMTP"}[i]
		status, reason := healthOf(e)
		h.Sources = append(h.Sources, latchkey.Source{ID: id, Status: status, Reason: reason})
		if rank[status] > rank[h.Status] {
			h.Status, h.Reason = status, reason
		}
		if e != nil {
			h.Detail += id + ": " + e.Error() + "; "
		}
	}
	return h
}

// healthOf says what an error means for an account that worked before.
func healthOf(e *login.Error) (latchkey.AccountStatus, latchkey.Reason) {
	if e == nil {
		return latchkey.AccountOK, latchkey.ReasonNone
	}
	switch e.Code {
	case errs.CodeCredentialRejected:
		return latchkey.AccountCredentials, latchkey.ReasonConsentRevoked
	case errs.CodeIMAPDisabled:
		return latchkey.AccountPermissions, latchkey.ReasonIMAPDisabled
	case errs.CodeSMTPDisabled:
		return latchkey.AccountPermissions, latchkey.ReasonSMTPDisabled
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
	case errs.CodeTLSFailed, errs.CodeCertificateInvalid:
		return latchkey.AccountConnecting, latchkey.ReasonTLS
	default:
		return latchkey.AccountConnecting, latchkey.ReasonHostUnreachable
	}
}
