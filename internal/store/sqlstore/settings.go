package sqlstore

import (
	"context"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type settings struct{ tx }

func (s settings) Get(ctx context.Context, app latchkey.ApplicationID, kind string) (v store.Setting, err error) {
	var row sqlgen.Setting
	err = s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetSetting(ctx, sqlgen.GetSettingParams{ApplicationID: string(app), Kind: kind})
		return err
	})
	if err != nil {
		return v, err
	}
	return settingFromRow(row)
}

func (s settings) Put(ctx context.Context, v store.Setting) error {
	p := sqlgen.PutSettingParams{ApplicationID: string(v.ApplicationID), Kind: v.Kind, Body: string(v.Body), UpdatedAt: ms(v.UpdatedAt)}
	return s.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.PutSetting(ctx, p) })
}

func (s settings) Delete(ctx context.Context, app latchkey.ApplicationID, kind string) error {
	p := sqlgen.DeleteSettingParams{ApplicationID: string(app), Kind: kind}
	return s.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteSetting(ctx, p) })
}

func (s settings) List(ctx context.Context, app latchkey.ApplicationID, prefix string) ([]store.Setting, error) {
	// Kinds are ASCII, so that the tilde sorts after all of them.
	p := sqlgen.ListSettingsParams{ApplicationID: string(app), Low: prefix, High: prefix + "~"}
	var rows []sqlgen.Setting
	err := s.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListSettings(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, settingFromRow)
}

func settingFromRow(r sqlgen.Setting) (store.Setting, error) {
	return store.Setting{
		ApplicationID: latchkey.ApplicationID(r.ApplicationID), Kind: r.Kind, Body: raw(r.Body), UpdatedAt: at(r.UpdatedAt),
	}, nil
}
