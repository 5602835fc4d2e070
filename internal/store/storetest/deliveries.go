package storetest

import (
	"context"
	"strings"
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
			d.Attempts, d.UpdatedAt, d.DueAt = i+1, ms(moment().Add(time.Duration(i)*time.Hour)), ms(moment().Add(time.Minute))
			if a.HTTPStatus == 200 {
				d.Status, d.DueAt = latchkey.DeliveryDelivered, time.Time{}
			}
			ok(t, "record", tx.Deliveries().Record(ctx, store.Tried{Delivery: d, Attempt: a}))
			got, err = tx.Deliveries().Get(ctx, d.ID)
			ok(t, "get", err)
			want(t, "recorded", got, d)
		}
		// Neither a number twice, nor one of a delivery that has ended, nor one of none.
		late := tries[1]
		late.Error = "late"
		none := delivery(d.ApplicationID, moment())
		changed := d
		changed.Status = latchkey.DeliveryGone
		ok(t, "record what does not count", tx.Deliveries().Record(ctx,
			store.Tried{Delivery: changed, Attempt: late},
			store.Tried{Delivery: changed, Attempt: latchkey.Attempt{DeliveryID: d.ID, Number: 3}},
			store.Tried{Delivery: none, Attempt: latchkey.Attempt{DeliveryID: none.ID, Number: 1}},
		))
		got, err = tx.Deliveries().Get(ctx, d.ID)
		ok(t, "get", err)
		want(t, "recorded", got, d)
		list, err := tx.Deliveries().Attempts(ctx, d.ID)
		ok(t, "attempts", err)
		want(t, "attempts", list, tries)

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
	t.Run("queues", func(t *testing.T) { testQueues(t, s) })
	t.Run("log", func(t *testing.T) { testDeliveryLog(t, s) })
}

// testQueues reads queues in the order in which their deliveries go.
func testQueues(t *testing.T, s store.Store) {
	ctx, app := t.Context(), newApp()
	var ds []latchkey.Delivery
	add := func(queue string, ordinal time.Duration, sequence int64) latchkey.Delivery {
		d := delivery(app, moment())
		d.Queue, d.Ordinal, d.Sequence = queue, ms(moment().Add(ordinal)), sequence
		ds = append(ds, d)
		return d
	}
	third, first, second := add("q-a", time.Second, 1), add("q-a", 0, 1), add("q-a", 0, 2)
	other := add("q-b", 0, 9)
	ok(t, "create", s.Deliveries().Create(ctx, ds...))
	list, err := s.Deliveries().Untried(ctx, "q-a", 10)
	ok(t, "untried", err)
	want(t, "untried", ids(list), ids([]latchkey.Delivery{first, second, third}))
	list, err = s.Deliveries().Untried(ctx, "q-a", 2)
	ok(t, "untried", err)
	want(t, "untried, the first two", ids(list), ids([]latchkey.Delivery{first, second}))

	first.Attempts, first.DueAt = 1, ms(moment().Add(time.Hour))
	second.Attempts, second.DueAt = 1, ms(moment().Add(time.Minute))
	other.Attempts, other.DueAt = 1, ms(moment().Add(2*time.Minute))
	for _, d := range []latchkey.Delivery{first, second, other} {
		ok(t, "record", s.Deliveries().Record(ctx, store.Tried{Delivery: d, Attempt: latchkey.Attempt{DeliveryID: d.ID, Number: 1, At: ms(moment())}}))
	}
	list, err = s.Deliveries().Untried(ctx, "q-a", 10)
	ok(t, "untried", err)
	want(t, "those tried are left out", ids(list), ids([]latchkey.Delivery{third}))
	list, err = s.Deliveries().Due(ctx, "q-a", moment().Add(59*time.Second), 10)
	ok(t, "due", err)
	want(t, "due too early", len(list), 0)
	list, err = s.Deliveries().Due(ctx, "q-a", moment().Add(2*time.Hour), 10)
	ok(t, "due", err)
	want(t, "due", ids(list), ids([]latchkey.Delivery{second, first}))
	next, err := s.Deliveries().NextRetry(ctx, "q-a")
	ok(t, "next retry", err)
	want(t, "next retry", next, second.DueAt)
	next, err = s.Deliveries().NextRetry(ctx, "q-none")
	ok(t, "next retry", err)
	want(t, "next retry of none", next, time.Time{})

	queues, err := s.Deliveries().Queues(ctx)
	ok(t, "queues", err)
	want(t, "queues", mine(queues), []store.QueueDue{{Queue: "q-a"}, {Queue: "q-b", DueAt: other.DueAt}})
	n, err := s.Deliveries().Cancel(ctx, "q-a", moment(), 2)
	ok(t, "cancel", err)
	want(t, "canceled", n, 2)
	n, err = s.Deliveries().Cancel(ctx, "q-a", moment(), 2)
	ok(t, "cancel", err)
	want(t, "canceled", n, 1)
	queues, err = s.Deliveries().Queues(ctx)
	ok(t, "queues", err)
	want(t, "queues", mine(queues), []store.QueueDue{{Queue: "q-b", DueAt: other.DueAt}})
	got, err := s.Deliveries().Get(ctx, third.ID)
	ok(t, "get", err)
	want(t, "status", got.Status, latchkey.DeliveryCanceled)
}

