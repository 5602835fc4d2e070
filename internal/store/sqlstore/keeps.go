package sqlstore

import (
	"context"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type keeps struct{ tx }

func keepFromRow(r sqlgen.Keep) (store.Keep, error) {
	return store.Keep{
		AccountID: latchkey.AccountID(r.AccountID), ApplicationID: latchkey.ApplicationID(r.ApplicationID),
		Provider: latchkey.Provider(r.Provider), Owner: r.Owner, Fence: r.Fence, Due: at(r.Due), Fails: int(r.Fails),
	}, nil
}

func (k keeps) Want(ctx context.Context, v store.Keep) error {
	p := sqlgen.WantKeepParams{
		AccountID: string(v.AccountID), ApplicationID: string(v.ApplicationID), Provider: string(v.Provider), Due: ms(v.Due),
	}
	return k.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.WantKeep(ctx, p) })
}

func (k keeps) Get(ctx context.Context, id latchkey.AccountID) (v store.Keep, err error) {
	var row sqlgen.Keep
	err = k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetKeep(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return keepFromRow(row)
}

func (k keeps) ForUpdate(ctx context.Context, id latchkey.AccountID) (v store.Keep, err error) {
	var row sqlgen.Keep
	err = k.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetKeep(ctx, string(id))
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetKeepForUpdate(ctx, string(id))
		return err
	})
	if err != nil {
		return v, err
	}
	return keepFromRow(row)
}

func (k keeps) Due(ctx context.Context, now time.Time, n int) ([]store.Keep, error) {
	return k.list(ctx, func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Keep, error) {
		return q.DueKeeps(ctx, sqlgen.DueKeepsParams{Now: ms(now), Page: limit(n)})
	})
}

func (k keeps) Held(ctx context.Context, owner string) ([]store.Keep, error) {
	return k.list(ctx, func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Keep, error) {
		return q.HeldKeeps(ctx, owner)
	})
}

func (k keeps) list(ctx context.Context, fn func(ctx context.Context, q *sqlgen.Queries) ([]sqlgen.Keep, error)) ([]store.Keep, error) {
	var rows []sqlgen.Keep
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = fn(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, keepFromRow)
}

func (k keeps) Waiting(ctx context.Context, now time.Time, n int) (int, error) {
	return k.count(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.CountDueKeeps(ctx, sqlgen.CountDueKeepsParams{Now: ms(now), Page: limit(n)})
	})
}

func (k keeps) Count(ctx context.Context) (int, error) {
	return k.count(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CountKeeps(ctx) })
}

func (k keeps) Alive(ctx context.Context, now time.Time) (int, error) {
	return k.count(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.AliveKeepers(ctx, ms(now)) })
}

func (k keeps) count(ctx context.Context, fn func(ctx context.Context, q *sqlgen.Queries) (int64, error)) (int, error) {
	var n int64
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = fn(ctx, q)
		return err
	})
	return int(n), err
}

func (k keeps) Claim(ctx context.Context, v store.Keep, owner string) (store.Keep, error) {
	p := sqlgen.ClaimKeepParams{AccountID: string(v.AccountID), Fence: v.Fence, Owner: owner}
	err := k.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ClaimKeep(ctx, p) })
	v.Owner, v.Fence = owner, v.Fence+1
	return v, err
}

func (k keeps) Release(ctx context.Context, v store.Keep, due time.Time, fails int) error {
	p := sqlgen.ReleaseKeepParams{AccountID: string(v.AccountID), Fence: v.Fence, Due: ms(due), Fails: int64(fails)}
	return k.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ReleaseKeep(ctx, p) })
}

func (k keeps) Stop(ctx context.Context, id latchkey.AccountID) error {
	return k.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.StopKeep(ctx, string(id)) })
}

func (k keeps) Delete(ctx context.Context, v store.Keep) error {
	p := sqlgen.DeleteKeepParams{AccountID: string(v.AccountID), Fence: v.Fence}
	return k.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteKeep(ctx, p) })
}

func (k keeps) Join(ctx context.Context, owner string, until time.Time) error {
	p := sqlgen.JoinKeepersParams{Owner: owner, AliveUntil: ms(until)}
	return k.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.JoinKeepers(ctx, p) })
}

func (k keeps) Beat(ctx context.Context, owner string, until time.Time) error {
	p := sqlgen.BeatKeeperParams{Owner: owner, AliveUntil: ms(until)}
	return k.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.BeatKeeper(ctx, p) })
}

func (k keeps) Leave(ctx context.Context, owner string, now time.Time) error {
	return k.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		if _, err := q.LeaveKeepers(ctx, owner); err != nil {
			return err
		}
		_, err := q.ReleaseKeepsOf(ctx, sqlgen.ReleaseKeepsOfParams{Owner: owner, Due: ms(now)})
		return err
	})
}

func (k keeps) Bury(ctx context.Context, now time.Time) (int, error) { return k.bury(ctx, now, now) }

// bury gives up what owners held who were to give a sign of life before end.
func (k keeps) bury(ctx context.Context, end, now time.Time) (int, error) {
	var dead []string
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		dead, err = q.DeadKeepers(ctx, ms(end))
		return err
	})
	freed := 0
	for _, owner := range dead {
		if err != nil {
			break
		}
		p := sqlgen.BuryKeeperParams{Owner: owner, Now: ms(end)}
		err = k.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
			// It may have given a sign of life in the meantime, or another was quicker.
			if n, err := q.BuryKeeper(ctx, p); err != nil || n == 0 {
				return err
			}
			n, err := q.ReleaseKeepsOf(ctx, sqlgen.ReleaseKeepsOfParams{Owner: owner, Due: ms(now)})
			freed += int(n)
			return err
		})
	}
	return freed, err
}
