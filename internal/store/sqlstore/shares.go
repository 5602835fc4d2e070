package sqlstore

import (
	"context"

	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type shares struct{ tx }

func (s shares) Beat(ctx context.Context, member string) (roll store.Roll, err error) {
	err = s.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		roll = store.Roll{}
		if err := q.BeatMember(ctx, member); err != nil {
			return err
		}
		if err := q.BeatShares(ctx, member); err != nil {
			return err
		}
		members, err := q.ListMembers(ctx)
		if err != nil {
			return err
		}
		for _, m := range members {
			roll.Members = append(roll.Members, store.Member{ID: m.ID, Beat: m.Beat})
		}
		all, err := q.ListShares(ctx)
		for _, r := range all {
			roll.Shares = append(roll.Shares, store.Share{Number: int(r.Number), Owner: r.Owner, Beat: r.Beat})
		}
		return err
	})
	return roll, err
}

func (s shares) Take(ctx context.Context, was store.Share, member string) error {
	p := sqlgen.TakeShareParams{Number: int64(was.Number), Owner: was.Owner, Beat: was.Beat, Member: member}
	return s.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.TakeShare(ctx, p) })
}

func (s shares) Release(ctx context.Context, number int, member string) error {
	p := sqlgen.ReleaseShareParams{Number: int64(number), Owner: member}
	return s.rows(ctx, store.ErrStale, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.ReleaseShare(ctx, p) })
}

func (s shares) Forget(ctx context.Context, was store.Member) error {
	return s.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.ForgetMember(ctx, sqlgen.ForgetMemberParams{ID: was.ID, Beat: was.Beat})
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrStale
		}
		return q.ReleaseShares(ctx, was.ID)
	})
}

func (s shares) Leave(ctx context.Context, member string) error {
	return s.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		if err := q.DeleteMember(ctx, member); err != nil {
			return err
		}
		return q.ReleaseShares(ctx, member)
	})
}
