package pgtest_test

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey/internal/pgtest"
)

func connect(t *testing.T, u string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

func TestDatabasesAreApart(t *testing.T) {
	a, b := connect(t, pgtest.URL(t)), connect(t, pgtest.URL(t))
	if _, err := a.Exec(t.Context(), "CREATE TABLE only_here (x int)"); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := b.QueryRow(t.Context(), "SELECT to_regclass('only_here') IS NOT NULL").Scan(&there); err != nil {
		t.Fatal(err)
	}
	if there {
		t.Error("two tests share a database")
	}
}

// TestServerDiesWithKilledProcess runs this test binary a second time and kills it.
func TestServerDiesWithKilledProcess(t *testing.T) {
	if os.Getenv("LATCHKEY_TEST_POSTGRES") != "" {
		t.Log("a server from outside is not ours to end")
		return
	}
	if os.Getenv("PGTEST_CHILD") == "1" {
		u := pgtest.URL(t)
		os.Stdout.WriteString("URL " + u + "\n")
		select {} // until killed
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=TestServerDiesWithKilledProcess")
	child.Env = append(os.Environ(), "PGTEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var dsn string
	for dsn == "" && lines.Scan() {
		dsn, _ = strings.CutPrefix(lines.Text(), "URL ")
		if dsn == lines.Text() {
			dsn = "" // a line of the test's own
		}
	}
	connect(t, dsn)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	dir := u.Query().Get("host")
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there: the server or its folder outlived the process", dir)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
