// Package safehttp is the only way out, over HTTP and raw TCP. It owns the egress policy: which
// addresses and ports may be reached for which purpose. It must not know who asks, nor what is
// said on a connection.
//
// Host names come from strangers, so a name proves nothing: every address is checked when the
// socket is about to connect, after the last look-up that could have changed it. In this order:
//
//  1. what is never reached, whatever is listed: metadata services, link-local, unspecified and
//     multicast addresses, our own listeners, and each of them in its IPv6 disguises
//  2. what the operator listed for the purpose
//  3. public addresses, on the ports that belong to the purpose
//
// Everything else is refused, with one line for the operator that says what to list if it was meant.
package safehttp
