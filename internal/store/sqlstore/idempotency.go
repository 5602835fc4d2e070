package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type idempotency struct{ tx }

func answerPlace(app, route string, keyHash []byte) string {
	return aad(app, "idempotency", route+"|"+hex.EncodeToString(keyHash), "body")
}

func (i idempotency) Claim(ctx context.Context, a store.IdempotentAnswer, staleBefore time.Time) (store.IdempotentAnswer, bool, error) {
	claim := sqlgen.ClaimIdempotencyParams{
		ApplicationID: string(a.ApplicationID), Route: a.Route, KeyHash: blob(a.KeyHash), BodyMac: blob(a.BodyMAC), Nothing: []byte{},
		CreatedAt: ms(a.CreatedAt), ExpiresAt: ms(a.ExpiresAt), StaleBefore: ms(staleBefore),
	}
	get := sqlgen.GetIdempotencyParams{ApplicationID: claim.ApplicationID, Route: a.Route, KeyHash: claim.KeyHash}
	var won bool
	var row sqlgen.Idempotency
	try := func(ctx context.Context, q *sqlgen.Queries) (err error) {
		won = false
		_, err = q.ClaimIdempotency(ctx, claim)
		if err == nil {
			won = true
			return nil
		}
		if errors.Is(err, sql.ErrNoRows) {
			row, err = q.GetIdempotency(ctx, get)
		}
		return err
	}
	for {
		err := i.write(ctx, try)
		if errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
			continue // the row was released between the two statements
		}
		if err != nil {
			return store.IdempotentAnswer{}, false, err
		}
		break
	}
	if won {
		a.Status, a.Body = 0, nil
		a.CreatedAt, a.ExpiresAt = at(claim.CreatedAt), at(claim.ExpiresAt)
		return a, true, nil
	}
	found, err := i.fromRow(row)
	return found, false, err
}

func (i idempotency) Finish(ctx context.Context, a store.IdempotentAnswer) error {
	body, err := i.s.seal(answerPlace(string(a.ApplicationID), a.Route, a.KeyHash), a.Body)
	if err != nil {
		return err
	}
	p := sqlgen.FinishIdempotencyParams{
		ApplicationID: string(a.ApplicationID), Route: a.Route, KeyHash: blob(a.KeyHash), CreatedAt: ms(a.CreatedAt),
		Status: int64(a.Status), Body: body, ExpiresAt: ms(a.ExpiresAt),
	}
	return i.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.FinishIdempotency(ctx, p) })
}

func (i idempotency) Release(ctx context.Context, a store.IdempotentAnswer) error {
	p := sqlgen.ReleaseIdempotencyParams{
		ApplicationID: string(a.ApplicationID), Route: a.Route, KeyHash: blob(a.KeyHash), CreatedAt: ms(a.CreatedAt),
	}
	return i.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ReleaseIdempotency(ctx, p) })
}

func (i idempotency) DeleteExpired(ctx context.Context, now time.Time, n int) (int, error) {
	p := sqlgen.DeleteExpiredIdempotencyParams{Now: ms(now), Page: limit(n)}
	return i.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteExpiredIdempotency(ctx, p) })
}

func (i idempotency) fromRow(r sqlgen.Idempotency) (store.IdempotentAnswer, error) {
	body, err := i.s.unseal(answerPlace(r.ApplicationID, r.Route, r.KeyHash), r.Body)
	return store.IdempotentAnswer{
		ApplicationID: latchkey.ApplicationID(r.ApplicationID), Route: r.Route, KeyHash: bytesOf(r.KeyHash), BodyMAC: bytesOf(r.BodyMac),
		Status: int(r.Status), Body: body, CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt),
	}, err
}
