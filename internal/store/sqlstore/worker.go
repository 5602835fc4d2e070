package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"latchkey/internal/store"
)

// Times of fetching jobs. Committed jobs are announced; polling finds those whose time has come.
const (
	fetchCooldown = 10 * time.Millisecond
	fetchPoll     = 200 * time.Millisecond
)

// Defaults of a WorkConfig.
const (
	defaultWorkers = 50
	defaultTimeout = time.Minute
)

// stopGrace is how long Stop waits for handlers whose context it has ended.
const stopGrace = 5 * time.Second

// WorkConfig says what a worker does.
type WorkConfig struct {
	// Handlers by kind of job. A job of another kind fails and is tried again, by a newer replica maybe.
	Handlers map[string]store.Handler
	// MaxWorkers is how many jobs run at once; 0 means 50.
	MaxWorkers int
	// Timeout is how long a job may take; 0 means a minute. A job whose process died is run again
	// after twice that.
	Timeout  time.Duration
	Periodic []Periodic
	// Unstaggered starts upkeep at once instead of within a second: for tests.
	Unstaggered bool
}

// Periodic is a job that one replica, whichever leads, adds at every interval.
type Periodic struct {
	Kind  string
	Every time.Duration
	// RunOnStart adds one when a replica takes the lead, too.
	RunOnStart bool
}

// Worker runs jobs until it is stopped.
type Worker struct {
	stop       func(context.Context) error
	stopAtOnce func(context.Context) error
	// release gives the lock of the one worker back.
	release func() error
}

// Work starts a worker. It runs until Stop, also when ctx ends; handlers get ctx's values.
func (s *Store) Work(ctx context.Context, c WorkConfig) (*Worker, error) {
	cfg, err := s.workConfig(c)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	release, err := s.takeOver(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: jobs of the process before: %w", err)
	}
	var w *Worker
	if s.db.sqlite() {
		client, cerr := river.NewClient(newWakingDriver(s.db.write, s.wake), cfg)
		w, err = startWorker(ctx, client, cerr)
	} else {
		client, cerr := river.NewClient(riverpgxv5.New(s.db.pool), cfg)
		w, err = startWorker(ctx, client, cerr)
	}
	if err != nil {
		return nil, errors.Join(err, release())
	}
	w.release = release
	return w, nil
}

func startWorker[T any](ctx context.Context, client *river.Client[T], err error) (*Worker, error) {
	if err != nil {
		return nil, fmt.Errorf("sqlstore: worker: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		return nil, fmt.Errorf("sqlstore: starting the worker: %w", err)
	}
	return &Worker{stop: client.Stop, stopAtOnce: client.StopAndCancel}, nil
}

// Stop takes no more jobs and waits for those that run; when ctx ends it ends their contexts too.
// Jobs that were interrupted run again.
func (w *Worker) Stop(ctx context.Context) error {
	err := w.stop(ctx)
	if err != nil && ctx.Err() != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		err = w.stopAtOnce(last)
	}
	return errors.Join(err, w.release())
}

func (s *Store) workConfig(c WorkConfig) (*river.Config, error) {
	if len(c.Handlers) == 0 {
		return nil, errors.New("sqlstore: a worker needs handlers")
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = defaultWorkers
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	cfg := s.riverConfig()
	cfg.JobTimeout = c.Timeout
	// Two more seconds, for the clocks of replicas.
	cfg.RescueStuckJobsAfter = 2*c.Timeout + 2*time.Second
	cfg.CompletedJobRetentionPeriod = time.Hour
	cfg.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.MaxWorkers}}
	cfg.TestOnly = c.Unstaggered
	cfg.Workers = river.NewWorkers()
	for kind, h := range c.Handlers {
		if h == nil {
			return nil, fmt.Errorf("sqlstore: the handler of job kind %q is missing", kind)
		}
		river.AddWorkerArgs(cfg.Workers, rawArgs{kind: kind}, &handlerWorker{handle: h, now: s.db.now})
	}
	for _, p := range c.Periodic {
		if c.Handlers[p.Kind] == nil {
			return nil, fmt.Errorf("sqlstore: periodic job kind %q has no handler", p.Kind)
		}
		job, err := periodic(p)
		if err != nil {
			return nil, err
		}
		cfg.PeriodicJobs = append(cfg.PeriodicJobs, job)
	}
	return cfg, nil
}

// periodic jobs are unique: a tick whose predecessor still runs is left out.
func periodic(p Periodic) (*river.PeriodicJob, error) {
	args, opts, err := insertParams(store.Job{Kind: p.Kind, Unique: true, MaxAttempts: 1})
	if err != nil {
		return nil, err
	}
	return river.NewPeriodicJob(river.PeriodicInterval(p.Every), func() (river.JobArgs, *river.InsertOpts) {
		return args, opts
	}, &river.PeriodicJobOpts{ID: p.Kind, RunOnStart: p.RunOnStart}), nil
}

// handlerWorker calls a handler for River.
type handlerWorker struct {
	river.WorkerDefaults[rawArgs]
	handle store.Handler
	now    func() time.Time
}

// Work is called by River.
func (w *handlerWorker) Work(ctx context.Context, j *river.Job[rawArgs]) error {
	err := w.handle(ctx, store.RunningJob{
		Kind: j.Kind, Args: j.Args.Data, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, CreatedAt: j.CreatedAt.UTC(),
		Trace: j.Args.Trace,
	})
	if cancel, ok := errors.AsType[*store.JobCanceledError](err); ok {
		return rivertype.JobCancel(cancel.Err)
	}
	if snoozed, ok := errors.AsType[*store.JobSnoozedError](err); ok {
		return river.JobSnooze(snoozed.For)
	}
	if snoozed, ok := errors.AsType[*store.JobSnoozedError](err); ok {
		return river.JobSnooze(snoozed.For)
	}
	if again, ok := errors.AsType[*store.JobRetryError](err); ok {
		// River compares with its own clock, and takes a time that has passed for a mistake.
		j.Args.retry = time.Now().Add(max(again.After, 0) + 10*time.Millisecond) //nolint:forbidigo // River's clock
		return again.Err
	}
	return err
}

// NextRetry is called by River after Work; a zero time means its own back-off.
func (w *handlerWorker) NextRetry(j *river.Job[rawArgs]) time.Time { return j.Args.retry }
