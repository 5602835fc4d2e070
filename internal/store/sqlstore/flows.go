package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type flows struct{ tx }

func flowBodyPlace(app, id string) string { return aad(app, "flows", id, "body") }

func (f flows) Create(ctx context.Context, v latchkey.Flow) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	body, err := f.s.seal(flowBodyPlace(string(v.ApplicationID), string(v.ID)), v.Body)
	if err != nil {
		return err
	}
	p := sqlgen.CreateFlowParams{
		ID: string(v.ID), LinkID: string(v.LinkID), ApplicationID: string(v.ApplicationID), CookieHash: blob(v.CookieHash),
		Version: v.Version, Status: string(v.Status), Provider: string(v.Provider), StepID: v.StepID, Body: body,
		Fence: v.Fence, LeaseOwner: v.LeaseOwner, LeaseUntil: ms(v.LeaseUntil), WorkDue: ms(v.WorkDue),
		FailureCode: v.FailureCode, AccountID: string(v.AccountID), AccountState: v.AccountState,
		CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt), ExpiresAt: ms(v.ExpiresAt),
	}
	return f.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateFlow(ctx, p) })
}

func (f flows) Get(ctx context.Context, id latchkey.FlowID) (v latchkey.Flow, err error) {
	var row sqlgen.Flow
	err = f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetFlow(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return f.fromRow(row)
}

func (f flows) ByBrowser(ctx context.Context, link latchkey.LinkID, cookieHash []byte) (v latchkey.Flow, err error) {
	var row sqlgen.Flow
	err = f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.FlowByBrowser(ctx, sqlgen.FlowByBrowserParams{LinkID: string(link), CookieHash: blob(cookieHash)})
		return err
	})
	if err != nil {
		return v, err
	}
	return f.fromRow(row)
}

func (f flows) ByAccount(ctx context.Context, app latchkey.ApplicationID, account latchkey.AccountID) (v latchkey.Flow, err error) {
	var row sqlgen.Flow
	err = f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.FlowByAccount(ctx, sqlgen.FlowByAccountParams{ApplicationID: string(app), AccountID: string(account)})
		return err
	})
	if err != nil {
		return v, err
	}
	return f.fromRow(row)
}

func (f flows) Save(ctx context.Context, v latchkey.Flow, version, fence int64) error {
	body, err := f.s.seal(flowBodyPlace(string(v.ApplicationID), string(v.ID)), v.Body)
	if err != nil {
		return err
	}
	p := sqlgen.SaveFlowParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Version: version, Fence: fence,
		NewVersion: v.Version, NewFence: v.Fence, Status: string(v.Status), Provider: string(v.Provider), StepID: v.StepID,
		Body: body, LeaseOwner: v.LeaseOwner, LeaseUntil: ms(v.LeaseUntil), WorkDue: ms(v.WorkDue),
		FailureCode: v.FailureCode, AccountID: string(v.AccountID), AccountState: v.AccountState,
		UpdatedAt: ms(v.UpdatedAt), ExpiresAt: ms(v.ExpiresAt),
	}
	return f.swap(ctx, v.ID, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.SaveFlow(ctx, p) })
}

func (f flows) Renew(ctx context.Context, id latchkey.FlowID, fence int64, until time.Time) error {
	p := sqlgen.RenewFlowParams{ID: string(id), Fence: fence, Until: ms(until)}
	return f.swap(ctx, id, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.RenewFlow(ctx, p) })
}

// swap is a compare-and-set: where nothing was written the row has moved on, or never was.
func (f flows) swap(ctx context.Context, id latchkey.FlowID, fn func(context.Context, *sqlgen.Queries) (int64, error)) error {
	return f.write(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := fn(ctx, q)
		if err != nil || n > 0 {
			return err
		}
		if n, err = q.CountFlow(ctx, string(id)); err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		return store.ErrStale
	})
}

func (f flows) Due(ctx context.Context, now time.Time, n int) ([]latchkey.FlowID, error) {
	var ids []string
	err := f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		ids, err = q.DueFlows(ctx, sqlgen.DueFlowsParams{Now: ms(now), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(ids, func(id string) (latchkey.FlowID, error) { return latchkey.FlowID(id), nil })
}

func (f flows) Stranded(ctx context.Context, after time.Time, n int) ([]latchkey.FlowID, error) {
	var ids []string
	err := f.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		ids, err = q.StrandedFlows(ctx, sqlgen.StrandedFlowsParams{After: ms(after), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(ids, func(id string) (latchkey.FlowID, error) { return latchkey.FlowID(id), nil })
}

func (f flows) Expire(ctx context.Context, now time.Time, n int) (int, error) {
	p := sqlgen.ExpireFlowsParams{Now: ms(now), Nothing: []byte{}, Page: limit(n)}
	return f.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ExpireFlows(ctx, p) })
}

func (f flows) DeleteFinished(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteFinishedFlowsParams{Before: ms(before), Page: limit(n)}
	return f.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteFinishedFlows(ctx, p) })
}

func (f flows) fromRow(r sqlgen.Flow) (latchkey.Flow, error) {
	body, err := f.s.unseal(flowBodyPlace(r.ApplicationID, r.ID), r.Body)
	return latchkey.Flow{
		ID: latchkey.FlowID(r.ID), LinkID: latchkey.LinkID(r.LinkID), ApplicationID: latchkey.ApplicationID(r.ApplicationID),
		CookieHash: bytesOf(r.CookieHash), Version: r.Version, Status: latchkey.FlowStatus(r.Status),
		Provider: latchkey.Provider(r.Provider), StepID: r.StepID, Body: body, Fence: r.Fence, LeaseOwner: r.LeaseOwner,
		LeaseUntil: at(r.LeaseUntil), WorkDue: at(r.WorkDue), FailureCode: r.FailureCode,
		AccountID: latchkey.AccountID(r.AccountID), AccountState: r.AccountState,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), ExpiresAt: at(r.ExpiresAt),
	}, err
}
