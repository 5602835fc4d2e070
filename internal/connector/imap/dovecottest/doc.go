// Package dovecottest runs a real Dovecot (Debian's 2.3) for a test: IMAP and submission on free ports
// of loopback, each with TLS from the first byte and with STARTTLS, under a certificate authority of
// its own. It is started for one test and stopped with it; nothing of the machine's own Dovecot, if
// it has one, is read or touched.
package dovecottest
