package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"latchkey/internal/secret"
	"latchkey/internal/store/sqlstore/sqlgen"
)

// Keysets keeps the one wrapped keyset of the database. It is a secret.KeysetStore.
type Keysets struct{ db *Database }

// Keysets reaches the keyset; it needs no Sealer.
func (d *Database) Keysets() Keysets { return Keysets{db: d} }

// Load returns the wrapped keyset and its version; nil and 0 where there is none. It reads beside
// any writer, so it may be called in the middle of a transaction.
func (k Keysets) Load(ctx context.Context) (wrapped []byte, version int64, err error) {
	row, err := k.db.readQ.LoadKeyset(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return row.Wrapped, row.Version, err
}

// Save writes the keyset where its version is still the expected one (0: where there is none),
// else it returns secret.ErrKeysetChanged.
func (k Keysets) Save(ctx context.Context, wrapped []byte, expectedVersion int64) error {
	now := k.db.now().UnixMilli()
	var n int64
	var err error
	if expectedVersion == 0 {
		n, err = k.db.poolQ.InsertKeyset(ctx, sqlgen.InsertKeysetParams{Wrapped: wrapped, UpdatedAt: now})
	} else {
		n, err = k.db.poolQ.SwapKeyset(ctx, sqlgen.SwapKeysetParams{Wrapped: wrapped, UpdatedAt: now, Expected: expectedVersion})
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return secret.ErrKeysetChanged
	}
	return nil
}
