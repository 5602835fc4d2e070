// Package sim is a simulated WhatsApp: the server that companion devices connect to, and the phones
// that link them. It speaks the real protocol (WebSocket, Noise, binary nodes, the pairing
// cryptography) with a root key of its own, so that the real client library runs against it
// unchanged. A phone is in somebody's hand: it scans, types codes, unlinks, by a call or by HTTP.
//
// It owns what a server and a phone know: linked devices, pending pairings, who is connected. It knows
// nothing of the connector that talks to it, and it is derived from what client libraries expect: it
// cannot show what the real service does on its own account (bans, which accounts need a passkey).
//
//	companion                     server                       phone
//	   │── Noise XX, register ───▶ │                              │
//	   │◀─ pair-device, 6 refs ──  │                              │
//	   │        (QR on a screen)                                  │ Scan
//	   │◀─────────────── pair-success (signed by the phone) ────  │
//	   │── pair-device-sign ─────▶ │ linked                       │
//	   │◀─ stream:error 515 ─────  │                              │
//	   │── Noise XX, login ──────▶ │                              │
//	   │◀─ success ──────────────  │                              │ Unlink, Ban
//
// What else it can do wrong is listed at Faults.
package sim
