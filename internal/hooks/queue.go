package hooks

import (
	"time"

	"latchkey"
)

// queue is what this process has in memory of one queue: never more than its receiver takes in a
// few moments, however much waits in the table.
type queue struct {
	id    string
	share int
	pace  *pace
	// waiting are read and not begun, in the order in which they go.
	waiting []*item
	// held are read and not recorded: reading again must not begin them twice.
	held map[latchkey.DeliveryID]*item
	// lanes have a first try under way.
	lanes map[string]bool
	// untried and retries count what is held of either.
	untried, retries int

	// loading tells that the table is being read, and ended what was recorded meanwhile: what is read
	// may be older.
	loading bool
	ended   map[latchkey.DeliveryID]struct{}
	// more tells that there may be first tries in the table that are not held.
	more bool
	// retryAt is when to look for retries; zero where none is known.
	retryAt time.Time
	// rest keeps the queue quiet after trouble of our own.
	rest time.Time
	// canceling tells that its endpoint is off.
	canceling bool
}

// item is a delivery in memory.
type item struct {
	d     latchkey.Delivery
	lane  string
	first bool
	begun bool
	// slow and app say whose place it has, and of which kind.
	slow bool
	app  latchkey.ApplicationID
}

func newQueue(id string, p *pace) *queue {
	return &queue{
		id: id, share: shareOf(id), pace: p, held: map[latchkey.DeliveryID]*item{}, lanes: map[string]bool{},
		ended: map[latchkey.DeliveryID]struct{}{},
	}
}

// wanted is how many deliveries are worth having in memory.
func (q *queue) wanted() int { return max(4, 2*q.pace.limit) }

// take adds what was read, and leaves out what is held or has ended meanwhile.
func (q *queue) take(ds []latchkey.Delivery) {
	for _, d := range ds {
		if _, ok := q.held[d.ID]; ok {
			continue
		}
		if _, ok := q.ended[d.ID]; ok {
			continue
		}
		it := &item{d: d, lane: laneOf(d), first: d.Attempts == 0}
		q.held[d.ID] = it
		q.waiting = append(q.waiting, it)
		q.count(it, 1)
	}
}

func (q *queue) count(it *item, n int) {
	if it.first {
		q.untried += n
	} else {
		q.retries += n
	}
}

// next is the first delivery that may go: a first try waits for the one before it in its lane.
func (q *queue) next() *item {
	blocked := map[string]bool{}
	for i, it := range q.waiting {
		if it.first && it.lane != "" && (q.lanes[it.lane] || blocked[it.lane]) {
			blocked[it.lane] = true
			continue
		}
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		return it
	}
	return nil
}

// begin marks a try as under way.
func (q *queue) begin(it *item) {
	it.begun = true
	if it.first && it.lane != "" {
		q.lanes[it.lane] = true
	}
}

// end forgets a delivery: it was recorded, or is left to somebody else.
func (q *queue) end(it *item) {
	delete(q.held, it.d.ID)
	q.count(it, -1)
	if it.begun && it.first {
		delete(q.lanes, it.lane)
	}
	if q.loading {
		q.ended[it.d.ID] = struct{}{}
	}
}

// drop forgets what was not begun.
func (q *queue) drop() {
	for _, it := range q.waiting {
		q.end(it)
	}
	q.waiting = nil
}

// later notes a retry.
func (q *queue) later(at time.Time) {
	if !at.IsZero() && (q.retryAt.IsZero() || at.Before(q.retryAt)) {
		q.retryAt = at
	}
}

// longestWait is longer than any retry is put off.
const longestWait = maxRetryAfter + maxDelay

// stranded tells of a retry that no schedule puts where it is: the clock was ahead when it was written,
// and is not any more.
func stranded(due, now time.Time) bool { return due.After(now.Add(longestWait)) }

// retriesDue tells whether it is time to look for retries.
func (q *queue) retriesDue(now time.Time) bool {
	return !q.retryAt.IsZero() && (!q.retryAt.After(now) || stranded(q.retryAt, now))
}

// idle tells that nothing of it is in memory or known to come.
func (q *queue) idle() bool {
	return len(q.held) == 0 && !q.loading && !q.more && q.retryAt.IsZero() && q.rest.IsZero() && !q.canceling
}
