package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type links struct{ tx }

func (l links) Create(ctx context.Context, v latchkey.Link) error {
	terms, err := json.Marshal(v.Terms)
	if err != nil {
		return err
	}
	proxy, err := l.sealProxy(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateLinkParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), TokenHash: blob(v.TokenHash),
		Type: string(v.Type), Dialect: string(v.Dialect), Status: string(v.Status), Name: v.Name,
		CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt), ExpiresAt: ms(v.ExpiresAt),
		FlowID: string(v.FlowID), AccountID: string(v.AccountID), LastFailure: v.LastFailure,
		OpenedCount: v.OpenedCount, Test: v.Test, Terms: string(terms), TellExpiry: ms(v.TellExpiry),
		KeyID: string(v.KeyID), Proxy: proxy,
	}
	return l.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateLink(ctx, p) })
}

func (l links) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) (v latchkey.Link, err error) {
	var row sqlgen.Link
	err = l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetLink(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	if row.ApplicationID != string(app) {
		return v, store.ErrNotFound
	}
	return linkFromRow(row)
}

func (l links) ByToken(ctx context.Context, tokenHash []byte) (v latchkey.Link, err error) {
	var row sqlgen.Link
	err = l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.LinkByToken(ctx, blob(tokenHash))
		return err
	})
	if err != nil {
		return v, err
	}
	return linkFromRow(row)
}

func (l links) ForUpdate(ctx context.Context, id latchkey.LinkID) (v latchkey.Link, err error) {
	var row sqlgen.Link
	err = l.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetLink(ctx, string(id))
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetLinkForUpdate(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return linkFromRow(row)
}

func (l links) Update(ctx context.Context, v latchkey.Link) error {
	p := sqlgen.UpdateLinkParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Type: string(v.Type), Dialect: string(v.Dialect),
		Status: string(v.Status), Name: v.Name, UpdatedAt: ms(v.UpdatedAt), ExpiresAt: ms(v.ExpiresAt),
		FlowID: string(v.FlowID), AccountID: string(v.AccountID), LastFailure: v.LastFailure, Test: v.Test,
	}
	return l.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateLink(ctx, p) })
}

func (l links) AddOpened(ctx context.Context, id latchkey.LinkID, n int64) (now int64, err error) {
	err = l.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		now, err = q.AddOpened(ctx, sqlgen.AddOpenedParams{ID: string(id), N: n})
		return err
	})
	return now, err
}

func (l links) DueToExpire(ctx context.Context, now time.Time, n int) ([]latchkey.Link, error) {
	var rows []sqlgen.Link
	err := l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.LinksDueToExpire(ctx, sqlgen.LinksDueToExpireParams{Now: ms(now), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, linkFromRow)
}

func (l links) TellExpiry(ctx context.Context, id latchkey.LinkID, t time.Time) error {
	p := sqlgen.TellLinkExpiryParams{ID: string(id), TellExpiry: ms(t)}
	return l.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.TellLinkExpiry(ctx, p) })
}

func (l links) WatchExpiry(ctx context.Context, app latchkey.ApplicationID, after time.Time, n int) (int, error) {
	total := 0
	err := l.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		total = 0
		for _, st := range []latchkey.LinkStatus{latchkey.LinkCreated, latchkey.LinkInProgress, latchkey.LinkFailed, latchkey.LinkCanceled} {
			p := sqlgen.WatchLinkExpiryParams{ApplicationID: string(app), Status: string(st), After: ms(after), Page: limit(n - total)}
			done, err := q.WatchLinkExpiry(ctx, p)
			total += int(done)
			if err != nil || total >= n {
				return err
			}
		}
		return nil
	})
	return total, err
}

func (l links) DeleteEnded(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteLinksEndedParams{Before: ms(before), Page: limit(n)}
	return l.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteLinksEnded(ctx, p) })
}

func (l links) List(ctx context.Context, app latchkey.ApplicationID, f store.LinkFilter, p store.Page) ([]latchkey.Link, error) {
	var rows []sqlgen.Link
	err := l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		if f.Name == "" {
			rows, err = listLinks(ctx, q, string(app), f, p)
		} else {
			rows, err = listLinksByName(ctx, q, string(app), f, p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, linkFromRow)
}

func listLinks(ctx context.Context, q *sqlgen.Queries, app string, f store.LinkFilter, p store.Page) ([]sqlgen.Link, error) {
	if f.Status == "" {
		return q.ListLinks(ctx, sqlgen.ListLinksParams{ApplicationID: app, Before: before(p), Page: pageSize(p.Limit)})
	}
	if f.Status == latchkey.LinkExpired {
		return q.ListLinksExpired(ctx, sqlgen.ListLinksExpiredParams{
			ApplicationID: app, Before: before(p), GraceOver: graceOver(f), Now: ms(f.Now), Page: pageSize(p.Limit),
		})
	}
	return q.ListLinksByStatus(ctx, sqlgen.ListLinksByStatusParams{
		ApplicationID: app, Status: string(f.Status), Before: before(p), ExpiresAfter: expiresAfter(f), Page: pageSize(p.Limit),
	})
}

func listLinksByName(ctx context.Context, q *sqlgen.Queries, app string, f store.LinkFilter, p store.Page) ([]sqlgen.Link, error) {
	if f.Status == "" {
		return q.ListLinksByName(ctx, sqlgen.ListLinksByNameParams{
			ApplicationID: app, Name: f.Name, Before: before(p), Page: pageSize(p.Limit),
		})
	}
	if f.Status == latchkey.LinkExpired {
		return q.ListLinksByNameExpired(ctx, sqlgen.ListLinksByNameExpiredParams{
			ApplicationID: app, Name: f.Name, Before: before(p), GraceOver: graceOver(f), Now: ms(f.Now), Page: pageSize(p.Limit),
		})
	}
	return q.ListLinksByNameAndStatus(ctx, sqlgen.ListLinksByNameAndStatusParams{
		ApplicationID: app, Name: f.Name, Status: string(f.Status), Before: before(p), ExpiresAfter: expiresAfter(f),
		Page: pageSize(p.Limit),
	})
}

// graceOver is the expiry of a link whose bound flow has just used up its grace.
func graceOver(f store.LinkFilter) int64 {
	if f.Now.IsZero() {
		return 0
	}
	return ms(f.Now.Add(-latchkey.FlowGrace))
}

// expiresAfter is when a link must expire, at the earliest past, to still have the status filtered
// by (see latchkey.Link.StatusAt).
func expiresAfter(f store.LinkFilter) int64 {
	const always = -1 << 62
	switch {
	case f.Now.IsZero(), f.Status == latchkey.LinkCompleted:
		return always
	case f.Status == latchkey.LinkInProgress:
		return graceOver(f)
	}
	return ms(f.Now)
}

func linkFromRow(r sqlgen.Link) (latchkey.Link, error) {
	terms, err := fromJSON[latchkey.LinkTerms](r.Terms, "a link's terms")
	return latchkey.Link{
		ID: latchkey.LinkID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), TokenHash: bytesOf(r.TokenHash),
		Type: latchkey.LinkType(r.Type), Dialect: latchkey.Dialect(r.Dialect), Status: latchkey.LinkStatus(r.Status),
		Name: r.Name, CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), ExpiresAt: at(r.ExpiresAt),
		FlowID: latchkey.FlowID(r.FlowID), AccountID: latchkey.AccountID(r.AccountID), LastFailure: r.LastFailure,
		OpenedCount: r.OpenedCount, Test: r.Test, Terms: terms, TellExpiry: at(r.TellExpiry), KeyID: latchkey.KeyID(r.KeyID),
	}, err
}
