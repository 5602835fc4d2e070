package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"latchkey"
	"latchkey/internal/store/sqlstore/sqlgen"
)

func linkProxyPlace(app, id string) string { return aad(app, "links", id, "proxy") }

func (l links) sealProxy(v latchkey.Link) ([]byte, error) {
	if v.Proxy == nil {
		return []byte{}, nil
	}
	plain, err := json.Marshal(v.Proxy) //nolint:gosec // sealed below
	if err != nil {
		return nil, err
	}
	return l.s.seal(linkProxyPlace(string(v.ApplicationID), string(v.ID)), plain)
}

func (l links) Proxy(ctx context.Context, id latchkey.LinkID) (*latchkey.Proxy, error) {
	var row sqlgen.GetLinkProxyRow
	err := l.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		row, err = q.GetLinkProxy(ctx, string(id))
		return err
	})
	if err != nil || len(row.Proxy) == 0 {
		return nil, err
	}
	plain, err := l.s.unseal(linkProxyPlace(row.ApplicationID, string(id)), row.Proxy)
	if err != nil {
		return nil, err
	}
	var out latchkey.Proxy
	if err := json.Unmarshal(plain, &out); err != nil {
		return nil, fmt.Errorf("sqlstore: a link's proxy cannot be read: %w", err)
	}
	return &out, nil
}

func linkProxiesSealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	rows, err := q.LinkProxiesSealedOtherwise(ctx, sqlgen.LinkProxiesSealedOtherwiseParams{After: after, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.LinkProxiesSealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.ID, place: linkProxyPlace(r.ApplicationID, r.ID), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapLinkProxy(ctx, sqlgen.SwapLinkProxyParams{ID: r.ID, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}
