package imap

import (
	"context"
	"slices"

	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// logIn tries one side's login, by password or access token.
func (c *Connector) logIn(ctx context.Context, p login.Protocol, d side) (login.Server, error) {
	if !d.Token {
		return c.login.Verify(ctx, p, d.server(), d.User, d.Password)
	}
	server := d.server()
	plain := server.Encryption == login.None && c.login.MayBePlain(server.Host)
	if usual := login.UsualEncryption(server.Port); usual != login.Auto && !plain {
		server.Encryption = usual
	} else if server.Encryption == login.Auto {
		server.Encryption = login.TLS
	}
	return server, c.login.VerifyToken(ctx, p, server, d.User, d.Password)
}

// with is the side with a lent credential.
func (s side) with(l connector.Loan) side {
	s.User, s.Password, s.Token = l.User, l.Password, false
	if l.AccessToken != "" {
		s.Password, s.Token = l.AccessToken, true
	}
	return s
}

// refusedLogin tells whether the server refused the credential itself.
func refusedLogin(c errs.Code) bool {
	return slices.Contains([]errs.Code{errs.CodeWrongPassword, errs.CodeAppPassword, errs.CodeCredentialRejected}, c)
}

// checkLent tries one side with what the application's authentication server lends.
func (c *Connector) checkLent(ctx context.Context, a connector.Credential, p login.Protocol, d side) *login.Error {
	var result *login.Error
	request := connector.LoanRequest{ApplicationID: a.ApplicationID, Account: a.Lent, Protocol: string(p)}
	err := connector.TryLoan(ctx, c.lend, request, func(l connector.Loan) bool {
		_, err := c.logIn(ctx, p, d.with(l))
		result = login.AsError(err)
		return result != nil && refusedLogin(result.Code)
	})
	if err != nil {
		return lendingError(err)
	}
	return result
}

// lendingError is why nothing was lent, as an error of the side that it was wanted for.
func lendingError(err error) *login.Error {
	return &login.Error{Code: errs.As(err).Code, Cause: err}
}

// loans are what was lent for each side.
type loans map[login.Protocol]connector.Loan

// borrow asks for the credential of each side, again where an earlier one was refused.
func (c *Connector) borrow(ctx context.Context, s *state, refused loans) (loans, error) {
	out := loans{}
	for _, p := range protocols() {
		if s.Mail.of(p) == nil {
			continue
		}
		request := connector.LoanRequest{ApplicationID: s.Start.ApplicationID, Account: s.Start.Lent, Protocol: string(p)}
		var before *connector.Loan
		if l, ok := refused[p]; ok {
			before = &l
		}
		l, err := c.lend.Lend(ctx, request, before)
		if err != nil {
			return nil, err
		}
		out[p] = l
		with := s.Mail.of(p).with(l)
		s.Mail.set(p, &with)
	}
	return out, nil
}

// same tells whether all that was lent is as it was before.
func (l loans) same(o loans) bool {
	for p, loan := range l {
		if !loan.Same(o[p]) {
			return false
		}
	}
	return true
}

// verifyLent is verify with credentials that the application's authentication server lends. What was
// lent counts as tries like what is typed, and stays out of what is kept.
func (c *Connector) verifyLent(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	if c.lend == nil {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeAuthServerRefused}}, nil
	}
	lent, err := c.borrow(ctx, s, nil)
	if err != nil {
		return notLent(err), nil
	}
	turn, err := c.verifyMail(ctx, s.clone(), r)
	if err != nil || turn.Step == nil || !refusedStep(*turn.Step) {
		return turn, err
	}
	fresh, err := c.borrow(ctx, s, lent)
	switch {
	case err != nil:
		return notLent(err), nil
	case fresh.same(lent):
		return forApplication(turn), nil
	}
	turn, err = c.verifyMail(ctx, s, r)
	return forApplication(turn), err
}

// clone is the state as it is now, so that a second try begins where the first did.
func (s *state) clone() *state {
	c := *s
	c.Mail = s.Mail.clone()
	return &c
}

func refusedStep(step connector.Step) bool {
	return slices.ContainsFunc(step.Errors, func(i connector.FieldIssue) bool { return refusedLogin(i.Code) })
}

// notLent ends a try for which nothing was lent.
func notLent(err error) connector.Turn {
	e := errs.As(err)
	return connector.Turn{Failure: &connector.Failure{Code: e.Code, Retryable: e.Code == errs.CodeAuthServerUnreachable, Detail: err.Error()}}
}

// forApplication puts refusals on the field that the application sent: it sent no password.
func forApplication(turn connector.Turn) connector.Turn {
	if turn.Step == nil {
		return turn
	}
	for i, e := range turn.Step.Errors {
		if refusedLogin(e.Code) {
			turn.Step.Errors[i].Field = "auth_server"
		}
	}
	return turn
}
