package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed schema
var schema embed.FS

// migrationLock is the key of PostgreSQL's advisory lock that one replica at a time migrates under.
const migrationLock = 0x6c617463686b6579 // "latchkey"

// ErrNewer is returned for a database that a newer version has migrated.
var ErrNewer = errors.New("the database was migrated by a newer version of latchkey; run that version or a later one")

func (d *Database) migrate(ctx context.Context) (err error) {
	if d.sqlite() {
		// Another process may be migrating the same new file; whoever comes second finds it done.
		for try := 0; ; try++ {
			if err = d.migrateLocked(ctx); err == nil || errors.Is(err, ErrNewer) || try == 3 {
				return err
			}
			if err := sleep(ctx, 50*time.Millisecond<<try); err != nil {
				return err
			}
		}
	}
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	defer func() {
		_, uerr := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock))
		err = errors.Join(err, uerr)
	}()
	var have bool
	if err := conn.QueryRow(ctx, "SELECT to_regtype('idtext') IS NOT NULL").Scan(&have); err != nil {
		return err
	}
	if !have {
		domain, err := schema.ReadFile("schema/domain.sql")
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, string(domain)); err != nil {
			return err
		}
	}
	return d.migrateLocked(ctx)
}

func (d *Database) migrateLocked(ctx context.Context) error {
	provider, err := d.migrations()
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the tables: %w", err)
	}
	if current > target {
		return ErrNewer
	}
	if current < target {
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("migrating the tables: %w", err)
		}
	}
	if err := d.migrateJobs(ctx); err != nil {
		return fmt.Errorf("migrating the tables of jobs: %w", err)
	}
	return nil
}

// migrations are the steps from one version of the tables to the next.
func (d *Database) migrations() (*goose.Provider, error) {
	files, err := fs.Sub(schema, "schema/migrations")
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectPostgres
	if d.sqlite() {
		dialect = goose.DialectSQLite3
	}
	return goose.NewProvider(dialect, d.write, files,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName("schema_version"), goose.WithSlog(d.quietLog()))
}

func (d *Database) migrateJobs(ctx context.Context) error {
	if d.sqlite() {
		m, err := rivermigrate.New(riversqlite.New(d.write), &rivermigrate.Config{Logger: d.quietLog()})
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	m, err := rivermigrate.New(riverpgxv5.New(d.pool), &rivermigrate.Config{Logger: d.quietLog()})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// quietLog passes on warnings and errors only.
func (d *Database) quietLog() *slog.Logger {
	return slog.New(atLeast{Handler: d.log.Handler(), level: slog.LevelWarn})
}

type atLeast struct {
	slog.Handler
	level slog.Level
}

// Handle drops what River says about its own end: that its context was canceled is no news.
func (h atLeast) Handle(ctx context.Context, r slog.Record) error {
	canceled := false
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		canceled = a.Value.String() == context.Canceled.Error() || ok && errors.Is(err, context.Canceled)
		return !canceled
	})
	if canceled {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{Handler: h.Handler.WithAttrs(attrs), level: h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{Handler: h.Handler.WithGroup(name), level: h.level}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
