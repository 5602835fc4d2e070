package storetest

import (
	"context"
	"errors"
	"testing"

	"latchkey"
	"latchkey/internal/store"
)

func testAudit(t *testing.T, s store.Store) {
	ctx, app := t.Context(), newApp()
	entry := func(action string) latchkey.AuditEntry {
		return latchkey.AuditEntry{
			ID: latchkey.NewAuditID(moment()), ApplicationID: app, At: ms(moment()), Actor: latchkey.ActorKey, ActorID: "key_1", ActorName: "reports",
			Action: action, Target: "acc_1", Address: "192.0.2.7", RequestID: "req_1", Outcome: latchkey.AuditOK, Count: 1,
		}
	}
	trail := func() []latchkey.AuditEntry {
		t.Helper()
		list, err := s.Audit().List(ctx, app, store.Page{Limit: 50})
		ok(t, "list", err)
		return list
	}
	one := entry("delete_account")
	ok(t, "add", s.Audit().Add(ctx, one))
	want(t, "round trip", trail(), []latchkey.AuditEntry{one})
	all, err := s.Audit().List(ctx, "", store.Page{Limit: 50})
	ok(t, "list of all", err)
	want(t, "of all", len(all) > 0, true)

	t.Run("in the transaction", func(t *testing.T) {
		broken := errors.New("broken")
		actx, note := store.WithAudit(ctx, entry("create_key"))
		wantErr(t, "undone", s.InTx(actx, func(context.Context, store.Tx) error { return broken }), broken)
		want(t, "lines after an undone transaction", len(trail()), 1)
		want(t, "still to be written", note.Pending(), true)
		k := latchkey.APIKey{ID: latchkey.NewKeyID(moment()), ApplicationID: app, Hash: random(32), CreatedAt: ms(moment())}
		for range 2 { // the second transaction has no line any more
			k.ID, k.Hash = latchkey.NewKeyID(moment()), random(32)
			ok(t, "transaction", s.InTx(actx, func(ctx context.Context, tx store.Tx) error { return tx.Keys().Create(ctx, k) }))
		}
		want(t, "lines", len(trail()), 2)
		want(t, "pending", note.Pending(), false)
	})
	t.Run("names what was made", func(t *testing.T) {
		e := entry("create_key")
		e.Target, e.ApplicationID = "", ""
		k := latchkey.APIKey{ID: latchkey.NewKeyID(moment()), ApplicationID: app, Hash: random(32), CreatedAt: ms(moment())}
		actx, note := store.WithAudit(ctx, e)
		ok(t, "transaction", s.InTx(actx, func(ctx context.Context, tx store.Tx) error { return tx.Keys().Create(ctx, k) }))
		want(t, "target", note.Entry().Target, string(k.ID))
		want(t, "application", note.Entry().ApplicationID, app)
	})
	n, err := s.Audit().DeleteBefore(ctx, moment().AddDate(0, 0, 1), 1000)
	ok(t, "delete", err)
	want(t, "deleted", n >= 3, true)
	want(t, "lines left", len(trail()), 0)
}
