package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store/sqlstore"
)

// TestParametersAreBoundByNumber guards the ground that one SQL text stands on: drivers that bind $N
// in order of appearance would silently store values in each other's columns.
func TestParametersAreBoundByNumber(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		t.Helper()
		db := open(t).Database().Writer()
		var a, b, c string
		err := db.QueryRowContext(t.Context(), "SELECT CAST($2 AS text), CAST($1 AS text), CAST($2 AS text)", "one", "two").Scan(&a, &b, &c)
		if err != nil || a != "two" || b != "one" || c != "two" {
			t.Errorf("got %s %s %s, %v; want two one two", a, b, c, err)
		}
	})
}

func TestSQLiteIsDurableAndPrivate(t *testing.T) {
	t.Parallel()
	s, path := openSQLite(t)
	if err := s.Links().Create(t.Context(), newLink("app_1")); err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "temp_store": "2"} {
		for name, db := range map[string]*sql.DB{"writer": s.Database().Writer(), "reader": s.Database().Reader()} {
			var got string
			if err := db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s of the %s is %q, %v; want %q", pragma, name, got, err, want)
			}
		}
	}
	if _, err := s.Database().Reader().ExecContext(t.Context(), "DELETE FROM links"); err == nil {
		t.Error("the readers' pool could write")
	}
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		st, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(f), st.Mode().Perm())
		}
	}
}

func TestPathsThatNeedEscaping(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b", "50% ü?#&.db")
	s := open(t, sqlstore.Options{Path: path})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if found, err := os.ReadDir(filepath.Dir(path)); err != nil || len(found) == 0 || !strings.HasPrefix(found[0].Name(), "50% ü?#&.db") {
		t.Errorf("the folder holds %v, %v", found, err)
	}
}

func TestOpenedManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	for engine, o := range map[string]func(t *testing.T) sqlstore.Options{
		"sqlite": func(t *testing.T) sqlstore.Options {
			t.Helper()
			return sqlstore.Options{Path: filepath.Join(t.TempDir(), "x.db")}
		},
		"postgres": func(t *testing.T) sqlstore.Options { t.Helper(); return sqlstore.Options{URL: pgtest.URL(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			options := o(t)
			options.Now, options.Log = time.Now, quiet()
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					db, err := sqlstore.OpenDatabase(t.Context(), options)
					if err != nil {
						t.Errorf("open: %v", err)
						return
					}
					if err := db.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	for engine, o := range map[string]func(t *testing.T) sqlstore.Options{
		"sqlite": func(t *testing.T) sqlstore.Options {
			t.Helper()
			return sqlstore.Options{Path: filepath.Join(t.TempDir(), "x.db")}
		},
		"postgres": func(t *testing.T) sqlstore.Options { t.Helper(); return sqlstore.Options{URL: pgtest.URL(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			options := o(t)
			options.Now, options.Log = time.Now, quiet()
			db, err := sqlstore.OpenDatabase(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Writer().ExecContext(t.Context(), "INSERT INTO schema_version (version_id, is_applied) VALUES (99999, true)"); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := sqlstore.OpenDatabase(t.Context(), options); !errors.Is(err, sqlstore.ErrNewer) {
				t.Errorf("error is %v, want ErrNewer", err)
			}
		})
	}
}

func TestErrorsDoNotShowThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://latchkey:hunter2@127.0.0.1:1/db?connect_timeout=1",
		"postgres://latchkey:hunter2@127.0.0.1:1/db?sslmode=nonsense",
		"postgres://latchkey:hunter2@[::1/db",
		"mysql://latchkey:hunter2@127.0.0.1/db",
	} {
		_, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{URL: url, Now: time.Now, Log: quiet()})
		if err == nil {
			t.Errorf("%s could be opened", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestIDsSortByBytesOnPostgres(t *testing.T) {
	t.Parallel()
	s := open(t, sqlstore.Options{URL: pgtest.URL(t)})
	rows, err := s.Database().Writer().QueryContext(t.Context(), `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'river%' AND table_name NOT IN ('schema_version', 'keysets')
		AND (column_name = 'id' OR column_name LIKE '%\_id') AND column_name NOT IN ('step_id', 'external_id', 'client_id') AND data_type <> 'bytea'
		AND coalesce(collation_name, '') <> 'C'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		t.Errorf("column %s does not have the collation C: its type must be idtext", name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestKeysetIsComparedAndSet(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		t.Helper()
		ks := open(t).Database().Keysets()
		var _ secret.KeysetStore = ks
		wrapped, version, err := ks.Load(t.Context())
		if err != nil || wrapped != nil || version != 0 {
			t.Fatalf("empty: %v %d %v", wrapped, version, err)
		}
		won := make(chan int, 20)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := ks.Save(t.Context(), []byte{byte(i)}, 0)
				if err == nil {
					won <- i
				} else if !errors.Is(err, secret.ErrKeysetChanged) {
					t.Errorf("save: %v", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d made the first keyset, want 1", len(won))
		}
		wrapped, version, err = ks.Load(t.Context())
		if err != nil || version != 1 || int(wrapped[0]) != <-won {
			t.Fatalf("first: %v %d %v", wrapped, version, err)
		}
		if err := ks.Save(t.Context(), []byte("two"), 1); err != nil {
			t.Fatal(err)
		}
		if err := ks.Save(t.Context(), []byte("late"), 1); !errors.Is(err, secret.ErrKeysetChanged) {
			t.Errorf("late save: %v", err)
		}
		wrapped, version, err = ks.Load(t.Context())
		if err != nil || version != 2 || string(wrapped) != "two" {
			t.Errorf("second: %q %d %v", wrapped, version, err)
		}
	})
}

// TestOpenedWithTheRealKeyring goes the two steps as the server does.
func TestOpenedWithTheRealKeyring(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "latchkey.db")
	master := secret.NewMasterKey()
	app := newApplication("whsec_real")
	for i := range 2 {
		db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: path, Now: time.Now, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := secret.LoadOrCreate(t.Context(), db.Keysets(), master, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		s, err := sqlstore.NewStore(db, keys)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := s.Applications().Create(t.Context(), app); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Applications().Get(t.Context(), app.ID)
		if err != nil || got.WebhookSecret != app.WebhookSecret {
			t.Errorf("got %q, %v", got.WebhookSecret, err)
		}
		n, err := s.SealedWith(t.Context(), keys.PrimaryPrefix())
		if err != nil || n != 1 {
			t.Errorf("sealed with the primary key: %d, %v; want 1", n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Links().Create(context.WithoutCancel(t.Context()), newLink("app_1")); err == nil {
			t.Error("a closed store could be written")
		}
	}
}
