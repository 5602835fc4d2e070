package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testChecks(t *testing.T, s store.Store) {
	twice(t, s, testCheckColumns)
	t.Run("due", func(t *testing.T) { testDueChecks(t, s) })
	t.Run("claims race", func(t *testing.T) {
		a := account(newApp(), moment())
		a.CheckAt = ms(moment())
		ok(t, "create", s.Accounts().Create(t.Context(), a))
		until := ms(moment().Add(time.Minute))
		won, errs := race(parallel, func(int) error { return s.Checks().Claim(t.Context(), a.ID, a.CheckAt, until) })
		want(t, "claimed", won, 1)
		onlyErr(t, "the others", errs, store.ErrStale)
	})
}

func testCheckColumns(t *testing.T, ctx context.Context, tx store.Tx) {
	a := account(newApp(), moment())
	a.CheckAt = ms(moment().Add(time.Minute))
	a.Watch = latchkey.Watch{
		Failures: 3, Since: ms(moment()), Doubt: latchkey.AccountCredentials, DoubtReason: latchkey.ReasonPasswordChanged, Doubts: 1,
		DoubtSince: ms(moment()), Renewals: 2, RenewalsSince: ms(moment()), Warned: ms(moment().Add(time.Hour)),
	}
	ok(t, "create", tx.Accounts().Create(ctx, a))
	read := func(what string, wanted latchkey.Account) {
		t.Helper()
		got, err := tx.Accounts().Get(ctx, a.ApplicationID, string(a.ID))
		ok(t, "get", err)
		want(t, what, got, wanted)
	}
	read("created", a)
	claim := ms(moment().Add(5 * time.Minute))
	wantErr(t, "claim from another time", tx.Checks().Claim(ctx, a.ID, claim, claim), store.ErrStale)
	wantErr(t, "claim none", tx.Checks().Claim(ctx, "acc_none", a.CheckAt, claim), store.ErrStale)
	ok(t, "claim", tx.Checks().Claim(ctx, a.ID, a.CheckAt, claim))
	a.CheckAt = claim
	read("claimed", a)
	done := a
	done.CheckAt, done.CheckedAt, done.Watch = ms(moment().Add(time.Hour)), ms(moment().Add(time.Second)), latchkey.Watch{}
	done.Status = latchkey.AccountError // Finish leaves it
	wantErr(t, "finish under another claim", tx.Checks().Finish(ctx, done, claim.Add(time.Second)), store.ErrStale)
	older := done
	older.UpdatedAt = older.UpdatedAt.Add(-time.Second)
	wantErr(t, "finish what was changed", tx.Checks().Finish(ctx, older, claim), store.ErrStale)
	ok(t, "finish", tx.Checks().Finish(ctx, done, claim))
	done.Status = a.Status
	read("finished", done)
	done.CheckAt, done.Watch = time.Time{}, latchkey.Watch{Failures: 1}
	ok(t, "update", tx.Accounts().Update(ctx, done))
	read("updated", done)
}

