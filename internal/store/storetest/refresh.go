package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testRefresh(t *testing.T, s store.Store) {
	twice(t, s, testRefreshColumns)
	t.Run("due", func(t *testing.T) { testDue(t, s) })
	t.Run("claims race", func(t *testing.T) {
		a := account(newApp(), moment())
		a.RefreshAt = ms(moment())
		ok(t, "create", s.Accounts().Create(t.Context(), a))
		until := ms(moment().Add(time.Minute))
		won, errs := race(parallel, func(int) error { return s.Accounts().ClaimRefresh(t.Context(), a.ID, a.RefreshAt, until) })
		want(t, "claimed", won, 1)
		onlyErr(t, "the others", errs, store.ErrStale)
	})
}

func testRefreshColumns(t *testing.T, ctx context.Context, tx store.Tx) {
	a := account(newApp(), moment())
	a.Provider = latchkey.Google
	a.ProviderApp, a.ExpiresAt, a.RefreshAt = latchkey.NewProviderAppID(moment()), ms(moment().Add(time.Hour)), ms(moment().Add(time.Minute))
	ok(t, "create", tx.Accounts().Create(ctx, a))
	read := func(what string, wanted latchkey.Account) {
		t.Helper()
		got, err := tx.Accounts().Get(ctx, a.ApplicationID, string(a.ID))
		ok(t, "get", err)
		want(t, what, got, wanted)
	}
	read("created", a)
	testSameGrant(t, ctx, tx, a)
	until := ms(moment().Add(2 * time.Minute))
	wantErr(t, "claim from another time", tx.Accounts().ClaimRefresh(ctx, a.ID, until, until), store.ErrStale)
	ok(t, "claim", tx.Accounts().ClaimRefresh(ctx, a.ID, a.RefreshAt, until))
	wantErr(t, "claim again", tx.Accounts().ClaimRefresh(ctx, a.ID, a.RefreshAt, until), store.ErrStale)
	wantErr(t, "claim none", tx.Accounts().ClaimRefresh(ctx, "acc_none", a.RefreshAt, until), store.ErrNotFound)
	a.RefreshAt, a.RefreshClaim = until, until
	read("claimed", a)
	a.ProviderApp, a.ExpiresAt, a.RefreshAt = "", time.Time{}, time.Time{}
	update := a
	update.RefreshClaim = time.Time{}
	ok(t, "update", tx.Accounts().Update(ctx, update))
	read("updated; the claim is history", a)
}

func testDue(t *testing.T, s store.Store) {
	// A time of its own: DueForRefresh looks at all applications.
	now := ms(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	app := newApp()
	add := func(p latchkey.Provider, at time.Time) latchkey.AccountID {
		a := account(app, moment())
		a.Provider, a.RefreshAt = p, at
		ok(t, "create", s.Accounts().Create(t.Context(), a))
		return a.ID
	}
	var wanted []latchkey.AccountID
	for i := range 5 {
		wanted = append(wanted, add(latchkey.LinkedIn, now.Add(time.Duration(i-4)*time.Second)))
	}
	add(latchkey.LinkedIn, now.Add(time.Millisecond)) // not yet
	add(latchkey.LinkedIn, time.Time{})               // never
	add(latchkey.Instagram, now)                      // another's
	due := func(n int) (ids []latchkey.AccountID) {
		t.Helper()
		list, err := s.Accounts().DueForRefresh(t.Context(), latchkey.LinkedIn, now, n)
		ok(t, "due", err)
		for _, a := range list {
			ids = append(ids, a.ID)
			if len(a.Secret) != 0 || a.ApplicationID != app {
				t.Errorf("a secret lies in a list, or the account is not whole: %+v", a)
			}
		}
		return ids
	}
	want(t, "all, most urgent first", fmt.Sprint(due(100)), fmt.Sprint(wanted))
	want(t, "some", fmt.Sprint(due(2)), fmt.Sprint(wanted[:2]))
	ok(t, "claim", s.Accounts().ClaimRefresh(t.Context(), wanted[0], now.Add(-4*time.Second), now.Add(time.Minute)))
	want(t, "without the claimed", fmt.Sprint(due(100)), fmt.Sprint(wanted[1:]))
}

// testSameGrant counts accounts of one grant: a's, and those of provider apps that are the same client.
func testSameGrant(t *testing.T, ctx context.Context, tx store.Tx, a latchkey.Account) {
	t.Helper()
	client := func(id latchkey.ProviderAppID, app latchkey.ApplicationID, clientID string) latchkey.ProviderAppID {
		p := providerApp(app, moment())
		p.ClientID = clientID
		if id != "" {
			p.ID = id
		}
		ok(t, "create", tx.ProviderApps().Create(ctx, p))
		return p.ID
	}
	count := func(what string, p latchkey.Provider, client latchkey.ProviderAppID, identity string, n int64) {
		t.Helper()
		got, err := tx.Accounts().SameGrant(ctx, p, client, identity)
		ok(t, what, err)
		want(t, what, got, n)
	}
	count("a client that is gone", a.Provider, a.ProviderApp, a.Identity, 1)
	mine := "client-of-" + string(a.ProviderApp)
	client(a.ProviderApp, a.ApplicationID, mine)
	twin, foreign, other := client("", a.ApplicationID, mine), client("", newApp(), mine), client("", a.ApplicationID, "another-"+mine)
	count("the same client again", a.Provider, twin, a.Identity, 1)
	count("the same client, of another application", a.Provider, foreign, a.Identity, 1)
	count("the client", a.Provider, a.ProviderApp, a.Identity, 1)
	count("another client", a.Provider, other, a.Identity, 0)
	count("no client", a.Provider, "", a.Identity, 0)
	count("another identity", a.Provider, a.ProviderApp, "other"+a.Identity, 0)
	count("another provider", latchkey.LinkedIn, a.ProviderApp, a.Identity, 0)
}
