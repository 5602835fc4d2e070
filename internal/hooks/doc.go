// Package hooks tells applications what happened. It owns events as they are written, deliveries,
// their signatures and their retries. It must not know what a flow, a connector or a page is: it is
// handed an event or a payload, inside the transaction of what they report.
//
//	Emit    writes an event
//	Notify  freezes a payload as a Delivery and enqueues its job
//	Deliver is that job: one try, recorded, and when the next one is due
//
// A delivery:
//
//	pending ──2xx──▶ delivered
//	   │ ▲
//	   │ └─ anything else: back-off with jitter, Retry-After honoured
//	   ├──410──▶ gone
//	   └──3 days after it was enqueued──▶ failed
//
// Delivery is at least once: the webhook-id stays the same over all tries, so that a receiver can
// drop repeats. Nothing is ever sent unsigned.
package hooks
