// Package telegram is the connector of provider TELEGRAM: a person's account, linked as one more
// device, by a QR code or by the phone number and a code, with the two-step password where there is
// one.
//
//	qr ◀──────── switch_method ───────▶ phone ──▶ code ─┬─▶ password ─▶ grant
//	 │  renewed every half minute                       │
//	 └──────────── scanned ─────────────────────────────┘
//
// Everything at Telegram hangs on a key, not on a socket: each Work connects with the key in its
// input, does its thing, and leaves the key in the next state. So any replica goes on with a flow,
// and no socket stays open while somebody types. A key is never used on two connections at a time:
// Telegram ends a session for that.
//
// The protocol is that of github.com/gotd/td. Its one-connection client is used, not the one that
// reconnects by itself: a code or password must never be sent twice unseen.
//
// It knows no database and no page, dials only through what it is given, and nothing of the simulator
// in the folder below.
package telegram
