// Package hosted is the flow engine: links, the flows of browsers through them, and what comes of
// them. It owns every transition; a connector only says what it would like next (a Turn), and a
// page only renders what the engine says is asked now (a View).
//
// The life of a link is drawn at latchkey.LinkStatus. The life of a flow:
//
//	        start                    answer                Grant
//	(none) ───────▶ in_progress ──▶ (Step, Work)* ───┬───────────▶ completed
//	                   │                             ├─ Failure ─▶ failed
//	                   │ take_over (another browser) ├─ cancel ──▶ canceled
//	                   └────────────▶ taken_over     └─ time ────▶ expired
//
// Inside in_progress there is either a Step that waits for an answer, or a Work that somebody does.
// A Work is written to the flow's row before it is begun: the row is its own job. Whoever does it
// holds the row's lease under a fence number, and its Turn is only taken while that fence is still
// the row's. An answer that ends the Work moves the fence, so that what comes back late is dropped
// (and a Grant that comes back late is revoked). After a crash the lease runs out and the next
// runner does what the Work's Interrupt says.
package hosted
