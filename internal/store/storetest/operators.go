package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func operator(at time.Time, address string) latchkey.Operator {
	return latchkey.Operator{
		ID: latchkey.NewOperatorID(at), Email: "Typed." + address, Address: address, Name: "Ada", Owner: true,
		AcceptedAt: ms(at), CreatedAt: ms(at), UpdatedAt: ms(at),
	}
}

func testOperators(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		at := moment()
		unique := string(newApp()) + "@example.org"
		o := operator(at, unique)
		ok(t, "create", tx.Operators().Create(ctx, o))
		wantErr(t, "the address again", tx.Operators().Create(ctx, operator(at, unique)), store.ErrConflict)
		got, err := tx.Operators().ByAddress(ctx, unique)
		ok(t, "by address", err)
		want(t, "by address", got, o)
		o.Name, o.Owner, o.AcceptedAt, o.UpdatedAt = "Bo", false, time.Time{}, ms(at.Add(time.Hour))
		ok(t, "update", tx.Operators().Update(ctx, o))
		got, err = tx.Operators().Get(ctx, o.ID)
		ok(t, "get", err)
		want(t, "changed", got, o)
		all, err := tx.Operators().List(ctx)
		ok(t, "list", err)
		want(t, "listed", slices.Contains(all, o), true)

		app, other := newApp(), newApp()
		m := latchkey.Membership{OperatorID: o.ID, ApplicationID: app, Role: latchkey.RoleViewer, CreatedAt: ms(at)}
		ok(t, "member", tx.Operators().PutMember(ctx, m))
		again := m
		again.Role, again.CreatedAt = latchkey.RoleOwner, ms(at.Add(time.Hour))
		ok(t, "another role", tx.Operators().PutMember(ctx, again))
		m.Role = latchkey.RoleOwner // since when stays
		members, err := tx.Operators().Members(ctx, app)
		ok(t, "members", err)
		want(t, "members", members, []latchkey.Membership{m})
		members, err = tx.Operators().Members(ctx, other)
		ok(t, "members", err)
		want(t, "members of another", len(members), 0)
		mine, err := tx.Operators().Memberships(ctx, o.ID)
		ok(t, "memberships", err)
		want(t, "memberships", mine, []latchkey.Membership{m})
		wantErr(t, "remove elsewhere", tx.Operators().RemoveMember(ctx, other, o.ID), store.ErrNotFound)
		ok(t, "remove", tx.Operators().RemoveMember(ctx, app, o.ID))
		wantErr(t, "remove again", tx.Operators().RemoveMember(ctx, app, o.ID), store.ErrNotFound)

		ok(t, "member", tx.Operators().PutMember(ctx, m))
		l := login(o.ID, at)
		ok(t, "login", tx.Logins().Create(ctx, l))
		k := latchkey.Passkey{ID: latchkey.NewPasskeyID(at), OperatorID: o.ID, Name: "k", CredentialID: random(16), Credential: []byte("{}"), CreatedAt: ms(at)}
		ok(t, "passkey", tx.Passkeys().Create(ctx, k))
		ok(t, "delete", tx.Operators().Delete(ctx, o.ID))
		wantErr(t, "delete again", tx.Operators().Delete(ctx, o.ID), store.ErrNotFound)
		_, err = tx.Logins().ByToken(ctx, l.TokenHash)
		wantErr(t, "its login", err, store.ErrNotFound)
		_, err = tx.Passkeys().ByCredential(ctx, k.CredentialID)
		wantErr(t, "its passkey", err, store.ErrNotFound)
		members, err = tx.Operators().Members(ctx, app)
		ok(t, "members", err)
		want(t, "its memberships", len(members), 0)
	})
}

func login(of latchkey.OperatorID, at time.Time) latchkey.Login {
	return latchkey.Login{
		ID: latchkey.NewLoginID(at), OperatorID: of, TokenHash: random(32), Method: latchkey.LoginByPasskey, UserAgent: "Browser", Address: "192.0.2.1",
		CreatedAt: ms(at), SeenAt: ms(at), ExpiresAt: ms(at.Add(time.Hour)),
	}
}

