package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type statusChanges struct{ tx }

func (s statusChanges) Add(ctx context.Context, v latchkey.StatusChange, keep int) error {
	return s.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.AddStatusChange(ctx, sqlgen.AddStatusChangeParams{
			ID: string(v.ID), ApplicationID: string(v.ApplicationID), AccountID: string(v.AccountID),
			FromStatus: string(v.From), FromReason: string(v.FromReason), ToStatus: string(v.To), ToReason: string(v.ToReason),
			Cause: string(v.Cause), At: ms(v.At),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		_, err = q.TrimStatusChanges(ctx, sqlgen.TrimStatusChangesParams{AccountID: string(v.AccountID), Keep: limit(keep)})
		return err
	})
}

func (s statusChanges) List(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID, p store.Page) ([]latchkey.StatusChange, error) {
	var rows []sqlgen.StatusChange
	err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListStatusChanges(ctx, sqlgen.ListStatusChangesParams{
			ApplicationID: string(app), AccountID: string(id), Before: before(p), Page: pageSize(p.Limit),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.StatusChange) (latchkey.StatusChange, error) {
		return latchkey.StatusChange{
			ID: latchkey.StatusChangeID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), AccountID: latchkey.AccountID(r.AccountID),
			From: latchkey.AccountStatus(r.FromStatus), FromReason: latchkey.Reason(r.FromReason),
			To: latchkey.AccountStatus(r.ToStatus), ToReason: latchkey.Reason(r.ToReason), Cause: latchkey.Cause(r.Cause), At: at(r.At),
		}, nil
	})
}

func (s statusChanges) DeleteOf(ctx context.Context, id latchkey.AccountID) error {
	return s.write(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		_, err := q.DeleteStatusChangesOf(ctx, string(id))
		return err
	})
}

func (s statusChanges) DeleteBefore(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteStatusChangesBeforeParams{Before: ms(before), Page: limit(n)}
	return s.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteStatusChangesBefore(ctx, p)
	})
}
