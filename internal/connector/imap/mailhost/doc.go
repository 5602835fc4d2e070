// Package mailhost is a small mail host that lives in this process: IMAP and SMTP submission, each
// with TLS from the first byte and with STARTTLS, under a certificate authority of its own. The demo
// and the benchmarks connect real mailboxes on it, and tests let it misbehave on purpose.
//
// It is not a mail server for anybody's mail: mailboxes live in memory, and what is submitted is
// counted and dropped. It knows nothing of connectors or flows.
package mailhost
