package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type mails struct{ tx }

func mailBodyPlace(app, id string) string { return aad(app, "mails", id, "body") }

func (m mails) Create(ctx context.Context, v latchkey.Mail) error {
	body, err := m.s.seal(mailBodyPlace(string(v.ApplicationID), string(v.ID)), v.Body)
	if err != nil {
		return err
	}
	p := sqlgen.CreateMailParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Lane: string(v.SenderID), Kind: v.Kind, Recipient: v.To, Body: body,
		Status: string(v.Status), Attempts: int64(v.Attempts), Code: v.Code, Detail: v.Detail, DueAt: ms(v.DueAt),
		ExpiresAt: ms(v.ExpiresAt), CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return m.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateMail(ctx, p) })
}

func (m mails) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID) (v latchkey.Mail, err error) {
	var row sqlgen.Mail
	err = m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetMail(ctx, sqlgen.GetMailParams{ID: string(id), ApplicationID: string(app)})
		return err
	})
	if err != nil {
		return v, err
	}
	return m.fromRow(row)
}

func (m mails) Lanes(ctx context.Context, now time.Time, n int) ([]latchkey.SenderID, error) {
	var rows []string
	err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.DueLanes(ctx, sqlgen.DueLanesParams{Now: ms(now), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(s string) (latchkey.SenderID, error) { return latchkey.SenderID(s), nil })
}

func (m mails) Claim(ctx context.Context, lane latchkey.SenderID, now, until time.Time, n int) ([]latchkey.Mail, error) {
	p := sqlgen.ClaimMailsParams{Lane: string(lane), Now: ms(now), Until: ms(until), Page: limit(n)}
	var rows []sqlgen.Mail
	err := m.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ClaimMails(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, m.fromRow)
}

func (m mails) Finish(ctx context.Context, v latchkey.Mail, claim time.Time) error {
	p := sqlgen.FinishMailParams{
		ID: string(v.ID), Status: string(v.Status), Lane: string(v.SenderID), Attempts: int64(v.Attempts), Code: v.Code, Detail: v.Detail,
		DueAt: ms(v.DueAt), Nothing: []byte{}, UpdatedAt: ms(v.UpdatedAt), Claim: ms(claim),
	}
	return m.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.FinishMail(ctx, p) })
}

func (m mails) Cancel(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID, now time.Time) error {
	p := sqlgen.CancelMailParams{ID: string(id), ApplicationID: string(app), Nothing: []byte{}, UpdatedAt: ms(now)}
	return m.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CancelMail(ctx, p) })
}

func (m mails) List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error) {
	var rows []sqlgen.Mail
	err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListMails(ctx, sqlgen.ListMailsParams{ApplicationID: string(app), Before: before(p), Page: pageSize(p.Limit)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, m.fromRow)
}

func (m mails) ListByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.MailStatus, p store.Page) ([]latchkey.Mail, error) {
	var rows []sqlgen.Mail
	err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListMailsByStatus(ctx, sqlgen.ListMailsByStatusParams{ApplicationID: string(app), Status: string(st), Before: before(p), Page: pageSize(p.Limit)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, m.fromRow)
}

func (m mails) ListEnded(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error) {
	var rows []sqlgen.Mail
	err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListMailsEnded(ctx, sqlgen.ListMailsEndedParams{ApplicationID: string(app), Before: before(p), Page: pageSize(p.Limit)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, m.fromRow)
}

func (m mails) CountQueued(ctx context.Context, lane latchkey.SenderID) (int, error) {
	var n int64
	err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.CountQueuedMails(ctx, string(lane))
		return err
	})
	return int(n), err
}

func (m mails) DeleteFinished(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteFinishedMailsParams{Before: ms(before), Page: limit(n)}
	return m.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteFinishedMails(ctx, p) })
}

func (m mails) TakeLane(ctx context.Context, lane latchkey.SenderID, holder string, now, until time.Time) (bool, error) {
	p := sqlgen.TakeMailLaneParams{Lane: string(lane), Holder: holder, Now: ms(now), Until: ms(until)}
	n, err := m.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.TakeMailLane(ctx, p) })
	return n > 0, err
}

func (m mails) fromRow(r sqlgen.Mail) (latchkey.Mail, error) {
	v := latchkey.Mail{
		ID: latchkey.MailID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), SenderID: latchkey.SenderID(r.Lane),
		Kind: r.Kind, To: r.Recipient, Status: latchkey.MailStatus(r.Status), Attempts: int(r.Attempts), Code: r.Code, Detail: r.Detail,
		DueAt: at(r.DueAt), ExpiresAt: at(r.ExpiresAt), CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
	}
	var err error
	v.Body, err = m.s.unseal(mailBodyPlace(r.ApplicationID, r.ID), r.Body)
	return v, err
}
