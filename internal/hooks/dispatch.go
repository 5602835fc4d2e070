package hooks

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// Rhythm of a dispatcher.
const (
	// lookEvery is how often the table is searched for queues that nobody called out.
	lookEvery = time.Second
	tickEvery = 100 * time.Millisecond
	// lookShare keeps searching below a twentieth of the time, however many queues there are.
	lookShare = 20
	// mostLoads is how many queues are read at once: readers of the database have other work.
	mostLoads = 3
	// mostHeld bounds what is read of a queue whose first deliveries all wait for their lane.
	mostHeld = 1024
	// troubleRest is how long a queue rests after trouble of our own, mostly with the database;
	// secretRest where only the operator can help.
	troubleRest = 2 * time.Second
	secretRest  = 30 * time.Second
	// stopGrace is how long tries that are under way may take after the end was asked for.
	stopGrace = 5 * time.Second
	// cancelBatch is how many deliveries to an endpoint that is off are ended in one statement.
	cancelBatch = 500
)

// dispatcher sends what is due. Everything in it belongs to the goroutine of run; others post what
// they found.
type dispatcher struct {
	h     *Hooks
	posts chan func()
	// tries is canceled when waiting for them has taken too long.
	tries  context.Context //nolint:containedctx // the run's own: it lives exactly as long
	record chan flown
	calls  calls
	side   sync.WaitGroup // goroutines that post

	queues  map[string]*queue
	paces   map[string]*pace
	places  places
	blocked map[*queue]struct{} // want a place of this process
	unread  []*queue            // want to be read
	loads   int

	mine, leaving [shares]bool
	beat          time.Time
	looking       bool
	lookAt        time.Time
	stopping      bool
}

// flown is a try that was answered.
type flown struct {
	q  *queue
	it *item
	tried
}

// Run sends deliveries until ctx ends, then waits for tries that are under way, for some seconds.
func (h *Hooks) Run(ctx context.Context) error {
	tries, stopTries := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTries()
	d := &dispatcher{
		h: h, posts: make(chan func(), 256), tries: tries, record: make(chan flown, quickPlaces+slowPlaces),
		queues: map[string]*queue{}, paces: map[string]*pace{}, places: newPlaces(), blocked: map[*queue]struct{}{},
		calls: calls{signal: make(chan struct{}, 1), queues: map[string]struct{}{}},
	}
	var services sync.WaitGroup
	services.Go(func() { h.keepBeat(ctx, d) })
	services.Go(d.recorder)
	if h.watch != nil {
		services.Go(func() {
			if err := h.watch.Watch(ctx, d.calls.add); err != nil {
				h.log.ErrorContext(ctx, "not told of deliveries; they are looked for", slog.String("cause", err.Error()))
			}
		})
	}
	d.run(ctx, stopTries)
	close(d.record)
	services.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	return h.store.Shares().Leave(last, h.owner)
}

func (d *dispatcher) run(ctx context.Context, stopTries func()) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	end := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case f := <-d.posts:
			f()
		case <-d.calls.signal:
			d.called()
		case <-tick.C:
			d.ticked()
		case <-end:
			end, d.stopping = nil, true
			grace = time.After(stopGrace)
			for _, q := range d.queues {
				q.drop()
			}
		case <-grace:
			stopTries()
		}
		if d.stopping && d.places.none() {
			d.drain()
			return
		}
	}
}

// drain takes the last posts, after everything that was under way has landed.
func (d *dispatcher) drain() {
	ended := make(chan struct{})
	go func() {
		d.side.Wait()
		close(ended)
	}()
	for {
		select {
		case f := <-d.posts:
			f()
		case <-ended:
			return
		}
	}
}

// aside does something outside the loop, which must post what came of it. Nothing new is begun while
// stopping.
func (d *dispatcher) aside(f func()) { d.side.Go(f) }

func (d *dispatcher) post(f func()) { d.posts <- f }

// calls collects queues that were called out, from any goroutine.
type calls struct {
	signal chan struct{}
	mu     sync.Mutex
	queues map[string]struct{}
	any    bool
}

