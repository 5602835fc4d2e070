package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"latchkey/internal/store/sqlstore/sqlgen"
)

// pipeline collects statements of the generated code and sends them to PostgreSQL together.
type pipeline struct {
	tx    pgx.Tx
	batch pgx.Batch
}

var _ sqlgen.DBTX = (*pipeline)(nil)

// errPipelined is for calls whose answer would be needed at once.
var errPipelined = errors.New("sqlstore: only statements without rows can be pipelined")

// later is the result of a statement that has not been sent: send tells how many rows it was.
type later struct{}

func (later) LastInsertId() (int64, error) { return 0, errPipelined }
func (later) RowsAffected() (int64, error) { return 0, nil }

func (p *pipeline) ExecContext(_ context.Context, text string, args ...any) (sql.Result, error) {
	p.batch.Queue(text, args...)
	return later{}, nil
}

func (p *pipeline) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, errPipelined
}

func (p *pipeline) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, errPipelined
}

// QueryRowContext cannot answer with an error of its own.
func (p *pipeline) QueryRowContext(context.Context, string, ...any) *sql.Row {
	panic(errPipelined.Error())
}

// send does what was collected, in order, and tells how many rows each statement changed.
func (p *pipeline) send(ctx context.Context) ([]int64, error) {
	n := p.batch.Len()
	if n == 0 {
		return nil, nil
	}
	res := p.tx.SendBatch(ctx, &p.batch)
	rows := make([]int64, n)
	for i := range rows {
		tag, err := res.Exec()
		if err != nil {
			return nil, errors.Join(err, res.Close())
		}
		rows[i] = tag.RowsAffected()
	}
	return rows, res.Close()
}
