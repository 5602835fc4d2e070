package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is something that is measured, in a process of its own.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  string
	gone chan struct{}
}

// build makes the binary as `make build` does.
func build(ctx context.Context, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "./cmd/latchkey")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

// start starts a program whose output goes to a file in dir.
func start(dir, name, addr string, env []string, program string, args ...string) (*process, error) {
	p := &process{addr: addr, log: filepath.Join(dir, name+".log"), gone: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()                      // the child has its own
	p.cmd = exec.Command(program, args...) //nolint:noctx // stop ends it
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}, env...)
	if v := os.Getenv("GOGC"); v != "" {
		p.cmd.Env = append(p.cmd.Env, "GOGC="+v)
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

// healthy waits for the first good answer.
func (p *process) healthy(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	ask := get(p.addr, path)
	for {
		if c, err := dialWire(ctx, p.addr); err == nil {
			status, _, err := c.do(ask)
			_ = c.conn.Close()
			if err == nil && status == 200 {
				return nil
			}
		}
		select {
		case <-p.gone:
			return fmt.Errorf("it ended: %s", p.lastLines())
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s: %w: %s", p.addr, ctx.Err(), p.lastLines())
		case <-time.After(500 * time.Microsecond):
		}
	}
}

func (p *process) lastLines() string {
	text, _ := os.ReadFile(p.log)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}

// stop ends the process as an operator does; one that does not end is killed.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.gone:
		return errors.New("a server ended by itself: " + p.lastLines())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("a server did not stop in time"), p.cmd.Process.Kill())
	}
}

// clockTick is the unit of times in /proc/<pid>/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpu is how much processor time the process has taken, in user and in kernel mode (proc(5)).
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field, the command's name, may hold anything but ends with the last bracket.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc/<pid>/stat is not as it should be")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// memory is the resident set, in bytes.
func (p *process) memory() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// written is how many bytes the process has sent to the disk, and in how many calls it has written at
// all (proc(5)). Unlike times, these do not depend on who else uses the machine.
func (p *process) written() (bytes, calls int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "write_bytes":
			bytes, err = strconv.ParseInt(value, 10, 64)
		case "syscw":
			calls, err = strconv.ParseInt(value, 10, 64)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return bytes, calls, nil
}

func size(path string) (int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
