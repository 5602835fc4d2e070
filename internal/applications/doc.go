// Package applications owns the applications of an installation and their API keys: making them,
// handing a key out exactly once, and telling who a presented key belongs to. It knows no HTTP;
// addresses and rate limits are the edge's affair.
//
// A key is lk_live_ or lk_test_ and then 43 random letters and digits (256 bits). Only the SHA-256 of
// a key is kept. A prepared key, which the configuration names, may look like anything.
package applications
