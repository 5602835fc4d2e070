package sqlstore

import (
	"context"
	"time"
)

// Connections is how the database's connections are used: the readers' pool and the one writer on
// SQLite, the pool on PostgreSQL.
type Connections struct {
	InUse, Idle, Max int
	// Waits is how often, and Waited how long, somebody has waited for one.
	Waits  int64
	Waited time.Duration
}

// Connections tells how the connections are used now.
func (d *Database) Connections() Connections {
	if d.pool != nil {
		st := d.pool.Stat()
		return Connections{
			InUse: int(st.AcquiredConns()), Idle: int(st.IdleConns()), Max: int(st.MaxConns()),
			Waits: st.EmptyAcquireCount(), Waited: st.EmptyAcquireWaitTime(),
		}
	}
	r, w := d.read.Stats(), d.write.Stats()
	return Connections{
		InUse: r.InUse + w.InUse, Idle: r.Idle + w.Idle, Max: r.MaxOpenConnections + w.MaxOpenConnections,
		Waits: r.WaitCount + w.WaitCount, Waited: r.WaitDuration + w.WaitDuration,
	}
}

// Jobs counts the jobs that are not done, by state: available, running, retryable, scheduled. It reads
// an index of those only: jobs that are done are kept for an hour, and may be millions.
func (d *Database) Jobs(ctx context.Context) (map[string]int64, error) {
	rows, err := d.read.QueryContext(ctx,
		"SELECT state, COUNT(*) FROM river_job WHERE state IN ('available', 'running', 'retryable', 'scheduled') GROUP BY state")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	out := map[string]int64{}
	for rows.Next() {
		var state string
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return nil, err
		}
		out[state] = n
	}
	return out, rows.Err()
}

// Outbox tells how many mails wait to be sent, and since when the first of them does.
func (d *Database) Outbox(ctx context.Context) (queued int64, since time.Time, err error) {
	var oldest int64
	err = d.read.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM mails WHERE status = 'queued'").Scan(&queued, &oldest)
	return queued, at(oldest), err
}

// AccountCount is how many accounts a provider has in one status, over all applications.
type AccountCount struct {
	Provider, Status string
	Count            int64
}

// CountAccounts counts accounts by provider and status. It reads an index of all of them.
func (d *Database) CountAccounts(ctx context.Context) ([]AccountCount, error) {
	rows, err := d.read.QueryContext(ctx, "SELECT provider, status, COUNT(*) FROM accounts GROUP BY provider, status")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	var out []AccountCount
	for rows.Next() {
		var c AccountCount
		if err := rows.Scan(&c.Provider, &c.Status, &c.Count); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}
