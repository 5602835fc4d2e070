package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/store/sqlstore/sqlgen"
)

// On SQLite's one writer a commit costs more than what it makes durable: it writes whole pages and
// flushes the disk. So transactions that wait for the writer share one: each runs on its own, one
// after the other, under a savepoint; whoever finds nobody waiting commits for all, and InTx returns
// to each only after that. A transaction alone is what it always was.
//
//	turn ─▶ begin, or join ─▶ fn ─▶ somebody waits? ─yes─▶ hand the open transaction on, await commit
//	                                      └──────no──────▶ commit, tell all who are in it
//
// Readers see nothing of it before the commit. Where the shared transaction is lost (a full disk, an
// I/O error), everybody in it runs again alone, so that each hears about its own.

// Bounds of one shared transaction: how many are in it, and how long the first may wait for the last.
const (
	sharedSize = 64
	sharedTime = 10 * time.Millisecond
)

// errUndone tells that a transaction went down with others and has to run again.
var errUndone = errors.New("sqlstore: undone with the transaction that it shared")

// writer is SQLite's one writer connection and the order in which it is used.
type writer struct {
	// turn is taken by whoever uses the connection for a transaction, in the order of asking.
	turn chan struct{}
	// waiting counts those who are going to use the turn that they wait for: an open transaction is
	// left to them.
	waiting atomic.Int64
	// shared is open between turns, if it is. Whoever has the turn may touch it.
	shared *sharedTx
	// wake is called after a commit with jobs, and delivered after one with deliveries.
	wake      func()
	delivered func(queues []string)
}

type sharedTx struct {
	tx      *sql.Tx
	q       *sqlgen.Queries
	db      preparedTx
	since   time.Time
	members []chan error
	jobs    bool
	queues  map[string]struct{}
}

// take waits for the turn.
func (w *writer) take(ctx context.Context) error {
	w.waiting.Add(1)
	defer w.waiting.Add(-1)
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) release() { <-w.turn }

// openShared begins the shared transaction or joins it. Its caller has the turn.
func (d *Database) openShared(ctx context.Context) (*sharedTx, error) {
	if d.writer.shared != nil {
		return d.writer.shared, nil
	}
	// No caller's context ends it: that would undo what others have written.
	stx, err := d.write.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, err
	}
	p := preparedTx{Tx: stx, statements: d.writeStatements}
	d.writer.shared = &sharedTx{tx: stx, q: sqlgen.New(p), db: p, since: time.Now(), queues: map[string]struct{}{}} //nolint:forbidigo // a monotonic span
	return d.writer.shared, nil
}

// commitShared ends the shared transaction for good, if there is one. Its caller has the turn.
func (d *Database) commitShared(ctx context.Context) error {
	sh := d.writer.shared
	if sh == nil {
		return nil
	}
	d.writer.shared = nil
	err := sh.tx.Commit()
	if err != nil {
		err = errors.Join(err, rollback(sh.tx))
	}
	d.writeStatements.prepareWanted(ctx)
	if err == nil && sh.jobs {
		d.writer.wake()
	}
	if err == nil && len(sh.queues) > 0 {
		d.writer.delivered(slices.Collect(maps.Keys(sh.queues)))
	}
	sh.tell(err)
	return err
}

// undoShared gives the shared transaction up. Its caller has the turn, and is not in it.
func (d *Database) undoShared(cause error) error {
	sh := d.writer.shared
	d.writer.shared = nil
	err := rollback(sh.tx)
	for _, m := range sh.members {
		m <- errUndone
	}
	return errors.Join(cause, err)
}

// tell answers all who wait for the commit. Which of several made it fail is not known, so each tries
// again alone.
func (sh *sharedTx) tell(err error) {
	if err != nil && len(sh.members) > 1 {
		err = errUndone
	}
	for _, m := range sh.members {
		m <- err
	}
}

// runSQLite runs fn in a transaction that others may share.
func (s *Store) runSQLite(ctx, marked context.Context, fn func(ctx context.Context, t tx) error) error {
	for alone := false; ; alone = true {
		durable, err := s.join(ctx, marked, alone, fn)
		if err != nil {
			return err
		}
		if err := <-durable; alone || !errors.Is(err, errUndone) {
			return err
		}
	}
}

// join runs fn when it is its turn. The channel tells when what it wrote is durable.
func (s *Store) join(ctx, marked context.Context, alone bool, fn func(ctx context.Context, t tx) error) (durable <-chan error, err error) {
	d := s.db
	if err := d.writer.take(ctx); err != nil {
		// An open transaction may have been left to this caller.
		go d.settle() //nolint:gosec // the caller's context has ended, and others wait
		return nil, err
	}
	defer d.writer.release()
	if alone {
		_ = d.commitShared(ctx) // those who are in it hear of it
	}
	sh, err := d.openShared(ctx)
	if err != nil {
		return nil, err
	}
	// Also where fn panics: others must not wait for ever.
	defer func() {
		if d.writer.shared != nil && (alone || d.lastInLine(sh)) {
			_ = d.commitShared(ctx) // those who are in it hear of it
		}
	}()
	if err := s.runShared(ctx, marked, sh, fn); err != nil {
		return nil, err
	}
	c := make(chan error, 1)
	sh.members = append(sh.members, c)
	return c, nil
}

// lastInLine tells whether it is time to commit.
func (d *Database) lastInLine(sh *sharedTx) bool {
	return d.writer.waiting.Load() == 0 || len(sh.members) >= sharedSize ||
		time.Since(sh.since) > sharedTime //nolint:forbidigo // a monotonic span
}

// settle commits what was left open for somebody who did not come.
func (d *Database) settle() {
	ctx := context.Background()
	if err := d.writer.take(ctx); err != nil {
		return // never: this context has no end
	}
	defer d.writer.release()
	_ = d.commitShared(ctx) // those who are in it hear of it
}

// runShared runs fn and keeps what it wrote apart from what others did. Also where fn panics, its own
// part is undone.
func (s *Store) runShared(ctx, marked context.Context, sh *sharedTx, fn func(ctx context.Context, t tx) error) (err error) {
	// The first needs no savepoint: undoing it is undoing everything.
	part := len(sh.members) > 0
	// A statement that is interrupted takes the whole transaction with it.
	whole := context.WithoutCancel(ctx)
	if part {
		if _, err := sh.db.ExecContext(whole, "SAVEPOINT part"); err != nil {
			return s.db.undoShared(err)
		}
	}
	good := false
	defer func() {
		if !good {
			err = s.db.undoPart(whole, part, sh, err)
		}
	}()
	o := &openTx{q: sh.q, sqlite: sh.tx}
	if err := fn(context.WithoutCancel(marked), tx{s: s, open: o}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if part {
		if _, err := sh.db.ExecContext(whole, "RELEASE part"); err != nil {
			return err
		}
	}
	good = true
	sh.jobs = sh.jobs || o.jobs
	for _, q := range o.queues {
		sh.queues[q] = struct{}{}
	}
	return nil
}

// undoPart takes back what one of the transactions has done.
func (d *Database) undoPart(ctx context.Context, part bool, sh *sharedTx, cause error) error {
	if !part {
		return d.undoShared(cause)
	}
	_, err := sh.db.ExecContext(ctx, "ROLLBACK TO part")
	if err == nil {
		_, err = sh.db.ExecContext(ctx, "RELEASE part")
	}
	if err != nil {
		// SQLite has ended the whole transaction itself: what is left of it must not be committed.
		return d.undoShared(cause)
	}
	return cause
}
