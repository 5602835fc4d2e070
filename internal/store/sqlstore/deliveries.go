package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
	"latchkey/internal/tracing"
)

type deliveries struct{ tx }

// Create goes through a transaction also at the root: those who send are called after its commit.
func (d deliveries) Create(ctx context.Context, vs ...latchkey.Delivery) error {
	if len(vs) == 0 {
		return nil
	}
	if d.open == nil {
		return d.s.inTx(ctx, func(ctx context.Context, t tx) error { return deliveries{t}.Create(ctx, vs...) })
	}
	for _, v := range vs {
		d.open.queued(v.Queue)
	}
	if len(vs) > 1 && !d.s.db.sqlite() {
		return classify(d.createPipelined(ctx, vs))
	}
	trace := tracing.Carry(ctx)
	for _, v := range vs {
		err := d.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
			return q.CreateDelivery(ctx, createDelivery(v, trace))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// createPipelined sends the statements together.
func (d deliveries) createPipelined(ctx context.Context, vs []latchkey.Delivery) error {
	inserts, trace := &pipeline{tx: d.open.postgres}, tracing.Carry(ctx)
	for _, v := range vs {
		if _, err := sqlgen.New(inserts).CreateDelivery(ctx, createDelivery(v, trace)); err != nil {
			return err
		}
	}
	made, err := inserts.send(ctx)
	if err == nil && slices.Contains(made, 0) {
		return store.ErrConflict
	}
	return err
}

func createDelivery(v latchkey.Delivery, trace string) sqlgen.CreateDeliveryParams {
	return sqlgen.CreateDeliveryParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), EventID: string(v.EventID), LinkID: string(v.LinkID),
		AccountID: string(v.AccountID), Url: v.URL, Payload: blob(v.Payload), Status: string(v.Status),
		Attempts: int64(v.Attempts), CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt), EndpointID: string(v.EndpointID),
		EventType: string(v.EventType), Queue: v.Queue, DueAt: ms(v.DueAt), Ordinal: ms(v.Ordinal), Sequence: v.Sequence, Trace: trace,
	}
}

func (d deliveries) Get(ctx context.Context, id latchkey.DeliveryID) (v latchkey.Delivery, err error) {
	var row sqlgen.Delivery
	err = d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetDelivery(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return deliveryFromRow(row)
}

func (d deliveries) Untried(ctx context.Context, queue string, n int) ([]latchkey.Delivery, error) {
	return d.list(ctx, func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Delivery, error) {
		return q.ListUntried(ctx, sqlgen.ListUntriedParams{Queue: queue, Page: limit(n)})
	})
}

func (d deliveries) Due(ctx context.Context, queue string, now time.Time, n int) ([]latchkey.Delivery, error) {
	return d.list(ctx, func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Delivery, error) {
		return q.ListDueDeliveries(ctx, sqlgen.ListDueDeliveriesParams{Queue: queue, Now: ms(now), Page: limit(n)})
	})
}

// Queues goes from queue to queue by the index: what waits in each does not matter.
func (d deliveries) Queues(ctx context.Context) ([]store.QueueDue, error) {
	var out []store.QueueDue
	for after := ""; ; {
		var row sqlgen.NextQueueRow
		err := d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
			row, err = q.NextQueue(ctx, after)
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, store.QueueDue{Queue: row.Queue, DueAt: at(row.DueAt)})
		after = row.Queue
	}
}

func (d deliveries) NextRetry(ctx context.Context, queue string) (t time.Time, err error) {
	err = d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.NextRetry(ctx, queue)
		t = at(n)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	return t, err
}

