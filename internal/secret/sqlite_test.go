package secret_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// A keyring on the real store: processes that start together on one file share one keyset, and
// looking up newer keys in the middle of a transaction does not wait for that transaction.
func TestKeyringOnSQLite(t *testing.T) {
	t.Parallel()
	c, master := newClock(), secret.NewMasterKey()
	path := filepath.Join(t.TempDir(), "latchkey.db")
	type process struct {
		store *sqlstore.Store
		ring  *secret.Keyring
	}
	start := func() process {
		db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: path, Now: c.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("opening: %v", err)
			return process{}
		}
		ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), master, c.Now)
		if err != nil {
			t.Errorf("keyring: %v", err)
			return process{}
		}
		s, err := sqlstore.NewStore(db, ring)
		if err != nil {
			t.Errorf("store: %v", err)
			return process{}
		}
		t.Cleanup(func() { _ = s.Close() })
		return process{s, ring}
	}
	start() // migrates
	ps := make([]process, 4)
	var wg sync.WaitGroup
	for i := range ps {
		wg.Go(func() { ps[i] = start() })
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i, p := range ps {
		mustOpen(t, ps[(i+1)%len(ps)].ring, "x", seal(t, p.ring, "x", "v"), "v")
	}
	added, err := ps[0].ring.AddKey(t.Context())
	if err == nil {
		err = ps[0].ring.Promote(t.Context(), added)
	}
	if err != nil {
		t.Fatal(err)
	}
	fresh := seal(t, ps[0].ring, "x", "fresh")
	c.Advance(secret.MaxStale + time.Second)
	err = ps[1].store.InTx(t.Context(), func(context.Context, store.Tx) error {
		mustOpen(t, ps[1].ring, "x", fresh, "fresh")                                             //nolint:contextcheck // a keyring looks for news on its own time
		mustOpen(t, ps[1].ring, "x", seal(t, ps[1].ring, "x", "in the middle"), "in the middle") //nolint:contextcheck // as above
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
