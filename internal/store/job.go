package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// SealedArg is what a job calls a sealed value at the top of its Args, if it carries one: keys that such
// values need are found by it.
const SealedArg = "sealed"

// Handler does a job. An error makes it run again later, until its attempts are used up; wrap it
// with CancelJob or RetryJobAfter to decide otherwise. The context ends with the job's time or the
// worker's. A job runs at least once: after a crash it runs again.
type Handler func(ctx context.Context, j RunningJob) error

// RunningJob is a job as its handler sees it.
type RunningJob struct {
	Kind string
	// Args is the JSON that was enqueued; an engine may have changed its spaces and the order of keys.
	Args json.RawMessage
	// Attempt is 1 the first time.
	Attempt     int
	MaxAttempts int
	CreatedAt   time.Time
	// Trace is the span that enqueued it, as text; empty where nobody traced it.
	Trace string
}

// JobCanceledError ends a job for good.
type JobCanceledError struct{ Err error }

func (e *JobCanceledError) Error() string { return "job canceled: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *JobCanceledError) Unwrap() error { return e.Err }

// CancelJob makes an error that ends the job for good: it is not tried again.
func CancelJob(err error) error {
	if err == nil {
		err = errors.New("no reason given")
	}
	return &JobCanceledError{Err: err}
}

// JobRetryError makes a job run again at a chosen time.
type JobRetryError struct {
	After time.Duration
	Err   error
}

func (e *JobRetryError) Error() string {
	return "job again after " + e.After.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *JobRetryError) Unwrap() error { return e.Err }

// JobSnoozedError makes a job wait: it was not its turn.
type JobSnoozedError struct{ For time.Duration }

func (e *JobSnoozedError) Error() string { return "job waits for " + e.For.String() }

// SnoozeJob makes an error that has the job run again after d, without counting an attempt: nothing
// was tried.
func SnoozeJob(d time.Duration) error { return &JobSnoozedError{For: d} }

// RetryJobAfter makes an error that has the job run again after d. The attempt counts: after the
// last one the job is given up all the same.
func RetryJobAfter(d time.Duration, err error) error {
	if err == nil {
		err = errors.New("no reason given")
	}
	return &JobRetryError{After: d, Err: err}
}
