package web

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"latchkey/internal/errs"
)

// Limit is a rate; the zero Limit limits nothing.
type Limit struct {
	PerSecond float64
	Burst     int
}

// limiterSize bounds how many callers a Limiter remembers. The least recent is forgotten first,
// which gives it a full burst again: that is harmless, running out of memory is not.
const limiterSize = 16384

// Limiter limits each key on its own. It is safe for concurrent use.
type Limiter struct {
	limit Limit
	now   func() time.Time
	mu    sync.Mutex
	known map[string]*list.Element
	order *list.List // most recent first
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

// NewLimiter makes a Limiter.
func NewLimiter(l Limit, now func() time.Time) *Limiter {
	return &Limiter{limit: l, now: now, known: make(map[string]*list.Element), order: list.New()}
}

// Take takes one from the key's bucket. Where it is empty, it returns the error to answer with.
func (l *Limiter) Take(key string) error {
	if l == nil || l.limit.PerSecond <= 0 {
		return nil
	}
	now := l.now()
	res := l.bucket(key).ReserveN(now, 1)
	if !res.OK() {
		return tooMany(time.Second)
	}
	if wait := res.DelayFrom(now); wait > 0 {
		res.CancelAt(now)
		return tooMany(wait)
	}
	return nil
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if el, ok := l.known[key]; ok {
		l.order.MoveToFront(el)
		return el.Value.(*bucket).limiter
	}
	if l.order.Len() >= limiterSize {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.known, oldest.Value.(*bucket).key)
	}
	b := &bucket{key: key, limiter: rate.NewLimiter(rate.Limit(l.limit.PerSecond), max(l.limit.Burst, 1))}
	l.known[key] = l.order.PushFront(b)
	return b.limiter
}

func tooMany(wait time.Duration) error {
	return &errs.Error{
		Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: wait,
		Detail: "That was too many requests in a short time. Wait as long as Retry-After says, then go on.",
	}
}
