// Package sqlstore keeps everything that store promises in one SQL database: an embedded SQLite
// file, or PostgreSQL for any number of replicas. One SQL text serves both (queries/, compiled by
// sqlc into sqlgen/); what differs is how connections and transactions are had.
//
// SQLite has one writer connection for everything, jobs included, and a pool of readers. Writes
// outside a transaction are committed in groups: each is durable when its call returns, but many
// share one flush of the disk. PostgreSQL writes straight on its pool.
//
// The package seals what the contract calls secret with the Sealer it is given, and knows nothing
// of keys. It knows no service, no HTTP and no connector.
//
// Opening has two steps, since the keyset that the Sealer needs lies in the database itself:
//
//	db, err := sqlstore.OpenDatabase(ctx, opts)   // migrates; db.Keysets() loads and saves the keyset
//	st, err := sqlstore.NewStore(db, sealer)      // the store
package sqlstore
