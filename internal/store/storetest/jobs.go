package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// Working is a store whose jobs can be run.
type Working struct {
	store.Store
	// Work starts a worker, which is stopped when the test ends; each call is another replica.
	Work func(t *testing.T, handlers map[string]store.Handler)
}

// jobTime is how long a test waits for what must happen.
const jobTime = 20 * time.Second

// quietTime is how long a test waits for what must not happen.
const quietTime = 500 * time.Millisecond

// RunJobs runs the suite of jobs. open makes a store on an empty database.
func RunJobs(t *testing.T, open func(t *testing.T) Working) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Working){
		"after commit":     testJobAfterCommit,
		"rolled back":      testJobRolledBack,
		"run at":           testJobRunAt,
		"again":            testJobAgain,
		"waits":            testJobWaits,
		"again by default": testJobFails,
		"canceled":         testJobCanceled,
		"unique":           testJobUnique,
		"two replicas":     testJobReplicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// runs collects runs of a job.
func runs(results ...error) (store.Handler, <-chan store.RunningJob) {
	ran := make(chan store.RunningJob, 100)
	var n atomic.Int64
	return func(_ context.Context, j store.RunningJob) error {
		i := int(n.Add(1)) - 1
		ran <- j
		if i < len(results) {
			return results[i]
		}
		return nil
	}, ran
}

func next(t *testing.T, ran <-chan store.RunningJob) store.RunningJob {
	t.Helper()
	select {
	case j := <-ran:
		return j
	case <-time.After(jobTime):
		t.Fatal("the job did not run")
		return store.RunningJob{}
	}
}

// canonical is JSON without what an engine may change: spaces and the order of keys.
func canonical(t *testing.T, args json.RawMessage) string {
	t.Helper()
	var v any
	ok(t, "args", json.Unmarshal(args, &v))
	b, err := json.Marshal(v)
	ok(t, "args", err)
	return string(b)
}

func none(t *testing.T, ran <-chan store.RunningJob) {
	t.Helper()
	select {
	case j := <-ran:
		t.Fatalf("a job ran that should not: %s %s, attempt %d", j.Kind, j.Args, j.Attempt)
	case <-time.After(quietTime):
	}
}

func testJobAfterCommit(t *testing.T, w Working) {
	seen := make(chan error, 10)
	l := link(newApp(), moment())
	handler, ran := runs()
	w.Work(t, map[string]store.Handler{"look": func(ctx context.Context, j store.RunningJob) error {
		_, err := w.Links().Get(ctx, l.ApplicationID, l.ID)
		seen <- err
		return handler(ctx, j)
	}})
	ok(t, "transaction", w.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		ok(t, "enqueue", tx.Enqueue(ctx, store.Job{Kind: "look", Args: json.RawMessage(`{"a.b":[1,"ü"]}`)}))
		select {
		case <-seen:
			t.Error("the job ran before the commit")
		case <-time.After(quietTime):
		}
		return tx.Links().Create(ctx, l)
	}))
	j := next(t, ran)
	ok(t, "the job sees what was committed with it", <-seen)
	want(t, "args", canonical(t, j.Args), `{"a.b":[1,"ü"]}`)
	want(t, "attempt", j.Attempt, 1)
	none(t, ran)
}

func testJobRolledBack(t *testing.T, w Working) {
	handler, ran := runs()
	w.Work(t, map[string]store.Handler{"job": handler})
	mistake := errors.New("mistake")
	wantErr(t, "transaction", w.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		ok(t, "enqueue", tx.Enqueue(ctx, store.Job{Kind: "job", Args: json.RawMessage(`"lost"`)}))
		return mistake
	}), mistake)
	none(t, ran)
	ok(t, "enqueue alone", w.Enqueue(t.Context(), store.Job{Kind: "job", Args: json.RawMessage(`"kept"`)}, store.Job{Kind: "job"}))
	args := map[string]bool{string(next(t, ran).Args): true, string(next(t, ran).Args): true}
	want(t, "args", args, map[string]bool{`"kept"`: true, `null`: true})
	ok(t, "enqueue none", w.Enqueue(t.Context()))
}

func testJobRunAt(t *testing.T, w Working) {
	handler, ran := runs()
	w.Work(t, map[string]store.Handler{"job": handler})
	start := time.Now()
	due := start.Add(1500 * time.Millisecond)
	ok(t, "enqueue", w.Enqueue(t.Context(),
		store.Job{Kind: "job", Args: json.RawMessage(`"later"`), RunAt: due},
		store.Job{Kind: "job", Args: json.RawMessage(`"past"`), RunAt: start.Add(-time.Hour)}))
	want(t, "first", string(next(t, ran).Args), `"past"`)
	want(t, "second", string(next(t, ran).Args), `"later"`)
	if late := time.Since(due); late < 0 || late > 2*time.Second {
		t.Errorf("the job ran %s after its time", late)
	}
}

