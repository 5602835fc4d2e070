package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"latchkey/internal/store"
	"latchkey/internal/tracing"
)

// soon is how far ahead River's scheduler looks, and also how often. A job that is due within it is
// made available at once (it is still not run before its time); otherwise it could be that late.
const soon = 5 * time.Second

// defaultAttempts is how often a job is tried whose MaxAttempts is 0.
const defaultAttempts = 25

// rawArgs carries a job of any kind through River, which wants a type for each.
type rawArgs struct {
	kind string
	// Equal is set on unique jobs: a hash of the canonical form of Data. River's own comparison of
	// JSON takes only objects, and keys without dots.
	Equal string          `json:"equal,omitempty" river:"unique"`
	Data  json.RawMessage `json:"data"`
	// Trace is who enqueued it, for traces.
	Trace string `json:"trace,omitempty"`
	// retry is when the handler wants the job to run again.
	retry time.Time
}

// Kind is asked for by River.
func (a rawArgs) Kind() string { return a.kind }

type jobInserter interface {
	insert(ctx context.Context, t *openTx, params []river.InsertManyParams) error
	list(ctx context.Context, p *river.JobListParams) (*river.JobListResult, error)
}

type (
	sqliteJobs   struct{ client *river.Client[*sql.Tx] }
	postgresJobs struct{ client *river.Client[pgx.Tx] }
)

func (j sqliteJobs) insert(ctx context.Context, t *openTx, params []river.InsertManyParams) error {
	_, err := j.client.InsertManyTx(ctx, t.sqlite, params)
	return err
}

func (j postgresJobs) insert(ctx context.Context, t *openTx, params []river.InsertManyParams) error {
	_, err := j.client.InsertManyTx(ctx, t.postgres, params)
	return err
}

func (s *Store) newInserter() (jobInserter, error) {
	cfg := s.riverConfig()
	// PostgreSQL announces at most one job in this time; those that fall silent wait for the next poll.
	cfg.FetchCooldown = time.Millisecond
	if s.db.sqlite() {
		c, err := river.NewClient(newWakingDriver(s.db.write, s.wake), cfg)
		return sqliteJobs{client: c}, err
	}
	c, err := river.NewClient(riverpgxv5.New(s.db.pool), cfg)
	return postgresJobs{client: c}, err
}

// riverConfig is what clients that insert and clients that work have in common.
func (s *Store) riverConfig() *river.Config {
	return &river.Config{
		Logger:            s.db.quietLog(),
		MaxAttempts:       defaultAttempts,
		FetchCooldown:     fetchCooldown,
		FetchPollInterval: fetchPoll,
		Hooks:             []rivertype.Hook{river.HookInsertBeginFunc(availableSoon)},
	}
}

// availableSoon spares jobs that are due within moments the wait for the scheduler.
func availableSoon(_ context.Context, p *rivertype.JobInsertParams) error {
	if p.State == rivertype.JobStateScheduled && p.ScheduledAt != nil && time.Until(*p.ScheduledAt) <= soon {
		p.State = rivertype.JobStateAvailable
	}
	return nil
}

// Enqueue adds jobs to the transaction; at the root it is one of its own.
func (t tx) Enqueue(ctx context.Context, jobs ...store.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, 0, len(jobs))
	trace := tracing.Carry(ctx)
	// PostgreSQL refuses equal unique jobs in one statement.
	type equal struct{ kind, hash string }
	unique := map[equal]bool{}
	for _, j := range jobs {
		args, opts, err := insertParams(j)
		if err != nil {
			return err
		}
		if e := (equal{kind: args.kind, hash: args.Equal}); j.Unique {
			if unique[e] {
				continue
			}
			unique[e] = true
		}
		args.Trace = trace
		params = append(params, river.InsertManyParams{Args: args, InsertOpts: opts})
	}
	if t.open == nil {
		return t.s.inTx(ctx, func(ctx context.Context, t tx) error { return t.enqueue(ctx, params) })
	}
	return t.enqueue(ctx, params)
}

func (t tx) enqueue(ctx context.Context, params []river.InsertManyParams) error {
	t.open.jobs = true
	return t.s.jobs.insert(ctx, t.open, params)
}

func insertParams(j store.Job) (rawArgs, *river.InsertOpts, error) {
	args := rawArgs{kind: j.Kind, Data: j.Args}
	if len(args.Data) == 0 {
		args.Data = json.RawMessage("null")
	}
	opts := &river.InsertOpts{MaxAttempts: j.MaxAttempts, ScheduledAt: j.RunAt}
	if j.Unique {
		var err error
		if args.Equal, err = canonicalHash(args.Data); err != nil {
			return rawArgs{}, nil, fmt.Errorf("sqlstore: args of job %s: %w", j.Kind, err)
		}
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}}
	}
	return args, opts, nil
}

// canonicalHash is the same for JSON that differs in spaces and in the order of keys only.
func canonicalHash(data []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
