// Package whatsapp connects personal and business WhatsApp accounts as a linked device, by QR code or
// by a pairing code, and keeps them connected. It speaks through go.mau.fi/whatsmeow.
//
//	Begin ──▶ whatsapp.phone ──submit──▶ ┌────────── Work "link" (Live) ───────────┐
//	   │           ▲ switch_method       │ connecting ─▶ qr (6 codes) | code       │──▶ Grant
//	   └───────────┴────────────────────▶│        └▶ passkey ─▶ confirm            │──▶ qr | code, expired
//	                                     └─────────────────────────────────────────┘
//
// Nothing is written before the phone has agreed: keys live in memory until then, and are lost with
// the socket. The Grant is made of pair-success, which the phone has signed, before the first real
// connection; Keep makes that one, and all that follow.
//
// The credential is the device's keys (device.go). What the protocol adds to them (Signal sessions,
// prekeys, sync keys) goes into the Keeper's Memory (memory.go), with names that say nothing. Messages,
// contacts and history are not kept, and history is not fetched.
//
// The package knows no database, page or policy; how sockets are opened, it is given.
package whatsapp
