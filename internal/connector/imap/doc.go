// Package imap is the connector for mailboxes that are reached with a password, by IMAP and SMTP.
//
//	imap.email ─▶ [detect] ─┬─▶ imap.password ─┐
//	                        ├─▶ imap.settings ─┼─▶ [verify] ─┬─▶ Grant
//	                        ├─▶ imap.oauth ────┘             ├─▶ the form again, with errors
//	                        │       └─▶ Switch               └─▶ imap.partial ─▶ [verify] or Grant
//	                        └─▶ imap.bridge (nothing to connect to)
//	imap.reconnect ─────────────────────────────▶ [verify]
//
// It owns the words of its steps, the form of its secret, and what the answers of mail servers mean
// for the account. How servers are found is package settings' matter, how they are spoken to package
// login's. It must not know how flows are stored, where pages come from, or who else connects what;
// and it reaches the network only through what Config gives it.
package imap
