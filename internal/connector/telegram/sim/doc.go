// Package sim is a Telegram of one's own: it speaks MTProto on loopback with several data centres,
// and has people with phones in their hands. The demo, the tests and integrators log in to it.
//
// What it is like: key exchange, sessions, QR login tokens with migration, codes by phone, the
// two-step password (SRP), flood waits, bans, sessions that are terminated on the phone, and the end
// of a key that is used from two places. Control plays the phone, by HTTP or by method. Fault makes
// it misbehave at any request.
//
// It follows what core.telegram.org publishes of the protocol, and what a client library expects. It
// cannot show what Telegram decides for itself: whom it bans, and how a code is sent.
//
// It must not know the connector: another server of the same protocol can take its place.
package sim
