package connector

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

// Lender gives credentials that an application's own authentication server keeps.
type Lender interface {
	// Lend returns the credential for one protocol of an account. Where a loan was refused, it is given
	// as refused: the server is asked again, unless a newer one is known. Errors are *errs.Error:
	// CodeAuthServerUnreachable for an outage, CodeAuthServerRefused where the server answers but lends
	// nothing that can be used, and those of the egress policy.
	Lend(ctx context.Context, r LoanRequest, refused *Loan) (Loan, error)
}

// LoanRequest says whose credential is wanted, and for what.
type LoanRequest struct {
	ApplicationID latchkey.ApplicationID
	// Account is the application's own name for the account, or our id where it has none.
	Account string
	// Protocol is imap, smtp or api.
	Protocol string
}

// Loan is a lent credential: a login, and a password or an access token. It is kept in memory only.
type Loan struct {
	User, Password, AccessToken string
	// ExpiresAt is when the access token ends, where the server says so.
	ExpiresAt time.Time
}

// String keeps a loan out of logs.
func (Loan) String() string { return "***" }

// GoString keeps a loan out of logs.
func (Loan) GoString() string { return "***" }

// Same tells whether two loans are the same credential.
func (l Loan) Same(o Loan) bool {
	return l.User == o.User && l.Password == o.Password && l.AccessToken == o.AccessToken
}

// TryLoan borrows a credential and tries it. Where it is refused, the lender is asked once more: the
// password may have changed since. The error is the lender's; what came of the try, try has seen.
func TryLoan(ctx context.Context, l Lender, r LoanRequest, try func(Loan) (refused bool)) error {
	if l == nil {
		return errs.New(errs.Conflict, errs.CodeAuthServerRefused, "This installation asks no authentication servers.")
	}
	loan, err := l.Lend(ctx, r, nil)
	if err != nil || !try(loan) {
		return err
	}
	second, err := l.Lend(ctx, r, &loan)
	if err != nil || second.Same(loan) {
		return err
	}
	try(second)
	return nil
}