// mine leaves out what other tests on the same store have written.
func mine(queues []store.QueueDue) []store.QueueDue {
	var out []store.QueueDue
	for _, q := range queues {
		if strings.HasPrefix(q.Queue, "q-") {
			out = append(out, q)
		}
	}
	return out
}

func ids(ds []latchkey.Delivery) []latchkey.DeliveryID {
	out := make([]latchkey.DeliveryID, len(ds))
	for i, d := range ds {
		out[i] = d.ID
	}
	return out
}

// testDeliveryLog lists an endpoint's deliveries from the newest.
func testDeliveryLog(t *testing.T, s store.Store) {
	ctx, app, e := t.Context(), newApp(), latchkey.NewEndpointID(moment())
	var all []latchkey.Delivery
	for i := range 3 {
		d := delivery(app, moment().Add(time.Duration(i)*time.Second))
		d.EndpointID, d.EventType, d.Queue = e, latchkey.EventLinkOpened, "log"
		all = append([]latchkey.Delivery{d}, all...)
		ok(t, "create", s.Deliveries().Create(ctx, d))
	}
	list, err := s.Deliveries().ByEndpoint(ctx, app, e, store.Page{Limit: 2})
	ok(t, "by endpoint", err)
	want(t, "the newest", list, all[:2])
	list, err = s.Deliveries().ByEndpoint(ctx, app, e, store.Page{Limit: 2, Before: string(all[1].ID)})
	ok(t, "by endpoint", err)
	want(t, "the rest", list, all[2:])
	list, err = s.Deliveries().ByEndpoint(ctx, newApp(), e, store.Page{Limit: 2})
	ok(t, "by endpoint", err)
	want(t, "of another application", len(list), 0)

	// The tries of some of them together.
	var tries []latchkey.Attempt
	for _, d := range []latchkey.Delivery{all[2], all[1], all[0]} {
		for n := range 2 {
			a := latchkey.Attempt{DeliveryID: d.ID, Number: n + 1, URL: d.URL, At: ms(moment()), HTTPStatus: 500, Error: "status", Response: []byte("no")}
			ok(t, "record", s.Deliveries().Record(ctx, store.Tried{Delivery: d, Attempt: a}))
			tries = append(tries, a)
		}
	}
	got, err := s.Deliveries().AttemptsOf(ctx, app, e, all[1].ID, all[0].ID)
	ok(t, "attempts of", err)
	want(t, "attempts of the newest", got, tries[2:])
	got, err = s.Deliveries().AttemptsOf(ctx, newApp(), e, all[2].ID, all[0].ID)
	ok(t, "attempts of", err)
	want(t, "attempts of another application's", len(got), 0)
	got, err = s.Deliveries().AttemptsOf(ctx, app, latchkey.NewEndpointID(moment()), all[2].ID, all[0].ID)
	ok(t, "attempts of", err)
	want(t, "attempts of another endpoint's", len(got), 0)
}
