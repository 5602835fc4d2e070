// Package remind asks end users by mail to reconnect an account that only they can mend, where their
// application wants that. It owns when such a mail is written, to whom, how often, and when it is taken
// back. It must not know how an account is found to be broken, what a mail looks like, or what a
// reconnect page does: it is told of changes inside the transaction in which they are written.
//
//	works ──▶ needs its end user    a mail is written, to leave after the application's pause
//	needs its end user ──▶ works    a mail that has not left is taken back
//
// An outage is never a reason to write, and an account is not written about twice within a week.
package remind
