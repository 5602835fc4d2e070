package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/pgtest"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// TestPeriodicRunsOnce has two workers, on PostgreSQL two replicas, that both know the job.
func TestPeriodicRunsOnce(t *testing.T) {
	t.Parallel()
	for engine, openTwo := range map[string]func(t *testing.T) [2]*sqlstore.Store{
		"sqlite": func(t *testing.T) [2]*sqlstore.Store {
			t.Helper()
			s, _ := openSQLite(t)
			return [2]*sqlstore.Store{s, s}
		},
		"postgres": func(t *testing.T) [2]*sqlstore.Store {
			t.Helper()
			url := pgtest.URL(t)
			return [2]*sqlstore.Store{open(t, sqlstore.Options{URL: url}), open(t, sqlstore.Options{URL: url})}
		},
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			ticks := make(chan time.Time, 100)
			for _, s := range openTwo(t) {
				work(t, s, sqlstore.WorkConfig{
					Handlers: map[string]store.Handler{"tick": func(context.Context, store.RunningJob) error {
						ticks <- time.Now()
						return nil
					}},
					Periodic: []sqlstore.Periodic{{Kind: "tick", Every: time.Second, RunOnStart: true}},
				})
			}
			first := <-ticks
			deadline := time.After(3500 * time.Millisecond)
			n := 0
			for {
				select {
				case <-ticks:
					n++
					continue
				case <-deadline:
				}
				break
			}
			if n < 2 || n > 4 {
				t.Errorf("%d ticks in 3.5 s after the first at %s, want about 3", n, first)
			}
		})
	}
}

func TestStopInterruptsAndTheJobRunsAgain(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		t.Helper()
		s := open(t)
		began := make(chan struct{})
		w, err := s.Work(t.Context(), sqlstore.WorkConfig{Unstaggered: true, Handlers: map[string]store.Handler{
			"slow": func(ctx context.Context, _ store.RunningJob) error {
				close(began)
				<-ctx.Done()
				return ctx.Err()
			},
		}})
		must(t, err)
		must(t, s.Enqueue(t.Context(), store.Job{Kind: "slow", Args: json.RawMessage(`7`)}))
		<-began
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		must(t, w.Stop(ctx))
		ran := make(chan store.RunningJob, 1)
		work(t, s, sqlstore.WorkConfig{Handlers: map[string]store.Handler{"slow": func(_ context.Context, j store.RunningJob) error {
			ran <- j
			return nil
		}}})
		select {
		case j := <-ran:
			if string(j.Args) != "7" {
				t.Errorf("args are %s", j.Args)
			}
		case <-time.After(20 * time.Second):
			t.Error("the interrupted job did not run again")
		}
	})
}

func TestWorkerRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	s, _ := openSQLite(t)
	handler := func(context.Context, store.RunningJob) error { return nil }
	for what, c := range map[string]sqlstore.WorkConfig{
		"no handlers":              {},
		"nil handler":              {Handlers: map[string]store.Handler{"job": nil}},
		"periodic without handler": {Handlers: map[string]store.Handler{"job": handler}, Periodic: []sqlstore.Periodic{{Kind: "other", Every: time.Hour}}},
		"malformed kind":           {Handlers: map[string]store.Handler{"a b": handler}},
	} {
		if _, err := s.Work(t.Context(), c); err == nil {
			t.Errorf("%s: a worker was started", what)
		}
	}
}

// TestJobOfKilledProcessRunsAgain kills a process in the middle of a job. While it lives, nobody takes
// the job from it; after that, its successor does at once.
func TestJobOfKilledProcessRunsAgain(t *testing.T) {
	if path := os.Getenv("SQLSTORE_CHILD"); path != "" {
		s := open(t, sqlstore.Options{Path: path})
		work(t, s, sqlstore.WorkConfig{Handlers: map[string]store.Handler{"job": func(context.Context, store.RunningJob) error {
			_, _ = os.Stdout.WriteString("RUNNING\n")
			select {} // until killed
		}}})
		must(t, s.Enqueue(t.Context(), store.Job{Kind: "job", Args: json.RawMessage(`"left"`)}))
		select {}
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "latchkey.db")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestJobOfKilledProcessRunsAgain$")
	child.Env = append(os.Environ(), "SQLSTORE_CHILD="+path)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines, running := bufio.NewScanner(out), false
	for !running && lines.Scan() {
		running = strings.Contains(lines.Text(), "RUNNING")
	}
	if !running {
		t.Fatal("the child did not run the job")
	}
	s := open(t, sqlstore.Options{Path: path})
	ran := make(chan store.RunningJob, 2)
	c := sqlstore.WorkConfig{Handlers: map[string]store.Handler{"job": func(_ context.Context, j store.RunningJob) error {
		ran <- j
		return nil
	}}}
	beside, err := s.Work(t.Context(), c)
	must(t, err)
	counts, err := s.Database().Jobs(t.Context())
	must(t, err)
	if counts["running"] != 1 || len(ran) != 0 {
		t.Errorf("the job was taken from a process that lives: %v", counts)
	}
	must(t, beside.Stop(t.Context()))
	must(t, child.Process.Kill())
	_ = child.Wait() // says that it was killed

	start := time.Now()
	work(t, s, c)
	select {
	case j := <-ran:
		t.Logf("ran again after %s", time.Since(start))
		if j.Attempt != 2 || string(j.Args) != `"left"` {
			t.Errorf("attempt %d of %s, want 2 of \"left\"", j.Attempt, j.Args)
		}
	case <-time.After(20 * time.Second): // River alone would take two minutes
		t.Error("the job did not run again")
	}
}
