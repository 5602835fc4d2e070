package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Own is a server that one test has for itself, so that it can be stopped.
type Own struct {
	// URL leads to its only database.
	URL string

	t    testing.TB
	bin  string
	data string
	cred *syscall.Credential
}

// NewOwn starts a server for the test, and ends it with the test.
func NewOwn(t testing.TB) *Own {
	t.Helper()
	u, err := startServer(false)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	o := &Own{URL: u.String(), t: t, data: filepath.Join(u.Query().Get("host"), "data")}
	if o.bin, err = binaries(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if o.cred, err = unprivileged(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if o.running() {
			o.control("stop", "-m", "immediate")
		}
		if err := os.RemoveAll(filepath.Dir(o.data)); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return o
}

func (o *Own) running() bool {
	_, err := os.Stat(filepath.Join(o.data, "postmaster.pid"))
	return err == nil
}

// Stop ends the server; its connections are cut.
func (o *Own) Stop() {
	o.t.Helper()
	o.control("stop", "-m", "fast")
}

// Start starts it again, on the same data.
func (o *Own) Start() {
	o.t.Helper()
	dir := filepath.Dir(o.data)
	o.control("start", "-l", filepath.Join(dir, "log.again"), "-o", "-k "+dir+" -c listen_addresses= -c fsync=off -c max_connections=200")
}

func (o *Own) control(action string, args ...string) {
	o.t.Helper()
	cmd := exec.Command(filepath.Join(o.bin, "pg_ctl"), append([]string{action, "-D", o.data, "-w", "-s"}, args...)...)
	if out, err := run(cmd, o.cred, filepath.Dir(o.data)); err != nil {
		o.t.Fatalf("pgtest: pg_ctl %s: %v: %s", action, err, strings.TrimSpace(out))
	}
}
