package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// readers is how many connections read at once. SQLite reads from memory most of the time, so more
// than the processors can feed would only cost page caches.
const readers = 4

// pragmas that every connection gets. Values are what SQLite answers when asked, since a misspelt
// pragma is silently ignored: assertPragmas compares.
func pragmas(write bool) [][2]string {
	p := [][2]string{
		{"busy_timeout", "5000"}, // another process, such as the command line beside a server
		{"journal_mode", "wal"},
		{"synchronous", "2"}, // FULL: a commit that was reported survives a power cut
		{"foreign_keys", "1"},
		{"temp_store", "2"},                // in memory: nothing is written beside the database
		{"cache_size", "-4000"},            // KiB
		{"wal_autocheckpoint", "4000"},     // pages: hot ones are copied to the database less often
		{"journal_size_limit", "67108864"}, // a burst does not leave a large WAL behind for ever
	}
	if !write {
		p = append(p, [2]string{"query_only", "1"})
	}
	return p
}

func (d *Database) openSQLite(ctx context.Context, path string) error {
	if err := makePrivate(path); err != nil {
		return err
	}
	d.path = path
	var err error
	// The writer is opened first: it is the one that may turn the file's journal to WAL. While
	// another process does the same, SQLite answers at once that the file is busy.
	for try := range 8 {
		if d.write, err = openSQLitePool(ctx, path, true, 1); err == nil || !worthRetrying(err) {
			break
		}
		if serr := sleep(ctx, 5*time.Millisecond<<try); serr != nil {
			return serr
		}
	}
	if err != nil {
		return err
	}
	if d.read, err = openSQLitePool(ctx, path, false, readers); err != nil {
		return err
	}
	d.writer.turn = make(chan struct{}, 1)
	return nil
}

// makePrivate creates the file before SQLite does, for its owner only; SQLite gives the journal
// files beside it the same mode.
func makePrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func openSQLitePool(ctx context.Context, path string, write bool, conns int) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range pragmas(write) {
		q.Add("_pragma", p[0]+"("+p[1]+")")
	}
	// A transaction that will write takes the lock when it begins: upgrading later can fail at once.
	q.Set("_txlock", "immediate")
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := assertPragmas(ctx, db, write); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func assertPragmas(ctx context.Context, db *sql.DB, write bool) error {
	for _, p := range pragmas(write) {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p[0]).Scan(&got); err != nil {
			return fmt.Errorf("PRAGMA %s: %w", p[0], err)
		}
		if !strings.EqualFold(got, p[1]) {
			return fmt.Errorf("PRAGMA %s is %s instead of %s; does the file lie on a network file system?", p[0], got, p[1])
		}
	}
	return nil
}
