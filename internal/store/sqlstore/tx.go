package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

// txTries is how often a transaction is begun before its failure, caused by others, is reported.
const txTries = 6

// openTx is a transaction that is going on.
type openTx struct {
	q *sqlgen.Queries
	// One of the two is set: River's clients want their engine's own kind.
	sqlite   *sql.Tx
	postgres pgx.Tx
	// jobs tells that jobs were added.
	jobs bool
	// queues are those in which deliveries were written.
	queues []string
}

// queued notes a queue in which a delivery was written. A transaction mostly has one or two.
func (o *openTx) queued(queue string) {
	if !slices.Contains(o.queues, queue) {
		o.queues = append(o.queues, queue)
	}
}

// inTxKey marks the contexts of a store's transactions.
type inTxKey struct{ s *Store }

func (s *Store) notNested(ctx context.Context) error {
	if ctx.Value(inTxKey{s}) != nil {
		return store.ErrNestedUse
	}
	return nil
}

// InTx runs fn in one transaction.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	plain := func(ctx context.Context, t tx) error { return fn(ctx, t) }
	if note := store.AuditOf(ctx); note.Pending() {
		return s.inTxAudited(ctx, note, plain)
	}
	return s.inTx(ctx, plain)
}

func (s *Store) inTx(ctx context.Context, fn func(ctx context.Context, t tx) error) error {
	if err := s.notNested(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.runTx(ctx, fn)
		if err == nil || try == txTries || !worthRetrying(err) {
			return classify(err)
		}
		// Those that stood in each other's way must not meet again at once.
		pause := time.Millisecond << try
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil { //nolint:gosec // spreading needs no secrecy
			return err
		}
	}
}

func (s *Store) runTx(ctx context.Context, fn func(ctx context.Context, t tx) error) error {
	marked := context.WithValue(ctx, inTxKey{s}, true)
	if s.db.sqlite() {
		return s.runSQLite(ctx, marked, fn)
	}
	return s.runPostgres(ctx, marked, fn)
}

// runPostgres begins the transaction on the raw connection, so that River's pgx client and the
// generated database/sql code share it.
func (s *Store) runPostgres(ctx, marked context.Context, fn func(ctx context.Context, t tx) error) (err error) {
	conn, err := s.db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, conn) }()
	var ptx pgx.Tx
	err = conn.Raw(func(dc any) error {
		c, ok := dc.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("sqlstore: connection is a %T", dc)
		}
		var err error
		ptx, err = c.Conn().Begin(ctx)
		return err
	})
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if committed {
			return
		}
		// The caller's context may be why we are here; the connection must come back clean all the same.
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if rerr := ptx.Rollback(rctx); rerr != nil && !errors.Is(rerr, pgx.ErrTxClosed) && !ptx.Conn().IsClosed() {
			err = errors.Join(err, rerr)
		}
	}()
	o := &openTx{q: sqlgen.New(conn), postgres: ptx}
	if err := fn(marked, tx{s: s, open: o}); err != nil {
		return err
	}
	if err := ptx.Commit(ctx); err != nil {
		return err
	}
	committed = true
	s.calls.committed(o.queues)
	return nil
}

// joinClose gives the connection back; one that broke meanwhile has nothing to give.
func joinClose(err error, conn *sql.Conn) error {
	if cerr := conn.Close(); cerr != nil && err == nil && !errors.Is(cerr, sql.ErrConnDone) {
		return cerr
	}
	return err
}
