package sqlstore

import (
	"context"
	"time"

	"latchkey/internal/store/sqlstore/sqlgen"
)

type paces struct{ tx }

// horizonLeast is how far ahead a pace's next free moment may lie at least before it is taken for the
// work of a clock that was put back.
const horizonLeast = time.Minute

func (p paces) Reserve(ctx context.Context, name string, cost time.Duration, now time.Time) (time.Time, error) {
	at, took := now.UnixMicro(), max(cost.Microseconds(), 1)
	args := sqlgen.ReservePaceParams{
		Name: name, Now: at, Fresh: at + took, Cost: took, Horizon: at + max(horizonLeast.Microseconds(), 100*took),
	}
	var end int64
	err := p.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		end, err = q.ReservePace(ctx, args)
		return err
	})
	return time.UnixMicro(end - took).UTC(), err
}
