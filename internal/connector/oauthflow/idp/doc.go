// Package idp is an identity provider that misbehaves on purpose: a library that serves, over HTTP on
// loopback, what Google, Microsoft, LinkedIn and Instagram serve to OAuth clients, each in its own way.
// It refuses what they refuse (another client, another redirect URI, a code used twice, a PKCE
// verifier that does not fit, mixed resources) and, where a Knob says so, does wrong in every manner
// that a client has to survive.
//
// A person signs in on a page that needs no JavaScript; with Knobs.Auto nobody has to. Mail servers
// ask its introspection endpoint (RFC 7662) about tokens. It is nobody's real identity provider: users
// have no passwords.
package idp
