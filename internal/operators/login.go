package operators

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"unicode"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Browser is where somebody signs in.
type Browser struct {
	UserAgent, Address string
	// Before is the cookie that the browser came with, of whoever was signed in there: it ends.
	Before string
}

// SignedIn is a new login. Token is the cookie's value, and the only copy of it.
type SignedIn struct {
	Operator latchkey.Operator
	Login    latchkey.Login
	Token    secret.Text
}

// signIn makes a login with a token of its own: one that a stranger planted before is worth nothing.
func (s *Service) signIn(ctx context.Context, tx store.Tx, o latchkey.Operator, how latchkey.LoginMethod, b Browser) (SignedIn, error) {
	if b.Before != "" {
		was, err := tx.Logins().ByToken(ctx, secret.HashToken(b.Before))
		if err == nil {
			err = tx.Logins().Delete(ctx, was.OperatorID, was.ID)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return SignedIn{}, err
		}
	}
	token, hash := secret.NewToken()
	now := s.now()
	l := latchkey.Login{
		ID: latchkey.NewLoginID(s.cfg.Now()), OperatorID: o.ID, TokenHash: hash, Method: how, UserAgent: printable(b.UserAgent),
		Address: b.Address, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(LoginLife),
	}
	return SignedIn{Operator: o, Login: l, Token: secret.NewText(token)}, tx.Logins().Create(ctx, l)
}

// Known tells whether an operator has the canonical address. It asks the same of the database for every
// address.
func (s *Service) Known(ctx context.Context, tx store.Tx, canonical string) (bool, error) {
	_, err := tx.Operators().ByAddress(ctx, canonical)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ByMailbox signs an operator in who has just proved that the mailbox of the canonical address is theirs.
func (s *Service) ByMailbox(ctx context.Context, canonical string, b Browser) (SignedIn, error) {
	var in SignedIn
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		found, err := tx.Operators().ByAddress(ctx, canonical)
		if err != nil {
			return unknown(err, "operator")
		}
		o, err := tx.Operators().ForUpdate(ctx, found.ID)
		if err != nil {
			return unknown(err, "operator")
		}
		if o.AcceptedAt.IsZero() {
			o.AcceptedAt, o.UpdatedAt = s.now(), s.now()
			if err := tx.Operators().Update(ctx, o); err != nil {
				return err
			}
			// The invitation has been accepted: its link opens nothing any more.
			if _, err := tx.OneTimes().DeleteOf(ctx, kindInvite, o.ID); err != nil {
				return err
			}
		}
		in, err = s.signIn(ctx, tx, o, latchkey.LoginByCode, b)
		return err
	})
	return s.told(ctx, in, err)
}

// told writes a login to the log.
func (s *Service) told(ctx context.Context, in SignedIn, err error) (SignedIn, error) {
	if err != nil {
		return SignedIn{}, err
	}
	s.cfg.Log.InfoContext(ctx, "operator signed in", slog.String("operator_id", string(in.Operator.ID)),
		slog.String("login_id", string(in.Login.ID)), slog.String("method", string(in.Login.Method)))
	return in, nil
}

// printable keeps what a browser says of itself fit to be shown.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxAgent {
		s = string(r[:maxAgent])
	}
	return s
}

// Authenticate tells whose login a cookie is. What is over or unknown is errs.CodeMissingCredentials.
func (s *Service) Authenticate(ctx context.Context, token string) (latchkey.Operator, latchkey.Login, error) {
	if token == "" || len(token) > 100 {
		return latchkey.Operator{}, latchkey.Login{}, signedOut()
	}
	l, err := s.cfg.Store.Logins().ByToken(ctx, secret.HashToken(token))
	if errors.Is(err, store.ErrNotFound) {
		return latchkey.Operator{}, l, signedOut()
	}
	if err != nil {
		return latchkey.Operator{}, l, err
	}
	now := s.now()
	if !now.Before(l.ExpiresAt) || now.Sub(l.SeenAt) >= LoginIdle {
		return latchkey.Operator{}, l, signedOut()
	}
	o, err := s.cfg.Store.Operators().Get(ctx, l.OperatorID)
	if errors.Is(err, store.ErrNotFound) {
		return o, l, signedOut()
	}
	if err != nil {
		return o, l, err
	}
	if now.Sub(l.SeenAt) >= touchEvery {
		if err := s.cfg.Store.Logins().Touch(ctx, l.ID, now); err != nil && !errors.Is(err, store.ErrNotFound) {
			return o, l, err
		}
	}
	return o, l, nil
}

func signedOut() error {
	return errs.New(errs.Unauthenticated, errs.CodeMissingCredentials, "You are not signed in, or your login is over.")
}

// Logins are where an operator is signed in, newest first.
func (s *Service) Logins(ctx context.Context, o latchkey.OperatorID) ([]latchkey.Login, error) {
	all, err := s.cfg.Store.Logins().List(ctx, o)
	now := s.now()
	live := all[:0]
	for _, l := range all {
		if now.Before(l.ExpiresAt) && now.Sub(l.SeenAt) < LoginIdle {
			live = append(live, l)
		}
	}
	return live, err
}

// EndLogin ends one of the operator's logins, at once and on every replica.
func (s *Service) EndLogin(ctx context.Context, o latchkey.OperatorID, id latchkey.LoginID) error {
	return unknown(s.change(ctx, func(ctx context.Context, tx store.Tx) error { return tx.Logins().Delete(ctx, o, id) }), "login")
}

// EndLogins ends all of them.
func (s *Service) EndLogins(ctx context.Context, o latchkey.OperatorID) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := tx.Logins().DeleteOf(ctx, o)
		return err
	})
}

func (s *Service) change(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	return s.cfg.Store.InTx(ctx, fn)
}

// Forget removes logins and one-time tokens whose time is over.
func (s *Service) Forget(ctx context.Context, limit int) (int, error) {
	now := s.now()
	a, err := s.cfg.Store.Logins().DeleteEnded(ctx, now, now.Add(-LoginIdle), limit)
	if err != nil {
		return a, err
	}
	b, err := s.cfg.Store.OneTimes().DeleteExpired(ctx, now, limit)
	return max(a, b), err
}

// Rename changes the operator's own name.
func (s *Service) Rename(ctx context.Context, id latchkey.OperatorID, name string) error {
	name, bad := checkName(name)
	if bad != nil {
		return errs.InvalidFields(*bad)
	}
	return unknown(s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		o, err := tx.Operators().ForUpdate(ctx, id)
		if err != nil {
			return err
		}
		o.Name, o.UpdatedAt = name, s.now()
		return tx.Operators().Update(ctx, o)
	}), "operator")
}
