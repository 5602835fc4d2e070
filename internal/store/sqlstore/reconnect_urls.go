package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type reconnectURLs struct{ tx }

func (r reconnectURLs) Create(ctx context.Context, v latchkey.ReconnectURL, keep int) error {
	terms, err := toJSON(v.Terms, 1)
	if err != nil {
		return err
	}
	return r.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.CreateReconnectURL(ctx, sqlgen.CreateReconnectURLParams{
			ID: string(v.ID), ApplicationID: string(v.ApplicationID), AccountID: string(v.AccountID), TokenHash: blob(v.TokenHash),
			Name: v.Name, Terms: terms, CreatedAt: ms(v.CreatedAt), ExpiresAt: ms(v.ExpiresAt),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		_, err = q.TrimReconnectURLs(ctx, sqlgen.TrimReconnectURLsParams{AccountID: string(v.AccountID), Keep: limit(keep)})
		return err
	})
}

func (r reconnectURLs) ByToken(ctx context.Context, tokenHash []byte) (v latchkey.ReconnectURL, err error) {
	var row sqlgen.ReconnectUrl
	err = r.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.ReconnectURLByToken(ctx, blob(tokenHash))
		return err
	})
	if err != nil {
		return v, err
	}
	v = latchkey.ReconnectURL{
		ID: latchkey.ReconnectURLID(row.ID), ApplicationID: latchkey.ApplicationID(row.ApplicationID), AccountID: latchkey.AccountID(row.AccountID),
		TokenHash: bytesOf(row.TokenHash), Name: row.Name, CreatedAt: at(row.CreatedAt), ExpiresAt: at(row.ExpiresAt),
	}
	v.Terms, err = fromJSON[latchkey.LinkTerms](row.Terms, "a reconnect URL's terms")
	return v, err
}

func (r reconnectURLs) DeleteOf(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID) (int, error) {
	p := sqlgen.DeleteReconnectURLsOfParams{ApplicationID: string(app), AccountID: string(id)}
	return r.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteReconnectURLsOf(ctx, p) })
}

func (r reconnectURLs) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ReconnectURLID) error {
	p := sqlgen.DeleteReconnectURLParams{ApplicationID: string(app), ID: string(id)}
	return r.rows(ctx, store.ErrNotFound, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteReconnectURL(ctx, p) })
}

func (r reconnectURLs) DeleteExpired(ctx context.Context, before time.Time, n int) (int, error) {
	p := sqlgen.DeleteExpiredReconnectURLsParams{Before: ms(before), Page: limit(n)}
	return r.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.DeleteExpiredReconnectURLs(ctx, p)
	})
}