func testLogins(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		at := moment()
		o := latchkey.NewOperatorID(at)
		l, second := login(o, at), login(o, at.Add(time.Second))
		ok(t, "create", tx.Logins().Create(ctx, l))
		ok(t, "create", tx.Logins().Create(ctx, second))
		l.SeenAt = ms(at.Add(time.Minute))
		ok(t, "touch", tx.Logins().Touch(ctx, l.ID, l.SeenAt))
		got, err := tx.Logins().ByToken(ctx, l.TokenHash)
		ok(t, "by token", err)
		want(t, "by token", got, l)
		list, err := tx.Logins().List(ctx, o)
		ok(t, "list", err)
		want(t, "newest first", list, []latchkey.Login{second, l})
		wantErr(t, "another operator's", tx.Logins().Delete(ctx, latchkey.NewOperatorID(at), l.ID), store.ErrNotFound)
		ok(t, "delete", tx.Logins().Delete(ctx, o, l.ID))
		n, err := tx.Logins().DeleteOf(ctx, o)
		ok(t, "delete all", err)
		want(t, "deleted", n, 1)
		idle, over := login(o, at), login(o, at)
		idle.ExpiresAt, over.ExpiresAt, over.SeenAt = ms(at.Add(100*time.Hour)), ms(at.Add(30*time.Minute)), ms(at.Add(29*time.Minute))
		ok(t, "create", tx.Logins().Create(ctx, idle))
		ok(t, "create", tx.Logins().Create(ctx, over))
		n, err = tx.Logins().DeleteEnded(ctx, at.Add(30*time.Minute), at, 100)
		ok(t, "delete ended", err)
		want(t, "ended", n, 2)
	})
	t.Run("passkeys", func(t *testing.T) {
		ctx, at := t.Context(), moment()
		o := latchkey.NewOperatorID(at)
		k := latchkey.Passkey{ID: latchkey.NewPasskeyID(at), OperatorID: o, Name: "Phone", CredentialID: random(20), Credential: []byte(`{"a":1}`), CreatedAt: ms(at)}
		ok(t, "create", s.Passkeys().Create(ctx, k))
		twin := k
		twin.ID = latchkey.NewPasskeyID(at)
		wantErr(t, "the credential again", s.Passkeys().Create(ctx, twin), store.ErrConflict)
		k.Credential, k.UsedAt = []byte(`{"a":2}`), ms(at.Add(time.Hour))
		ok(t, "use", s.Passkeys().Use(ctx, k))
		got, err := s.Passkeys().ByCredential(ctx, k.CredentialID)
		ok(t, "by credential", err)
		want(t, "by credential", got, k)
		list, err := s.Passkeys().List(ctx, o)
		ok(t, "list", err)
		want(t, "list", list, []latchkey.Passkey{k})
		wantErr(t, "another operator's", s.Passkeys().Delete(ctx, latchkey.NewOperatorID(at), k.ID), store.ErrNotFound)
		ok(t, "delete", s.Passkeys().Delete(ctx, o, k.ID))
	})
}

func testOneTimes(t *testing.T, s store.Store) {
	at := moment()
	one := func(kind string, o latchkey.OperatorID) store.OneTime {
		return store.OneTime{TokenHash: random(32), Kind: kind, OperatorID: o, Body: []byte("b"), CreatedAt: ms(at), ExpiresAt: ms(at.Add(time.Hour))}
	}
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		o := latchkey.NewOperatorID(at)
		x := one("a", o)
		ok(t, "create", tx.OneTimes().Create(ctx, x))
		got, err := tx.OneTimes().Get(ctx, "a", x.TokenHash)
		ok(t, "get", err)
		want(t, "get", got, x)
		_, err = tx.OneTimes().Take(ctx, "b", x.TokenHash)
		wantErr(t, "of another kind", err, store.ErrNotFound)
		got, err = tx.OneTimes().Take(ctx, "a", x.TokenHash)
		ok(t, "take", err)
		want(t, "take", got, x)
		_, err = tx.OneTimes().Take(ctx, "a", x.TokenHash)
		wantErr(t, "take again", err, store.ErrNotFound)
		ok(t, "create", tx.OneTimes().Create(ctx, one("a", o)))
		ok(t, "create", tx.OneTimes().Create(ctx, one("b", o)))
		n, err := tx.OneTimes().DeleteOf(ctx, "a", o)
		ok(t, "delete of", err)
		want(t, "deleted", n, 1)
		n, err = tx.OneTimes().DeleteExpired(ctx, at.Add(time.Hour-time.Minute), 100)
		ok(t, "delete expired", err)
		want(t, "none is over", n, 0)
	})
	t.Run("at once", func(t *testing.T) {
		x := one("race", "")
		ok(t, "create", s.OneTimes().Create(t.Context(), x))
		won, lost := race(parallel, func(int) error {
			_, err := s.OneTimes().Take(t.Context(), "race", x.TokenHash)
			return err
		})
		want(t, "who took it", won, 1)
		onlyErr(t, "the others", lost, store.ErrNotFound)
	})
	n, err := s.OneTimes().DeleteExpired(t.Context(), at.Add(time.Hour), 100)
	ok(t, "delete expired", err)
	want(t, "some were over", n > 0, true)
}

// testCounts counts accounts by status, of one application only.
func testCounts(t *testing.T, s store.Store) {
	app, other := newApp(), newApp()
	var broken latchkey.Account
	for i, st := range []latchkey.AccountStatus{latchkey.AccountOK, latchkey.AccountOK, latchkey.AccountCredentials} {
		a := account(app, moment().Add(time.Duration(i)*time.Second))
		a.Status = st
		ok(t, "create", s.Accounts().Create(t.Context(), a))
		broken = a
	}
	ok(t, "create", s.Accounts().Create(t.Context(), account(other, moment())))
	counts, err := s.Accounts().CountByStatus(t.Context(), app)
	ok(t, "count", err)
	want(t, "counts", counts, map[latchkey.AccountStatus]int64{latchkey.AccountOK: 2, latchkey.AccountCredentials: 1})
	list, err := s.Accounts().ListByStatus(t.Context(), app, latchkey.AccountCredentials, store.Page{Limit: 10})
	ok(t, "list", err)
	want(t, "list", list, []latchkey.Account{broken})
	list, err = s.Accounts().ListByStatus(t.Context(), app, latchkey.AccountOK, store.Page{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatal(errors.Join(err, errors.New("no page")))
	}
	list, err = s.Accounts().ListByStatus(t.Context(), app, latchkey.AccountOK, store.Page{Limit: 5, Before: string(list[0].ID)})
	ok(t, "list", err)
	want(t, "the next page", len(list), 1)
}
