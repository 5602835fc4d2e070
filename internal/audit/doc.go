// Package audit keeps the trail of what was done with keys and on the command line. It owns the lines
// and how they are gathered; it knows no route and no command.
//
// What changes something has a line of its own, written in the transaction of the change: the caller
// puts it in the context (store.WithAudit), and the store writes it with the first transaction. What
// changes nothing (a request that was refused), or happens too often for a line each (a link, which
// names its key in its own row), is counted, and written as one line for each actor, action and outcome
// every few seconds at most. What is counted and not yet written is lost by kill -9.
package audit
