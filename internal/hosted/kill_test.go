package hosted_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/secret"
)

// childJob is what a child process is told to do before it is killed.
type childJob struct {
	URL, Path, Master, Token string
	Jar                      map[string]string
	Version                  int64
	User                     string
	Phone                    string
	Edge                     string
	// Skip lets that many passings of the edge go by.
	Skip int
}

const childEnv = "LATCHKEY_TEST_CHILD"

// TestChild is the process that dies. It is started by the tests below only.
func TestChild(t *testing.T) {
	raw := os.Getenv(childEnv)
	if raw == "" {
		return // nothing to do in a normal run; the tests below start it
	}
	var job childJob
	if err := json.Unmarshal([]byte(raw), &job); err != nil {
		t.Fatal(err)
	}
	master, err := secret.ParseMasterKey(job.Master)
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	r := newRig(t, options{url: job.URL, path: job.Path, master: &master, owner: "child", edge: func(edge string) {
		if edge != job.Edge {
			return
		}
		if passed++; passed > job.Skip {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	b := &browser{r: r, token: job.Token, jar: job.Jar}
	_, _ = b.tryAt(job.Version, connector.ActSubmit, "username", job.User, "password", "x")
	b.await("killed", func(hosted.View) bool { return false })
}

// runChild runs a child until it has killed itself.
func runChild(t *testing.T, job childJob) {
	t.Helper()
	raw, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended otherwise: %v\n%s", err, out)
	}
}

// TestKillAtEachEdgeOfAWork kills the holder of a Work with SIGKILL at each of its edges, and then
// lets another process go on.
func TestKillAtEachEdgeOfAWork(t *testing.T) {
	for _, eng := range engines(t) {
		for _, edge := range []string{hosted.EdgeCommitted, hosted.EdgeBegun, hosted.EdgeDone, hosted.EdgeTaken} {
			t.Run(eng.name+"/ask/"+edge, func(t *testing.T) {
				t.Parallel()
				r, b, job := parent(t, eng.options(t))
				job.User, job.Edge = "anna", edge
				runChild(t, job)
				run(t, r)
				if edge == hosted.EdgeTaken {
					b.awaitStatus(latchkey.FlowCompleted)
				} else {
					v := b.await("asked again", func(v hosted.View) bool { return len(v.Step.Errors) > 0 })
					if v.Step.ID != "mock.login" || v.Step.Errors[0].Code != errs.CodeInterrupted {
						t.Fatalf("after the crash: %+v", v.Step)
					}
					if n := len(r.accounts()); n != 0 {
						t.Fatalf("%d accounts before the second try", n)
					}
					b.do(connector.ActSubmit, "username", "anna", "password", "x")
					b.awaitStatus(latchkey.FlowCompleted)
				}
				if n := len(r.accounts()); n != 1 {
					t.Errorf("%d accounts", n)
				}
				if l, _ := r.linkNow(b.last.Link.ID); l.Status != latchkey.LinkCompleted {
					t.Errorf("link is %s", l.Status)
				}
			})
			t.Run(eng.name+"/rerun/"+edge, func(t *testing.T) {
				t.Parallel()
				r, b, job := parent(t, eng.options(t))
				job.User, job.Edge, job.Skip = "qr", edge, 2
				runChild(t, job)
				run(t, r)
				b.awaitStatus(latchkey.FlowCompleted)
				if n := len(r.accounts()); n != 1 {
					t.Errorf("%d accounts", n)
				}
			})
		}
		t.Run(eng.name+"/restart", func(t *testing.T) {
			t.Parallel()
			r, b, job := parent(t, eng.options(t))
			job.User, job.Edge = "live-manual", hosted.EdgeBegun
			runChild(t, job)
			run(t, r)
			v := b.await("begun anew", func(v hosted.View) bool { return v.Step.ID == "mock.login" && !v.Busy })
			if len(v.Step.Errors) != 1 || v.Step.Errors[0].Code != errs.CodeInterrupted {
				t.Errorf("the first question is there again without a word: %+v", v.Step.Errors)
			}
			b.tryLogin(t, v, "live")
			b.awaitStatus(latchkey.FlowCompleted)
		})
	}
}

func (b *browser) tryLogin(t *testing.T, v hosted.View, user string) {
	t.Helper()
	if _, err := b.tryAt(v.Version, connector.ActSubmit, "username", user, "password", "x"); err != nil {
		t.Fatal(err)
	}
}

// parent starts a link in this process, without a runner, and prepares a child that goes on with it.
func parent(t *testing.T, o options) (*rig, *browser, childJob) {
	t.Helper()
	master := secret.NewMasterKey()
	o.master, o.idle, o.owner, o.wait = &master, true, "parent", -1
	// Who goes on must not lose its own Work on a busy machine: it would be interrupted once more. The
	// child's lease is the short one.
	o.lease = 5 * time.Second
	r := newRig(t, o)
	b := r.browser(r.link().Token)
	b.view()
	v := b.do(connector.ActStart)
	return r, b, childJob{URL: o.url, Path: o.path, Master: master.Encode(), Token: b.token, Jar: b.jar, Version: v.Version}
}

func run(t *testing.T, r *rig) {
	t.Helper()
	done := make(chan struct{})
	ctx := t.Context()
	go func() {
		defer close(done)
		if err := r.engine.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { <-done }) // t.Context ends before cleanups run
}

// engine is one kind of database.
type engine struct {
	name    string
	options func(t *testing.T) options
}

func engines(*testing.T) []engine {
	return []engine{
		{"sqlite", func(t *testing.T) options { return options{path: filepath.Join(t.TempDir(), "latchkey.db")} }},
		{"postgres", func(t *testing.T) options { return options{url: pgURL(t)} }},
	}
}

// TestTwoReplicas runs two replicas on one PostgreSQL: pages are served by either, Works are done
// by one, and what a replica did after it lost its Work is dropped.
func TestTwoReplicas(t *testing.T) {
	url := pgURL(t)
	master := secret.NewMasterKey()
	one := newRig(t, options{url: url, master: &master, owner: "one", wait: -1})
	two := newRig(t, options{url: url, master: &master, owner: "two", wait: -1, phone: one.phone})

	t.Run("the other replica serves the page", func(t *testing.T) {
		b := one.browser(one.link().Token)
		b.login("live")
		there := &browser{r: two, token: b.token, jar: b.jar}
		there.await("a live code", func(v hosted.View) bool { return v.Step.ID == "mock.live" && v.Step.Payload != "" })
		there.awaitStatus(latchkey.FlowCompleted)
	})
	t.Run("an answer at the other replica ends the work", func(t *testing.T) {
		b := one.browser(one.link().Token)
		b.login("live-manual")
		there := &browser{r: two, token: b.token, jar: b.jar}
		there.await("a live code", func(v hosted.View) bool { return v.Step.ID == "mock.live" })
		there.do(connector.ActBack)
		await(t, "the socket to close", func() bool { return one.phone.Open() == 0 })
	})
	t.Run("a grant that comes too late is revoked", func(t *testing.T) {
		b := one.browser(one.link().Token)
		b.login("slow")
		thief := two.browser(b.token)
		thief.view()
		thief.do(connector.ActTakeOver)
		// Replica one may notice in its next renewal, or only when its Work is done.
		await(t, "the work to end", func() bool { return !slices.Contains(one.engine.Running(), string(b.last.FlowID)) })
		for _, a := range one.accounts() {
			if strings.HasPrefix(a.Identity, "slow") {
				t.Error("the late grant was kept")
			}
		}
		thief.do(connector.ActSubmit, "username", "anna", "password", "x")
		thief.awaitStatus(latchkey.FlowCompleted)
	})
	t.Run("polls go on when their replica stops", func(t *testing.T) {
		b := one.browser(one.link().Token)
		b.login("qr")
		there := &browser{r: two, token: b.token, jar: b.jar}
		there.await("a code", func(v hosted.View) bool { return v.Step.ID == "mock.qr" })
		one.stop()
		there.awaitStatus(latchkey.FlowCompleted)
	})
}

// TestLostLease lets the database believe that the holder is dead while it still works.
func TestLostLease(t *testing.T) {
	o := options{path: filepath.Join(t.TempDir(), "latchkey.db"), wait: -1, lease: time.Hour}
	r := newRig(t, o)
	b := r.browser(r.link().Token)
	v := b.login("slow")
	f, err := r.store.Flows().Get(t.Context(), v.FlowID)
	if err != nil {
		t.Fatal(err)
	}
	fence := f.Fence
	f.Fence += 7
	if err := r.store.Flows().Save(t.Context(), f, f.Version, fence); err != nil {
		t.Fatal(err)
	}
	await(t, "the late grant to be revoked", func() bool { return len(r.revocations()) == 1 })
	if n := len(r.accounts()); n != 0 {
		t.Errorf("%d accounts from a lost work", n)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}
