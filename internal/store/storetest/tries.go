package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"latchkey/internal/store"
)

func testTries(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		bucket := string(newApp())
		hour := moment().UTC().Truncate(time.Hour)
		for _, c := range []struct {
			what   string
			bucket string
			window time.Duration
			at     time.Time
			want   int
		}{
			{"first", bucket, time.Hour, hour, 1},
			{"in the same window", bucket, time.Hour, hour.Add(time.Hour - time.Millisecond), 2},
			{"in the next", bucket, time.Hour, hour.Add(time.Hour), 1},
			{"back in the first", bucket, time.Hour, hour.Add(time.Minute), 3},
			{"another length", bucket, time.Minute, hour, 1},
			{"another bucket", bucket + "x", time.Hour, hour, 1},
		} {
			n, err := tx.Tries().Count(ctx, c.bucket, c.window, c.at)
			ok(t, c.what, err)
			want(t, c.what, n, c.want)
		}
		ok(t, "forgive", tx.Tries().Forgive(ctx, bucket+"x", time.Hour, hour))
		ok(t, "forgive what is not there", tx.Tries().Forgive(ctx, bucket+"x", time.Hour, hour))
		n, err := tx.Tries().Count(ctx, bucket+"x", time.Hour, hour)
		ok(t, "count", err)
		want(t, "after forgiving", n, 1)
		n, err = tx.Tries().DeleteExpired(ctx, hour.Add(time.Hour), 100)
		ok(t, "delete expired", err)
		want(t, "deleted", n, 3)
		n, err = tx.Tries().Count(ctx, bucket, time.Hour, hour)
		ok(t, "count", err)
		want(t, "after deletion", n, 1)
		_, err = tx.Tries().DeleteExpired(ctx, hour.Add(24*time.Hour), 100)
		ok(t, "delete expired", err)
	})
	t.Run("at once", func(t *testing.T) {
		counts := make([]int, 4*parallel)
		_, errs := race(len(counts), func(i int) (err error) {
			counts[i], err = s.Tries().Count(t.Context(), "race", time.Hour, moment())
			return err
		})
		onlyErr(t, "count", errs, nil)
		slices.Sort(counts)
		for i, n := range counts {
			if n != i+1 {
				t.Fatalf("counts are %v, want 1 to %d, each once", counts, len(counts))
			}
		}
	})
}
