package oauthflow

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// Direct connects with tokens that the application already has (access_token, refresh_token,
// expires_at, scope, and email for a mailbox), or without a person (email alone, where the App can).
func (f *Flow) Direct(start connector.Start, values map[string]string) (connector.Turn, error) {
	if start.Lent != "" {
		return f.directLent(start, values)
	}
	if start.App == nil || (start.App.ClientID == "" && start.App.ServiceAccount == "") {
		return f.unavailable(), nil
	}
	start.Entropy = nil
	s := &state{Start: start, Direct: true}
	s.Asked = wanted(f.Spec.Scopes(s.app(), start.Options), s.app())
	email := lower(firstOf(values["email"], start.Email, s.expected()))
	s.Start.Email = email
	if f.Spec.Mail && s.expected() == "" && !start.Options.Delegated {
		s.Start.ExpectedIdentity = email // what the application says of its token is checked
	}
	secret := Secret{
		AccessToken: strings.TrimSpace(values["access_token"]), RefreshToken: strings.TrimSpace(values["refresh_token"]),
		Scope: strings.TrimSpace(values["scope"]), TokenType: "Bearer",
	}
	var issues []connector.FieldIssue
	wrong := func(field string, code errs.Code) {
		issues = append(issues, connector.FieldIssue{Field: field, Code: code})
	}
	if email != "" && f.Spec.Mail && !isAddress(email) {
		wrong("email", errs.CodeInvalidEmail)
	}
	if raw := strings.TrimSpace(values["expires_at"]); raw != "" {
		var ok bool
		if secret.ExpiresAt, ok = readTime(raw); !ok {
			wrong("expires_at", errs.CodeInvalidDate)
		}
	}
	for field, v := range map[string]string{"access_token": secret.AccessToken, "refresh_token": secret.RefreshToken} {
		if len(v) > maxToken {
			wrong(field, errs.CodeTooLong)
		} else if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
			wrong(field, errs.CodeInvalidValue)
		}
	}
	work := workAdopt
	if secret.AccessToken == "" && secret.RefreshToken == "" {
		work = workUnattended
		switch {
		case f.Spec.Unattended == nil:
			wrong("access_token", errs.CodeRequired)
		case email == "":
			wrong("email", errs.CodeRequired)
		}
	}
	if len(issues) > 0 {
		return f.directForm(s, issues...), nil
	}
	s.Secret, s.Person, s.At = &secret, &Person{}, stepVerify
	return connector.Turn{State: s.withoutSecret().bytes(), Work: &connector.Work{
		Name: work, Input: s.bytes(), Deadline: exchangeDeadline, Interrupt: connector.Restart, Show: *f.step(s),
	}}, nil
}

func (s *state) withoutSecret() *state {
	c := *s
	c.Secret = nil
	return &c
}

// readTime reads RFC 3339 or seconds since 1970.
func readTime(raw string) (time.Time, bool) {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil && n > 0 && n < 1<<40 {
		return time.Unix(n, 0).UTC(), true
	}
	t, err := time.Parse(time.RFC3339, raw)
	return t.UTC(), err == nil
}

func directFields(s *state) []connector.Field {
	return []connector.Field{
		{Name: "email", Type: connector.FieldEmail, Value: s.Start.Email},
		{Name: "access_token", Type: connector.FieldPassword},
		{Name: "refresh_token", Type: connector.FieldPassword},
		{Name: "expires_at", Type: connector.FieldText},
		{Name: "scope", Type: connector.FieldText},
	}
}

func (f *Flow) directForm(s *state, issues ...connector.FieldIssue) connector.Turn {
	s.Secret = nil
	turn := f.show(s, stepDirect)
	turn.Step.Errors = issues
	return turn
}

// directTrouble puts an error on the field that can mend it.
func (f *Flow) directTrouble(s *state, err error) connector.Turn {
	p := f.problemOf(err)
	switch {
	case p.OfApp():
		return f.operator(p, said(err))
	case p == ProblemUnavailable:
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeUnavailable, Retryable: true, Detail: said(err)}}
	case p == ProblemAdminConsent, p == ProblemScopes:
		return f.directForm(s, connector.FieldIssue{Field: "scope", Code: errs.CodeAccessDenied})
	case s.Secret != nil && s.Secret.Kind != "":
		return f.directForm(s, connector.FieldIssue{Field: "email", Code: errs.CodeCredentialRejected})
	case s.Secret != nil && s.Secret.AccessToken == "":
		return f.directForm(s, connector.FieldIssue{Field: "refresh_token", Code: errs.CodeCredentialRejected})
	default:
		return f.directForm(s, connector.FieldIssue{Field: "access_token", Code: errs.CodeCredentialRejected})
	}
}

