package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// inLine starts the transactions one after the other while the writer is busy, and lets them go once
// all of them wait: they find each other in one transaction of the database.
func inLine(t *testing.T, s *sqlstore.Store, fns ...func(ctx context.Context, tx store.Tx) error) []error {
	t.Helper()
	results := make([]error, len(fns))
	started := false
	var wg sync.WaitGroup
	must(t, s.InTx(t.Context(), func(context.Context, store.Tx) error {
		if started {
			return nil // this one was undone with the others, and runs again
		}
		started = true
		for i, fn := range fns {
			wg.Go(func() {
				defer func() {
					if x := recover(); x != nil {
						results[i] = errPanicked
					}
				}()
				results[i] = s.InTx(t.Context(), fn)
			})
			for deadline := time.Now().Add(10 * time.Second); s.Waiting() < int64(i+1); {
				if time.Now().After(deadline) {
					t.Fatal("nobody waits")
				}
				time.Sleep(100 * time.Microsecond)
			}
		}
		return nil
	}))
	wg.Wait()
	return results
}

var errPanicked, errRefused = errors.New("panicked"), errors.New("refused")

func creating(l latchkey.Link, then func(tx store.Tx) error) func(context.Context, store.Tx) error {
	return func(ctx context.Context, tx store.Tx) error {
		if err := tx.Links().Create(ctx, l); err != nil {
			return err
		}
		return then(tx)
	}
}

// TestSharedTransaction lets good, refused and panicking transactions share one: each gets what it
// would have got alone.
func TestSharedTransaction(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	var raw []*sql.Tx
	var links []latchkey.Link
	var fns []func(context.Context, store.Tx) error
	want := []error{nil, errRefused, nil, errPanicked, nil, store.ErrConflict, nil}
	for i, w := range want {
		l := newLink("app_1")
		if errors.Is(w, store.ErrConflict) {
			l.ID = links[0].ID
		}
		links = append(links, l)
		fns = append(fns, creating(l, func(tx store.Tx) error {
			raw = append(raw, sqlstore.RawTx(t, tx))
			switch {
			case errors.Is(w, errPanicked):
				panic(i)
			case errors.Is(w, errRefused):
				return errRefused
			}
			return nil
		}))
	}
	got := inLine(t, s, fns...)
	for i, w := range want {
		if !errors.Is(got[i], w) {
			t.Errorf("transaction %d: %v, want %v", i, got[i], w)
		}
		_, err := s.Links().Get(t.Context(), "app_1", links[i].ID)
		if there := err == nil; there != (w == nil || errors.Is(w, store.ErrConflict)) {
			t.Errorf("transaction %d ended with %v; its link: %v", i, w, err)
		}
	}
	shared := false
	for _, r := range raw[1:] {
		shared = shared || r == raw[0]
	}
	if !shared {
		t.Error("no two of the transactions shared one: this test shows nothing")
	}
}

// TestSharedTransactionLost takes the database's transaction away under those who share it, as a full
// disk does: what they did is done once, each for itself.
func TestSharedTransactionLost(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	// On a busy machine the first may be committed before the others come (sharedTime).
	for range 100 {
		if lostTogether(t, s) || t.Failed() {
			return
		}
	}
	t.Error("the first was never undone with the other: this test shows nothing")
}

// lostTogether tells whether the first of three was undone with the second.
func lostTogether(t *testing.T, s *sqlstore.Store) bool {
	t.Helper()
	first, last, bad := newLink("app_1"), newLink("app_1"), newLink("app_1")
	runs := map[latchkey.LinkID]int{}
	count := func(l latchkey.Link) func(store.Tx) error {
		return func(store.Tx) error {
			runs[l.ID]++
			return nil
		}
	}
	got := inLine(
		t, s,
		creating(first, count(first)),
		creating(bad, func(tx store.Tx) error {
			_, err := sqlstore.RawTx(t, tx).ExecContext(t.Context(), "ROLLBACK")
			return errors.Join(errRefused, err)
		}),
		creating(last, count(last)),
	)
	if got[0] != nil || !errors.Is(got[1], errRefused) || got[2] != nil {
		t.Fatalf("%v", got)
	}
	for _, l := range []latchkey.Link{first, last} {
		if _, err := s.Links().Get(t.Context(), "app_1", l.ID); err != nil {
			t.Errorf("reported as written: %v", err)
		}
	}
	if _, err := s.Links().Get(t.Context(), "app_1", bad.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("refused, and there: %v", err)
	}
	return runs[first.ID] == 2
}

// TestSharedTransactionIsNotStranded gives up while others rely on it to commit for them.
func TestSharedTransactionIsNotStranded(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		l := newLink("app_1")
		for i := range 4 {
			wg.Go(func() {
				if i == 0 {
					err := s.InTx(t.Context(), creating(l, func(store.Tx) error { cancel(); return nil }))
					if err != nil {
						t.Error(err)
					}
					return
				}
				lost := newLink("app_1")
				err := s.InTx(ctx, creating(lost, func(store.Tx) error { return nil }))
				_, there := s.Links().Get(t.Context(), "app_1", lost.ID)
				if (err == nil) != (there == nil) {
					t.Errorf("told %v, and the link: %v", err, there)
				}
			})
		}
		wg.Wait()
		cancel()
		if _, err := s.Links().Get(t.Context(), "app_1", l.ID); err != nil {
			t.Fatal(err)
		}
	}
}
