package sqlstore

import (
	"context"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type keys struct{ tx }

func (k keys) Create(ctx context.Context, v latchkey.APIKey) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	permissions, err := toJSON(v.Permissions, len(v.Permissions))
	if err != nil {
		return err
	}
	p := sqlgen.CreateKeyParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Name: v.Name, Hash: blob(v.Hash),
		Permissions: permissions, Prepared: v.Prepared, CreatedAt: ms(v.CreatedAt),
	}
	return k.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateKey(ctx, p) })
}

func (k keys) ByHash(ctx context.Context, hash []byte) (v latchkey.APIKey, err error) {
	var row sqlgen.ApiKey
	err = k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.KeyByHash(ctx, blob(hash))
		return err
	})
	if err != nil {
		return v, err
	}
	return keyFromRow(row)
}

func (k keys) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.APIKey, error) {
	var rows []sqlgen.ApiKey
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListKeys(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, keyFromRow)
}

func (k keys) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.KeyID) error {
	p := sqlgen.DeleteKeyParams{ApplicationID: string(app), ID: string(id)}
	return k.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteKey(ctx, p) })
}

func (k keys) DeletePrepared(ctx context.Context, keep []byte) error {
	return k.write(ctx, func(ctx context.Context, q *sqlgen.Queries) error { return q.DeletePreparedKeys(ctx, blob(keep)) })
}

func keyFromRow(r sqlgen.ApiKey) (latchkey.APIKey, error) {
	permissions, err := fromJSON[[]latchkey.Permission](r.Permissions, "a key's permissions")
	return latchkey.APIKey{
		ID: latchkey.KeyID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Name: r.Name,
		Hash: bytesOf(r.Hash), Permissions: permissions, Prepared: r.Prepared, CreatedAt: at(r.CreatedAt),
	}, err
}
