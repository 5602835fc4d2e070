// Package providerapps owns the OAuth clients that operators registered at providers, for their
// applications: making and changing them, checking that they are right, choosing the one to use,
// and saying so when a provider does not take one any more. Their secrets go in and never come out
// but into a connector.App.
//
// It knows no HTTP and no provider: what a provider says of a client comes from connectors
// (connector.AppVerifier), and from whoever uses it (Flag).
//
//	fine ──Flag(code)──▶ flagged      event provider_app.broken
//	flagged ──Flag("")──▶ fine        event provider_app.mended
package providerapps
