package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// serverURL starts the server once in a test process. The server outlives single tests on purpose;
// it dies with the process.
//
//nolint:gochecknoglobals // one server for each test process, not for each test
var serverURL = sync.OnceValues(func() (*url.URL, error) {
	if u := os.Getenv("LATCHKEY_TEST_POSTGRES"); u != "" {
		return url.Parse(u)
	}
	return startServer(os.Getenv("LATCHKEY_TEST_POSTGRES_FSYNC") == "on")
})

//nolint:gochecknoglobals // numbers the databases of this process
var databases atomic.Int64

// URL makes a fresh, empty database and returns its URL; the database is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	server, err := serverURL()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := "latchkey_test_" + strconv.Itoa(os.Getpid()) + "_" + strconv.FormatInt(databases.Add(1), 10)
	if err := admin(t.Context(), server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("pgtest: creating a database: %v", err)
	}
	t.Cleanup(func() {
		// The test's context has ended by now.
		if err := admin(context.WithoutCancel(t.Context()), server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: dropping the database: %v", err)
		}
	})
	u := *server
	u.Path = "/" + name
	return u.String()
}

func admin(ctx context.Context, server *url.URL, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	_, err = c.Exec(ctx, statement)
	if cerr := c.Close(ctx); err == nil {
		err = cerr
	}
	return err
}

// Binary is the path of one of PostgreSQL's programs, such as pg_dump.
func Binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return filepath.Join(dir, name)
}
