package sqlstore

import (
	"context"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type operators struct{ tx }

func (o operators) Create(ctx context.Context, v latchkey.Operator) error {
	p := sqlgen.CreateOperatorParams{
		ID: string(v.ID), Email: v.Email, Address: v.Address, Name: v.Name, Owner: v.Owner,
		AcceptedAt: ms(v.AcceptedAt), CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return o.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateOperator(ctx, p) })
}

func (o operators) Get(ctx context.Context, id latchkey.OperatorID) (latchkey.Operator, error) {
	var row sqlgen.Operator
	err := o.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetOperator(ctx, string(id))
		return err
	})
	return operatorFromRow(row), err
}

func (o operators) ForUpdate(ctx context.Context, id latchkey.OperatorID) (latchkey.Operator, error) {
	var row sqlgen.Operator
	err := o.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetOperator(ctx, string(id))
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetOperatorForUpdate(ctx, string(id))
		return err
	})
	return operatorFromRow(row), err
}

func (o operators) ByAddress(ctx context.Context, address string) (latchkey.Operator, error) {
	var row sqlgen.Operator
	err := o.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.OperatorByAddress(ctx, address)
		return err
	})
	return operatorFromRow(row), err
}

func (o operators) List(ctx context.Context) ([]latchkey.Operator, error) {
	var rows []sqlgen.Operator
	err := o.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListOperators(ctx)
		return err
	})
	return each(rows, operatorFromRow), err
}

func (o operators) Update(ctx context.Context, v latchkey.Operator) error {
	p := sqlgen.UpdateOperatorParams{
		ID: string(v.ID), Email: v.Email, Name: v.Name, Owner: v.Owner, AcceptedAt: ms(v.AcceptedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return o.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateOperator(ctx, p) })
}

func (o operators) Delete(ctx context.Context, id latchkey.OperatorID) error {
	return o.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.DeleteOperator(ctx, string(id))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		if err := q.RemoveMemberships(ctx, string(id)); err != nil {
			return err
		}
		if _, err := q.DeleteLoginsOf(ctx, string(id)); err != nil {
			return err
		}
		if err := q.DeletePasskeysOf(ctx, string(id)); err != nil {
			return err
		}
		return q.DeleteAllOneTimesOf(ctx, string(id))
	})
}

func (o operators) PutMember(ctx context.Context, m latchkey.Membership) error {
	p := sqlgen.PutMemberParams{
		ApplicationID: string(m.ApplicationID), OperatorID: string(m.OperatorID), Role: string(m.Role), CreatedAt: ms(m.CreatedAt),
	}
	return o.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.PutMember(ctx, p) })
}

func (o operators) RemoveMember(ctx context.Context, app latchkey.ApplicationID, id latchkey.OperatorID) error {
	p := sqlgen.RemoveMemberParams{ApplicationID: string(app), OperatorID: string(id)}
	return o.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.RemoveMember(ctx, p) })
}

func (o operators) Memberships(ctx context.Context, id latchkey.OperatorID) ([]latchkey.Membership, error) {
	var rows []sqlgen.Membership
	err := o.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.MembershipsOf(ctx, string(id))
		return err
	})
	return each(rows, membershipFromRow), err
}

func (o operators) Members(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Membership, error) {
	var rows []sqlgen.Membership
	err := o.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.MembersOf(ctx, string(app))
		return err
	})
	return each(rows, membershipFromRow), err
}

func operatorFromRow(r sqlgen.Operator) latchkey.Operator {
	return latchkey.Operator{
		ID: latchkey.OperatorID(r.ID), Email: r.Email, Address: r.Address, Name: r.Name, Owner: r.Owner,
		AcceptedAt: at(r.AcceptedAt), CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
	}
}

func membershipFromRow(r sqlgen.Membership) latchkey.Membership {
	return latchkey.Membership{
		OperatorID: latchkey.OperatorID(r.OperatorID), ApplicationID: latchkey.ApplicationID(r.ApplicationID),
		Role: latchkey.Role(r.Role), CreatedAt: at(r.CreatedAt),
	}
}

// each is convert for rows that can always be read.
func each[R, V any](rows []R, one func(R) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = one(r)
	}
	return out
}
