package sqlstore

import (
	"context"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type oidcClients struct{ tx }

func (c oidcClients) Create(ctx context.Context, v latchkey.OIDCClient) error {
	redirect, logout, err := uris(v)
	if err != nil {
		return err
	}
	p := sqlgen.CreateOIDCClientParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Name: v.Name, Public: v.Public, SecretHash: blob(v.SecretHash),
		RedirectUris: redirect, PostLogoutUris: logout, Algorithm: v.Algorithm, CreatedAt: ms(v.CreatedAt), UpdatedAt: ms(v.UpdatedAt),
	}
	return c.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateOIDCClient(ctx, p) })
}

func uris(v latchkey.OIDCClient) (redirect, logout string, err error) {
	if redirect, err = toJSON(v.RedirectURIs, len(v.RedirectURIs)); err != nil {
		return "", "", err
	}
	logout, err = toJSON(v.PostLogoutURIs, len(v.PostLogoutURIs))
	return redirect, logout, err
}

func (c oidcClients) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) (v latchkey.OIDCClient, err error) {
	var row sqlgen.OidcClient
	err = c.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetOIDCClient(ctx, sqlgen.GetOIDCClientParams{ID: string(id), ApplicationID: string(app)})
		return err
	})
	if err != nil {
		return v, err
	}
	return oidcClientFromRow(row)
}

func (c oidcClients) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.OIDCClient, error) {
	var rows []sqlgen.OidcClient
	err := c.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListOIDCClients(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, oidcClientFromRow)
}

func (c oidcClients) Update(ctx context.Context, v latchkey.OIDCClient) error {
	redirect, logout, err := uris(v)
	if err != nil {
		return err
	}
	p := sqlgen.UpdateOIDCClientParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Name: v.Name, SecretHash: blob(v.SecretHash),
		RedirectUris: redirect, PostLogoutUris: logout, Algorithm: v.Algorithm, UpdatedAt: ms(v.UpdatedAt),
	}
	return c.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.UpdateOIDCClient(ctx, p) })
}

func (c oidcClients) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.OIDCClientID) error {
	p := sqlgen.DeleteOIDCClientParams{ApplicationID: string(app), ID: string(id)}
	return c.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteOIDCClient(ctx, p) })
}

func oidcClientFromRow(r sqlgen.OidcClient) (v latchkey.OIDCClient, err error) {
	v = latchkey.OIDCClient{
		ID: latchkey.OIDCClientID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Name: r.Name, Public: r.Public,
		SecretHash: bytesOf(r.SecretHash), Algorithm: r.Algorithm, CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
	}
	if v.RedirectURIs, err = fromJSON[[]string](r.RedirectUris, "a client's redirect URIs"); err != nil {
		return v, err
	}
	v.PostLogoutURIs, err = fromJSON[[]string](r.PostLogoutUris, "a client's redirect URIs")
	return v, err
}

type signingKeys struct{ tx }

func signingKeyPlace(app, algorithm string, generation int64) string {
	return aad(app, "signing_keys", algorithm+"|"+strconv.FormatInt(generation, 10), "private_key")
}

func (k signingKeys) Create(ctx context.Context, v latchkey.SigningKey) error {
	sealed, err := k.s.seal(signingKeyPlace(string(v.ApplicationID), v.Algorithm, int64(v.Generation)), v.Private)
	if err != nil {
		return err
	}
	p := sqlgen.CreateSigningKeyParams{
		ApplicationID: string(v.ApplicationID), Algorithm: v.Algorithm, Generation: int64(v.Generation), KeyID: v.KeyID,
		PublicJwk: blob(v.Public), PrivateKey: sealed, ActiveAt: ms(v.ActiveAt), WithdrawnAt: ms(v.WithdrawnAt), CreatedAt: ms(v.CreatedAt),
	}
	return k.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateSigningKey(ctx, p) })
}

func (k signingKeys) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.SigningKey, error) {
	var rows []sqlgen.SigningKey
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListSigningKeys(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.SigningKey) (latchkey.SigningKey, error) {
		private, err := k.s.unseal(signingKeyPlace(r.ApplicationID, r.Algorithm, r.Generation), r.PrivateKey)
		return latchkey.SigningKey{
			ApplicationID: latchkey.ApplicationID(r.ApplicationID), Algorithm: r.Algorithm, Generation: int(r.Generation), KeyID: r.KeyID,
			Public: bytesOf(r.PublicJwk), Private: private, ActiveAt: at(r.ActiveAt), WithdrawnAt: at(r.WithdrawnAt), CreatedAt: at(r.CreatedAt),
		}, err
	})
}

func (k signingKeys) Aged(ctx context.Context, before time.Time, n int) ([]latchkey.SigningKey, error) {
	var rows []sqlgen.AgedSigningKeysRow
	err := k.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.AgedSigningKeys(ctx, sqlgen.AgedSigningKeysParams{Before: ms(before), Page: limit(n)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.AgedSigningKeysRow) (latchkey.SigningKey, error) {
		return latchkey.SigningKey{ApplicationID: latchkey.ApplicationID(r.ApplicationID), Algorithm: r.Algorithm}, nil
	})
}

func (k signingKeys) Withdraw(ctx context.Context, app latchkey.ApplicationID, algorithm string, generation int, when time.Time) error {
	_, err := k.remove(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) {
		return q.WithdrawSigningKeys(ctx, sqlgen.WithdrawSigningKeysParams{
			ApplicationID: string(app), Algorithm: algorithm, Generation: int64(generation), At: ms(when),
		})
	})
	return err
}

func (k signingKeys) Delete(ctx context.Context, app latchkey.ApplicationID, algorithm string, generation int) error {
	p := sqlgen.DeleteSigningKeyParams{ApplicationID: string(app), Algorithm: algorithm, Generation: int64(generation)}
	return k.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteSigningKey(ctx, p) })
}

var _ store.SigningKeys = signingKeys{}

func signingKeysSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, _ string, skip, page int32) ([]sealedRow, error) {
	rows, err := q.SigningKeysSealedOtherwise(ctx, sqlgen.SigningKeysSealedOtherwiseParams{Prefix: prefix, Skip: skip, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.SigningKeysSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			place: signingKeyPlace(r.ApplicationID, r.Algorithm, r.Generation), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapSigningKey(ctx, sqlgen.SwapSigningKeyParams{
					ApplicationID: r.ApplicationID, Algorithm: r.Algorithm, Generation: r.Generation, Was: r.Sealed, Sealed: sealed,
				})
			},
		}, nil
	})
}