// directRefused says why the mailbox does not open.
func (f *Flow) directRefused(s *state, results [2]*login.Error) connector.Turn {
	var issues []connector.FieldIssue
	servers := f.Spec.Servers(s.app())
	for i, server := range []login.Server{servers.IMAP, servers.SMTP} {
		e := results[i]
		if e == nil {
			continue
		}
		field := ""
		if e.Code == errs.CodeCredentialRejected {
			field = "access_token"
		}
		if field != "" && slices.ContainsFunc(issues, func(i connector.FieldIssue) bool { return i.Field == field }) {
			continue // both servers refuse the same token
		}
		issues = append(issues, connector.FieldIssue{Field: field, Code: e.Code, Args: map[string]string{
			"host": server.Host, "port": strconv.Itoa(server.Port),
		}})
	}
	return f.directForm(s, issues...)
}

// adopt takes an application's tokens: it finds out whose they are and whether they work.
func (f *Flow) adopt(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	if s.Secret == nil {
		return connector.Turn{}, errState
	}
	where, err := f.endpoints(ctx, s.app())
	if err != nil {
		return f.failed(ctx, s, "discovery failed", err), nil
	}
	s.Where = where
	if s.Secret.stale(f.now()) || s.Secret.ExpiresAt.IsZero() {
		if s.Secret.RefreshToken != "" {
			renewed, err := f.renew(ctx, s.app(), *s.Secret)
			if err != nil {
				return f.failed(ctx, s, "the application's token was not renewed", err), nil
			}
			s.Secret = &renewed
		} else if s.Secret.ExpiresAt.IsZero() {
			s.Secret.ExpiresAt = f.now().UTC().Truncate(time.Second).Add(usualLife)
		}
	}
	s.Secret.IssuedAt = f.now().UTC().Truncate(time.Second)
	if len(s.missing()) > 0 {
		return f.directForm(s, connector.FieldIssue{Field: "scope", Code: errs.CodeAccessDenied}), nil
	}
	person, err := f.adopted(ctx, s)
	if err != nil {
		return f.failed(ctx, s, "the application's token tells no identity", err), nil
	}
	s.Person = &person
	if f.Spec.Mail && len(person.Aliases) == 0 && s.app().Protocol != protocolAPI {
		return f.directForm(s, connector.FieldIssue{Field: "email", Code: errs.CodeRequired}), nil
	}
	return f.settle(ctx, s, r)
}

// adopted is whose tokens they are: an id token that came with a renewal, or userinfo, or the address
// that the application gives, which opening the mailbox proves.
func (f *Flow) adopted(ctx context.Context, s *state) (Person, error) {
	var p Person
	switch {
	case !f.Spec.IDToken:
		return p, nil
	case s.Secret.idToken != "":
		c, err := f.verifyIDToken(ctx, s.Where, s.app(), s.Secret.idToken, "", s.Secret.AccessToken)
		if err != nil {
			return p, err
		}
		p = c.person()
	case s.Where.Userinfo != "":
		c, err := f.userinfo(ctx, s.Where.Userinfo, s.Secret.AccessToken)
		if err == nil {
			p = c.person()
		} else if !f.Spec.Mail || f.problemOf(err) == ProblemUnavailable {
			return p, err
		}
	}
	if email := s.Start.Email; email != "" && f.Spec.Mail {
		p.Email, p.Aliases = email, []string{email}
	}
	return p, nil
}

// unattended connects a mailbox without a person.
func (f *Flow) unattended(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	if f.Spec.Unattended == nil {
		return connector.Turn{}, errWork
	}
	secret, err := f.Spec.Unattended(ctx, f, s.app(), s.Start.Email)
	if err != nil {
		f.tell(ctx, s, "no token without a person", err)
		s.Secret = &Secret{Kind: KindClientCredentials}
		return f.directTrouble(s, err), nil
	}
	s.Secret = &secret
	s.Secret.Mailbox = s.Start.Email
	s.Person = &Person{Email: s.Start.Email, Aliases: []string{s.Start.Email}}
	return f.settle(ctx, s, r)
}
