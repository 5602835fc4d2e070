package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/pgtest"
)

// install is one installation: its configuration, its data, everything that was seen of it, and the
// servers that run on it.
type install struct {
	t   *testing.T
	dir string // LATCHKEY_DATA
	env map[string]string
	// key and secret are the prepared ones of application "default".
	key, secret string
	seen        *witness
	log         *logs
	// skewed tells that the servers' clock is not ours: signatures may look old, or of the future.
	skewed bool
	// bin is what is run, behind wrap if that is set.
	bin  string
	wrap []string
}

// newInstall makes an installation with its own port. Nothing runs yet.
func newInstall(t *testing.T, env ...map[string]string) *install {
	t.Helper()
	in := &install{t: t, dir: filepath.Join(t.TempDir(), "data"), key: "key_" + random(20), secret: "whsec_" + random64(32), log: &logs{}, bin: binary}
	in.seen = newWitness(in)
	addr := freeAddr(t)
	in.env = map[string]string{
		"LATCHKEY_DATA": in.dir, "LATCHKEY_LISTEN": addr, "LATCHKEY_BASE_URL": "http://" + addr,
		"LATCHKEY_API_KEY": in.key, "LATCHKEY_WEBHOOK_SECRET": in.secret, "LATCHKEY_LOG_LEVEL": "debug",
		"LATCHKEY_ALLOW_WEBHOOK": "127.0.0.0/8", "LATCHKEY_ISPDB_URL": "off",
		// Nobody answers there: what is not told otherwise is looked up nowhere.
		"LATCHKEY_DNS_SERVER": "127.0.0.1:9",
	}
	for _, e := range env {
		maps.Copy(in.env, e)
	}
	in.seen.token(in.key)
	in.seen.token(strings.TrimPrefix(in.secret, "whsec_"))
	return in
}

// postgres moves the installation to a database of its own on PostgreSQL.
func (in *install) postgres() {
	in.t.Helper()
	in.env["LATCHKEY_DATABASE_URL"] = pgtest.URL(in.t)
	in.env["LATCHKEY_MASTER_KEY"] = random64(32)
	in.seen.token(in.env["LATCHKEY_MASTER_KEY"])
}

// server is one running process of an installation.
type server struct {
	*install
	addr   string
	base   string
	cmd    *exec.Cmd
	pid    int
	exited chan struct{}
	api    *api
}

// run makes an installation and starts a server on it.
func run(t *testing.T, env ...map[string]string) *server {
	t.Helper()
	return newInstall(t, env...).start()
}

// environ is what the binary is run with: ours, without what this machine's owner has set.
func (in *install) environ(extra map[string]string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "LATCHKEY_") })
	all := maps.Clone(in.env)
	maps.Copy(all, extra)
	for k, v := range all {
		if v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// start runs `latchkey serve` until it is ready.
func (in *install) start(extra ...map[string]string) *server {
	in.t.Helper()
	s := in.launch(extra...)
	if err := s.awaitReady(); err != nil {
		in.t.Fatalf("%v\n%s", err, in.log.tail())
	}
	return s
}

func (in *install) launch(extra ...map[string]string) *server {
	in.t.Helper()
	in.seen.begin()
	more := map[string]string{}
	for _, e := range extra {
		maps.Copy(more, e)
	}
	args := append(slices.Clone(in.wrap), in.bin, "serve")
	s := &server{install: in, cmd: exec.Command(args[0], args[1:]...), exited: make(chan struct{}), base: in.env["LATCHKEY_BASE_URL"], addr: in.env["LATCHKEY_LISTEN"]}
	if a := more["LATCHKEY_LISTEN"]; a != "" {
		s.addr = a
	}
	s.cmd.Env = in.environ(more)
	s.cmd.Stdout, s.cmd.Stderr = in.log, in.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.api = newAPI(in, s.base)
	if err := s.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	s.pid = s.cmd.Process.Pid
	go func() {
		_ = s.cmd.Wait() // tests ask for the exit code
		close(s.exited)
	}()
	in.t.Cleanup(s.kill)
	return s
}

// startTime bounds a start on a busy machine.
const startTime = 30 * time.Second

var errExited = errors.New("the server ended")

func (s *server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		req.Host = strings.TrimPrefix(s.base, "http://")
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%w with status %d", errExited, s.cmd.ProcessState.ExitCode())
		case <-ctx.Done():
			return errors.New("the server did not become ready")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// kill ends the server as a power cut does. It may be called again.
func (s *server) kill() {
	_ = syscall.Kill(-s.pid, syscall.SIGKILL) // the group: a wrapper, too
	<-s.exited
}

// stop asks the server to end, and returns its exit code and how long that took.
func (s *server) stop() (code int, took time.Duration) {
	s.t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(startTime):
		s.t.Fatal("the server does not end")
	}
	return s.cmd.ProcessState.ExitCode(), time.Since(began)
}

// command is one short run of the binary beside the server.
type command struct {
	code        int
	out, errOut string
}

func (in *install) command(args ...string) command {
	in.t.Helper()
	return in.commandWith(nil, args...)
}

func (in *install) commandWith(extra map[string]string, args ...string) command {
	in.t.Helper()
	in.seen.begin()
	ctx, cancel := context.WithTimeout(in.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, in.bin, args...)
	var out, errOut bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = in.environ(extra), &out, &errOut
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		in.t.Fatal(err)
	}
	_, _ = in.log.Write(errOut.Bytes())
	return command{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// logs is what a server writes to its standard output and error.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) tail() string {
	s := l.String()
	return s[max(0, len(s)-4000):]
}

// lastPort hands out ports below those that the kernel gives to connections, so that one that was
// free stays so, also while its server is down.
//
//nolint:gochecknoglobals // shared by the tests of this process
var lastPort atomic.Int64

func freeAddr(t testing.TB) string {
	t.Helper()
	for range 2000 {
		addr := "127.0.0.1:" + strconv.FormatInt(10_000+(int64(os.Getpid())*97+lastPort.Add(1))%20_000, 10)
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no port is free")
	return ""
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func random64(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
