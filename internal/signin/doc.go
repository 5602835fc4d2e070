// Package signin logs people in by email: an address, one mail with a code and a link, and then either
// of the two proves that the mailbox is theirs. It owns sign-ins, their budgets, the lists of who may
// sign in, and each application's OpenID provider: clients, signing keys and tokens. It must not know
// how mail travels, what a page looks like, or what an operator may do.
//
//	begin ──▶ pending ──code typed, link clicked──▶ proved ──grant or code exchanged──▶ completed
//	            │  ▲                                  (a grant lives two minutes)
//	            └──┘ resend: a new challenge; the one before it stays good until its own end
//
// A realm is an application, or "" for the installation, whose operators sign in.
//
// What keeps strangers out:
//
//   - A look at a code is counted, and committed, before the code is compared. Five for each challenge;
//     beyond that, budgets for the address, the requester's network and the application, which a new
//     mail does not refill. A device that has proved the address before has budgets of its own, which
//     strangers cannot use up.
//   - A sign-in belongs to whoever began it: the browser with the cookie, or the application's backend.
//     A code or a link that reaches somebody else is of no use to them. Where a backend began it, a click on
//     the link changes nothing: it is the backend's word that ends the sign-in.
//   - Addresses that may not sign in (listed, a sender's, unknown to the installation) cost the same
//     queries and rows as others and get the same answer; only the mail stays away.
//   - Codes are kept as HMACs, links as hashes. Grants, authorization codes and access tokens are MACs
//     over the row and are kept nowhere.
package signin
