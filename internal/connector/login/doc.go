// Package login opens connections to mail servers that strangers named, and tries a login on them.
//
// It owns what is spoken on the wire: TLS and STARTTLS, greetings, SASL, and the translation of what
// servers answer into the codes of package errs. It trusts nothing that comes back: every connection
// has a cap on bytes and a limit of time per phase, a password never travels unencrypted unless the
// host is listed for it, and what a server says is cleaned and searched for the password before it
// goes anywhere.
//
// It must not know what a flow, a step or a provider is, and it dials only through the given Dialer.
package login
