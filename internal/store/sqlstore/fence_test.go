package sqlstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// TestMemoryIsNotWrittenPastAChangeOfHands: a holder writes at the very moment in which another takes
// the account. It has to wait, and is refused, though the fence was its own when it looked.
func TestMemoryIsNotWrittenPastAChangeOfHands(t *testing.T) {
	t.Parallel()
	s := open(t, sqlstore.Options{URL: pgtest.URL(t)})
	acc := newAccount("app_1", "secret")
	must(t, s.Accounts().Create(t.Context(), acc))
	must(t, s.Keeps().Want(t.Context(), store.Keep{AccountID: acc.ID, ApplicationID: acc.ApplicationID, Provider: latchkey.WhatsApp, Due: time.Now()}))
	k, err := s.Keeps().Get(t.Context(), acc.ID)
	must(t, err)
	k, err = s.Keeps().Claim(t.Context(), k, "first")
	must(t, err)
	ref := store.MemoryRef{AccountID: acc.ID, ApplicationID: acc.ApplicationID, Fence: k.Fence}
	must(t, s.Memories().Put(t.Context(), ref, "session", "", map[string][]byte{"one": []byte("new")}))

	wrote := make(chan error, 1)
	must(t, s.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := tx.Keeps().Want(ctx, store.Keep{AccountID: acc.ID, ApplicationID: acc.ApplicationID, Provider: latchkey.WhatsApp, Due: time.Now()}); err != nil {
			return err
		}
		go func() {
			wrote <- s.Memories().Put(context.WithoutCancel(t.Context()), ref, "session", "", map[string][]byte{"one": []byte("old")})
		}()
		for {
			var waiting int
			const ask = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
			if err := s.Database().Writer().QueryRowContext(t.Context(), ask).Scan(&waiting); err != nil || waiting > 0 {
				return err
			}
			select {
			case err := <-wrote:
				t.Errorf("the old holder did not wait: %v", err)
				wrote <- err
				return nil
			default:
			}
		}
	}))
	if err := <-wrote; !errors.Is(err, store.ErrStale) {
		t.Errorf("the old holder wrote: %v", err)
	}
	got, err := s.Memories().Get(t.Context(), ref, "session", "", "one")
	if err != nil || string(got["one"]) != "new" {
		t.Errorf("it holds %q, %v", got["one"], err)
	}
}

// TestKeptOfAKilledProcessIsFreeAtOnce: on SQLite, the next process knows that the last one is gone.
func TestKeptOfAKilledProcessIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	acc := newAccount("app_1", "secret")
	must(t, s.Accounts().Create(t.Context(), acc))
	must(t, s.Keeps().Want(t.Context(), store.Keep{AccountID: acc.ID, ApplicationID: acc.ApplicationID, Provider: latchkey.WhatsApp, Due: time.Now()}))
	must(t, s.Keeps().Join(t.Context(), "killed", time.Now().Add(time.Hour)))
	k, err := s.Keeps().Get(t.Context(), acc.ID)
	must(t, err)
	k, err = s.Keeps().Claim(t.Context(), k, "killed")
	must(t, err)
	work(t, s, sqlstore.WorkConfig{Handlers: map[string]store.Handler{"any": func(context.Context, store.RunningJob) error { return nil }}})
	free, err := s.Keeps().Get(t.Context(), acc.ID)
	if err != nil || free.Owner != "" || free.Fence <= k.Fence || free.Due.IsZero() || free.Due.After(time.Now()) {
		t.Errorf("it is %+v, %v", free, err)
	}
	if err := s.Keeps().Beat(t.Context(), "killed", time.Now().Add(time.Hour)); !errors.Is(err, store.ErrStale) {
		t.Errorf("the killed process is alive: %v", err)
	}
}
