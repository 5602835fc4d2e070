package sqlstore

import (
	"context"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type accounts struct{ tx }

func accountSecretPlace(app, id string) string { return aad(app, "accounts", id, "secret") }

// accountColumns are the parts of an account that are kept as JSON or sealed.
type accountColumns struct {
	sources, metadata, warnings, watch, notify string
	secret                                     []byte
}

func (a accounts) columns(v latchkey.Account) (c accountColumns, err error) {
	if c.sources, err = toJSON(v.Sources, len(v.Sources)); err != nil {
		return c, err
	}
	if c.metadata, err = toJSON(v.Metadata, len(v.Metadata)); err != nil {
		return c, err
	}
	if c.warnings, err = toJSON(v.Warnings, len(v.Warnings)); err != nil {
		return c, err
	}
	if c.watch, err = watchJSON(v.Watch); err != nil {
		return c, err
	}
	if v.Notify != (latchkey.Notify{}) {
		if c.notify, err = toJSON(v.Notify, 1); err != nil {
			return c, err
		}
	}
	c.secret, err = a.s.seal(accountSecretPlace(string(v.ApplicationID), string(v.ID)), v.Secret)
	return c, err
}

func (a accounts) Create(ctx context.Context, v latchkey.Account) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	c, err := a.columns(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateAccountParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), ExternalID: v.ExternalID, Provider: string(v.Provider),
		Name: v.Name, Identity: v.Identity, Proof: string(v.Proof), Status: string(v.Status), Reason: string(v.Reason),
		StatusAt: ms(v.StatusAt), Sources: c.sources, Params: string(v.Params), Metadata: c.metadata,
		Options: string(v.Options), Secret: c.secret, Warnings: c.warnings, Sequence: v.Sequence, Test: v.Test,
		CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt), CheckedAt: ms(v.CheckedAt),
		ProviderApp: string(v.ProviderApp), ExpiresAt: ms(v.ExpiresAt), RefreshAt: ms(v.RefreshAt),
		CheckAt: ms(v.CheckAt), Watch: c.watch,
		AuthServer: v.AuthServer, Notify: c.notify,
	}
	return a.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateAccount(ctx, p) })
}

// ours tells an id of ours from an application's own name, which may not look like one.
func ours(idOrExternal string) bool { return strings.HasPrefix(idOrExternal, "acc_") }

func (a accounts) Get(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (v latchkey.Account, err error) {
	var row sqlgen.Account
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = getAccount(ctx, q, string(app), idOrExternal)
		return err
	})
	if err != nil {
		return v, err
	}
	return a.fromRow(row)
}

func (a accounts) ForUpdate(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (v latchkey.Account, err error) {
	var row sqlgen.Account
	err = a.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = getAccount(ctx, q, string(app), idOrExternal)
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = getAccountForUpdate(ctx, q, string(app), idOrExternal)
		return err
	})
	if err != nil {
		return v, err
	}
	return a.fromRow(row)
}

func getAccount(ctx context.Context, q *sqlgen.Queries, app, idOrExternal string) (sqlgen.Account, error) {
	if ours(idOrExternal) {
		return q.GetAccount(ctx, sqlgen.GetAccountParams{ApplicationID: app, ID: idOrExternal})
	}
	return q.AccountByExternalID(ctx, sqlgen.AccountByExternalIDParams{ApplicationID: app, ExternalID: idOrExternal})
}

func getAccountForUpdate(ctx context.Context, q *sqlgen.Queries, app, idOrExternal string) (sqlgen.Account, error) {
	if ours(idOrExternal) {
		return q.GetAccountForUpdate(ctx, sqlgen.GetAccountForUpdateParams{ApplicationID: app, ID: idOrExternal})
	}
	return q.AccountByExternalIDForUpdate(ctx, sqlgen.AccountByExternalIDForUpdateParams{ApplicationID: app, ExternalID: idOrExternal})
}

func (a accounts) Update(ctx context.Context, v latchkey.Account) error {
	c, err := a.columns(v)
	if err != nil {
		return err
	}
	p := sqlgen.UpdateAccountParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Provider: string(v.Provider),
		Name: v.Name, Identity: v.Identity, Proof: string(v.Proof), Status: string(v.Status), Reason: string(v.Reason),
		StatusAt: ms(v.StatusAt), Sources: c.sources, Params: string(v.Params), Metadata: c.metadata,
		Options: string(v.Options), Secret: c.secret, Warnings: c.warnings, Test: v.Test,
		UpdatedAt: ms(v.UpdatedAt), CheckedAt: ms(v.CheckedAt),
		ProviderApp: string(v.ProviderApp), ExpiresAt: ms(v.ExpiresAt), RefreshAt: ms(v.RefreshAt),
		CheckAt: ms(v.CheckAt), Watch: c.watch,
		AuthServer: v.AuthServer, Notify: c.notify,
	}
	return a.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateAccount(ctx, p) })
}

