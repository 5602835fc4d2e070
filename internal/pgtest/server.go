package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

var errNoBinaries = errors.New("PostgreSQL's server binaries are not installed; run: apt-get install -y postgresql")

// startTimeout is how long the server may take to answer.
const startTimeout = 30 * time.Second

// startServer makes a cluster in a temporary folder and starts it.
func startServer(fsync bool) (*url.URL, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := folder(cred)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"),
		"-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", "--locale=C.UTF-8")
	if out, err := run(initdb, cred, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	if _, err := launch(bin, dir, data, cred, fsync); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	u := &url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: url.Values{"host": {dir}, "port": {"5432"}}.Encode()}
	return u, awaitAnswer(u)
}

// launch starts the server so that it dies with this process, also by SIGKILL: the kernel sends the
// signal when the thread that started it ends, so that thread is kept.
func launch(bin, dir, data string, cred *syscall.Credential, fsync bool) (*exec.Cmd, error) {
	onOff := "off"
	if fsync {
		onOff = "on"
	}
	server := exec.Command(filepath.Join(bin, "postgres"),
		"-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync="+onOff, "-c", "synchronous_commit="+onOff,
		"-c", "full_page_writes="+onOff, "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "max_wal_size=256MB")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	server.Dir, server.Stdout, server.Stderr = dir, log, log
	server.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: see above
		err := server.Start()
		started <- err
		if err == nil {
			_ = server.Wait() // awaitAnswer tells if it ended too early
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return server, cleanAfter(dir, server.Process.Pid)
}

// cleanAfter starts a shell that removes the folder when this process has ended, however it ended:
// then the pipe that the shell reads from closes.
func cleanAfter(dir string, server int) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	script := `read -r never; while kill -QUIT "$2" 2>/dev/null; do sleep 0.05; done; rm -rf "$1"`
	sh := exec.Command("/bin/sh", "-c", script, "sh", dir, strconv.Itoa(server))
	sh.Stdin = ours
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := sh.Start(); err != nil {
		return err
	}
	go func() {
		_ = sh.Wait()
		runtime.KeepAlive(theirs) // its end is the end of the process
	}()
	return ours.Close()
}

func run(cmd *exec.Cmd, cred *syscall.Credential, dir string) (string, error) {
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	err := cmd.Run()
	return out.String(), err
}

func awaitAnswer(u *url.URL) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, u.String())
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(u.Query().Get("host"), "log"))
			return fmt.Errorf("the server does not answer: %w\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// binaries finds the folder of the newest server installed.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		version := func(p string) int {
			n, _ := strconv.Atoi(strings.Split(p, "/")[4])
			return n
		}
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	p, err := exec.LookPath("postgres")
	if err != nil {
		return "", errNoBinaries
	}
	if p, err = filepath.EvalSymlinks(p); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(p), "initdb")); err != nil {
		return "", errNoBinaries
	}
	return filepath.Dir(p), nil
}

// unprivileged is whom the server runs as; nil means as ourselves.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // documented
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// folder is under /tmp, not under TMPDIR: a socket's path may have 107 bytes, and the other user
// must be able to enter every folder above.
func folder(cred *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("/tmp", "latchkey-pg-")
	if err != nil || cred == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(cred.Uid), int(cred.Gid))
}
