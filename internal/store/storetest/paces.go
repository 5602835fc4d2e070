package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"latchkey/internal/store"
)

func testPaces(t *testing.T, s store.Store) {
	twice(t, s, func(t *testing.T, ctx context.Context, tx store.Tx) {
		name := string(newApp())
		now := moment().UTC().Truncate(time.Microsecond)
		for _, c := range []struct {
			what string
			name string
			cost time.Duration
			at   time.Time
			want time.Time
		}{
			{"first", name, time.Second, now, now},
			{"after it", name, time.Second, now, now.Add(time.Second)},
			{"while both go on", name, 100 * time.Microsecond, now.Add(time.Second), now.Add(2 * time.Second)},
			{"another", name + "x", time.Second, now, now},
			{"after a rest", name, time.Second, now.Add(time.Minute), now.Add(time.Minute)},
			{"on a clock that was put back a little", name, time.Second, now.Add(30 * time.Second), now.Add(61 * time.Second)},
			{"on a clock that was put back far", name, time.Second, now.Add(-time.Hour), now.Add(-time.Hour)},
			{"of a slow pace", name + "y", time.Hour, now, now},
			{"after the slow one", name + "y", time.Hour, now, now.Add(time.Hour)},
		} {
			got, err := tx.Paces().Reserve(ctx, c.name, c.cost, c.at)
			ok(t, c.what, err)
			want(t, c.what, got, c.want)
		}
	})
	t.Run("at once", func(t *testing.T) {
		now := moment().UTC().Truncate(time.Microsecond)
		got := make([]time.Time, parallel)
		_, errs := race(len(got), func(i int) (err error) {
			got[i], err = s.Paces().Reserve(t.Context(), "race", time.Millisecond, now)
			return err
		})
		onlyErr(t, "reserve", errs, nil)
		slices.SortFunc(got, time.Time.Compare)
		for i, at := range got {
			want(t, "reserved", at, now.Add(time.Duration(i)*time.Millisecond))
		}
	})
}
