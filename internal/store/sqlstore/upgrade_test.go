package sqlstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/store/sqlstore"
)

// TestUpgradeKeepsWhatIsThere takes a database of the first version, with rows in it, to this one.
func TestUpgradeKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	for engine, options := range map[string]func(t *testing.T) sqlstore.Options{
		"sqlite": func(t *testing.T) sqlstore.Options {
			t.Helper()
			return sqlstore.Options{Path: filepath.Join(t.TempDir(), "x.db")}
		},
		"postgres": func(t *testing.T) sqlstore.Options { t.Helper(); return sqlstore.Options{URL: pgtest.URL(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.Now, o.Log, o.Sealer = time.Now, quiet(), newRing(t)
			old, err := sqlstore.OpenAt(t.Context(), o, 1)
			must(t, err)
			a := newAccount("app_1", "credential")
			sealed, err := o.Sealer.Seal("app_1|accounts|"+string(a.ID)+"|secret", a.Secret)
			must(t, err)
			_, err = old.Writer().ExecContext(t.Context(), `INSERT INTO accounts (id, application_id, external_id, provider, name, identity,
				proof, status, reason, status_at, sources, params, metadata, options, secret, warnings, sequence, test, created_at, updated_at, checked_at)
				VALUES ($1, 'app_1', 'theirs', 'IMAP', 'Ada', 'ada@example.com', 'typed', 'OK', '', 1, '', '', '', '', $2, '', 7, false, 1, 2, 3)`,
				string(a.ID), sealed)
			must(t, err)
			must(t, old.Close())

			s := open(t, o)
			got, err := s.Accounts().Get(t.Context(), "app_1", "theirs")
			must(t, err)
			if got.ID != a.ID || string(got.Secret) != "credential" || got.Sequence != 7 || got.Name != "Ada" {
				t.Errorf("the account is not what it was: %+v", got)
			}
			if got.ProviderApp != "" || !got.ExpiresAt.IsZero() || !got.RefreshAt.IsZero() || got.Refreshing(time.Now()) {
				t.Errorf("it seems to expire: %+v", got)
			}
			if due, err := s.Accounts().DueForRefresh(t.Context(), latchkey.IMAP, time.Now(), 10); err != nil || len(due) != 0 {
				t.Errorf("due: %v, %v", due, err)
			}
			must(t, s.ProviderApps().Create(t.Context(), newProviderApp("app_1", "secret")))
		})
	}
}
