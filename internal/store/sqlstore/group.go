package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"latchkey/internal/store/sqlstore/sqlgen"
)

const (
	// groupSize bounds one group, and so how long it keeps the writer.
	groupSize = 256
	// groupQueue is how many writes wait before callers do.
	groupQueue = 1024
)

type writeFunc func(ctx context.Context, q *sqlgen.Queries) error

// group commits writes together on SQLite's one writer: it takes what waits, up to groupSize,
// in one transaction, and answers after COMMIT. One flush of the disk serves all of them.
type group struct {
	db      *Database
	writes  chan *groupedWrite
	quit    chan struct{}
	stopped chan struct{}
}

// groupedWrite is one caller's write. Its fn may run twice, where a group has to be undone.
type groupedWrite struct {
	fn writeFunc
	// many is set where fn has more than one statement and needs a savepoint of its own.
	many  bool
	state atomic.Int32
	done  chan error
}

const (
	waiting int32 = iota
	taken
	abandoned
)

func newGroup(db *Database) *group {
	g := &group{
		db: db, writes: make(chan *groupedWrite, groupQueue),
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go g.run()
	return g
}

// write queues fn and waits until it is durable.
func (g *group) write(ctx context.Context, many bool, fn writeFunc) error {
	w := &groupedWrite{fn: fn, many: many, done: make(chan error, 1)}
	select {
	case g.writes <- w:
	case <-g.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if w.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-g.stopped:
	}
	// The write is being done, or the group has ended and answered whom it took.
	select {
	case err := <-w.done:
		return err
	case <-g.stopped:
		select {
		case err := <-w.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// close does what waits and ends.
func (g *group) close() {
	close(g.quit)
	<-g.stopped
}

func (g *group) run() {
	defer close(g.stopped)
	batch := make([]*groupedWrite, 0, groupSize)
	for {
		select {
		case w := <-g.writes:
			batch = g.handle(batch[:0], w)
		case <-g.quit:
			for {
				select {
				case w := <-g.writes:
					batch = g.handle(batch[:0], w)
				default:
					return
				}
			}
		}
	}
}

// handle waits for its turn first and collects the group then, so that a group grows while others
// hold the writer.
func (g *group) handle(batch []*groupedWrite, first *groupedWrite) []*groupedWrite {
	if err := g.db.writer.take(context.Background()); err != nil {
		return batch // never: this context has no end
	}
	defer g.db.writer.release()
	batch = append(batch, first)
	for len(batch) < groupSize {
		select {
		case w := <-g.writes:
			batch = append(batch, w)
			continue
		default:
		}
		break
	}
	kept := batch[:0]
	for _, w := range batch {
		if w.state.CompareAndSwap(waiting, taken) {
			kept = append(kept, w)
		}
	}
	g.commit(kept)
	return batch
}

// commit writes a group. Where something went wrong that may have undone more than one statement
// (a full disk, an I/O error, a failed COMMIT), each write is tried again alone, so that each
// caller hears about its own.
func (g *group) commit(batch []*groupedWrite) {
	if len(batch) == 0 {
		return
	}
	ctx := context.Background()
	results := make([]error, len(batch))
	if err := g.together(ctx, batch, results); err != nil {
		for i, w := range batch {
			one := batch[i : i+1]
			if err := g.together(ctx, one, results[i:i+1]); err != nil {
				results[i] = err
			}
			w.done <- results[i]
		}
		return
	}
	for i, w := range batch {
		w.done <- results[i]
	}
}

// together runs the writes in one transaction, or in the one that is open. results holds what each of
// them says; an error means that nothing was written.
func (g *group) together(ctx context.Context, batch []*groupedWrite, results []error) error {
	sh, err := g.db.openShared(ctx)
	if err != nil {
		return err
	}
	for i, w := range batch {
		if w.many {
			err = inSavepoint(ctx, sh.tx, sh.q, w.fn)
		} else {
			err = w.fn(ctx, sh.q)
		}
		if err != nil && !statementFailed(err) {
			return g.db.undoShared(err)
		}
		results[i] = err
	}
	return g.db.commitShared(ctx)
}

func inSavepoint(ctx context.Context, tx *sql.Tx, q *sqlgen.Queries, fn writeFunc) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	err := fn(ctx, q)
	if err != nil && !statementFailed(err) {
		return err
	}
	if err != nil {
		if _, rerr := tx.ExecContext(ctx, "ROLLBACK TO one"); rerr != nil {
			return rerr
		}
	}
	if _, rerr := tx.ExecContext(ctx, "RELEASE one"); rerr != nil {
		return rerr
	}
	return err
}

// rollback ignores that there is nothing to roll back: SQLite ends a transaction itself on some errors.
func rollback(tx *sql.Tx) error {
	err := tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) || sqliteCode(err) == 1 {
		return nil
	}
	return err
}
