package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type signIns struct{ tx }

func (s signIns) Create(ctx context.Context, v latchkey.SignIn) error {
	var oidc string
	if v.OIDC != nil {
		b, err := json.Marshal(v.OIDC)
		if err != nil {
			return err
		}
		oidc = string(b)
	}
	p := sqlgen.CreateSignInParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Email: v.Email, Address: v.Address, Status: string(v.Status),
		Withheld: v.Withheld, Locale: v.Locale, Device: v.Device, BrowserHash: blob(v.BrowserHash), RedirectUri: v.RedirectURI,
		State: v.State, Oidc: oidc, Sends: int64(v.Sends), SentAt: ms(v.SentAt),
		CodeMac: blob(v.Current.CodeMAC), LinkHash: blob(v.Current.LinkHash), CodePad: int64(v.Current.CodePad),
		Tries: int64(v.Current.Tries), ExpiresAt: ms(v.Current.ExpiresAt),
		CodeMacBefore: blob(v.Before.CodeMAC), LinkHashBefore: blob(v.Before.LinkHash), CodePadBefore: int64(v.Before.CodePad),
		TriesBefore: int64(v.Before.Tries), ExpiresAtBefore: ms(v.Before.ExpiresAt),
		Method: string(v.Method), ProvedAt: ms(v.ProvedAt), CompletedAt: ms(v.CompletedAt), RevokedAt: ms(v.RevokedAt), CreatedAt: ms(v.CreatedAt),
		Network: v.Network, Familiar: v.Familiar,
	}
	return s.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateSignIn(ctx, p) })
}

func (s signIns) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID) (latchkey.SignIn, error) {
	v, err := s.ByID(ctx, id)
	if err == nil && v.ApplicationID != app {
		return latchkey.SignIn{}, store.ErrNotFound
	}
	return v, err
}

func (s signIns) ByID(ctx context.Context, id latchkey.SignInID) (v latchkey.SignIn, err error) {
	var row sqlgen.Signin
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetSignIn(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return signInFromRow(row)
}

func (s signIns) CountTry(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, most int) (v latchkey.SignIn, err error) {
	p := sqlgen.CountSignInTryParams{ID: string(id), ApplicationID: string(app), Most: int64(most)}
	var row sqlgen.Signin
	err = s.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.CountSignInTry(ctx, p)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return v, store.ErrStale
	}
	if err != nil {
		return v, err
	}
	return signInFromRow(row)
}

func (s signIns) Renew(ctx context.Context, v latchkey.SignIn, sends int) error {
	p := sqlgen.RenewSignInParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Withheld: v.Withheld, SentAt: ms(v.SentAt), Sends: int64(sends),
		CodeMac: blob(v.Current.CodeMAC), LinkHash: blob(v.Current.LinkHash), CodePad: int64(v.Current.CodePad), ExpiresAt: ms(v.Current.ExpiresAt),
	}
	return s.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.RenewSignIn(ctx, p) })
}

func (s signIns) Prove(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, m latchkey.SignInMethod, at time.Time) error {
	p := sqlgen.ProveSignInParams{ID: string(id), ApplicationID: string(app), Method: string(m), At: ms(at)}
	return s.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ProveSignIn(ctx, p) })
}

func (s signIns) Complete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, at time.Time) error {
	p := sqlgen.CompleteSignInParams{ID: string(id), ApplicationID: string(app), At: ms(at)}
	return s.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CompleteSignIn(ctx, p) })
}

func (s signIns) Revoke(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, at time.Time) error {
	p := sqlgen.RevokeSignInParams{ID: string(id), ApplicationID: string(app), At: ms(at)}
	return s.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.RevokeSignIn(ctx, p) })
}

func (s signIns) DeleteExpired(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteExpiredSignInsParams{Before: ms(before), Page: limit(n)}
	return s.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteExpiredSignIns(ctx, p) })
}

