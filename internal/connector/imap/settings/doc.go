// Package settings finds out where the mail of an address is served.
//
// It owns the table of big providers, and the ways of asking: SRV records (RFC 6186, RFC 8314 §5.1),
// MX records, autoconfiguration documents of the domain and of the ISPDB, Autodiscover, and guesses.
// All of them are asked side by side and ranked, not raced: the best-ranked answer whose server
// really spoke the protocol, under a certificate for its name, is taken within the budget.
//
// It must not know what a flow is, and never sees a password. Everything that a stranger named is
// reached through the given Dialer, Resolver and Fetcher only.
package settings
