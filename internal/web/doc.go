// Package web is the edge: what every request passes before a handler sees it, and the one place
// where an error becomes an HTTP answer. It owns the problem shape, security headers, the request
// log, client addresses, rate limits, host rules and timeouts. It knows no route's meaning, no
// database and no page; api, wizard and dashboard are built on it.
//
// The order in which Edge.Wrap puts things, outermost first:
//
//	request id, client address, log ─▶ panic ─▶ security headers ─▶ address limit ─▶ body cap
//	  ─▶ path repair ─▶ host rule ─▶ mux
package web
