package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type auditLog struct{ tx }

func (a auditLog) Add(ctx context.Context, entries ...latchkey.AuditEntry) error {
	return a.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		for _, e := range entries {
			err := q.AddAudit(ctx, sqlgen.AddAuditParams{
				ID: string(e.ID), ApplicationID: string(e.ApplicationID), At: ms(e.At), Actor: string(e.Actor), ActorID: e.ActorID,
				ActorName: e.ActorName, Action: e.Action, Target: e.Target, Address: e.Address, RequestID: e.RequestID,
				Outcome: e.Outcome, N: int64(e.Count),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a auditLog) List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.AuditEntry, error) {
	var rows []sqlgen.Audit
	err := a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		if app == "" {
			rows, err = q.ListAllAudit(ctx, sqlgen.ListAllAuditParams{Before: before(p), Page: pageSize(p.Limit)})
			return err
		}
		rows, err = q.ListAudit(ctx, sqlgen.ListAuditParams{ApplicationID: string(app), Before: before(p), Page: pageSize(p.Limit)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, auditFromRow)
}

func (a auditLog) DeleteBefore(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteAuditBeforeParams{Before: ms(before), Page: limit(n)}
	return a.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteAuditBefore(ctx, p) })
}

func auditFromRow(r sqlgen.Audit) (latchkey.AuditEntry, error) {
	return latchkey.AuditEntry{
		ID: latchkey.AuditID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), At: at(r.At),
		Actor: latchkey.ActorKind(r.Actor), ActorID: r.ActorID, ActorName: r.ActorName, Action: r.Action, Target: r.Target,
		Address: r.Address, RequestID: r.RequestID, Outcome: r.Outcome, Count: int(r.N),
	}, nil
}

// inTxAudited is inTx that also writes the line which the context carries, if nothing has yet.
func (s *Store) inTxAudited(ctx context.Context, note *store.AuditNote, fn func(ctx context.Context, t tx) error) error {
	err := s.inTx(ctx, func(ctx context.Context, t tx) error {
		if err := fn(ctx, t); err != nil {
			return err
		}
		return auditLog{t}.Add(ctx, note.Entry())
	})
	if err == nil {
		note.Done()
	}
	return err
}