func testJobAgain(t *testing.T, w Working) {
	busy := errors.New("busy")
	handler, ran := runs(store.RetryJobAfter(700*time.Millisecond, busy), store.RetryJobAfter(0, busy), store.RetryJobAfter(0, busy))
	w.Work(t, map[string]store.Handler{"job": handler})
	ok(t, "enqueue", w.Enqueue(t.Context(), store.Job{Kind: "job", MaxAttempts: 3}))
	first := next(t, ran)
	start := time.Now()
	second := next(t, ran)
	if waited := time.Since(start); waited < 600*time.Millisecond || waited > 3*time.Second {
		t.Errorf("ran again after %s, want 0.7 s", waited)
	}
	third := next(t, ran)
	want(t, "attempts", []int{first.Attempt, second.Attempt, third.Attempt}, []int{1, 2, 3})
	want(t, "of", third.MaxAttempts, 3)
	none(t, ran) // given up
}

func testJobWaits(t *testing.T, w Working) {
	handler, ran := runs(store.SnoozeJob(300*time.Millisecond), store.SnoozeJob(0))
	w.Work(t, map[string]store.Handler{"job": handler})
	ok(t, "enqueue", w.Enqueue(t.Context(), store.Job{Kind: "job", MaxAttempts: 1}))
	attempts := []int{next(t, ran).Attempt, next(t, ran).Attempt, next(t, ran).Attempt}
	want(t, "attempts: waiting is not trying", attempts, []int{1, 1, 1})
}

func testJobFails(t *testing.T, w Working) {
	handler, ran := runs(errors.New("no"))
	panicked := make(chan struct{}, 10)
	w.Work(t, map[string]store.Handler{"job": handler, "panics": func(context.Context, store.RunningJob) error {
		panicked <- struct{}{}
		panic("boom")
	}})
	ok(t, "enqueue", w.Enqueue(t.Context(), store.Job{Kind: "job"}, store.Job{Kind: "panics", MaxAttempts: 1}))
	want(t, "first", next(t, ran).Attempt, 1)
	want(t, "second", next(t, ran).Attempt, 2)
	select {
	case <-panicked:
	case <-time.After(jobTime):
		t.Error("the job that panics did not run")
	}
}

func testJobCanceled(t *testing.T, w Working) {
	handler, ran := runs(store.CancelJob(errors.New("gone")))
	w.Work(t, map[string]store.Handler{"job": handler})
	ok(t, "enqueue", w.Enqueue(t.Context(), store.Job{Kind: "job"}))
	next(t, ran)
	none(t, ran)
}

func testJobUnique(t *testing.T, w Working) {
	job := func(args string) store.Job {
		return store.Job{Kind: "job", Args: json.RawMessage(args), Unique: true, RunAt: time.Now().Add(700 * time.Millisecond)}
	}
	_, errs := race(parallel, func(int) error { return w.Enqueue(t.Context(), job(`{"a.b":1,"c":2}`)) })
	onlyErr(t, "enqueue", errs, nil)
	ok(t, "in one transaction", w.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return tx.Enqueue(ctx, job(`{"c":2, "a.b":1}`), job(`{"a.b":2,"c":2}`), job(`"text"`), job(`"text"`), job(`[1]`), job(`[2]`))
	}))
	handler, ran := runs()
	w.Work(t, map[string]store.Handler{"job": handler})
	got := map[string]int{}
	for range 5 {
		got[canonical(t, next(t, ran).Args)]++
	}
	want(t, "ran", got, map[string]int{`{"a.b":1,"c":2}`: 1, `{"a.b":2,"c":2}`: 1, `"text"`: 1, `[1]`: 1, `[2]`: 1})
	none(t, ran)
	// What has run no longer counts. That it ended is written a moment after the handler returns.
	deadline := time.Now().Add(jobTime)
	for {
		ok(t, "enqueue", w.Enqueue(t.Context(), job(`[1]`)))
		select {
		case <-ran:
			return
		case <-time.After(time.Second):
			if time.Now().After(deadline) {
				t.Fatal("a job that has run keeps its equal out for ever")
			}
		}
	}
}

func testJobReplicas(t *testing.T, w Working) {
	handler, ran := runs()
	w.Work(t, map[string]store.Handler{"job": handler})
	w.Work(t, map[string]store.Handler{"job": handler})
	const n = 60
	_, errs := race(n, func(i int) error {
		return w.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			l := link(newApp(), moment())
			l.Status = latchkey.LinkCreated
			if err := tx.Links().Create(ctx, l); err != nil {
				return err
			}
			return tx.Enqueue(ctx, store.Job{Kind: "job", Args: json.RawMessage(`"` + string(l.ID) + `"`)})
		})
	})
	onlyErr(t, "enqueue", errs, nil)
	seen := map[string]int{}
	for range n {
		seen[string(next(t, ran).Args)]++
	}
	none(t, ran)
	want(t, "each ran once", len(seen), n)
}
