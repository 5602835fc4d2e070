// Package funnel tells how far end users get: of the links made on a day, how many were opened and
// started, which providers were chosen, which steps were seen, where and why people failed, and how many
// connected. It owns the counting and the sums; it knows no flow, no page and no connector.
//
// It counts behind the fact, from what is written anyway: events by their ids, links by theirs, ends by
// an index of expiries. So no request pays for it, nothing is counted twice (a cursor moves in the
// transaction of the counts), and nothing is read again to answer. Opened links alone are counted as
// their views are added up, by the engine.
//
//	events ──┐
//	links  ──┼─ Count, every quarter minute ─▶ counts by day ─▶ Read
//	expiry ──┘
//
// A link belongs to the day on which it was made, whenever it got further.
package funnel
