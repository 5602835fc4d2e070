package applications_test

import (
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/errs"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// onBoth runs a test on each engine.
func onBoth(t *testing.T, test func(t *testing.T, st store.Store)) {
	for name, options := range map[string]func(t *testing.T) sqlstore.Options{
		"sqlite": func(t *testing.T) sqlstore.Options {
			return sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db")}
		},
		"postgres": func(t *testing.T) sqlstore.Options { return sqlstore.Options{URL: pgtest.URL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.Now, o.Log = time.Now, slog.New(slog.DiscardHandler)
			db, err := sqlstore.OpenDatabase(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			st, err := sqlstore.NewStore(db, ring)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			test(t, st)
		})
	}
}

// TestChangesAtOnceAreBothKept changes two settings at the same time, as two operators do: neither is lost.
func TestChangesAtOnceAreBothKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, st store.Store) {
		c := &clock{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
		s := newService(st, c)
		made, err := s.Create(t.Context(), applications.Spec{Name: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		id := made.Application.ID
		for round := range 25 {
			name, u := "shop "+string(rune('a'+round)), "https://auth.example/"+string(rune('a'+round))
			list := []latchkey.Provider{latchkey.Providers()[round%3]}
			changes := []applications.Settings{{Name: &name}, {AuthServerURL: &u}, {Providers: &list}}
			var wg sync.WaitGroup
			for _, want := range changes {
				wg.Go(func() {
					if _, err := s.Change(t.Context(), id, want); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got, err := s.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != name || got.AuthServerURL != u || !cmp.Equal(got.Providers, list) {
				t.Fatalf("round %d: one change undid another: %q %q %v", round, got.Name, got.AuthServerURL, got.Providers)
			}
		}
	})
}

func TestProvidersOfAnApplication(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t)
	made, err := s.Create(t.Context(), applications.Spec{Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]latchkey.Provider{{"YAHOO"}, {""}, {"imap"}, {latchkey.IMAP, latchkey.IMAP}} {
		if _, err := s.Change(t.Context(), made.Application.ID, applications.Settings{Providers: &bad}); !errs.Is(err, errs.CodeInvalidParameters) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := s.Change(t.Context(), "app_06gzx6xh3r001zvca5cz7vxm4w", applications.Settings{Providers: &[]latchkey.Provider{latchkey.IMAP}}); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("an unknown application: %v", err)
	}
}
