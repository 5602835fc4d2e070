// Package secret owns what must never be seen: text that does not print, the keys under which the
// database seals its secrets, and opaque tokens. It knows no table, no HTTP and no file but the
// master key's.
//
//	MasterKey   32 bytes outside the database; wraps the keyset and nothing else
//	Keyring     the keyset from the database, unwrapped: seals and opens values, makes MACs
//	Text        a string that prints as ***
//	token       256 random bits for links, cookies and API keys; only its hash is kept
//
// A sealed value carries the five-byte prefix of its key, so that rows under an old key can be
// found, and is bound to a context (application|table|row|column) without which it does not open.
//
// Keys are rotated while replicas run:
//
//	AddKey ──▶ every replica can open ──▶ Promote ──▶ every replica seals anew ──▶ re-seal ──▶ Retire
//
// No replica seals with a keyset that it has not confirmed within MaxStale, and Retire is refused
// until twice that time after Promote: a key cannot go while somebody may still seal with it.
package secret
