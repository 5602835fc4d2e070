package sqlstore_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

func newLink(app latchkey.ApplicationID) latchkey.Link {
	now := time.Now()
	hash := make([]byte, 32)
	_, _ = rand.Read(hash)
	return latchkey.Link{
		ID: latchkey.NewLinkID(now), ApplicationID: app, TokenHash: hash, Type: latchkey.LinkCreate, Dialect: latchkey.DialectLink,
		Status: latchkey.LinkCreated, Name: "user-1", CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
		Terms: latchkey.LinkTerms{Providers: []string{"*"}, SuccessURL: "https://app.example/done", NotifyURL: "https://app.example/hook"},
	}
}

func benchEngines(b *testing.B, fn func(b *testing.B, s *sqlstore.Store)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) {
		s, _ := openSQLite(b)
		fn(b, s)
	})
	b.Run("postgres", func(b *testing.B) { fn(b, open(b, sqlstore.Options{URL: pgtest.URL(b)})) })
}

func BenchmarkLinkCreate(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *sqlstore.Store) {
		app := latchkey.NewApplicationID(time.Now())
		b.SetParallelism(64)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := s.Links().Create(b.Context(), newLink(app)); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "links/s")
	})
}

func BenchmarkLinkByToken(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *sqlstore.Store) {
		link := newLink(latchkey.NewApplicationID(time.Now()))
		if err := s.Links().Create(b.Context(), link); err != nil {
			b.Fatal(err)
		}
		b.SetParallelism(4)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Links().ByToken(b.Context(), link.TokenHash); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
	})
}

func BenchmarkInTxFlowSave(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *sqlstore.Store) {
		now := time.Now()
		f := latchkey.Flow{
			ID: latchkey.NewFlowID(now), ApplicationID: latchkey.NewApplicationID(now), Status: latchkey.FlowInProgress,
			Body: make([]byte, 1024), CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		if err := s.Flows().Create(b.Context(), f); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			err := s.InTx(b.Context(), func(ctx context.Context, tx store.Tx) error {
				next := f
				next.Version++
				return tx.Flows().Save(ctx, next, f.Version, f.Fence)
			})
			if err != nil {
				b.Fatal(err)
			}
			f.Version++
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	})
}

// BenchmarkJob is the time from the commit of a job to the start of its handler, one after another.
func BenchmarkJob(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *sqlstore.Store) {
		b.Helper()
		ran := make(chan time.Time, 1)
		w, err := s.Work(b.Context(), sqlstore.WorkConfig{Unstaggered: true, Handlers: map[string]store.Handler{
			"job": func(context.Context, store.RunningJob) error { ran <- time.Now(); return nil },
		}})
		if err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := w.Stop(b.Context()); err != nil {
				b.Error(err)
			}
		}()
		var waited, slowest time.Duration
		b.ResetTimer()
		for range b.N {
			if err := s.Enqueue(b.Context(), store.Job{Kind: "job"}); err != nil {
				b.Fatal(err)
			}
			committed := time.Now()
			took := max((<-ran).Sub(committed), 0)
			waited, slowest = waited+took, max(slowest, took)
		}
		b.ReportMetric(float64(waited.Microseconds())/float64(b.N)/1000, "ms/start")
		b.ReportMetric(float64(slowest.Microseconds())/1000, "ms/slowest")
	})
}
