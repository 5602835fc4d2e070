package sqlstore

import (
	"context"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type providerApps struct{ tx }

func providerAppPlace(app, id, column string) string { return aad(app, "provider_apps", id, column) }

// providerAppColumns are the parts of a provider app that are kept as JSON or sealed.
type providerAppColumns struct {
	secret, serviceAccount []byte
	extra, skip            string
}

func (a providerApps) columns(v latchkey.ProviderApp) (c providerAppColumns, err error) {
	app, id := string(v.ApplicationID), string(v.ID)
	if c.secret, err = a.s.seal(providerAppPlace(app, id, "client_secret"), []byte(v.ClientSecret)); err != nil {
		return c, err
	}
	if c.serviceAccount, err = a.s.seal(providerAppPlace(app, id, "service_account"), []byte(v.ServiceAccount)); err != nil {
		return c, err
	}
	if c.extra, err = toJSON(v.ExtraScopes, len(v.ExtraScopes)); err != nil {
		return c, err
	}
	c.skip, err = toJSON(v.SkipScopes, len(v.SkipScopes))
	return c, err
}

// defaultTries is how often two that make themselves the default at once stand in each other's way.
const defaultTries = 5

// clearDefault makes room for the default that v wants to be.
func clearDefault(ctx context.Context, q *sqlgen.Queries, v latchkey.ProviderApp) error {
	if !v.Default {
		return nil
	}
	_, err := q.ClearDefaultProviderApp(ctx, sqlgen.ClearDefaultProviderAppParams{
		ApplicationID: string(v.ApplicationID), Provider: string(v.Provider), ID: string(v.ID),
	})
	return err
}

func (a providerApps) Create(ctx context.Context, v latchkey.ProviderApp) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	c, err := a.columns(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateProviderAppParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Provider: string(v.Provider), Name: v.Name, ClientID: v.ClientID,
		ClientSecret: c.secret, ServiceAccount: c.serviceAccount, Tenant: v.Tenant, Cloud: v.Cloud, Domain: v.Domain,
		ExtraScopes: c.extra, SkipScopes: c.skip, Protocol: v.Protocol, IsDefault: v.Default, Flag: v.Flag,
		CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt), Declared: v.Declared,
	}
	return a.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		// Another's default may become visible between the two statements.
		for range defaultTries {
			if err := clearDefault(ctx, q, v); err != nil {
				return err
			}
			n, err := q.CreateProviderApp(ctx, p)
			if err != nil || n > 0 {
				return err
			}
			if !v.Default {
				break
			}
		}
		return store.ErrConflict
	})
}

func (a providerApps) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (v latchkey.ProviderApp, err error) {
	var row sqlgen.ProviderApp
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetProviderApp(ctx, sqlgen.GetProviderAppParams{ID: string(id), ApplicationID: string(app)})
		return err
	})
	if err != nil {
		return v, err
	}
	return a.fromRow(row)
}

func (a providerApps) ForUpdate(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (v latchkey.ProviderApp, err error) {
	p := sqlgen.GetProviderAppParams{ID: string(id), ApplicationID: string(app)}
	var row sqlgen.ProviderApp
	err = a.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetProviderApp(ctx, p)
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetProviderAppForUpdate(ctx, sqlgen.GetProviderAppForUpdateParams(p))
		return err
	})
	if err != nil {
		return v, err
	}
	return a.fromRow(row)
}

func (a providerApps) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.ProviderApp, error) {
	var rows []sqlgen.ProviderApp
	err := a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListProviderApps(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, a.fromRow)
}

func (a providerApps) Update(ctx context.Context, v latchkey.ProviderApp) error {
	c, err := a.columns(v)
	if err != nil {
		return err
	}
	p := sqlgen.UpdateProviderAppParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Name: v.Name, ClientID: v.ClientID,
		ClientSecret: c.secret, ServiceAccount: c.serviceAccount, Tenant: v.Tenant, Cloud: v.Cloud, Domain: v.Domain,
		ExtraScopes: c.extra, SkipScopes: c.skip, Protocol: v.Protocol, IsDefault: v.Default, Flag: v.Flag, UpdatedAt: ms(v.UpdatedAt),
		Declared: v.Declared,
	}
	return a.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		row, err := q.GetProviderApp(ctx, sqlgen.GetProviderAppParams{ID: p.ID, ApplicationID: p.ApplicationID})
		if err != nil {
			return err
		}
		// The provider never changes, whatever v says.
		v.Provider = latchkey.Provider(row.Provider)
		if err := clearDefault(ctx, q, v); err != nil {
			return err
		}
		n, err := q.UpdateProviderApp(ctx, p)
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

func (a providerApps) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) error {
	p := sqlgen.DeleteProviderAppParams{ApplicationID: string(app), ID: string(id)}
	return a.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteProviderApp(ctx, p) })
}

func (a providerApps) fromRow(r sqlgen.ProviderApp) (v latchkey.ProviderApp, err error) {
	v = latchkey.ProviderApp{
		ID: latchkey.ProviderAppID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Provider: latchkey.Provider(r.Provider),
		Name: r.Name, ClientID: r.ClientID, Tenant: r.Tenant, Cloud: r.Cloud, Domain: r.Domain, Protocol: r.Protocol,
		Default: r.IsDefault, Flag: r.Flag, CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
		Declared: r.Declared,
	}
	if v.ExtraScopes, err = fromJSON[[]string](r.ExtraScopes, "a provider app's scopes"); err != nil {
		return v, err
	}
	if v.SkipScopes, err = fromJSON[[]string](r.SkipScopes, "a provider app's scopes"); err != nil {
		return v, err
	}
	secret, err := a.s.unseal(providerAppPlace(r.ApplicationID, r.ID, "client_secret"), r.ClientSecret)
	if err != nil {
		return v, err
	}
	v.ClientSecret = string(secret)
	key, err := a.s.unseal(providerAppPlace(r.ApplicationID, r.ID, "service_account"), r.ServiceAccount)
	v.ServiceAccount = string(key)
	return v, err
}
