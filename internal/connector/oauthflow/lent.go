package oauthflow

import (
	"context"
	"sync"

	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// directLent connects a mailbox whose tokens the application's authentication server lends.
func (f *Flow) directLent(start connector.Start, values map[string]string) (connector.Turn, error) {
	if !f.Spec.Mail {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}}, nil
	}
	start.Entropy = nil
	if start.App == nil {
		start.App = &connector.App{Provider: f.Spec.Provider}
	}
	s := &state{Start: start, Direct: true, At: stepVerify, Person: &Person{}}
	s.Start.Email = lower(firstOf(values["email"], start.Email, s.expected()))
	s.Secret = &Secret{Kind: KindAuthServer, Protocol: firstOf(start.App.Protocol, "imap")}
	if email := s.Start.Email; email != "" && !isAddress(email) {
		return f.directForm(s, connector.FieldIssue{Field: "email", Code: errs.CodeInvalidEmail}), nil
	}
	return connector.Turn{State: s.withoutSecret().bytes(), Work: &connector.Work{
		Name: workLent, Input: s.bytes(), Deadline: exchangeDeadline, Interrupt: connector.Restart, Show: *f.step(s),
	}}, nil
}

// lent tries what the authentication server lends. Whose mailbox it is, the server says; opening it
// proves it.
func (f *Flow) lent(ctx context.Context, s *state) (connector.Turn, error) {
	if s.Secret == nil || s.Person == nil {
		return connector.Turn{}, errState
	}
	request := connector.LoanRequest{ApplicationID: s.Start.ApplicationID, Account: s.Start.Lent}
	if s.Start.Email != "" && s.expected() == "" {
		s.Start.ExpectedIdentity = s.Start.Email // what the application says is compared
	}
	if s.Secret.Protocol == protocolAPI {
		return f.lentAPI(ctx, s, request)
	}
	results, user := f.openLent(ctx, s.app(), request, true)
	if err := ctx.Err(); err != nil {
		return connector.Turn{}, err
	}
	for _, e := range results {
		if e != nil && lendingCode(e.Code) {
			return notLent(e.Code, e), nil
		}
	}
	s.Secret.Mailbox, s.Person.Email, s.Person.Aliases = user, user, []string{user}
	if want := s.expected(); want != "" && f.pick(s, s.Person.Aliases) == "" {
		return f.wrongAccount(s)
	}
	if !isAddress(user) {
		return notLent(errs.CodeAuthServerRefused, nil), nil
	}
	return f.ofApplication(f.opened(ctx, s, results))
}

func (f *Flow) lentAPI(ctx context.Context, s *state, request connector.LoanRequest) (connector.Turn, error) {
	request.Protocol = protocolAPI
	var turn connector.Turn
	var failed error
	err := connector.TryLoan(ctx, f.lend, request, func(l connector.Loan) bool {
		if l.AccessToken == "" {
			turn = notLent(errs.CodeAuthServerRefused, nil)
			return false
		}
		once := *s
		secret, person := *s.Secret, Person{Email: lower(l.User), Aliases: []string{lower(l.User)}}
		secret.AccessToken = l.AccessToken
		once.Secret, once.Person = &secret, &person
		if f.Spec.Profile != nil {
			var err error
			if person, err = f.Spec.Profile(ctx, f.http, s.app(), secret, person); err != nil {
				turn = f.failed(ctx, &once, "the profile does not open", err)
				return f.problemOf(err) == ProblemRejected
			}
		}
		secret.AccessToken = "" // it is lent, not given
		box := f.pick(&once, person.Aliases)
		if box == "" {
			turn, failed = f.wrongAccount(&once)
			return false
		}
		turn, failed = f.grant(&once, box, "API")
		return false
	})
	if err != nil {
		return notLent(errs.As(err).Code, err), nil
	}
	return f.ofApplication(turn, failed)
}

// openLent logs in to both servers at once, each with what is lent for it. It returns the login that
// was lent for IMAP.
func (f *Flow) openLent(ctx context.Context, app connector.App, request connector.LoanRequest, smtp bool) (results [2]*login.Error, user string) {
	servers := f.Spec.Servers(app)
	var wg sync.WaitGroup
	for i, p := range []login.Protocol{login.IMAP, login.SMTP} {
		if p == login.SMTP && !smtp {
			continue
		}
		wg.Go(func() {
			request := request
			request.Protocol = string(p)
			server := []login.Server{servers.IMAP, servers.SMTP}[i]
			err := connector.TryLoan(ctx, f.lend, request, func(l connector.Loan) bool {
				if p == login.IMAP {
					user = lower(l.User)
				}
				if l.AccessToken == "" { // these servers take no password
					results[i] = &login.Error{Code: errs.CodeAuthServerRefused}
					return false
				}
				results[i] = login.AsError(f.login.VerifyToken(ctx, p, server, l.User, l.AccessToken))
				return results[i] != nil && results[i].Code == errs.CodeCredentialRejected
			})
			if err != nil {
				results[i] = &login.Error{Code: errs.As(err).Code, Cause: err}
			}
		})
	}
	wg.Wait()
	return results, user
}

// checkLent is Check for tokens that are lent.
func (f *Flow) checkLent(ctx context.Context, c connector.Credential, s Secret) (connector.Health, error) {
	app := connector.App{Provider: f.Spec.Provider}
	if c.App != nil {
		app = *c.App
	}
	request := connector.LoanRequest{ApplicationID: c.ApplicationID, Account: c.Lent}
	if s.Protocol != protocolAPI {
		results, _ := f.openLent(ctx, app, request, !s.ReadOnly)
		return mailHealth(results, s.ReadOnly), ctx.Err()
	}
	request.Protocol = protocolAPI
	var h connector.Health
	var failed error
	err := connector.TryLoan(ctx, f.lend, request, func(l connector.Loan) bool {
		s.AccessToken = l.AccessToken
		h, failed = f.checkAPI(ctx, app, s)
		return failed == nil && refusedToken(h)
	})
	if err != nil {
		return mailHealth([2]*login.Error{{Code: errs.As(err).Code, Cause: err}, nil}, true), ctx.Err()
	}
	return h, failed
}

func refusedToken(h connector.Health) bool {
	return h.Status == refusal("", "").Refused.Status
}

// lendingCode tells errors of lending from those of mail servers.
func lendingCode(c errs.Code) bool {
	return c == errs.CodeAuthServerUnreachable || c == errs.CodeAuthServerRefused
}

// notLent ends a try for which nothing was lent that can be used.
func notLent(code errs.Code, cause error) connector.Turn {
	t := connector.Turn{Failure: &connector.Failure{Code: code, Retryable: code == errs.CodeAuthServerUnreachable}}
	if cause != nil {
		t.Failure.Detail = cause.Error()
	}
	return t
}

// ofApplication puts refusals of a token on the field that the application sent.
func (f *Flow) ofApplication(turn connector.Turn, err error) (connector.Turn, error) {
	if turn.Step != nil {
		for i, e := range turn.Step.Errors {
			if e.Field == "access_token" || e.Field == "refresh_token" {
				turn.Step.Errors[i].Field = "auth_server"
			}
		}
	}
	return turn, err
}
