package oauthflow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"latchkey"
	"latchkey/internal/connector"
)

// Refresh renews the credential.
func (f *Flow) Refresh(ctx context.Context, c connector.Credential) (connector.Refreshed, error) {
	s, err := decodeSecret(c.Secret)
	if err != nil {
		return refusal(latchkey.ReasonSealedUnreadable, "the stored credential cannot be read"), nil //nolint:nilerr // it is what was found
	}
	if c.App == nil {
		return connector.Refreshed{RefusedApp: string(ProblemClientID)}, nil
	}
	renewed, err := f.renew(ctx, *c.App, s)
	if err != nil {
		return f.notRenewed(err)
	}
	raw, err := renewed.encode()
	if err != nil {
		return connector.Refreshed{}, err
	}
	return connector.Refreshed{Secret: raw, ExpiresAt: renewed.ExpiresAt, GrantEnds: renewed.RefreshExpiresAt}, nil
}

var errNoRefresh = errors.New("oauthflow: there is no refresh token")

// renew gets another access token (RFC 6749 §6). A refresh token that came along replaces the old one.
func (f *Flow) renew(ctx context.Context, app connector.App, s Secret) (Secret, error) {
	switch {
	case s.Kind == KindAuthServer:
		return s, nil // what is lent is not ours to renew
	case s.Kind != "" && f.Spec.Unattended != nil:
		renewed, err := f.Spec.Unattended(ctx, f, app, s.Mailbox)
		if err != nil {
			return Secret{}, err
		}
		renewed.Kind, renewed.Subject, renewed.Mailbox = s.Kind, s.Subject, s.Mailbox
		renewed.Protocol, renewed.ReadOnly, renewed.Shared = s.Protocol, s.ReadOnly, s.Shared
		return renewed, nil
	case f.Spec.Renew != nil:
		return f.Spec.Renew(ctx, f.http, app, s)
	case s.RefreshToken == "":
		return f.withoutRefresh(s)
	}
	where, err := f.endpoints(ctx, app)
	if err != nil {
		return Secret{}, err
	}
	t, err := f.oauth(app, where, "", nil).TokenSource(f.http.context(ctx), &oauth2.Token{RefreshToken: s.RefreshToken}).Token()
	if err != nil {
		return Secret{}, err
	}
	return f.fromToken(t, s)
}

// withoutRefresh is what a renewal is where nobody gave a refresh token: nothing, until the token ends.
func (f *Flow) withoutRefresh(s Secret) (Secret, error) {
	if !s.stale(f.now()) {
		return s, nil
	}
	return Secret{}, &ProviderError{Problem: ProblemRejected, Code: "expired", Description: errNoRefresh.Error()}
}

// notRenewed tells a refusal of the person's grant from one of the operator's client, and both from
// an outage, of which nothing follows.
func (f *Flow) notRenewed(err error) (connector.Refreshed, error) {
	e := asProviderError(err)
	if e == nil {
		return connector.Refreshed{}, fmt.Errorf("oauthflow: refresh: %s", said(err))
	}
	switch p := f.problemOf(err); {
	case p.OfApp():
		return connector.Refreshed{RefusedApp: string(p)}, nil
	case p == ProblemUnavailable, p == ProblemNone:
		return connector.Refreshed{}, fmt.Errorf("oauthflow: refresh: %s", said(err))
	default:
		return refusal(reasonOf(*e), said(err)), nil
	}
}

func refusal(reason latchkey.Reason, detail string) connector.Refreshed {
	return connector.Refreshed{Refused: &connector.Health{Status: latchkey.AccountCredentials, Reason: reason, Detail: detail}}
}

// reasonOf says why a grant ended.
func reasonOf(e ProviderError) latchkey.Reason {
	switch e.AADSTS {
	case 50173, 50126, 50133:
		return latchkey.ReasonPasswordChanged
	case 700082, 70008, 700084, 50078, 50089, 135011:
		return latchkey.ReasonTokenExpired
	case 50057, 50034, 50105, 53000, 53001, 53002, 53003:
		return latchkey.ReasonBlocked
	}
	switch {
	case e.Sub == "460": // Meta: the password was changed
		return latchkey.ReasonPasswordChanged
	case e.Sub == "463", e.Code == "expired", strings.Contains(e.Sub, "rapt"), e.Code == "interaction_required", e.Code == "login_required":
		return latchkey.ReasonTokenExpired
	default:
		return latchkey.ReasonConsentRevoked
	}
}

// errNoRevocation says that the provider has no way to give a grant back.
var errNoRevocation = errors.New("oauthflow: this provider has no revocation endpoint")

// giveBack ends a grant at the provider (RFC 7009 §2.1). The refresh token stands for all of it. An
// operator's own issuer wants to know who asks, as the standard has it; Google wants the token alone.
func (f *Flow) giveBack(ctx context.Context, app connector.App, where Endpoints, s Secret) error {
	if where.Revoke == "" {
		return errNoRevocation
	}
	form := url.Values{"token": {firstOf(s.RefreshToken, s.AccessToken)}}
	ask := f.http.PostForm
	if f.Spec.Issuer != "" && where.AuthStyle == oauth2.AuthStyleInHeader {
		ask = f.http.as(app)
	} else if f.Spec.Issuer != "" {
		form.Set("client_id", app.ClientID)
		form.Set("client_secret", app.ClientSecret)
	}
	a, err := ask(ctx, where.Revoke, form)
	if err != nil {
		return err
	}
	if a.Status == 200 || a.Status == 204 {
		return nil
	}
	e := fromBody(a.Status, a.Body)
	if a.Status == 400 && (e.Code == "invalid_token" || e.Code == "invalid_grant") {
		return nil // it had ended before
	}
	return e
}

// RevokeGrant ends the grant at the provider. Connectors of providers that can be told so make it
// their Revoke; the others are no Revokers, and say so in their README.
func (f *Flow) RevokeGrant(ctx context.Context, c connector.Credential) error {
	s, err := decodeSecret(c.Secret)
	if err != nil {
		return err
	}
	if s.Kind != "" {
		return nil // nobody granted it: the key is the operator's
	}
	var app connector.App
	if c.App != nil {
		app = *c.App
	}
	where, err := f.endpoints(ctx, app)
	if err != nil {
		return err
	}
	if err := f.giveBack(ctx, app, where, s); err != nil {
		return fmt.Errorf("oauthflow: revoke: %w", err)
	}
	return nil
}
