package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testEvents(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		app := newApp()
		var all []latchkey.Event
		for i := range 20 {
			e := event(app, moment())
			if i%2 == 0 {
				e.LinkID, e.FlowID = "lnk_"+latchkey.LinkID(app), "flw_1"
			}
			if i%4 == 0 {
				e.AccountID, e.Sequence = "acc_"+latchkey.AccountID(app), int64(i)
			}
			if i%5 == 0 {
				e.Type = latchkey.EventAccountConnected
			}
			all = append(all, e)
		}
		foreign := event(newApp(), moment())
		foreign.LinkID, foreign.AccountID = "lnk_"+latchkey.LinkID(app), "acc_"+latchkey.AccountID(app)
		ok(t, "add none", tx.Events().Add(ctx))
		ok(t, "add one", tx.Events().Add(ctx, all[0]))
		ok(t, "add", tx.Events().Add(ctx, append(all[1:], foreign)...))
		slices.SortFunc(all, func(a, b latchkey.Event) int { return compare(a.ID, b.ID) })

		for _, f := range []store.EventFilter{
			{},
			{Link: "lnk_" + latchkey.LinkID(app)},
			{Account: "acc_" + latchkey.AccountID(app)},
			{Type: latchkey.EventAccountConnected},
			{Link: "lnk_" + latchkey.LinkID(app), Type: latchkey.EventAccountConnected},
			{Account: "acc_" + latchkey.AccountID(app), Type: latchkey.EventAccountConnected},
			{Link: "lnk_" + latchkey.LinkID(app), Account: "acc_" + latchkey.AccountID(app), Type: latchkey.EventAccountConnected},
			{Link: "lnk_none"},
		} {
			var wanted []latchkey.Event
			for _, e := range all {
				if (f.Link == "" || e.LinkID == f.Link) && (f.Account == "" || e.AccountID == f.Account) && (f.Type == "" || e.Type == f.Type) {
					wanted = append(wanted, e)
				}
			}
			var got []latchkey.Event
			for after := latchkey.EventID(""); ; {
				page, err := tx.Events().List(ctx, app, f, after, 3)
				ok(t, "list", err)
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
				after = page[len(page)-1].ID
			}
			want(t, "filtered, oldest first", got, wanted)
		}
	})
	t.Run("all or none", func(t *testing.T) {
		app := newApp()
		a, b := event(app, moment()), event(app, moment())
		ok(t, "add", s.Events().Add(t.Context(), a))
		wantErr(t, "add one that is there", s.Events().Add(t.Context(), b, a), store.ErrConflict)
		list, err := s.Events().List(t.Context(), app, store.EventFilter{}, "", 10)
		ok(t, "list", err)
		want(t, "listed", list, []latchkey.Event{a})
	})
	t.Run("delete", func(t *testing.T) {
		app := newApp()
		old, young := event(app, moment().Add(-24*time.Hour)), event(app, moment())
		ok(t, "add", s.Events().Add(t.Context(), old, young))
		n, err := s.Events().DeleteBefore(t.Context(), moment().Add(-time.Hour), 10)
		ok(t, "delete", err)
		want(t, "deleted", n, 1)
		list, err := s.Events().List(t.Context(), app, store.EventFilter{}, "", 10)
		ok(t, "list", err)
		want(t, "left", list, []latchkey.Event{young})
	})
}

func compare(a, b latchkey.EventID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