func testDueChecks(t *testing.T, s store.Store) {
	now := ms(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	app := newApp()
	add := func(p latchkey.Provider, at time.Time) latchkey.AccountID {
		a := account(app, moment())
		a.Provider, a.CheckAt = p, at
		ok(t, "create", s.Accounts().Create(t.Context(), a))
		return a.ID
	}
	wanted := map[latchkey.AccountID]bool{}
	for range 7 { // all due in the same moment, as after an upgrade
		wanted[add(latchkey.LinkedIn, now)] = true
	}
	first := add(latchkey.LinkedIn, now.Add(-time.Second))
	wanted[first] = true
	add(latchkey.LinkedIn, now.Add(time.Millisecond)) // not yet
	add(latchkey.LinkedIn, time.Time{})               // never
	add(latchkey.Instagram, now)                      // another's
	var after store.Due
	for page := 0; ; page++ {
		list, err := s.Checks().Due(t.Context(), latchkey.LinkedIn, now, after, 3)
		ok(t, "due", err)
		if page == 0 {
			want(t, "longest due first", list[0].ID, first)
		}
		if len(list) == 0 {
			break
		}
		for _, d := range list {
			if !wanted[d.ID] || d.ApplicationID != app || d.Status != latchkey.AccountOK {
				t.Errorf("not due, or twice, or not whole: %+v", d)
			}
			delete(wanted, d.ID)
		}
		after = list[len(list)-1]
	}
	want(t, "all of them", len(wanted), 0)

	far := add(latchkey.LinkedIn, moment().Add(1000*time.Hour))
	list, err := s.Checks().Stranded(t.Context(), latchkey.LinkedIn, moment().Add(999*time.Hour), 10)
	ok(t, "stranded", err)
	if len(list) != 1 || list[0].ID != far {
		t.Errorf("stranded: %+v", list)
	}
}

func testStatusChanges(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app, id := newApp(), latchkey.NewAccountID(moment())
		var all []latchkey.StatusChange
		for i := range 7 {
			at := moment().Add(time.Duration(i) * time.Minute)
			c := latchkey.StatusChange{
				ID: latchkey.NewStatusChangeID(at), ApplicationID: app, AccountID: id, From: latchkey.AccountOK,
				To: latchkey.AccountConnecting, ToReason: latchkey.ReasonTLS, Cause: latchkey.CauseCheck, At: ms(at),
			}
			ok(t, "add", tx.StatusChanges().Add(ctx, c, 5))
			all = append([]latchkey.StatusChange{c}, all...)
		}
		other := all[0]
		other.ID, other.AccountID = latchkey.NewStatusChangeID(moment()), latchkey.NewAccountID(moment())
		ok(t, "add another's", tx.StatusChanges().Add(ctx, other, 5))
		list := func(app latchkey.ApplicationID, p store.Page) []latchkey.StatusChange {
			t.Helper()
			got, err := tx.StatusChanges().List(ctx, app, id, p)
			ok(t, "list", err)
			return got
		}
		want(t, "the newest five, newest first", list(app, store.Page{Limit: 10}), all[:5])
		want(t, "a page", list(app, store.Page{Limit: 2, Before: string(all[1].ID)}), all[2:4])
		want(t, "another application's", len(list(newApp(), store.Page{Limit: 10})), 0)
		n, err := tx.StatusChanges().DeleteBefore(ctx, moment().Add(-time.Hour), 1000)
		ok(t, "delete before", err)
		want(t, "nothing is that old", n, 0)
		ok(t, "delete", tx.StatusChanges().DeleteOf(ctx, id))
		want(t, "deleted", len(list(app, store.Page{Limit: 10})), 0)
		_, err = tx.StatusChanges().DeleteBefore(ctx, moment().Add(time.Hour), 1000)
		ok(t, "delete before", err)
	})
}

func testReconnectURLs(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app, id := newApp(), latchkey.NewAccountID(moment())
		add := func(i int) latchkey.ReconnectURL {
			at := moment().Add(time.Duration(i) * time.Second)
			u := latchkey.ReconnectURL{
				ID: latchkey.NewReconnectURLID(at), ApplicationID: app, AccountID: id, TokenHash: random(32), Name: fmt.Sprint("user ", i),
				CreatedAt: ms(at), ExpiresAt: ms(at.Add(time.Hour)), Terms: latchkey.LinkTerms{NotifyURL: "https://app.example/n", Locale: "ar"},
			}
			ok(t, "create", tx.ReconnectURLs().Create(ctx, u, 2))
			return u
		}
		first, second, third := add(1), add(2), add(3)
		for _, u := range []latchkey.ReconnectURL{second, third} {
			got, err := tx.ReconnectURLs().ByToken(ctx, u.TokenHash)
			ok(t, "by token", err)
			want(t, "read", got, u)
		}
		wantErr(t, "another's", tx.ReconnectURLs().Delete(ctx, newApp(), third.ID), store.ErrNotFound)
		ok(t, "delete one", tx.ReconnectURLs().Delete(ctx, app, third.ID))
		wantErr(t, "delete it again", tx.ReconnectURLs().Delete(ctx, app, third.ID), store.ErrNotFound)
		_, err := tx.ReconnectURLs().ByToken(ctx, first.TokenHash)
		wantErr(t, "the oldest made room", err, store.ErrNotFound)
		_, err = tx.ReconnectURLs().ByToken(ctx, nil)
		wantErr(t, "no token finds nothing", err, store.ErrNotFound)
		n, err := tx.ReconnectURLs().DeleteOf(ctx, newApp(), id)
		ok(t, "revoke", err)
		want(t, "another application's are not revoked", n, 0)
		n, err = tx.ReconnectURLs().DeleteOf(ctx, app, id)
		ok(t, "revoke", err)
		want(t, "revoked", n, 1)
		add(4)
		_, err = tx.ReconnectURLs().DeleteExpired(ctx, moment().Add(2*time.Hour), 1000)
		ok(t, "delete expired", err)
		n, err = tx.ReconnectURLs().DeleteOf(ctx, app, id)
		ok(t, "revoke", err)
		want(t, "it had expired", n, 0)
	})
}
