package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type events struct{ tx }

func (e events) Add(ctx context.Context, list ...latchkey.Event) error {
	add := func(ctx context.Context, q *sqlgen.Queries) error {
		for _, v := range list {
			n, err := q.AddEvent(ctx, sqlgen.AddEventParams{
				ID: string(v.ID), ApplicationID: string(v.ApplicationID), Type: string(v.Type), LinkID: string(v.LinkID),
				FlowID: string(v.FlowID), AccountID: string(v.AccountID), Sequence: v.Sequence, Data: string(v.Data),
				CreatedAt: ms(v.CreatedAt),
			})
			if err != nil {
				return err
			}
			if n == 0 {
				return store.ErrConflict
			}
		}
		return nil
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return e.write(ctx, add)
	}
	return e.writeAll(ctx, add)
}

func (e events) List(
	ctx context.Context, app latchkey.ApplicationID, f store.EventFilter, after latchkey.EventID, n int,
) ([]latchkey.Event, error) {
	var rows []sqlgen.Event
	err := e.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		switch {
		case f.Link != "":
			rows, err = q.ListEventsByLink(ctx, sqlgen.ListEventsByLinkParams{
				LinkID: string(f.Link), After: string(after), ApplicationID: string(app), Type: string(f.Type),
				AccountID: string(f.Account), Page: pageSize(n),
			})
		case f.Account != "":
			rows, err = q.ListEventsByAccount(ctx, sqlgen.ListEventsByAccountParams{
				AccountID: string(f.Account), After: string(after), ApplicationID: string(app), Type: string(f.Type),
				Page: pageSize(n),
			})
		case f.Type != "":
			rows, err = q.ListEventsByType(ctx, sqlgen.ListEventsByTypeParams{
				ApplicationID: string(app), Type: string(f.Type), After: string(after), Page: pageSize(n),
			})
		default:
			rows, err = q.ListEvents(ctx, sqlgen.ListEventsParams{ApplicationID: string(app), After: string(after), Page: pageSize(n)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := convert(rows, eventFromRow)
	if err != nil || f.Link != "" || f.Account != "" {
		return out, err
	}
	return e.settled(out), nil
}

// horizon is how long an event is held back from readers who follow all events by the last id they
// saw. On PostgreSQL an id is given when a transaction writes, and seen when it commits: one that
// takes longer than another could otherwise appear behind the reader's back. Transactions here take
// milliseconds. SQLite has one writer, whose ids come in the order of its commits.
const horizon = time.Second

func (e events) settled(list []latchkey.Event) []latchkey.Event {
	if e.s.db.sqlite() {
		return list
	}
	limit := e.s.db.now().Add(-horizon)
	for i, ev := range list {
		if ev.CreatedAt.After(limit) {
			return list[:i]
		}
	}
	return list
}

func (e events) DeleteBefore(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteEventsBeforeParams{Before: ms(before), Page: limit(n)}
	return e.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteEventsBefore(ctx, p) })
}

func eventFromRow(r sqlgen.Event) (latchkey.Event, error) {
	return latchkey.Event{
		ID: latchkey.EventID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Type: latchkey.EventType(r.Type),
		LinkID: latchkey.LinkID(r.LinkID), FlowID: latchkey.FlowID(r.FlowID), AccountID: latchkey.AccountID(r.AccountID),
		Sequence: r.Sequence, Data: raw(r.Data), CreatedAt: at(r.CreatedAt),
	}, nil
}
