package storetest

import (
	"context"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func testDeliveries(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		d := delivery(newApp(), moment())
		ok(t, "create", tx.Deliveries().Create(ctx, d))
		wantErr(t, "id taken", tx.Deliveries().Create(ctx, d), store.ErrConflict)
		got, err := tx.Deliveries().Get(ctx, d.ID)
		ok(t, "get", err)
		want(t, "get", got, d)
		_, err = tx.Deliveries().Get(ctx, "dlv_none")
		wantErr(t, "get unknown", err, store.ErrNotFound)

		tries := []latchkey.Attempt{
			{DeliveryID: d.ID, Number: 1, At: ms(moment()), Duration: 1500 * time.Millisecond, Error: "connection refused"},
			{DeliveryID: d.ID, Number: 2, At: ms(moment()), Duration: time.Millisecond, HTTPStatus: 200, Response: []byte("ok\x00")},
		}
		for i, a := range tries {
			d.Attempts, d.UpdatedAt = i+1, ms(moment().Add(time.Duration(i)*time.Hour))
			if a.HTTPStatus == 200 {
				d.Status = latchkey.DeliveryDelivered
			}
			ok(t, "record", tx.Deliveries().Record(ctx, d, a))
		}
		wantErr(t, "record a number twice", tx.Deliveries().Record(ctx, d, tries[1]), store.ErrConflict)
		got, err = tx.Deliveries().Get(ctx, d.ID)
		ok(t, "get", err)
		want(t, "recorded", got, d)
		list, err := tx.Deliveries().Attempts(ctx, d.ID)
		ok(t, "attempts", err)
		want(t, "attempts", list, tries)
		none := delivery(d.ApplicationID, moment())
		wantErr(t, "record of none", tx.Deliveries().Record(ctx, none, latchkey.Attempt{DeliveryID: none.ID, Number: 1}), store.ErrNotFound)

		second := delivery(d.ApplicationID, moment().Add(time.Second))
		second.LinkID = d.LinkID
		ok(t, "create", tx.Deliveries().Create(ctx, second))
		both, err := tx.Deliveries().ByLink(ctx, d.ApplicationID, d.LinkID)
		ok(t, "by link", err)
		want(t, "by link, oldest first", both, []latchkey.Delivery{d, second})
		both, err = tx.Deliveries().ByLink(ctx, newApp(), d.LinkID)
		ok(t, "by link", err)
		want(t, "of another application", len(both), 0)

		n, err := tx.Deliveries().DeleteFinished(ctx, moment().Add(2*time.Hour), 10)
		ok(t, "delete finished", err)
		want(t, "deleted", n, 1)
		list, err = tx.Deliveries().Attempts(ctx, d.ID)
		ok(t, "attempts", err)
		want(t, "attempts of a deleted one", len(list), 0)
		_, err = tx.Deliveries().Get(ctx, second.ID)
		ok(t, "a pending one stays", err)
	})
	t.Run("record is whole", func(t *testing.T) {
		d := delivery(newApp(), moment())
		ok(t, "create", s.Deliveries().Create(t.Context(), d))
		a := latchkey.Attempt{DeliveryID: d.ID, Number: 1, At: ms(moment())}
		ok(t, "record", s.Deliveries().Record(t.Context(), d, a))
		changed := d
		changed.Status, changed.Attempts = latchkey.DeliveryGone, 9
		wantErr(t, "record a number twice", s.Deliveries().Record(t.Context(), changed, a), store.ErrConflict)
		got, err := s.Deliveries().Get(t.Context(), d.ID)
		ok(t, "get", err)
		want(t, "nothing of it was written", got, d)
	})
}