func (a accounts) NextSequence(ctx context.Context, id latchkey.AccountID, now time.Time) (int64, time.Time, error) {
	var row sqlgen.NextAccountSequenceRow
	next := func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.NextAccountSequence(ctx, sqlgen.NextAccountSequenceParams{ID: string(id), Now: ms(now)})
		return err
	}
	err := a.locked(ctx, next, next)
	return row.Sequence, at(row.EventAt), err
}

func (a accounts) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.AccountID) error {
	p := sqlgen.DeleteAccountParams{ApplicationID: string(app), ID: string(id)}
	return a.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteAccount(ctx, p) })
}

func (a accounts) List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Account, error) {
	var rows []sqlgen.Account
	err := a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListAccounts(ctx, sqlgen.ListAccountsParams{ApplicationID: string(app), Before: before(p), Page: pageSize(p.Limit)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, a.fromRow)
}

func (a accounts) ListByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.AccountStatus, p store.Page) ([]latchkey.Account, error) {
	q := sqlgen.ListAccountsByStatusParams{ApplicationID: string(app), Status: string(st), Before: before(p), Page: pageSize(p.Limit)}
	var rows []sqlgen.Account
	err := a.read(ctx, func(ctx context.Context, db *sqlgen.Queries) (err error) {
		rows, err = db.ListAccountsByStatus(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, a.fromRow)
}

func (a accounts) CountByStatus(ctx context.Context, app latchkey.ApplicationID) (map[latchkey.AccountStatus]int64, error) {
	out := map[latchkey.AccountStatus]int64{}
	err := a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		rows, err := q.CountAccountsByStatus(ctx, string(app))
		for _, r := range rows {
			out[latchkey.AccountStatus(r.Status)] = r.N
		}
		return err
	})
	return out, err
}

func (a accounts) SameGrant(ctx context.Context, p latchkey.Provider, client latchkey.ProviderAppID, identity string) (n int64, err error) {
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.CountSameGrant(ctx, sqlgen.CountSameGrantParams{
			Provider: string(p), Identity: identity, ProviderApp: string(client),
		})
		return err
	})
	return n, err
}

func (a accounts) OfProviderApp(ctx context.Context, app latchkey.ApplicationID, client latchkey.ProviderAppID) (n int64, err error) {
	err = a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = q.CountAccountsOfProviderApp(ctx, sqlgen.CountAccountsOfProviderAppParams{ApplicationID: string(app), ProviderApp: string(client)})
		return err
	})
	return n, err
}

func (a accounts) DueForRefresh(ctx context.Context, p latchkey.Provider, now time.Time, n int) ([]latchkey.Account, error) {
	var rows []sqlgen.Account
	err := a.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.DueForRefresh(ctx, sqlgen.DueForRefreshParams{Provider: string(p), Now: ms(now), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	// The secrets stay sealed: one that cannot be opened must not hold up all others.
	for i := range rows {
		rows[i].Secret = nil
	}
	return convert(rows, a.fromRow)
}

func (a accounts) ClaimRefresh(ctx context.Context, id latchkey.AccountID, was, until time.Time) error {
	p := sqlgen.ClaimRefreshParams{ID: string(id), Was: ms(was), Until: ms(until)}
	return a.write(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := q.ClaimRefresh(ctx, p)
		if err != nil || n > 0 {
			return err
		}
		if n, err = q.CountAccount(ctx, string(id)); err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		return store.ErrStale
	})
}

func (a accounts) fromRow(r sqlgen.Account) (v latchkey.Account, err error) {
	v = latchkey.Account{
		ID: latchkey.AccountID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), ExternalID: r.ExternalID,
		Provider: latchkey.Provider(r.Provider), Name: r.Name, Identity: r.Identity, Proof: latchkey.IdentityProof(r.Proof),
		Status: latchkey.AccountStatus(r.Status), Reason: latchkey.Reason(r.Reason), StatusAt: at(r.StatusAt),
		Params: raw(r.Params), Options: raw(r.Options), Sequence: r.Sequence, Test: r.Test,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), CheckedAt: at(r.CheckedAt),
		ProviderApp: latchkey.ProviderAppID(r.ProviderApp), ExpiresAt: at(r.ExpiresAt), RefreshAt: at(r.RefreshAt),
		RefreshClaim: at(r.RefreshClaim), CheckAt: at(r.CheckAt), AuthServer: r.AuthServer,
	}
	if v.Sources, err = fromJSON[[]latchkey.Source](r.Sources, "an account's sources"); err != nil {
		return v, err
	}
	if v.Metadata, err = fromJSON[map[string]string](r.Metadata, "an account's metadata"); err != nil {
		return v, err
	}
	if v.Warnings, err = fromJSON[[]string](r.Warnings, "an account's warnings"); err != nil {
		return v, err
	}
	if v.Watch, err = fromJSON[latchkey.Watch](r.Watch, "an account's watch"); err != nil {
		return v, err
	}
	if v.Notify, err = fromJSON[latchkey.Notify](r.Notify, "whom an account's mail goes to"); err != nil {
		return v, err
	}
	v.Secret, err = a.s.unseal(accountSecretPlace(r.ApplicationID, r.ID), r.Secret)
	return v, err
}
