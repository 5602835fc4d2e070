// Package maildns reads what a domain says of its mail in the DNS, and tells how that fits the host
// that sends for it: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489) and MX. It owns the advice. It
// must not know what a sender is, nor send anything; look-ups go through the given Resolver only.
package maildns
