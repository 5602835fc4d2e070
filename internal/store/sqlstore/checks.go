package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type checks struct{ tx }

func (c checks) Due(ctx context.Context, p latchkey.Provider, now time.Time, after store.Due, n int) ([]store.Due, error) {
	var rows []sqlgen.DueForCheckRow
	err := c.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.DueForCheck(ctx, sqlgen.DueForCheckParams{
			Provider: string(p), Now: ms(now), After: ms(after.CheckAt), AfterID: string(after.ID), Page: limit(n),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, dueFromRow)
}

func (c checks) Stranded(ctx context.Context, p latchkey.Provider, after time.Time, n int) ([]store.Due, error) {
	var rows []sqlgen.StrandedChecksRow
	err := c.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.StrandedChecks(ctx, sqlgen.StrandedChecksParams{Provider: string(p), Horizon: ms(after), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.StrandedChecksRow) (store.Due, error) { return dueFromRow(sqlgen.DueForCheckRow(r)) })
}

func dueFromRow(r sqlgen.DueForCheckRow) (store.Due, error) {
	return store.Due{
		ID: latchkey.AccountID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Provider: latchkey.Provider(r.Provider),
		Params: raw(r.Params), Status: latchkey.AccountStatus(r.Status), CheckAt: at(r.CheckAt),
	}, nil
}

func (c checks) Claim(ctx context.Context, id latchkey.AccountID, was, until time.Time) error {
	p := sqlgen.ClaimCheckParams{ID: string(id), Was: ms(was), Until: ms(until)}
	return c.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ClaimCheck(ctx, p) })
}

func (c checks) Finish(ctx context.Context, a latchkey.Account, claim time.Time) error {
	watch, err := watchJSON(a.Watch)
	if err != nil {
		return err
	}
	p := sqlgen.FinishCheckParams{
		ID: string(a.ID), CheckedAt: ms(a.CheckedAt), CheckAt: ms(a.CheckAt), Watch: watch, Claim: ms(claim), UpdatedAt: ms(a.UpdatedAt),
	}
	return c.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.FinishCheck(ctx, p) })
}

// watchJSON keeps what checks remember; nothing is empty text.
func watchJSON(w latchkey.Watch) (string, error) {
	if w == (latchkey.Watch{}) {
		return "", nil
	}
	return toJSON(w, 1)
}
