package storetest

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func providerApp(app latchkey.ApplicationID, at time.Time) latchkey.ProviderApp {
	return latchkey.ProviderApp{
		ID: latchkey.NewProviderAppID(at), ApplicationID: app, Provider: latchkey.Google, Name: "ours", ClientID: "client-1",
		ClientSecret: "secret", Protocol: "imap", CreatedAt: ms(at), UpdatedAt: ms(at),
	}
}

func testProviderApps(t *testing.T, s store.Store) {
	twice(t, s, testProviderAppRoundTrip)
	twice(t, s, testDefaults)
	t.Run("for update", func(t *testing.T) {
		a := providerApp(newApp(), moment())
		ok(t, "create", s.ProviderApps().Create(t.Context(), a))
		_, errs := race(parallel, func(int) error {
			return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				got, err := tx.ProviderApps().ForUpdate(ctx, a.ApplicationID, a.ID)
				if err != nil {
					return err
				}
				got.Name += "+"
				return tx.ProviderApps().Update(ctx, got)
			})
		})
		onlyErr(t, "update", errs, nil)
		got, err := s.ProviderApps().Get(t.Context(), a.ApplicationID, a.ID)
		ok(t, "get", err)
		want(t, "no update was lost", len(got.Name), len(a.Name)+parallel)
	})
	t.Run("defaults race", func(t *testing.T) {
		app := newApp()
		_, errs := race(parallel, func(int) error {
			a := providerApp(app, moment())
			a.Default = true
			return s.ProviderApps().Create(t.Context(), a)
		})
		onlyErr(t, "create", errs, store.ErrConflict)
		want(t, "defaults", countDefaults(t, t.Context(), s, app, latchkey.Google), 1)
	})
}

func testProviderAppRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	a := providerApp(newApp(), moment())
	a.Tenant, a.Cloud, a.Domain, a.Flag = "organizations", "global", "acme.io", "client_secret_expired"
	a.ExtraScopes, a.SkipScopes, a.ServiceAccount, a.Protocol = []string{"a", "b"}, []string{"c"}, `{"private_key":"k"}`, "api"
	ok(t, "create", tx.ProviderApps().Create(ctx, a))
	got, err := tx.ProviderApps().Get(ctx, a.ApplicationID, a.ID)
	ok(t, "get", err)
	want(t, "get", got, a)
	wantErr(t, "create again", tx.ProviderApps().Create(ctx, a), store.ErrConflict)
	_, err = tx.ProviderApps().Get(ctx, newApp(), a.ID)
	wantErr(t, "another's", err, store.ErrNotFound)

	next := a
	next.Name, next.ClientID, next.ClientSecret, next.ServiceAccount, next.Tenant, next.Cloud, next.Domain = "n", "c2", "s2", "", "", "", ""
	next.ExtraScopes, next.SkipScopes, next.Protocol, next.Flag, next.UpdatedAt = nil, nil, "imap", "", ms(moment().Add(time.Hour))
	update := next
	update.Provider, update.CreatedAt = latchkey.Microsoft, time.Time{}
	ok(t, "update", tx.ProviderApps().Update(ctx, update))
	got, err = tx.ProviderApps().Get(ctx, a.ApplicationID, a.ID)
	ok(t, "get", err)
	want(t, "updated, but for what never changes", got, next)
	update.ApplicationID = newApp()
	wantErr(t, "update another's", tx.ProviderApps().Update(ctx, update), store.ErrNotFound)

	later := providerApp(a.ApplicationID, moment().Add(time.Second))
	ok(t, "create a second", tx.ProviderApps().Create(ctx, later))
	list, err := tx.ProviderApps().List(ctx, a.ApplicationID)
	ok(t, "list", err)
	want(t, "list, oldest first", list, []latchkey.ProviderApp{next, later})
	list, err = tx.ProviderApps().List(ctx, newApp())
	ok(t, "list of none", err)
	want(t, "list of none", len(list), 0)

	wantErr(t, "delete another's", tx.ProviderApps().Delete(ctx, newApp(), a.ID), store.ErrNotFound)
	ok(t, "delete", tx.ProviderApps().Delete(ctx, a.ApplicationID, a.ID))
	wantErr(t, "delete again", tx.ProviderApps().Delete(ctx, a.ApplicationID, a.ID), store.ErrNotFound)
}

// testDefaults has one default for each provider, whoever became it last.
func testDefaults(t *testing.T, ctx context.Context, tx store.Tx) {
	app := newApp()
	first, second, other := providerApp(app, moment()), providerApp(app, moment()), providerApp(app, moment())
	other.Provider = latchkey.Microsoft
	first.Default, second.Default, other.Default = true, true, true
	for _, a := range []latchkey.ProviderApp{first, other, second} {
		ok(t, "create", tx.ProviderApps().Create(ctx, a))
	}
	is := func(what string, id latchkey.ProviderAppID, wanted bool) {
		t.Helper()
		got, err := tx.ProviderApps().Get(ctx, app, id)
		ok(t, "get", err)
		want(t, what, got.Default, wanted)
	}
	is("the first gave way", first.ID, false)
	is("the second is it", second.ID, true)
	is("another provider's stays", other.ID, true)
	first.Provider = latchkey.Microsoft // a wrong provider in an update must touch no other's default
	ok(t, "update", tx.ProviderApps().Update(ctx, first))
	is("the first is it again", first.ID, true)
	is("the second gave way", second.ID, false)
	is("another provider's stays after an update", other.ID, true)
}

func countDefaults(t *testing.T, ctx context.Context, tx store.Tx, app latchkey.ApplicationID, p latchkey.Provider) int {
	t.Helper()
	list, err := tx.ProviderApps().List(ctx, app)
	ok(t, "list", err)
	n := 0
	for _, a := range list {
		if a.Provider == p && a.Default {
			n++
		}
	}
	return n
}
