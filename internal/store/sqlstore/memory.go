package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type memories struct{ tx }

// place is where an entry is kept. None of its parts holds a slash.
func place(kind, group, name string) string { return kind + "/" + group + "/" + name }

// past is the first place after all that begin with the prefix, which ends with a slash.
func past(prefix string) string { return prefix[:len(prefix)-1] + "0" }

func memoryPlace(app, account, at string) string {
	return aad(app, "account_memory", account+"/"+at, "value")
}

var errMemoryName = errors.New("sqlstore: a name in a memory may hold letters, digits, - and _ only")

func checkName(parts ...string) error {
	for _, p := range parts {
		if strings.ContainsFunc(p, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}) {
			return errMemoryName
		}
	}
	return nil
}

func (m memories) Get(ctx context.Context, r store.MemoryRef, kind, group string, names ...string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, n := range names {
		var rows []sqlgen.MemoryAtRow
		at := place(kind, group, n)
		err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
			rows, err = q.MemoryAt(ctx, sqlgen.MemoryAtParams{AccountID: string(r.AccountID), Place: at})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if out[n], err = m.s.unseal(memoryPlace(string(r.ApplicationID), string(r.AccountID), at), row.Value); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (m memories) List(ctx context.Context, r store.MemoryRef, kind, group string) (map[string][]byte, error) {
	prefix := place(kind, group, "")
	var rows []sqlgen.MemoryInRow
	err := m.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.MemoryIn(ctx, sqlgen.MemoryInParams{AccountID: string(r.AccountID), First: prefix, Past: past(prefix)})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(rows))
	for _, row := range rows {
		v, err := m.s.unseal(memoryPlace(string(r.ApplicationID), string(r.AccountID), row.Place), row.Value)
		if err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(row.Place, prefix)] = v
	}
	return out, nil
}

// fenced runs fn where the reference's fence is still that of the Keep. The row stays locked meanwhile: on
// PostgreSQL, a holder that stood still between the look and the write would otherwise write its old
// state over that of the next one.
func (m memories) fenced(ctx context.Context, r store.MemoryRef, fn func(ctx context.Context, q *sqlgen.Queries) error) error {
	return m.writeAll(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		look := q.GetKeepForUpdate
		if m.s.db.sqlite() { // the transaction has the only writer
			look = q.GetKeep
		}
		row, err := look(ctx, string(r.AccountID))
		if err := classify(err); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if row.Fence != r.Fence {
			return store.ErrStale
		}
		return fn(ctx, q)
	})
}

func (m memories) Put(ctx context.Context, r store.MemoryRef, kind, group string, values map[string][]byte) error {
	if len(values) == 0 {
		return nil
	}
	if err := checkName(kind, group); err != nil {
		return err
	}
	var rows []sqlgen.PutMemoryParams
	for n, v := range values {
		if err := checkName(n); err != nil {
			return err
		}
		at := place(kind, group, n)
		sealed, err := m.s.seal(memoryPlace(string(r.ApplicationID), string(r.AccountID), at), v)
		if err != nil {
			return err
		}
		rows = append(rows, sqlgen.PutMemoryParams{AccountID: string(r.AccountID), ApplicationID: string(r.ApplicationID), Place: at, Value: sealed})
	}
	return m.fenced(ctx, r, func(ctx context.Context, q *sqlgen.Queries) error {
		for _, p := range rows {
			if _, err := q.PutMemory(ctx, p); err != nil {
				return fmt.Errorf("sqlstore: writing an account's memory: %w", err)
			}
		}
		return nil
	})
}

func (m memories) Delete(ctx context.Context, r store.MemoryRef, kind, group string, names ...string) error {
	return m.fenced(ctx, r, func(ctx context.Context, q *sqlgen.Queries) error {
		if len(names) == 0 {
			prefix := place(kind, group, "")
			_, err := q.ForgetMemoryIn(ctx, sqlgen.ForgetMemoryInParams{AccountID: string(r.AccountID), First: prefix, Past: past(prefix)})
			return err
		}
		for _, n := range names {
			if _, err := q.ForgetMemoryAt(ctx, sqlgen.ForgetMemoryAtParams{AccountID: string(r.AccountID), Place: place(kind, group, n)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m memories) Clear(ctx context.Context, r store.MemoryRef) error {
	return m.fenced(ctx, r, func(ctx context.Context, q *sqlgen.Queries) error {
		// All places begin with a letter.
		_, err := q.ForgetMemoryIn(ctx, sqlgen.ForgetMemoryInParams{AccountID: string(r.AccountID), First: "", Past: "~"})
		return err
	})
}

// memorySealed pages by account and place, which after holds with a bar between them.
func memorySealed(ctx context.Context, q *sqlgen.Queries, prefix []byte, after string, _, page int32) ([]sealedRow, error) {
	account, place, _ := strings.Cut(after, "|")
	rows, err := q.MemorySealedOtherwise(ctx, sqlgen.MemorySealedOtherwiseParams{AfterAccount: account, AfterPlace: place, Prefix: prefix, Page: page})
	if err != nil {
		return nil, err
	}
	return convert(rows, func(r sqlgen.MemorySealedOtherwiseRow) (sealedRow, error) {
		return sealedRow{
			id: r.AccountID + "|" + r.Place, place: memoryPlace(r.ApplicationID, r.AccountID, r.Place), sealed: r.Sealed,
			swap: func(ctx context.Context, q *sqlgen.Queries, sealed []byte) (int64, error) {
				return q.SwapMemory(ctx, sqlgen.SwapMemoryParams{AccountID: r.AccountID, Place: r.Place, Was: r.Sealed, Sealed: sealed})
			},
		}, nil
	})
}
