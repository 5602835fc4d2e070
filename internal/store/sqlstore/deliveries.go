package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type deliveries struct{ tx }

func (d deliveries) Create(ctx context.Context, v latchkey.Delivery) error {
	p := sqlgen.CreateDeliveryParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), EventID: string(v.EventID), LinkID: string(v.LinkID),
		AccountID: string(v.AccountID), Url: v.URL, Payload: blob(v.Payload), Status: string(v.Status),
		Attempts: int64(v.Attempts), CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return d.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateDelivery(ctx, p) })
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

func (d deliveries) Record(ctx context.Context, v latchkey.Delivery, a latchkey.Attempt) error {
	u := sqlgen.UpdateDeliveryParams{ID: string(v.ID), Status: string(v.Status), Attempts: int64(v.Attempts), UpdatedAt: ms(v.UpdatedAt)}
	p := sqlgen.AddAttemptParams{
		DeliveryID: string(v.ID), Number: int64(a.Number), At: ms(a.At), Duration: a.Duration.Milliseconds(),
		HttpStatus: int64(a.HTTPStatus), Error: a.Error, Response: blob(a.Response),
	}
	return d.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		// The delivery first: a try of none would be refused by the database with an error of its own.
		n, err := q.UpdateDelivery(ctx, u)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		if n, err = q.AddAttempt(ctx, p); err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		return nil
	})
}

func (d deliveries) ByLink(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) ([]latchkey.Delivery, error) {
	var rows []sqlgen.Delivery
	err := d.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListDeliveriesByLink(ctx, sqlgen.ListDeliveriesByLinkParams{LinkID: string(id), ApplicationID: string(app)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, deliveryFromRow)
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
	return convert(rows, func(r sqlgen.DeliveryAttempt) (latchkey.Attempt, error) {
		return latchkey.Attempt{
			DeliveryID: latchkey.DeliveryID(r.DeliveryID), Number: int(r.Number), At: at(r.At),
			Duration: time.Duration(r.Duration) * time.Millisecond, HTTPStatus: int(r.HttpStatus), Error: r.Error,
			Response: bytesOf(r.Response),
		}, nil
	})
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
	}, nil
}
