package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"
)

// On SQLite one process works the jobs and keeps accounts connected. If it is killed, its jobs stand as running, and River gives
// them to nobody before it must take them for stuck. The process that comes next need not wait where it
// knows that the last one is gone: the kernel takes a file's lock away with its holder.

// lockSuffix is what the file of the lock is called, beside the database.
const lockSuffix = ".worker"

// takeOver makes jobs of a killed process available, if no other process works them. The function gives
// the lock back.
func (s *Store) takeOver(ctx context.Context) (release func() error, err error) {
	none := func() error { return nil }
	if !s.db.sqlite() {
		return none, nil
	}
	f, err := os.OpenFile(s.db.path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if !lockFile(f) {
		s.db.log.WarnContext(ctx, "another process works on this database; one server is enough for an SQLite file", slog.String("lock", f.Name()))
		return f.Close, nil
	}
	// Its last try counts: a job that brings its process down is not to do so for ever. Those that had
	// their last are left to River, which ends them.
	_, err = s.db.write.ExecContext(ctx, "UPDATE river_job SET state = 'available' WHERE state = 'running' AND attempt < max_attempts")
	if err == nil {
		err = s.freeKept(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// ages is later than any sign of life.
const ages = 1000 * 24 * time.Hour

// freeKept makes accounts available that a killed process kept connected, without waiting until its
// signs of life have run out.
func (s *Store) freeKept(ctx context.Context) error {
	now := s.db.now()
	_, err := keeps{s.tx}.bury(ctx, now.Add(ages), now)
	return err
}
