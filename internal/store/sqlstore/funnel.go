package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type funnel struct{ tx }

func (f funnel) Add(ctx context.Context, counts ...store.FunnelCount) error {
	params := make([]sqlgen.AddFunnelParams, len(counts))
	for i, c := range counts {
		params[i] = sqlgen.AddFunnelParams{
			ApplicationID: string(c.ApplicationID), Day: ms(c.Day), Stage: c.Stage, Provider: string(c.Provider), Step: c.Step,
			Code: c.Code, Links: c.Links, Times: c.Times,
		}
	}
	// In one order, so that two replicas do not lock each other out.
	slices.SortFunc(params, func(a, b sqlgen.AddFunnelParams) int {
		return cmp.Or(cmp.Compare(a.ApplicationID, b.ApplicationID), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Stage, b.Stage),
			cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Code, b.Code))
	})
	return f.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		for _, p := range params {
			if err := q.AddFunnel(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f funnel) Sum(ctx context.Context, app latchkey.ApplicationID, from, to time.Time) ([]store.FunnelCount, error) {
	var rows []sqlgen.SumFunnelRow
	err := f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.SumFunnel(ctx, sqlgen.SumFunnelParams{ApplicationID: string(app), FromDay: ms(from), ToDay: ms(to)})
		return err
	})
	out := make([]store.FunnelCount, len(rows))
	for i, r := range rows {
		out[i] = store.FunnelCount{
			ApplicationID: app, Stage: r.Stage, Provider: latchkey.Provider(r.Provider), Step: r.Step, Code: r.Code, Links: r.Links, Times: r.Times,
		}
	}
	return out, err
}

func (f funnel) DeleteBefore(ctx context.Context, day time.Time, n int) (int, error) {
	p := sqlgen.DeleteFunnelBeforeParams{Before: ms(day), Page: limit(n)}
	return f.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteFunnelBefore(ctx, p) })
}

func (f funnel) Cursor(ctx context.Context, name string) (position string, err error) {
	err = f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		position, err = q.GetCursor(ctx, name)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return position, err
}

func (f funnel) MoveCursor(ctx context.Context, name, was, now string) error {
	return f.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		if was == "" {
			return q.AddCursor(ctx, sqlgen.AddCursorParams{Name: name, Position: now})
		}
		return q.MoveCursor(ctx, sqlgen.MoveCursorParams{Name: name, Position: now, Was: was})
	})
}

func (f funnel) Events(ctx context.Context, after, until latchkey.EventID, n int) ([]latchkey.Event, error) {
	var rows []sqlgen.Event
	err := f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.EventsOfLinks(ctx, sqlgen.EventsOfLinksParams{After: string(after), Until: string(until), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, eventFromRow)
}

func (f funnel) Created(ctx context.Context, app latchkey.ApplicationID, after, until latchkey.LinkID) (n int64, err error) {
	err = f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.CountLinks(ctx, sqlgen.CountLinksParams{ApplicationID: string(app), After: string(after), Until: string(until)})
		return err
	})
	return n, err
}

func (f funnel) Expired(ctx context.Context, after, until time.Time) ([]store.FunnelCount, error) {
	var rows []sqlgen.CountExpiredRow
	err := f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.CountExpired(ctx, sqlgen.CountExpiredParams{After: ms(after), Until: ms(until)})
		return err
	})
	out := make([]store.FunnelCount, len(rows))
	for i, r := range rows {
		out[i] = store.FunnelCount{ApplicationID: latchkey.ApplicationID(r.ApplicationID), Day: at(r.Day), Links: r.N, Times: r.N}
	}
	return out, err
}

func (f funnel) Oldest(ctx context.Context) (id latchkey.LinkID, expires time.Time, err error) {
	err = f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		first, err := q.OldestLink(ctx)
		if err != nil {
			return err
		}
		soonest, err := q.OldestExpiry(ctx)
		id, expires = latchkey.LinkID(first), at(soonest)
		return err
	})
	return id, expires, err
}
