package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"latchkey/internal/store/sqlstore/sqlgen"
)

// statements keeps SQLite's prepared statements of one pool: parsing costs as much as running a
// look-up. (pgx does the same for PostgreSQL by itself.) The generated code's texts are few and
// constant, so nothing is ever thrown out.
type statements struct {
	db *sql.DB

	mu     sync.RWMutex
	byText map[string]*sql.Stmt
	// wanted are texts that a transaction on the one writer ran unprepared: preparing needs the
	// connection that the transaction holds, so it is done afterwards.
	wanted map[string]struct{}
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, byText: map[string]*sql.Stmt{}, wanted: map[string]struct{}{}}
}

func (s *statements) get(text string) *sql.Stmt {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byText[text]
}

func (s *statements) want(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted[text] = struct{}{}
}

// prepare is get for callers that hold no connection.
func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if st := s.get(text); st != nil {
		return st, nil
	}
	st, err := s.db.PrepareContext(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.byText[text]; first != nil {
		return first, st.Close() //nolint:sqlclosecheck // only the spare one is closed
	}
	s.byText[text] = st
	return st, nil
}

// prepareWanted is called after a transaction, by whoever holds the turn.
func (s *statements) prepareWanted(ctx context.Context) {
	s.mu.Lock()
	wanted := s.wanted
	if len(wanted) > 0 {
		s.wanted = map[string]struct{}{}
	}
	s.mu.Unlock()
	for text := range wanted {
		if _, err := s.prepare(ctx, text); err != nil { //nolint:sqlclosecheck // kept for the next call
			return // it ran once unprepared, and will say itself what is wrong
		}
	}
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errList []error
	for _, st := range s.byText {
		errList = append(errList, st.Close())
	}
	s.byText = map[string]*sql.Stmt{}
	return errors.Join(errList...)
}

// preparedPool runs statements outside transactions.
type preparedPool struct{ *statements }

var _ sqlgen.DBTX = preparedPool{}

func (p preparedPool) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := p.prepare(ctx, text) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (p preparedPool) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return p.db.PrepareContext(ctx, text)
}

func (p preparedPool) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := p.prepare(ctx, text) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (p preparedPool) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	st, err := p.prepare(ctx, text) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return p.db.QueryRowContext(ctx, text, args...) // a Row carries its error; this one will fail alike
	}
	return st.QueryRowContext(ctx, args...)
}

// preparedTx runs statements in a transaction of the one writer.
type preparedTx struct {
	*sql.Tx
	statements *statements
}

var _ sqlgen.DBTX = preparedTx{}

func (p preparedTx) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if st := p.statements.get(text); st != nil {
		return p.StmtContext(ctx, st).ExecContext(ctx, args...) //nolint:sqlclosecheck // ends with the transaction
	}
	p.statements.want(text)
	return p.Tx.ExecContext(ctx, text, args...)
}

func (p preparedTx) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if st := p.statements.get(text); st != nil {
		return p.StmtContext(ctx, st).QueryContext(ctx, args...) //nolint:sqlclosecheck // ends with the transaction
	}
	p.statements.want(text)
	return p.Tx.QueryContext(ctx, text, args...)
}

func (p preparedTx) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if st := p.statements.get(text); st != nil {
		return p.StmtContext(ctx, st).QueryRowContext(ctx, args...) //nolint:sqlclosecheck // ends with the transaction
	}
	p.statements.want(text)
	return p.Tx.QueryRowContext(ctx, text, args...)
}
