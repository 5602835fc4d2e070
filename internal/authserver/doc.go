// Package authserver asks applications' own authentication servers for credentials that they keep
// themselves (the accounts that say so), and remembers the answers for a moment, in memory only. It
// knows no connector and no mail server: who borrows decides what a refusal means, and says so.
//
//	GET <url>?account=<name>&proto=imap|smtp|api    signed with the application's whsec_
//	200 {"user": "…", "pass": "…"} or {"user": "…", "accessToken": "…"}
//
// An answer that cannot be had is an outage (auth_server_unreachable): nothing follows from it. An
// answer that lends nothing is the application's to mend (auth_server_refused).
package authserver
