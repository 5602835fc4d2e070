package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"latchkey/internal/pgtest"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
	"latchkey/internal/store/storetest"
)

// engines runs a test on a fresh store of each engine.
func engines(t *testing.T, test func(t *testing.T, open func(t *testing.T) *sqlstore.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) *sqlstore.Store {
			t.Helper()
			s, _ := openSQLite(t)
			return s
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) *sqlstore.Store {
			t.Helper()
			return open(t, sqlstore.Options{URL: pgtest.URL(t)})
		})
	})
}

func TestSuite(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		storetest.Run(t, func(t *testing.T) store.Store { t.Helper(); return open(t) })
	})
}

func TestSuiteOfJobs(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		storetest.RunJobs(t, func(t *testing.T) storetest.Working {
			t.Helper()
			s := open(t)
			return storetest.Working{Store: s, Work: func(t *testing.T, handlers map[string]store.Handler) {
				t.Helper()
				work(t, s, sqlstore.WorkConfig{Handlers: handlers})
			}}
		})
	})
}

// work starts a worker that is stopped when the test ends.
func work(t *testing.T, s *sqlstore.Store, c sqlstore.WorkConfig) *sqlstore.Worker {
	t.Helper()
	c.Unstaggered = true
	w, err := s.Work(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			t.Errorf("stopping the worker: %v", err)
		}
	})
	return w
}
