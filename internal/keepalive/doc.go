// Package keepalive stays connected for accounts that only work while somebody is: it hands them out
// over the replicas, connects them through connector.Keeper, and writes down how each connection ended.
// It owns the leases; it knows no provider, no protocol and no page, and changes an account only through
// the small interface Accounts.
//
// One account's Keep (store.Keep):
//
//	        Wanted                    due, and a place is free
//	(none) ─────────▶ free, due at ──────────────────────────▶ held by one replica
//	                    ▲     ▲                                     │
//	                    │     └── released: the connection broke ───┤ (later each time)
//	                    │         handed over, the replica stopped ─┤ (at once)
//	                    │         the replica died ─────────────────┤ (its signs of life ran out)
//	   reconnected ─────┴──────── never due: only the end user can ─┘
//	                              mend it, or the account is deleted
//
// A holder is only one while its fence is the row's. What it writes is written under that fence, and it
// hangs up when it learns that the fence has moved, or when it could give no sign of life for so long
// that others may think it dead. So two never stay connected for one account.
//
// After a start or the death of a replica, connections come evenly over Config.Window, not all at once.
package keepalive
