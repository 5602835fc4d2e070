package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Errors of this implementation.
var (
	ErrClosed = errors.New("sqlstore: closed")
	// ErrNotInTx is returned by calls that only make sense inside InTx.
	ErrNotInTx = errors.New("sqlstore: only possible inside InTx")
)

// SQLSTATE codes, PostgreSQL documentation, appendix A.
const (
	pgUniqueViolation = "23505"
	pgSerialization   = "40001"
	pgDeadlock        = "40P01"
)

// classify turns what the drivers say into the contract's errors.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == pgUniqueViolation {
		return fmt.Errorf("%w: %s", store.ErrConflict, pg.ConstraintName)
	}
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	}
	if outOfOrder(err) {
		return &errs.Error{
			Kind: errs.Unavailable, Code: errs.CodeUnavailable, RetryAfter: 5 * time.Second, Cause: err,
			Detail: "The database cannot be used just now. Try again in a moment.",
		}
	}
	return err
}

// outOfOrder tells whether the database itself is not well: the disk is full, or the server is away.
func outOfOrder(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(pg.Code, "08"), // connection exception
			strings.HasPrefix(pg.Code, "53"),  // insufficient resources: disk, memory, connections
			strings.HasPrefix(pg.Code, "57P"): // the server is stopping or starting
			return true
		}
		return false
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return true
	}
	return false
}

// sqliteCode is the extended result code, 0 for other errors.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// worthRetrying tells whether the transaction failed only because of others.
func worthRetrying(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgSerialization || pg.Code == pgDeadlock
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return true
	}
	return false
}

// statementFailed tells whether an error in a group's transaction concerns its own statement only,
// so that SQLite has undone that statement and the transaction goes on.
func statementFailed(err error) bool {
	code := sqliteCode(err)
	return code == 0 || code&0xff == sqlite3.SQLITE_CONSTRAINT
}
