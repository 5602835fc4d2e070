// Package dovecot gives tests a real mail host: Dovecot from Debian, with IMAP and submission over
// TLS, in a folder of its own, on free ports of 127.0.0.1, without root's rights. It ends with the
// test, and with the test process however that ends.
package dovecot
