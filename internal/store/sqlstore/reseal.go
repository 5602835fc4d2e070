package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/store/sqlstore/sqlgen"
)

// sealedRow is a sealed value with its place and the way to replace it.
type sealedRow struct {
	id, place string
	sealed    []byte
	swap      func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error)
}

// sealedColumn is one of the columns that hold sealed values.
type sealedColumn struct {
	// otherwise lists rows sealed with another key than prefix names: after an id, and leaving out
	// the first skip of them.
	otherwise func(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, skip, page int32) ([]sealedRow, error)
	count     func(ctx context.Context, q *sqlgen.Queries, prefix []byte) (int64, error)
}

// Reseal seals up to batch values anew that are sealed with another key than the primary one, and
// returns how many; 0 without an error means that none is left. It runs beside writers: each
// value is replaced only where it is still the one that was read. Values that cannot be opened are
// left as they are, and reported.
func (s *Store) Reseal(ctx context.Context, batch int) (int, error) {
	prefix := s.sealer.PrimaryPrefix()
	done := 0
	var unreadable []error
	for _, c := range sealedColumns() {
		n, bad, err := s.resealColumn(ctx, c, prefix, batch-done)
		done += n
		unreadable = append(unreadable, bad...)
		if err != nil {
			return done, err
		}
		if done >= batch {
			break
		}
	}
	return done, errors.Join(unreadable...)
}

func (s *Store) resealColumn(ctx context.Context, c sealedColumn, prefix []byte, batch int) (done int, bad []error, err error) {
	after := ""
	for done < batch {
		var rows []sealedRow
		err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
			rows, err = c.otherwise(ctx, q, prefix, after, limitSkip(len(bad)), pageSize(batch-done))
			return err
		})
		if err != nil || len(rows) == 0 {
			return done, bad, err
		}
		for _, r := range rows {
			after = r.id
			plain, err := s.unseal(r.place, r.sealed)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			swapped, err := s.resealRow(ctx, r, plain)
			if err != nil {
				return done, bad, err
			}
			if swapped {
				done++
			}
		}
	}
	return done, bad, nil
}

func (s *Store) resealRow(ctx context.Context, r sealedRow, plain []byte) (swapped bool, err error) {
	sealed, err := s.seal(r.place, plain)
	if err != nil {
		return false, err
	}
	err = s.write(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := r.swap(ctx, q, sealed)
		swapped = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sqlstore: sealing %s anew: %w", r.place, err)
	}
	return swapped, nil
}

// SealedWith counts the values that are sealed with the key of that prefix.
func (s *Store) SealedWith(ctx context.Context, prefix []byte) (int, error) {
	total := 0
	for _, c := range sealedColumns() {
		err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
			n, err := c.count(ctx, q, blob(prefix))
			total += int(n)
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

func limitSkip(n int) int32 { return int32(min(n, 1<<30)) } //nolint:gosec // bounded
