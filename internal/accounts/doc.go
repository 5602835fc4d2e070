// Package accounts owns what becomes of accounts once they are connected: listing, checking, and
// forgetting them, with the revocation at the provider that follows. The flow engine makes and
// mends accounts; this package never does. It knows no HTTP and no provider: connectors check and
// revoke through the small interfaces of package connector.
//
// What a check writes:
//
//	Health            account
//	OK                OK
//	an outage         CONNECTING and its reason, unless the end user is already asked to act
//	a refusal         tried a second time; only then CREDENTIALS or PERMISSIONS
//	anything else     as the connector says
package accounts
