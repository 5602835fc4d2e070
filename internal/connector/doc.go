// Package connector is the contract between the flow engine and the code for one provider.
//
// A connector is a state machine over serialisable values. Deciding and doing are apart: Begin and
// Resume decide and touch no network; Do does one outside thing. Each returns a Turn:
//
//	Begin ─┐                ┌─▶ Step     what to ask or show; an answer leads to Resume
//	Resume ┼──▶ Turn ───────┼─▶ Work     what to do outside; the engine leads it to Do
//	Do ────┘                ├─▶ Grant    a credential, and whose it is
//	                        └─▶ Failure  the end of this try
//
// The engine commits every Turn to the database before anything follows from it, so a flow goes on
// after a reload, a restart or on another replica. A connector therefore keeps nothing between
// calls: all that it needs stands in the State it returned. It knows no database, no web page and
// no other connector, and sees no HTTP handler, cookie or SQL.
package connector