func (c *calls) add(queues []string) {
	c.mu.Lock()
	for _, q := range queues {
		c.queues[q] = struct{}{}
	}
	c.any = c.any || len(queues) == 0
	c.mu.Unlock()
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

func (c *calls) drain() (queues map[string]struct{}, everything bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	queues, everything = c.queues, c.any
	c.queues, c.any = map[string]struct{}{}, false
	return queues, everything
}

// called reads the queues that were called out.
func (d *dispatcher) called() {
	queues, everything := d.calls.drain()
	if everything {
		d.lookAt = time.Time{}
		d.look()
	}
	for id := range queues {
		if !d.mine[shareOf(id)] {
			continue
		}
		q := d.queue(id)
		q.more = true
		d.pump(q)
	}
}

func (d *dispatcher) queue(id string) *queue {
	q := d.queues[id]
	if q == nil {
		receiver, _ := split(id)
		p := d.paces[receiver]
		if p == nil {
			p = newPace()
			d.paces[receiver] = p
		}
		p.queues++
		q = newQueue(id, p)
		q.later(d.h.now()) // whether there are retries is not known yet
		d.queues[id] = q
	}
	return q
}

func (d *dispatcher) forget(q *queue) {
	delete(d.queues, q.id)
	delete(d.blocked, q)
	if q.pace.queues--; q.pace.queues == 0 {
		receiver, _ := split(q.id)
		delete(d.paces, receiver)
	}
}

// may tells whether this process may begin tries of the queue.
func (d *dispatcher) may(q *queue) bool {
	h := d.h
	return !d.stopping && !q.canceling && d.mine[q.share] && !d.leaving[q.share] && q.rest.IsZero() &&
		(h.sole || h.now().Sub(d.beat) < trusted(h.deadAfter))
}

// pump begins as many tries of the queue as there are places for, and reads on.
func (d *dispatcher) pump(q *queue) {
	if !d.may(q) {
		return
	}
	stuck := false
	for len(q.waiting) > 0 {
		app := q.waiting[0].d.ApplicationID
		slow, ok := d.places.take(q.pace, app)
		if !ok {
			d.blocked[q] = struct{}{}
			break
		}
		it := q.next()
		if it == nil {
			d.places.free(q.pace, app, slow)
			stuck = true
			break
		}
		it.slow, it.app = slow, app
		q.begin(it)
		d.aside(func() { d.fly(q, it) })
	}
	retries := q.retriesDue(d.h.now())
	if retries || q.more && (len(q.waiting) < q.wanted()/2 || stuck && q.untried < mostHeld) {
		d.load(q)
	}
}

// load reads the queue.
func (d *dispatcher) load(q *queue) {
	if q.loading || !d.may(q) {
		return
	}
	q.loading = true
	if d.loads >= mostLoads {
		d.unread = append(d.unread, q)
		return
	}
	d.read(q)
}

func (d *dispatcher) read(q *queue) {
	d.loads++
	now := d.h.now()
	page := q.untried + q.wanted()
	retries := q.retriesDue(now)
	retryPage := q.retries + max(2, q.wanted()/2)
	untried := q.more
	if untried {
		q.more = false
	}
	if retries {
		q.retryAt = time.Time{}
	}
	d.aside(func() {
		var r reading
		ds := d.h.store.Deliveries()
		if untried {
			r.untried, r.err = ds.Untried(d.tries, q.id, page)
		}
		if retries && r.err == nil {
			r.due, r.err = ds.Due(d.tries, q.id, now, retryPage)
		}
		if retries && r.err == nil {
			r.next, r.err = ds.NextRetry(d.tries, q.id)
		}
		if r.err == nil && len(r.due) == 0 && stranded(r.next, now) {
			r.due, r.err = ds.Due(d.tries, q.id, r.next, retryPage)
		}
		d.post(func() { d.loaded(q, r, len(r.untried) == page, now) })
	})
}

// reading is what was read of a queue.
type reading struct {
	untried, due []latchkey.Delivery
	next         time.Time
	err          error
}

func (d *dispatcher) loaded(q *queue, r reading, more bool, now time.Time) {
	d.loads--
	if n := len(d.unread); n > 0 {
		next := d.unread[0]
		d.unread = d.unread[1:]
		d.read(next)
	}
	switch {
	case r.err != nil:
		d.trouble(q, "deliveries not read", r.err)
	case d.may(q):
		q.take(r.untried)
		q.take(r.due)
	}
	q.loading = false
	clear(q.ended)
	q.more = q.more || more
	if !r.next.IsZero() {
		if !r.next.After(now) || stranded(r.next, now) { // held already, or more than were read
			r.next = now.Add(lookEvery)
		}
		q.later(r.next)
	}
	d.pump(q)
}

// trouble is of our own making: the queue rests.
func (d *dispatcher) trouble(q *queue, what string, err error) {
	if d.stopping {
		return
	}
	d.h.log.Error(what, slog.String("queue", q.id), slog.String("cause", err.Error()))
	rest := troubleRest
	if errors.Is(err, ErrSecret) {
		rest = secretRest
	}
	q.rest = d.h.now().Add(rest)
	q.drop()
}

// fly does one try.
func (d *dispatcher) fly(q *queue, it *item) {
	t, err := d.h.targetOf(d.tries, it.d)
	if err == nil && t.off {
		d.post(func() { d.off(q, it) })
		return
	}
	var r result
	if err == nil {
		r, err = d.h.try(d.tries, it.d, t)
	}
	if err != nil {
		d.post(func() {
			d.land(q, it)
			d.trouble(q, "a delivery could not be tried", err)
		})
		return
	}
	f := flown{q, it, tried{was: it.d, now: d.h.judge(it.d, r), attempt: r.Attempt, target: t}}
	d.post(func() {
		if r.HTTPStatus == 0 {
			q.pace.noAnswer()
		} else {
			q.pace.answered(r.Error == "", r.Duration)
		}
		d.record <- f // has room for every place
	})
}

// land gives the place back.
func (d *dispatcher) land(q *queue, it *item) {
	d.places.free(q.pace, it.app, it.slow)
	q.end(it)
}

// off ends what waits for an endpoint that is paused or gone.
func (d *dispatcher) off(q *queue, it *item) {
	d.land(q, it)
	q.drop()
	q.more = false
	if q.canceling || d.stopping {
		return
	}
	q.canceling = true
	d.aside(func() {
		err := d.h.cancelQueue(d.tries, it.d)
		d.post(func() {
			q.canceling = false
			q.retryAt = time.Time{}
			if err != nil {
				d.trouble(q, "deliveries not canceled", err)
			}
		})
	})
}

// cancelQueue cancels while the endpoint is off.
func (h *Hooks) cancelQueue(ctx context.Context, d latchkey.Delivery) error {
	for {
		t, err := h.targetOf(ctx, d)
		if err != nil || !t.off {
			return err
		}
		n, err := h.store.Deliveries().Cancel(ctx, d.Queue, h.now().UTC(), cancelBatch)
		if err != nil || n < cancelBatch {
			return err
		}
	}
}

// recorded is told of tries that are written down.
func (d *dispatcher) recorded(batch []flown) {
	for _, f := range batch {
		d.land(f.q, f.it)
		f.q.later(f.now.DueAt)
	}
	for _, f := range batch {
		d.pump(f.q)
	}
	// Whoever wanted a place may have one now; those who still want one say so again.
	for q := range d.blocked {
		delete(d.blocked, q)
		d.pump(q)
	}
}

// ticked looks at the time.
func (d *dispatcher) ticked() {
	now := d.h.now()
	for _, q := range d.queues {
		if !q.rest.IsZero() && !now.Before(q.rest) {
			q.rest, q.more = time.Time{}, true
			q.later(now)
		}
		if q.retriesDue(now) {
			d.pump(q)
		}
		if !d.mine[q.share] && !d.stopping {
			q.drop()
			q.more, q.retryAt, q.rest = false, time.Time{}, time.Time{}
		}
		if q.idle() {
			d.forget(q)
		}
	}
	d.look()
}

// look searches the table for queues: of dead processes, of other programs on the database, and of
// calls that were lost.
func (d *dispatcher) look() {
	if d.looking || d.stopping || d.mine == [shares]bool{} || d.lookAt.After(time.Now()) { //nolint:forbidigo // a rhythm, not a time
		return
	}
	d.looking = true
	begun := time.Now() //nolint:forbidigo // a monotonic span
	d.aside(func() {
		found, err := d.h.store.Deliveries().Queues(d.tries)
		d.post(func() {
			d.looking = false
			d.lookAt = time.Now().Add(max(d.h.lookEvery, lookShare*time.Since(begun))) //nolint:forbidigo // see above
			if err != nil {
				if !d.stopping {
					d.h.log.Error("queues not searched", slog.String("cause", err.Error()))
				}
				return
			}
			d.found(found)
		})
	})
}

func (d *dispatcher) found(queues []store.QueueDue) {
	for _, f := range queues {
		if !d.mine[shareOf(f.Queue)] {
			continue
		}
		q := d.queue(f.Queue)
		if f.DueAt.IsZero() {
			// What is held is there as well; only a queue without it has been forgotten.
			q.more = q.more || len(q.held) == 0
		} else {
			q.later(f.DueAt)
		}
		d.pump(q)
	}
}
