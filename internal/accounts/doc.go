// Package accounts owns what becomes of accounts once they are connected: listing, checking, and
// forgetting them, with the revocation at the provider that follows. The flow engine makes and
// mends accounts; this package never does. It knows no HTTP and no provider: connectors check and
// revoke through the small interfaces of package connector.
//
// What a check that somebody asked for writes:
//
//	Health            account
//	OK                OK
//	an outage         CONNECTING and its reason, unless the end user is already asked to act
//	a refusal         tried a second time; only then CREDENTIALS or PERMISSIONS
//	anything else     as the connector says
//
// Run checks every account by itself (schedule.go). An account is found by index on CheckAt, and claimed
// by moving it. Judge decides, and believes nothing that was seen once:
//
//	OK ──two outages──▶ CONNECTING ──hours──▶ ERROR       any ──a good check──▶ OK
//	OK ──two refusals, apart──▶ CREDENTIALS | PERMISSIONS | ERROR
//	OK ──two refusals, among many of the lane──▶ CONNECTING (provider_trouble) ──hours──▶ as refused
//
// A lane (lane.go) is a provider or a mail host: what is asked politely, and believed, as one.
// Report takes what others found who hold a connection open. Each change of status goes through keep
// (report.go): row, line of history and event in one transaction.
//
// Run renews credentials that end, ahead of their end:
//
//	Refreshed         account
//	renewed           stored before it is used; OK again where only this had failed
//	an outage         tried again, ever later; CONNECTING once the token has ended
//	the client's      provider_app.broken; ERROR once the token has ended, never CREDENTIALS
//	  fault
//	a refusal         tried again some minutes later; only then CREDENTIALS
//	nothing new       account.expiring a week ahead of the end, then CREDENTIALS
//
// Of all replicas one works on an account at a time: it claims it by moving RefreshAt.
package accounts
