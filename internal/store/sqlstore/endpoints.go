package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type endpoints struct{ tx }

func endpointPlace(app, id, column string) string { return aad(app, "endpoints", id, column) }

// lenientDialect is kept where account types are to be named as existing client libraries do.
const lenientDialect = "lenient"

// endpointColumns are the parts of an endpoint that are kept as JSON or sealed.
type endpointColumns struct {
	events, accounts, dialect  string
	headers, secret, oldSecret []byte
}

func (e endpoints) columns(v latchkey.Endpoint) (c endpointColumns, err error) {
	app, id := string(v.ApplicationID), string(v.ID)
	if v.Lenient {
		c.dialect = lenientDialect
	}
	if c.events, err = toJSON(v.Events, len(v.Events)); err != nil {
		return c, err
	}
	if c.accounts, err = toJSON(v.Accounts, len(v.Accounts)); err != nil {
		return c, err
	}
	headers, err := toJSON(v.Headers, len(v.Headers))
	if err != nil {
		return c, err
	}
	if c.headers, err = e.s.seal(endpointPlace(app, id, "headers"), []byte(headers)); err != nil {
		return c, err
	}
	if c.secret, err = e.s.seal(endpointPlace(app, id, "secret"), []byte(v.Secret)); err != nil {
		return c, err
	}
	c.oldSecret, err = e.s.seal(endpointPlace(app, id, "old_secret"), []byte(v.OldSecret))
	return c, err
}

func (e endpoints) Create(ctx context.Context, v latchkey.Endpoint) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	c, err := e.columns(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateEndpointParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Name: v.Name, Url: v.URL, Events: c.events, Accounts: c.accounts,
		Headers: c.headers, Payload: string(v.Payload), Dialect: c.dialect, Secret: c.secret, OldSecret: c.oldSecret,
		OldSecretUntil: ms(v.OldSecretUntil), Paused: string(v.Paused), PausedAt: ms(v.PausedAt), FailingSince: ms(v.FailingSince),
		CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return e.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateEndpoint(ctx, p) })
}

func (e endpoints) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (v latchkey.Endpoint, err error) {
	var row sqlgen.Endpoint
	err = e.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetEndpoint(ctx, sqlgen.GetEndpointParams{ID: string(id), ApplicationID: string(app)})
		return err
	})
	if err != nil {
		return v, err
	}
	return e.fromRow(row)
}

func (e endpoints) ForUpdate(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (v latchkey.Endpoint, err error) {
	p := sqlgen.GetEndpointParams{ID: string(id), ApplicationID: string(app)}
	var row sqlgen.Endpoint
	err = e.locked(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetEndpoint(ctx, p)
		return err
	}, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetEndpointForUpdate(ctx, sqlgen.GetEndpointForUpdateParams(p))
		return err
	})
	if err != nil {
		return v, err
	}
	return e.fromRow(row)
}

func (e endpoints) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Endpoint, error) {
	var rows []sqlgen.Endpoint
	err := e.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListEndpoints(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, e.fromRow)
}

func (e endpoints) Update(ctx context.Context, v latchkey.Endpoint) error {
	c, err := e.columns(v)
	if err != nil {
		return err
	}
	p := sqlgen.UpdateEndpointParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Name: v.Name, Url: v.URL, Events: c.events, Accounts: c.accounts,
		Headers: c.headers, Payload: string(v.Payload), Dialect: c.dialect, Secret: c.secret, OldSecret: c.oldSecret,
		OldSecretUntil: ms(v.OldSecretUntil), Paused: string(v.Paused), PausedAt: ms(v.PausedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return e.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateEndpoint(ctx, p) })
}

func (e endpoints) MarkFailing(ctx context.Context, id latchkey.EndpointID, since time.Time) error {
	p := sqlgen.MarkEndpointFailingParams{ID: string(id), FailingSince: ms(since)}
	return e.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.MarkEndpointFailing(ctx, p) })
}

func (e endpoints) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) error {
	p := sqlgen.DeleteEndpointParams{ApplicationID: string(app), ID: string(id)}
	return e.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteEndpoint(ctx, p) })
}

func (e endpoints) fromRow(r sqlgen.Endpoint) (v latchkey.Endpoint, err error) {
	v = latchkey.Endpoint{
		ID: latchkey.EndpointID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Name: r.Name, URL: r.Url,
		Payload: latchkey.PayloadKind(r.Payload), Lenient: r.Dialect == lenientDialect, OldSecretUntil: at(r.OldSecretUntil),
		Paused: latchkey.PauseReason(r.Paused), PausedAt: at(r.PausedAt), FailingSince: at(r.FailingSince),
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
	}
	if v.Events, err = fromJSON[[]string](r.Events, "an endpoint's events"); err != nil {
		return v, err
	}
	if v.Accounts, err = fromJSON[[]latchkey.AccountID](r.Accounts, "an endpoint's accounts"); err != nil {
		return v, err
	}
	headers, err := e.s.unseal(endpointPlace(r.ApplicationID, r.ID, "headers"), r.Headers)
	if err != nil {
		return v, err
	}
	if len(headers) > 0 {
		if json.Unmarshal(headers, &v.Headers) != nil {
			// The decoder's own words could hold a piece of it.
			return v, fmt.Errorf("sqlstore: the headers of endpoint %s cannot be read", r.ID)
		}
	}
	secret, err := e.s.unseal(endpointPlace(r.ApplicationID, r.ID, "secret"), r.Secret)
	if err != nil {
		return v, err
	}
	old, err := e.s.unseal(endpointPlace(r.ApplicationID, r.ID, "old_secret"), r.OldSecret)
	v.Secret, v.OldSecret = string(secret), string(old)
	return v, err
}