func signInFromRow(r sqlgen.Signin) (latchkey.SignIn, error) {
	v := latchkey.SignIn{
		ID: latchkey.SignInID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Email: r.Email, Address: r.Address,
		Status: latchkey.SignInStatus(r.Status), Withheld: r.Withheld, Locale: r.Locale, Device: r.Device, BrowserHash: bytesOf(r.BrowserHash),
		RedirectURI: r.RedirectUri, State: r.State, Sends: int(r.Sends), SentAt: at(r.SentAt),
		Current: latchkey.Challenge{
			CodeMAC: bytesOf(r.CodeMac), LinkHash: bytesOf(r.LinkHash), CodePad: int(r.CodePad), Tries: int(r.Tries), ExpiresAt: at(r.ExpiresAt),
		},
		Before: latchkey.Challenge{
			CodeMAC: bytesOf(r.CodeMacBefore), LinkHash: bytesOf(r.LinkHashBefore), CodePad: int(r.CodePadBefore),
			Tries: int(r.TriesBefore), ExpiresAt: at(r.ExpiresAtBefore),
		},
		Method: latchkey.SignInMethod(r.Method), ProvedAt: at(r.ProvedAt), CompletedAt: at(r.CompletedAt), RevokedAt: at(r.RevokedAt),
		CreatedAt: at(r.CreatedAt), Network: r.Network, Familiar: r.Familiar,
	}
	var err error
	v.OIDC, err = fromJSON[*latchkey.OIDCRequest](r.Oidc, "what a client asked for")
	return v, err
}

type signInRules struct{ tx }

func (s signInRules) Add(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string, when time.Time) (int, error) {
	return s.each(ctx, patterns, func(ctx context.Context, q *sqlgen.Queries, pattern string) (int64, error) {
		return q.AddSignInRule(ctx, sqlgen.AddSignInRuleParams{ApplicationID: string(app), List: string(l), Pattern: pattern, CreatedAt: ms(when)})
	})
}

func (s signInRules) Delete(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error) {
	return s.each(ctx, patterns, func(ctx context.Context, q *sqlgen.Queries, pattern string) (int64, error) {
		return q.DeleteSignInRule(ctx, sqlgen.DeleteSignInRuleParams{ApplicationID: string(app), List: string(l), Pattern: pattern})
	})
}

func (s signInRules) each(ctx context.Context, patterns []string, one func(ctx context.Context, q *sqlgen.Queries, pattern string) (int64, error)) (int, error) {
	var total int64
	err := s.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		total = 0
		for _, p := range patterns {
			n, err := one(ctx, q, p)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return int(total), err
}

func (s signInRules) Clear(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList) error {
	_, err := s.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.ClearSignInRules(ctx, sqlgen.ClearSignInRulesParams{ApplicationID: string(app), List: string(l)})
	})
	return err
}

func (s signInRules) Count(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList) (int, error) {
	var n int64
	err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.CountSignInRules(ctx, sqlgen.CountSignInRulesParams{ApplicationID: string(app), List: string(l)})
		return err
	})
	return int(n), err
}

func (s signInRules) List(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, after string, n int) (out []string, err error) {
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		out, err = q.ListSignInRules(ctx, sqlgen.ListSignInRulesParams{ApplicationID: string(app), List: string(l), After: after, Page: limit(n)})
		return err
	})
	return out, err
}

func (s signInRules) Match(ctx context.Context, app latchkey.ApplicationID, p store.SignInPatterns) (allowed, blocked, anyAllow bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		lists, err := q.MatchSignInRules(ctx, sqlgen.MatchSignInRulesParams{ApplicationID: string(app), P1: p.Of[0], P2: p.Of[1], P3: p.Of[2], P4: p.Of[3], P5: p.Of[4], Mailbox: p.Mailbox})
		if err != nil {
			return err
		}
		allowed, blocked = false, false
		for _, l := range lists {
			allowed = allowed || l.List == string(latchkey.SignInAllow) && slices.Contains(p.Of[:], l.Pattern)
			blocked = blocked || l.List == string(latchkey.SignInBlock)
		}
		listed, err := q.AnySignInRule(ctx, sqlgen.AnySignInRuleParams{ApplicationID: string(app), List: string(latchkey.SignInAllow)})
		anyAllow = len(listed) > 0
		return err
	})
	return allowed, blocked, anyAllow, err
}
