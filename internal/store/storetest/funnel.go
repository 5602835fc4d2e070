package storetest

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testFunnel(t *testing.T, s store.Store) {
	ctx := t.Context()
	app, other := newApp(), newApp()
	day := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
	one := func(app latchkey.ApplicationID, day time.Time, links int64) store.FunnelCount {
		return store.FunnelCount{ApplicationID: app, Day: day, Stage: "step", Provider: latchkey.IMAP, Step: "imap.email", Links: links, Times: 2 * links}
	}
	_, errs := race(parallel, func(int) error {
		return s.Funnel().Add(ctx, one(app, day, 1), one(app, day.AddDate(0, 0, 1), 1), one(other, day, 5))
	})
	onlyErr(t, "add", errs, nil)
	sum, err := s.Funnel().Sum(ctx, app, day, day.AddDate(0, 0, 1))
	ok(t, "sum", err)
	want(t, "sum", sum, []store.FunnelCount{{
		ApplicationID: app, Stage: "step", Provider: latchkey.IMAP, Step: "imap.email", Links: 2 * parallel, Times: 4 * parallel,
	}})
	sum, err = s.Funnel().Sum(ctx, app, day.AddDate(0, 0, 1), day.AddDate(0, 0, 1))
	ok(t, "sum of one day", err)
	want(t, "links of one day", sum[0].Links, int64(parallel))
	n, err := s.Funnel().DeleteBefore(ctx, day.AddDate(0, 0, 1), 100)
	ok(t, "delete", err)
	want(t, "deleted", n, 2)

	t.Run("cursor", func(t *testing.T) {
		at, err := s.Funnel().Cursor(ctx, "c")
		ok(t, "cursor", err)
		want(t, "beginning", at, "")
		won, _ := race(parallel, func(int) error { return s.Funnel().MoveCursor(ctx, "c", "", "1") })
		want(t, "one begins", won, 1)
		won, errs := race(parallel, func(int) error { return s.Funnel().MoveCursor(ctx, "c", "1", "2") })
		want(t, "one moves on", won, 1)
		onlyErr(t, "the others", errs, store.ErrStale)
		err = s.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
			if err := tx.Funnel().Add(ctx, one(app, day, 1000)); err != nil {
				return err
			}
			return tx.Funnel().MoveCursor(ctx, "c", "1", "3")
		})
		wantErr(t, "late", err, store.ErrStale)
		sum, err := s.Funnel().Sum(ctx, app, day, day)
		ok(t, "sum", err)
		want(t, "a late count leaves nothing", len(sum), 0)
	})
	t.Run("links", func(t *testing.T) { testFunnelLinks(t, s) })
}

func testFunnelLinks(t *testing.T, s store.Store) {
	ctx, app := t.Context(), newApp()
	made := time.Date(2026, 4, 2, 23, 59, 59, 0, time.UTC)
	var all []latchkey.Link
	for i := range 4 {
		l := link(app, made.Add(time.Duration(i)*time.Second))
		ok(t, "create", s.Links().Create(ctx, l))
		all = append(all, l)
	}
	n, err := s.Funnel().Created(ctx, app, latchkey.LinkIDAt(made), latchkey.LinkIDAt(made.Add(time.Second)))
	ok(t, "created", err)
	want(t, "created of the first day", n, int64(1))
	n, err = s.Funnel().Created(ctx, app, latchkey.LinkIDAt(made.Add(time.Second)), latchkey.LinkIDAt(made.Add(time.Minute)))
	ok(t, "created", err)
	want(t, "created of the second day", n, int64(3))
	want(t, "time of an id", all[0].ID.Time(), made)

	all[1].Status = latchkey.LinkCompleted
	all[2].Status, all[2].UpdatedAt = latchkey.LinkExpired, made.Add(time.Minute) // by the application
	all[3].Status, all[3].UpdatedAt = latchkey.LinkExpired, all[3].ExpiresAt      // by the job
	for _, l := range all[1:] {
		ok(t, "update", s.Links().Update(ctx, l))
	}
	expired, err := s.Funnel().Expired(ctx, made, made.Add(2*time.Hour))
	ok(t, "expired", err)
	got := map[time.Time]int64{}
	for _, c := range expired {
		if c.ApplicationID == app {
			got[c.Day] += c.Links
		}
	}
	want(t, "expired by day", got, map[time.Time]int64{
		time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC): 1, time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC): 1,
	})
	_, err = s.Links().DeleteEnded(ctx, all[1].ExpiresAt, 100)
	ok(t, "delete ended", err)
	left, err := s.Links().List(ctx, app, store.LinkFilter{}, store.Page{Limit: 10})
	ok(t, "list", err)
	want(t, "links left", len(left), 3)
}
