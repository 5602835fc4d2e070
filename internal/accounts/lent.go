package accounts

import (
	"context"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// lentName is what the application's authentication server knows the account by; empty for accounts
// whose credential is kept here.
func lentName(a latchkey.Account) string {
	switch {
	case !a.AuthServer:
		return ""
	case a.ExternalID != "":
		return a.ExternalID
	default:
		return string(a.ID)
	}
}

// protocolAPI is how a provider app says that mail is reached without IMAP.
const protocolAPI = "api"

// lentToken hands on a token that the application's authentication server lends.
func (s *Service) lentToken(ctx context.Context, a latchkey.Account, key latchkey.KeyID) (connector.AccessToken, error) {
	if a.Status == latchkey.AccountCredentials {
		return connector.AccessToken{}, errs.New(errs.Conflict, errs.CodeCredentialRejected,
			"The provider does not take what the authentication server lends for this account. Mend it there, then check the account.")
	}
	if s.cfg.Lend == nil {
		return connector.AccessToken{}, errs.New(errs.Conflict, errs.CodeUnsupported, "This installation asks no authentication servers.")
	}
	request := connector.LoanRequest{ApplicationID: a.ApplicationID, Account: lentName(a), Protocol: "imap"}
	if c, err := s.credential(ctx, a); err != nil && !errs.Is(err, errs.CodeNotFound) {
		return connector.AccessToken{}, err
	} else if c.App != nil && c.App.Protocol == protocolAPI {
		request.Protocol = protocolAPI
	}
	l, err := s.cfg.Lend.Lend(ctx, request, nil)
	if err != nil {
		return connector.AccessToken{}, err
	}
	if l.AccessToken == "" {
		return connector.AccessToken{}, errs.New(errs.Conflict, errs.CodeUnsupported, "This account has no access token: its authentication server lends a password.")
	}
	if err := s.writeDown(ctx, a, key); err != nil {
		return connector.AccessToken{}, err
	}
	return connector.AccessToken{Token: l.AccessToken, Type: "Bearer", ExpiresAt: l.ExpiresAt}, nil
}
