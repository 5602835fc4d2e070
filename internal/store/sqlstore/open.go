package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"latchkey/internal/store/sqlstore/sqlgen"
)

// Sealer encrypts values bound to aad, their place in the database. Sealed values begin with five
// bytes that name their key; PrimaryPrefix names the one in use.
type Sealer interface {
	Seal(aad string, plain []byte) ([]byte, error)
	Open(aad string, sealed []byte) ([]byte, error)
	PrimaryPrefix() []byte
}

// Options say which database to open.
type Options struct {
	// URL is postgres://… or postgresql://…; empty means the SQLite file at Path.
	URL string
	// Path is the SQLite file; it and its folder are made where they are missing.
	Path string
	// Sealer is needed by Open only; OpenDatabase takes none.
	Sealer Sealer
	Now    func() time.Time
	Log    *slog.Logger
}

func (o Options) postgres() bool {
	return strings.HasPrefix(o.URL, "postgres://") || strings.HasPrefix(o.URL, "postgresql://")
}

// Database is an open and migrated database.
type Database struct {
	now func() time.Time
	log *slog.Logger
	// path is SQLite's file; empty on PostgreSQL.
	path string

	// write is the one writer connection on SQLite, the pool on PostgreSQL; read is the pool that
	// reads outside transactions use.
	write *sql.DB
	read  *sql.DB
	// pool is set on PostgreSQL only.
	pool *pgxpool.Pool
	// writer orders who uses SQLite's one writer.
	writer writer
	// writeStatements and readStatements are set on SQLite only.
	writeStatements, readStatements *statements

	readQ *sqlgen.Queries
	poolQ *sqlgen.Queries
}

// OpenDatabase opens the database and brings its tables up to date.
func OpenDatabase(ctx context.Context, o Options) (*Database, error) {
	if o.Now == nil || o.Log == nil {
		return nil, errors.New("sqlstore: Now and Log are needed")
	}
	d := &Database{now: o.Now, log: o.Log}
	var err error
	switch {
	case o.postgres():
		err = d.openPostgres(ctx, o.URL)
	case o.URL == "" && o.Path != "":
		err = d.openSQLite(ctx, o.Path)
	case o.URL != "" && !strings.Contains(o.URL, "://"):
		err = d.openSQLite(ctx, o.URL)
	default:
		// The URL may hold a password, so the error does not show it.
		err = errors.New("the database URL must begin with postgres://, or be empty for an SQLite file")
	}
	if err == nil {
		err = d.migrate(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: opening the database: %w", err), d.Close())
	}
	d.readQ, d.poolQ = sqlgen.New(d.read), sqlgen.New(d.write)
	if d.sqlite() {
		d.writeStatements, d.readStatements = newStatements(d.write), newStatements(d.read)
		d.readQ = sqlgen.New(preparedPool{d.readStatements})
	}
	return d, nil
}

// Open is OpenDatabase and NewStore, for callers that have a Sealer already.
func Open(ctx context.Context, o Options) (*Store, error) {
	d, err := OpenDatabase(ctx, o)
	if err != nil {
		return nil, err
	}
	s, err := NewStore(d, o.Sealer)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return s, nil
}

// Engine is "sqlite" or "postgres".
func (d *Database) Engine() string {
	if d.sqlite() {
		return "sqlite"
	}
	return "postgres"
}

func (d *Database) sqlite() bool { return d.pool == nil }

// Ping tells whether the database answers, and has our tables: it may have been put back empty.
func (d *Database) Ping(ctx context.Context) error {
	var n int64
	return d.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM keysets").Scan(&n)
}

// Close closes all connections. A Store made from the database closes it itself.
func (d *Database) Close() error {
	var errList []error
	for _, st := range []*statements{d.writeStatements, d.readStatements} {
		if st != nil {
			errList = append(errList, st.close())
		}
	}
	if d.read != nil && d.read != d.write {
		errList = append(errList, d.read.Close())
	}
	if d.write != nil {
		errList = append(errList, d.write.Close())
	}
	if d.pool != nil {
		d.pool.Close()
	}
	return errors.Join(errList...)
}
