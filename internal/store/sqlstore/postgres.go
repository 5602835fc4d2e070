package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// defaultConns is the size of the pool where the URL does not say pool_max_conns. PostgreSQL allows
// 100 connections by default, so a few replicas fit.
const defaultConns = 20

func (d *Database) openPostgres(ctx context.Context, dsn string) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The parser's error shows the URL, which holds the password.
		return errors.New("the database URL is not right; its form is postgres://user:password@host:5432/name?sslmode=verify-full")
	}
	if u, err := url.Parse(dsn); err != nil || !u.Query().Has("pool_max_conns") {
		cfg.MaxConns = defaultConns
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	params := cfg.ConnConfig.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = "latchkey"
	}
	// A transaction that its process forgot must not keep rows locked for ever.
	if params["idle_in_transaction_session_timeout"] == "" {
		params["idle_in_transaction_session_timeout"] = "60000"
	}
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	d.write = stdlib.OpenDBFromPool(d.pool)
	d.read = d.write
	if err := d.pool.Ping(ctx); err != nil {
		return fmt.Errorf("the PostgreSQL server does not answer: %w", err)
	}
	return nil
}
