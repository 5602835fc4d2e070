// Package hooks tells applications what happened. It owns events as they are written, endpoints,
// deliveries, their signatures, their order and their retries. It must not know what a flow, a
// connector or a page is: it is handed an event or a payload, inside the transaction of what they
// report.
//
//	Emit    writes an event, and a Delivery for each endpoint that wants it
//	Notify  writes a Delivery of its own payload to a notify_url
//	Run     sends what is due, for as long as the process lives
//
// A delivery:
//
//	pending ──2xx──▶ delivered
//	   │ ▲
//	   │ └─ anything else: back-off with jitter, Retry-After honoured
//	   ├──410──▶ gone, and the endpoint is paused
//	   ├──3 days after it was written──▶ failed
//	   └──its endpoint is paused or deleted──▶ canceled
//
// A delivery waits in a queue: one of a few for each receiver (an endpoint, or a host that links
// notify), picked by its lane, so that one lane is always in one queue. A lane is an account, or a
// link where there is none. First tries of a lane go out in order, one after the other; a retry goes
// out when it is due and holds nobody up. A queue belongs to a share, and a share to one process at a
// time (share.go), so nothing is claimed row by row.
//
//	row committed ─▶ call ─▶ queue is read ─▶ try ─▶ recorded with others in one transaction
//
// Delivery is at least once: what was answered but not yet recorded when a process dies is sent again,
// with the same webhook-id. Nothing is ever sent unsigned.
package hooks
