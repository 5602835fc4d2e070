// Package pgtest gives tests a real PostgreSQL: a throw-away server from the binaries on this
// machine, started when the first test asks for it and gone with the test process, or the server
// that LATCHKEY_TEST_POSTGRES names. Each call of URL makes a fresh database.
//
// The server runs as an unprivileged user where the tests run as root (PostgreSQL refuses root),
// listens on a Unix socket in a folder of its own only, and does not flush to disk unless
// LATCHKEY_TEST_POSTGRES_FSYNC=on, as benchmarks want.
package pgtest
