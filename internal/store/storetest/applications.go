package storetest

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testApplications(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		a := latchkey.Application{
			ID: newApp(), Name: "shop " + string(newApp()), Test: true, Providers: []latchkey.Provider{latchkey.IMAP, latchkey.Google},
			WebhookSecret: "whsec_c2VjcmV0", OldWebhookSecret: "whsec_b2xk", OldSecretUntil: ms(moment().Add(time.Hour)), CreatedAt: moment(),
			ReconnectEmail: latchkey.ReconnectEmail{Enabled: true, After: 90 * time.Minute},
		}
		ok(t, "create", tx.Applications().Create(ctx, a))
		a.CreatedAt = ms(a.CreatedAt)
		got, err := tx.Applications().Get(ctx, a.ID)
		ok(t, "get", err)
		want(t, "get", got, a)
		got, err = tx.Applications().ByName(ctx, a.Name)
		ok(t, "by name", err)
		want(t, "by name", got, a)

		_, err = tx.Applications().Get(ctx, newApp())
		wantErr(t, "get unknown", err, store.ErrNotFound)
		_, err = tx.Applications().ByName(ctx, "nobody")
		wantErr(t, "by unknown name", err, store.ErrNotFound)

		twin := latchkey.Application{ID: newApp(), Name: a.Name, CreatedAt: ms(moment())}
		wantErr(t, "name taken", tx.Applications().Create(ctx, twin), store.ErrConflict)
		// The refusal must not have spoilt the transaction.
		twin.Name, twin.Providers, twin.WebhookSecret = "other "+string(twin.ID), nil, ""
		ok(t, "another name", tx.Applications().Create(ctx, twin))
		got, err = tx.Applications().Get(ctx, twin.ID)
		ok(t, "get", err)
		want(t, "empty values", got, twin)

		a.Name, a.Providers, a.WebhookSecret, a.Sender = "renamed "+string(a.ID), nil, "whsec_bmV3", "snd_x"
		ok(t, "update", tx.Applications().Update(ctx, a))
		got, err = tx.Applications().Get(ctx, a.ID)
		ok(t, "get", err)
		want(t, "updated", got, a)
		wantErr(t, "update unknown", tx.Applications().Update(ctx, latchkey.Application{ID: newApp(), Name: "x"}), store.ErrNotFound)

		list, err := tx.Applications().List(ctx)
		ok(t, "list", err)
		if len(list) < 2 {
			t.Errorf("list has %d applications, want 2 and more", len(list))
		}
	})
	a, b := latchkey.Application{ID: newApp(), Name: "a"}, latchkey.Application{ID: newApp(), Name: "b"}
	ok(t, "create", s.Applications().Create(t.Context(), a))
	ok(t, "create", s.Applications().Create(t.Context(), b))
	b.Name = "a"
	wantErr(t, "rename to a taken name", s.Applications().Update(t.Context(), b), store.ErrConflict)
}

func testKeys(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app := newApp()
		k := latchkey.APIKey{
			ID: latchkey.NewKeyID(moment()), ApplicationID: app, Name: "ci", Hash: random(32),
			Permissions: []latchkey.Permission{latchkey.PermLinks}, CreatedAt: moment(),
		}
		ok(t, "create", tx.Keys().Create(ctx, k))
		k.CreatedAt = ms(k.CreatedAt)
		got, err := tx.Keys().ByHash(ctx, k.Hash)
		ok(t, "by hash", err)
		want(t, "by hash", got, k)
		_, err = tx.Keys().ByHash(ctx, random(32))
		wantErr(t, "unknown hash", err, store.ErrNotFound)
		wantErr(t, "hash taken", tx.Keys().Create(ctx, latchkey.APIKey{ID: latchkey.NewKeyID(moment()), ApplicationID: app, Hash: k.Hash}), store.ErrConflict)

		list, err := tx.Keys().List(ctx, app)
		ok(t, "list", err)
		want(t, "list", list, []latchkey.APIKey{k})
		list, err = tx.Keys().List(ctx, newApp())
		ok(t, "list", err)
		want(t, "list of another application", len(list), 0)

		wantErr(t, "delete another's", tx.Keys().Delete(ctx, newApp(), k.ID), store.ErrNotFound)
		ok(t, "delete", tx.Keys().Delete(ctx, app, k.ID))
		wantErr(t, "delete again", tx.Keys().Delete(ctx, app, k.ID), store.ErrNotFound)

		keep, drop := k, k
		keep.ID, keep.Hash, keep.Prepared = latchkey.NewKeyID(moment()), random(32), true
		drop.ID, drop.Hash, drop.Prepared = latchkey.NewKeyID(moment()), random(32), true
		for _, v := range []latchkey.APIKey{k, keep, drop} {
			ok(t, "create", tx.Keys().Create(ctx, v))
		}
		ok(t, "delete prepared", tx.Keys().DeletePrepared(ctx, keep.Hash))
		_, err = tx.Keys().ByHash(ctx, drop.Hash)
		wantErr(t, "the old prepared key", err, store.ErrNotFound)
		for _, v := range []latchkey.APIKey{k, keep} {
			_, err = tx.Keys().ByHash(ctx, v.Hash)
			ok(t, "a key that stays", err)
		}
		ok(t, "delete all prepared", tx.Keys().DeletePrepared(ctx, nil))
		_, err = tx.Keys().ByHash(ctx, keep.Hash)
		wantErr(t, "no prepared key", err, store.ErrNotFound)
	})
}
