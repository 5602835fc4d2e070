package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"

	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

// Store is a store.Store on one SQL database.
type Store struct {
	tx
	db     *Database
	sealer Sealer
	group  *group
	jobs   jobInserter
	calls  *calls
	// wake tells this process's workers of new jobs; nil on PostgreSQL, which tells them itself.
	wake *wakeUp
}

var _ store.Store = (*Store)(nil)

// NewStore makes the store of a database. It owns the database from now on.
func NewStore(db *Database, sealer Sealer) (*Store, error) {
	if sealer == nil {
		return nil, errors.New("sqlstore: a Sealer is needed")
	}
	s := &Store{db: db, sealer: sealer}
	s.tx = tx{s: s}
	s.calls = newCalls(s, rand.Text())
	if db.sqlite() {
		s.wake = newWakeUp()
		db.writer.wake = s.wake.jobs
		db.writer.delivered = s.calls.committed
	}
	var err error
	if s.jobs, err = s.newInserter(); err != nil {
		return nil, err
	}
	if db.sqlite() {
		s.group = newGroup(db)
	}
	return s, nil
}

// Database is the database under the store.
func (s *Store) Database() *Database { return s.db }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close finishes the writes that wait and closes the database. Workers must have been stopped.
func (s *Store) Close() error {
	s.calls.close()
	if s.group != nil {
		s.group.close()
	}
	return s.db.Close()
}

// tx reaches the aggregates, at the root (open is nil) or in a transaction.
type tx struct {
	s    *Store
	open *openTx
}

var _ store.Tx = tx{}

func (t tx) Applications() store.Applications   { return applications{t} }
func (t tx) Keys() store.Keys                   { return keys{t} }
func (t tx) Links() store.Links                 { return links{t} }
func (t tx) Flows() store.Flows                 { return flows{t} }
func (t tx) Accounts() store.Accounts           { return accounts{t} }
func (t tx) Events() store.Events               { return events{t} }
func (t tx) Deliveries() store.Deliveries       { return deliveries{t} }
func (t tx) Endpoints() store.Endpoints         { return endpoints{t} }
func (t tx) Shares() store.Shares               { return shares{t} }
func (t tx) Idempotency() store.Idempotency     { return idempotency{t} }
func (t tx) Tries() store.Tries                 { return tries{t} }
func (t tx) Audit() store.AuditLog              { return auditLog{t} }
func (t tx) Funnel() store.Funnel               { return funnel{t} }
func (t tx) Keeps() store.Keeps                 { return keeps{t} }
func (t tx) Memories() store.Memories           { return memories{t} }
func (t tx) ProviderApps() store.ProviderApps   { return providerApps{t} }
func (t tx) Checks() store.Checks               { return checks{t} }
func (t tx) StatusChanges() store.StatusChanges { return statusChanges{t} }
func (t tx) ReconnectURLs() store.ReconnectURLs { return reconnectURLs{t} }
func (t tx) Senders() store.Senders             { return senders{t} }
func (t tx) Mails() store.Mails                 { return mails{t} }
func (t tx) Settings() store.Settings           { return settings{t} }
func (t tx) Paces() store.Paces                 { return paces{t} }
func (t tx) SignIns() store.SignIns             { return signIns{t} }
func (t tx) SignInRules() store.SignInRules     { return signInRules{t} }
func (t tx) OIDCClients() store.OIDCClients     { return oidcClients{t} }
func (t tx) SigningKeys() store.SigningKeys     { return signingKeys{t} }
func (t tx) Operators() store.Operators         { return operators{t} }
func (t tx) Logins() store.Logins               { return logins{t} }
func (t tx) Passkeys() store.Passkeys           { return passkeys{t} }
func (t tx) OneTimes() store.OneTimes           { return oneTimes{t} }
func (t tx) Images() store.Images               { return images{t} }

// read runs fn on the transaction, or on the readers' pool.
func (t tx) read(ctx context.Context, fn writeFunc) error {
	if t.open != nil {
		return classify(fn(ctx, t.open.q))
	}
	if err := t.s.notNested(ctx); err != nil {
		return err
	}
	return classify(fn(ctx, t.s.db.readQ))
}

// write runs fn, which has one writing statement, on the transaction or as one of its own.
func (t tx) write(ctx context.Context, fn writeFunc) error {
	if t.open != nil {
		return classify(fn(ctx, t.open.q))
	}
	if err := t.s.notNested(ctx); err != nil {
		return err
	}
	if t.s.group != nil {
		return classify(t.s.group.write(ctx, false, fn))
	}
	return classify(fn(ctx, t.s.db.poolQ))
}

// writeAll runs fn, which has several statements, on the transaction or as one of its own.
func (t tx) writeAll(ctx context.Context, fn writeFunc) error {
	if t.open != nil {
		return classify(fn(ctx, t.open.q))
	}
	if t.s.group != nil {
		if err := t.s.notNested(ctx); err != nil {
			return err
		}
		return classify(t.s.group.write(ctx, true, fn))
	}
	return t.s.inTx(ctx, func(ctx context.Context, t tx) error { return fn(ctx, t.open.q) })
}

// locked is read for rows that the transaction is going to change: on PostgreSQL fn takes their
// locks; on SQLite the transaction has the only writer already.
func (t tx) locked(ctx context.Context, sqlite, postgres writeFunc) error {
	if t.open == nil {
		if err := t.s.notNested(ctx); err != nil {
			return err
		}
		return ErrNotInTx
	}
	if t.s.db.sqlite() {
		return classify(sqlite(ctx, t.open.q))
	}
	return classify(postgres(ctx, t.open.q))
}

// insert is write for a statement that inserts one row, or none where a unique value is taken.
func (t tx) insert(ctx context.Context, fn func(ctx context.Context, q *sqlgen.Queries) (int64, error)) error {
	return t.rows(ctx, store.ErrConflict, fn)
}

// change is write for a statement that changes one row, or none where there is no such row.
func (t tx) change(ctx context.Context, fn func(ctx context.Context, q *sqlgen.Queries) (int64, error)) error {
	return t.rows(ctx, store.ErrNotFound, fn)
}

func (t tx) rows(ctx context.Context, none error, fn func(ctx context.Context, q *sqlgen.Queries) (int64, error)) error {
	return t.write(ctx, func(ctx context.Context, q *sqlgen.Queries) error {
		n, err := fn(ctx, q)
		if err == nil && n == 0 {
			return none
		}
		return err
	})
}

// remove is write for a statement that deletes or ends up to a limit of rows.
func (t tx) remove(ctx context.Context, fn func(ctx context.Context, q *sqlgen.Queries) (int64, error)) (int, error) {
	var n int64
	err := t.write(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		n, err = fn(ctx, q)
		return err
	})
	return int(n), err
}
