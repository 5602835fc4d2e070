package sqlstore

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"latchkey/internal/store"
)

// Writer is the connection that writes, for tests that look under the store.
func (d *Database) Writer() *sql.DB { return d.write }

// Reader is the pool that reads.
func (d *Database) Reader() *sql.DB { return d.read }

// Sealer is the store's.
func (s *Store) Sealer() Sealer { return s.sealer }

// QueryTexts are the statements that run, by name: sqlc turned those of queries/ into sqlgen's.
func QueryTexts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("sqlgen/*.sql.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no generated files: %v", err)
	}
	texts := map[string]string{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)= `-- name: (\\w+) :\\w+\n(.*?)`").FindAllSubmatch(src, -1) {
			texts[string(m[1])] = string(m[2])
		}
	}
	return texts
}

// RawTx is the transaction of the database that a store's transaction runs in.
func RawTx(t testing.TB, of store.Tx) *sql.Tx {
	t.Helper()
	x, ok := of.(tx)
	if !ok {
		t.Fatalf("%T", of)
	}
	return x.open.sqlite
}

// Waiting is how many callers wait for SQLite's one writer.
func (s *Store) Waiting() int64 { return s.db.writer.waiting.Load() }

// OpenAt opens the database with its tables as an older version left them.
func OpenAt(ctx context.Context, o Options, version int64) (*Database, error) {
	d := &Database{now: o.Now, log: o.Log}
	if o.postgres() {
		if err := d.openPostgres(ctx, o.URL); err != nil {
			return nil, err
		}
		domain, err := schema.ReadFile("schema/domain.sql")
		if err != nil {
			return nil, err
		}
		if _, err := d.write.ExecContext(ctx, string(domain)); err != nil {
			return nil, err
		}
	} else if err := d.openSQLite(ctx, o.Path); err != nil {
		return nil, err
	}
	p, err := d.migrations()
	if err == nil {
		_, err = p.UpTo(ctx, version)
	}
	return d, err
}
