package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"latchkey/internal/store"
)

func answer(at time.Time) store.IdempotentAnswer {
	return store.IdempotentAnswer{
		ApplicationID: newApp(), Route: "POST /v1/links|x", KeyHash: random(32), BodyMAC: random(32),
		CreatedAt: ms(at), ExpiresAt: ms(at.Add(24 * time.Hour)),
	}
}

func testIdempotency(t *testing.T, s store.Store) {
	twice(t, s, testIdempotencyLife)
	t.Run("claimed once", func(t *testing.T) {
		a := answer(moment())
		var mu sync.Mutex
		winners := 0
		_, errs := race(parallel, func(i int) error {
			mine := a
			mine.BodyMAC = []byte{byte(i)}
			got, won, err := s.Idempotency().Claim(t.Context(), mine, moment().Add(-time.Minute))
			mu.Lock()
			defer mu.Unlock()
			if won {
				winners++
				want(t, "the winner's own", got, mine)
			}
			return err
		})
		onlyErr(t, "claim", errs, nil)
		want(t, "winners", winners, 1)
	})
	t.Run("stale claim taken over once", func(t *testing.T) {
		a := answer(moment())
		_, won, err := s.Idempotency().Claim(t.Context(), a, moment().Add(-time.Minute))
		ok(t, "claim", err)
		want(t, "won", won, true)
		later := moment().Add(2 * time.Minute)
		var mu sync.Mutex
		winners := 0
		_, errs := race(parallel, func(int) error {
			b := a
			b.CreatedAt = ms(later)
			_, won, err := s.Idempotency().Claim(t.Context(), b, later.Add(-time.Minute))
			mu.Lock()
			defer mu.Unlock()
			if won {
				winners++
			}
			return err
		})
		onlyErr(t, "claim", errs, nil)
		want(t, "winners", winners, 1)
		a.Status, a.Body = 201, []byte("late")
		wantErr(t, "the first one ends it late", s.Idempotency().Finish(t.Context(), a), store.ErrStale)
		wantErr(t, "the first one lets go late", s.Idempotency().Release(t.Context(), a), store.ErrStale)
	})
	t.Run("claim and release at once", func(t *testing.T) {
		a := answer(moment())
		_, errs := race(parallel, func(int) error {
			got, won, err := s.Idempotency().Claim(t.Context(), a, moment().Add(-time.Minute))
			if err == nil && won {
				return s.Idempotency().Release(t.Context(), got)
			}
			return err
		})
		onlyErr(t, "claim or release", errs, nil)
	})
}

func testIdempotencyLife(t *testing.T, ctx context.Context, tx store.Tx) {
	a, stale := answer(moment()), moment().Add(-time.Minute)
	claimed, won, err := tx.Idempotency().Claim(ctx, a, stale)
	ok(t, "claim", err)
	want(t, "won", won, true)
	want(t, "claimed", claimed, a)
	found, won, err := tx.Idempotency().Claim(ctx, a, stale)
	ok(t, "claim again", err)
	want(t, "won again", won, false)
	want(t, "in progress", found, a)

	for what, other := range map[string]func(*store.IdempotentAnswer){
		"application": func(o *store.IdempotentAnswer) { o.ApplicationID = newApp() },
		"route":       func(o *store.IdempotentAnswer) { o.Route = "POST /other" },
		"key":         func(o *store.IdempotentAnswer) { o.KeyHash = random(32) },
	} {
		o := a
		other(&o)
		_, won, err := tx.Idempotency().Claim(ctx, o, stale)
		ok(t, "claim", err)
		want(t, "won with another "+what, won, true)
	}

	claimed.Status, claimed.Body = 201, []byte(`{"id":"lnk_1"}`)
	ok(t, "finish", tx.Idempotency().Finish(ctx, claimed))
	late := a
	late.CreatedAt = ms(moment().Add(time.Hour))
	found, won, err = tx.Idempotency().Claim(ctx, late, moment().Add(59*time.Minute))
	ok(t, "claim an answered one", err)
	want(t, "won an answered one", won, false)
	want(t, "answer", found, claimed)
	wantErr(t, "release an answered one", tx.Idempotency().Release(ctx, claimed), store.ErrStale)

	late.CreatedAt, late.ExpiresAt = a.ExpiresAt, ms(a.ExpiresAt.Add(time.Hour))
	got, won, err := tx.Idempotency().Claim(ctx, late, stale)
	ok(t, "claim an expired one", err)
	want(t, "won an expired one", won, true)
	want(t, "nothing of the old answer", got, late)
	ok(t, "release", tx.Idempotency().Release(ctx, got))
	_, won, err = tx.Idempotency().Claim(ctx, late, stale)
	ok(t, "claim a released one", err)
	want(t, "won a released one", won, true)

	for {
		n, err := tx.Idempotency().DeleteExpired(ctx, late.ExpiresAt, 2)
		ok(t, "delete expired", err)
		if n == 0 {
			break
		}
	}
	_, won, err = tx.Idempotency().Claim(ctx, a, stale)
	ok(t, "claim a deleted one", err)
	want(t, "won a deleted one", won, true)
}
