// Package oauthflow is what the OAuth connectors share: the way to the provider and back, the
// exchange of the code, the id token, what was granted, whose account it is, whether its mailbox
// opens, and everything that happens to the credential afterwards. What only one provider does stands
// in its Spec, which the connector gives.
//
//	begin ─▶ [prepare] ─▶ redirect ─▶ exchange ─▶ Grant
//	                      ▲    │          │
//	                      └────┴─ cancelled, scopes, offline, admin_consent, not_assigned, blocked,
//	                              browser, wrong_type, wrong_account, again, unavailable
//	                                      │
//	                                      └─ imap_off, smtp_off, mail_off ─▶ verify ─▶ Grant
//
// prepare reads a discovery document, where the operator named an issuer of their own; the endpoints
// of the known clouds need no reading. A code is used once: an interrupted exchange begins anew.
//
// What a provider says in its own words goes to the operator's log. The end user reads texts that are
// looked up by the code of what happened.
package oauthflow
