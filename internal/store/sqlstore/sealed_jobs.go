package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// jobPage is how many jobs are looked at at once.
const jobPage = 500

// unfinished are the states of jobs that will still run.
func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}
}

func (j sqliteJobs) list(ctx context.Context, p *river.JobListParams) (*river.JobListResult, error) {
	return j.client.JobList(ctx, p)
}

func (j postgresJobs) list(ctx context.Context, p *river.JobListParams) (*river.JobListResult, error) {
	return j.client.JobList(ctx, p)
}

var (
	_ jobInserter = sqliteJobs{client: (*river.Client[*sql.Tx])(nil)}
	_ jobInserter = postgresJobs{client: (*river.Client[pgx.Tx])(nil)}
)

// JobsSealedWith counts the jobs of a kind that will still run, and carry a value (store.SealedArg) that
// is sealed with the key of that prefix.
func (s *Store) JobsSealedWith(ctx context.Context, kind string, prefix []byte) (int, error) {
	n := 0
	p := river.NewJobListParams().Kinds(kind).States(unfinished()...).First(jobPage).OrderBy(river.JobListOrderByID, river.SortOrderAsc)
	for {
		page, err := s.jobs.list(ctx, p)
		if err != nil {
			return n, err
		}
		for _, j := range page.Jobs {
			var args struct {
				Data struct {
					Sealed []byte `json:"sealed"`
				} `json:"data"`
			}
			// What cannot be read needs no key.
			if json.Unmarshal(j.EncodedArgs, &args) == nil && bytes.HasPrefix(args.Data.Sealed, prefix) {
				n++
			}
		}
		if len(page.Jobs) < jobPage {
			return n, nil
		}
		p = p.After(page.LastCursor)
	}
}
