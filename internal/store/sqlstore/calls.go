package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"latchkey/internal/store"
)

// Calls tell those who send deliveries of committed ones: in this process at once, and on PostgreSQL
// other replicas too, through NOTIFY. NOTIFY inside the transactions themselves would make their
// commits wait for each other, so one statement tells of all that were committed within some
// milliseconds. What is lost between a commit and its call is found by looking.

const (
	callChannel = "latchkey_deliveries"
	// callPause is how long calls for other replicas are collected.
	callPause = 5 * time.Millisecond
	// maxCall keeps the text below PostgreSQL's limit of 8,000 bytes; more queues are "any".
	maxCall = 7000
	anyCall = "*"
	// listenAgain is the pause after the connection that listens was lost.
	listenAgain = time.Second
)

type calls struct {
	s  *Store
	id string // ours, so that we do not listen to ourselves

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	// waiting are queues that other replicas are to be told of; nil while nobody collects.
	waiting map[string]struct{}
	closed  bool
	done    sync.WaitGroup
}

type watcher struct{ tell func(queues []string) }

func newCalls(s *Store, id string) *calls {
	return &calls{s: s, id: id, watchers: map[*watcher]struct{}{}}
}

// committed is called after the commit of transactions that wrote deliveries.
func (c *calls) committed(queues []string) {
	if len(queues) == 0 {
		return
	}
	c.here(queues)
	if c.s.db.sqlite() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.waiting == nil {
		c.waiting = map[string]struct{}{}
		c.done.Go(c.callOthers)
	}
	for _, q := range queues {
		c.waiting[q] = struct{}{}
	}
}

func (c *calls) here(queues []string) {
	c.mu.Lock()
	all := make([]*watcher, 0, len(c.watchers))
	for w := range c.watchers {
		all = append(all, w)
	}
	c.mu.Unlock()
	for _, w := range all {
		w.tell(queues)
	}
}

// callOthers tells other replicas of what is collected within a moment.
func (c *calls) callOthers() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = sleep(ctx, callPause) // this context has no end before that
	c.mu.Lock()
	queues := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	text := c.id
	for q := range queues {
		text += " " + q
		if len(text) > maxCall {
			text = c.id + " " + anyCall
			break
		}
	}
	if _, err := c.s.db.pool.Exec(ctx, "SELECT pg_notify($1, $2)", callChannel, text); err != nil {
		c.s.db.log.WarnContext(ctx, "other replicas were not told of deliveries; they will look", slog.String("cause", err.Error()))
	}
}

// close waits for the last call.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.done.Wait()
}

// Watch tells of queues in which deliveries were committed, until ctx ends. It must not be called
// in a transaction, and tell must not block.
func (s *Store) Watch(ctx context.Context, tell func(queues []string)) error {
	w := &watcher{tell: tell}
	s.calls.mu.Lock()
	s.calls.watchers[w] = struct{}{}
	s.calls.mu.Unlock()
	defer func() {
		s.calls.mu.Lock()
		defer s.calls.mu.Unlock()
		delete(s.calls.watchers, w)
	}()
	if s.db.sqlite() {
		<-ctx.Done()
		return nil
	}
	for {
		err := s.listen(ctx, tell)
		if ctx.Err() != nil {
			return nil
		}
		s.db.log.WarnContext(ctx, "not told of deliveries by other replicas for a moment", slog.String("cause", err.Error()))
		if sleep(ctx, listenAgain) != nil {
			return nil
		}
	}
}

// listen holds a connection of its own for as long as it lasts.
func (s *Store) listen(ctx context.Context, tell func(queues []string)) (err error) {
	pooled, err := s.db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// Not given back: it would go on listening for somebody else.
	conn := pooled.Hijack()
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(last))
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+callChannel); err != nil {
		return err
	}
	tell(nil) // whatever was told while nobody listened
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		from, text, _ := strings.Cut(n.Payload, " ")
		switch {
		case from == s.calls.id:
		case text == anyCall:
			tell(nil)
		default:
			tell(strings.Fields(text))
		}
	}
}

var _ store.Watcher = (*Store)(nil)
