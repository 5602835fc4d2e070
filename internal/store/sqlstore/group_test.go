package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// TestFullDisk fills the file up to a limit under parallel writers. Every write that was reported
// must be there, none that was refused, and the store must go on when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	pages := func(statement string) (n int) {
		must(t, s.Database().Writer().QueryRowContext(t.Context(), statement).Scan(&n))
		return n
	}
	pages(fmt.Sprintf("PRAGMA max_page_count = %d", pages("PRAGMA page_count")+60))
	app := latchkey.NewApplicationID(time.Now())
	var mu sync.Mutex
	written, refused := map[latchkey.LinkID]bool{}, map[latchkey.LinkID]bool{}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for range 10 {
				l := newLink(app)
				l.Terms.Metadata = map[string]string{"pad": strings.Repeat("x", 2000)}
				var err error
				if i%4 == 0 {
					err = s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Links().Create(ctx, l) })
				} else {
					err = s.Links().Create(t.Context(), l)
				}
				mu.Lock()
				if err == nil {
					written[l.ID] = true
				} else {
					refused[l.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(written) == 0 || len(refused) == 0 {
		t.Fatalf("%d written, %d refused; want both", len(written), len(refused))
	}
	there := map[latchkey.LinkID]bool{}
	for p := (store.Page{Limit: 250}); ; {
		list, err := s.Links().List(t.Context(), app, store.LinkFilter{}, p)
		must(t, err)
		if len(list) == 0 {
			break
		}
		for _, l := range list {
			there[l.ID] = true
		}
		p.Before = string(list[len(list)-1].ID)
	}
	for id := range written {
		if !there[id] {
			t.Errorf("%s was reported as written and is not there", id)
		}
	}
	for id := range refused {
		if there[id] {
			t.Errorf("%s was refused and is there", id)
		}
	}
	pages("PRAGMA max_page_count = 1000000")
	must(t, s.Links().Create(t.Context(), newLink(app)))
	must(t, s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Links().Create(ctx, newLink(app)) }))
}

// TestAbandonedWrite gives up a write that waits behind a transaction: it must not happen later.
func TestAbandonedWrite(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	l, after := newLink("app_1"), newLink("app_1")
	must(t, s.InTx(t.Context(), func(context.Context, store.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := s.Links().Create(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v, want the context's", err)
		}
		return nil
	}))
	must(t, s.Links().Create(t.Context(), after)) // has passed through the same queue
	if _, err := s.Links().Get(t.Context(), "app_1", l.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a write that was given up happened: %v", err)
	}
}

// TestCloseFinishesWhatWaits closes the store under writers: each is told the truth.
func TestCloseFinishesWhatWaits(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/latchkey.db"
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: path, Sealer: newRing(t), Now: time.Now, Log: quiet()})
	must(t, err)
	var mu sync.Mutex
	var written []latchkey.LinkID
	var wg sync.WaitGroup
	started := make(chan struct{}, 100)
	for range 20 {
		wg.Go(func() {
			for {
				l := newLink("app_1")
				if err := s.Links().Create(t.Context(), l); err != nil {
					return
				}
				mu.Lock()
				written = append(written, l.ID)
				mu.Unlock()
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 50 {
		<-started
	}
	must(t, s.Close())
	wg.Wait()
	again := open(t, sqlstore.Options{Path: path})
	for _, id := range written {
		if _, err := again.Links().Get(t.Context(), "app_1", id); err != nil {
			t.Fatalf("%s was reported as written: %v", id, err)
		}
	}
}

// TestWritersTakeTurns has grouped writes, transactions and jobs compete for SQLite's one writer.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	var jobs, writes, txs atomic.Int64
	var slowest atomic.Int64
	work(t, s, sqlstore.WorkConfig{Handlers: map[string]store.Handler{"job": func(context.Context, store.RunningJob) error {
		jobs.Add(1)
		return nil
	}}})
	end := time.Now().Add(2 * time.Second)
	timed := func(count *atomic.Int64, fn func() error) func() {
		return func() {
			for time.Now().Before(end) {
				start := time.Now()
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
				count.Add(1)
				for took := int64(time.Since(start)); ; {
					if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
						break
					}
				}
			}
		}
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(timed(&writes, func() error { return s.Links().Create(t.Context(), newLink("app_1")) }))
		wg.Go(timed(&txs, func() error {
			return s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
				if err := tx.Links().Create(ctx, newLink("app_1")); err != nil {
					return err
				}
				return tx.Enqueue(ctx, store.Job{Kind: "job"})
			})
		}))
	}
	wg.Wait()
	t.Logf("in 2 s: %d writes, %d transactions, %d jobs run; slowest call %s", writes.Load(), txs.Load(), jobs.Load(), time.Duration(slowest.Load()))
	if writes.Load() == 0 || txs.Load() == 0 || jobs.Load() == 0 {
		t.Error("somebody got no turn")
	}
	// Where each had a few turns only (SQLite is a hundred times slower under the race detector), that
	// somebody waited for long says nothing.
	const callers, enough = 32, 10
	if time.Duration(slowest.Load()) > 2*time.Second && writes.Load()+txs.Load() > callers*enough {
		t.Error("somebody waited for longer than all the others' work takes")
	}
}