func (d deliveries) Record(ctx context.Context, tries ...store.Tried) error {
	if len(tries) == 0 {
		return nil
	}
	if d.open == nil && !d.s.db.sqlite() {
		return d.s.inTx(ctx, func(ctx context.Context, t tx) error { return deliveries{t}.Record(ctx, tries...) })
	}
	if !d.s.db.sqlite() {
		return classify(d.recordPipelined(ctx, tries))
	}
	return d.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		for _, t := range tries {
			n, err := q.UpdateTried(ctx, updateTried(t))
			if err == nil && n > 0 {
				_, err = q.AddAttempt(ctx, addAttempt(t))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// recordPipelined sends the statements together: a round trip for each would be what takes longest.
func (d deliveries) recordPipelined(ctx context.Context, tries []store.Tried) error {
	updates := &pipeline{tx: d.open.postgres}
	for _, t := range tries {
		if _, err := sqlgen.New(updates).UpdateTried(ctx, updateTried(t)); err != nil {
			return err
		}
	}
	hit, err := updates.send(ctx)
	if err != nil {
		return err
	}
	attempts := &pipeline{tx: d.open.postgres}
	for i, t := range tries {
		if hit[i] == 0 {
			continue
		}
		if _, err := sqlgen.New(attempts).AddAttempt(ctx, addAttempt(t)); err != nil {
			return err
		}
	}
	_, err = attempts.send(ctx)
	return err
}

func updateTried(t store.Tried) sqlgen.UpdateTriedParams {
	v := t.Delivery
	return sqlgen.UpdateTriedParams{
		ID: string(v.ID), Status: string(v.Status), Attempts: int64(t.Attempt.Number), DueAt: ms(v.DueAt),
		UpdatedAt: ms(v.UpdatedAt), Was: int64(t.Attempt.Number) - 1,
	}
}

func addAttempt(t store.Tried) sqlgen.AddAttemptParams {
	a := t.Attempt
	return sqlgen.AddAttemptParams{
		DeliveryID: string(t.Delivery.ID), Number: int64(a.Number), Url: a.URL, At: ms(a.At), Duration: a.Duration.Milliseconds(),
		HttpStatus: int64(a.HTTPStatus), Error: a.Error, Response: blob(a.Response),
	}
}

func (d deliveries) Cancel(ctx context.Context, queue string, now time.Time, n int) (int, error) {
	p := sqlgen.CancelDeliveriesParams{Queue: queue, UpdatedAt: ms(now), Page: limit(n)}
	return d.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CancelDeliveries(ctx, p) })
}

func (d deliveries) list(ctx context.Context, read func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Delivery, error)) ([]latchkey.Delivery, error) {
	var rows []sqlgen.Delivery
	err := d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = read(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, deliveryFromRow)
}

func (d deliveries) ByLink(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) ([]latchkey.Delivery, error) {
	return d.list(ctx, func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Delivery, error) {
		return q.ListDeliveriesByLink(ctx, sqlgen.ListDeliveriesByLinkParams{LinkID: string(id), ApplicationID: string(app)})
	})
}

func (d deliveries) ByEndpoint(
	ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, p store.Page,
) ([]latchkey.Delivery, error) {
	return d.list(ctx, func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Delivery, error) {
		return q.ListDeliveriesByEndpoint(ctx, sqlgen.ListDeliveriesByEndpointParams{
			EndpointID: string(id), ApplicationID: string(app), Before: before(p), Page: pageSize(p.Limit),
		})
	})
}

func (d deliveries) Attempts(ctx context.Context, id latchkey.DeliveryID) ([]latchkey.Attempt, error) {
	var rows []sqlgen.DeliveryAttempt
	err := d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListAttempts(ctx, string(id))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, attemptFromRow)
}

func (d deliveries) AttemptsOf(
	ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, oldest, newest latchkey.DeliveryID,
) ([]latchkey.Attempt, error) {
	var rows []sqlgen.DeliveryAttempt
	err := d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListAttemptsOfEndpoint(ctx, sqlgen.ListAttemptsOfEndpointParams{
			EndpointID: string(id), ApplicationID: string(app), Oldest: string(oldest), Newest: string(newest),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, attemptFromRow)
}

func attemptFromRow(r sqlgen.DeliveryAttempt) (latchkey.Attempt, error) {
	return latchkey.Attempt{
		DeliveryID: latchkey.DeliveryID(r.DeliveryID), Number: int(r.Number), URL: r.Url, At: at(r.At),
		Duration: time.Duration(r.Duration) * time.Millisecond, HTTPStatus: int(r.HttpStatus), Error: r.Error,
		Response: bytesOf(r.Response),
	}, nil
}

func (d deliveries) DeleteFinished(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteFinishedDeliveriesParams{Before: ms(before), Page: limit(n)}
	return d.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteFinishedDeliveries(ctx, p) })
}

func deliveryFromRow(r sqlgen.Delivery) (latchkey.Delivery, error) {
	return latchkey.Delivery{
		ID: latchkey.DeliveryID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), EventID: latchkey.EventID(r.EventID),
		LinkID: latchkey.LinkID(r.LinkID), AccountID: latchkey.AccountID(r.AccountID), URL: r.Url, Payload: bytesOf(r.Payload),
		Status: latchkey.DeliveryStatus(r.Status), Attempts: int(r.Attempts), CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
		EndpointID: latchkey.EndpointID(r.EndpointID), EventType: latchkey.EventType(r.EventType), Queue: r.Queue,
		Ordinal: at(r.Ordinal), Sequence: r.Sequence, DueAt: at(r.DueAt), Trace: r.Trace,
	}, nil
}
