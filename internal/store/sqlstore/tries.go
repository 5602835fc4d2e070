package sqlstore

import (
	"context"
	"time"

	"latchkey/internal/store/sqlstore/sqlgen"
)

type tries struct{ tx }

func (t tries) Count(ctx context.Context, bucket string, window time.Duration, now time.Time) (int, error) {
	length := max(window.Milliseconds(), 1)
	start := ms(now) / length * length
	p := sqlgen.CountTryParams{Bucket: bucket, LengthMs: length, WindowStart: start, ExpiresAt: start + length}
	var n int64
	err := t.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.CountTry(ctx, p)
		return err
	})
	return int(n), err
}

func (t tries) Forgive(ctx context.Context, bucket string, window time.Duration, now time.Time) error {
	length := max(window.Milliseconds(), 1)
	p := sqlgen.ForgiveTryParams{Bucket: bucket, LengthMs: length, WindowStart: ms(now) / length * length}
	_, err := t.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ForgiveTry(ctx, p) })
	return err
}

func (t tries) DeleteExpired(ctx context.Context, now time.Time, n int) (int, error) {
	p := sqlgen.DeleteExpiredTriesParams{Now: ms(now), Page: limit(n)}
	return t.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteExpiredTries(ctx, p) })
}
