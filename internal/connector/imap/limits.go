package imap

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector/login"
)

// TryCounter counts what strangers can repeat, over all replicas. The store's Tries is one.
type TryCounter interface {
	// Count adds one to the bucket and returns how many there are in the window that now lies in.
	Count(ctx context.Context, bucket string, window time.Duration, now time.Time) (int, error)
}

// Limits are caps on tries, so that the form is neither a port scanner nor a password sprayer.
type Limits struct {
	// VerifiesPerLink and LookupsPerLink are per link and hour.
	VerifiesPerLink, LookupsPerLink int
	// TriesPerLogin are passwords for one login on one host, over all links, in fifteen minutes.
	TriesPerLogin int
	// LoginsPerHost are different logins on one host, over all links, in ten minutes. Hosts of big
	// providers, who guard their own doors, have KnownHostFactor times as many.
	LoginsPerHost, KnownHostFactor int
}

const (
	linkWindow  = time.Hour
	loginWindow = 15 * time.Minute
	hostWindow  = 10 * time.Minute
)

func (l Limits) withDefaults() Limits {
	return Limits{
		VerifiesPerLink: cmp.Or(l.VerifiesPerLink, 20), LookupsPerLink: cmp.Or(l.LookupsPerLink, 40),
		TriesPerLogin: cmp.Or(l.TriesPerLogin, 8), LoginsPerHost: cmp.Or(l.LoginsPerHost, 60),
		KnownHostFactor: cmp.Or(l.KnownHostFactor, 20),
	}
}

type limiter struct {
	tries  TryCounter
	limits Limits
	now    func() time.Time
}

func newLimiter(tries TryCounter, limits Limits, now func() time.Time) *limiter {
	if tries == nil {
		tries = &localTries{counts: map[string]localCount{}}
	}
	return &limiter{tries: tries, limits: limits.withDefaults(), now: now}
}

// over is how long to wait, where there were too many tries; zero if there were not.
type over time.Duration

// minutes is the wait in words' arguments.
func (o over) minutes() string {
	return strconv.Itoa(int((time.Duration(o) + time.Minute - 1) / time.Minute))
}

func (l *limiter) count(ctx context.Context, limit int, window time.Duration, parts ...string) (over, error) {
	n, err := l.tries.Count(ctx, bucket(parts...), window, l.now())
	if err != nil || n <= limit {
		return 0, err
	}
	left := window - time.Duration(l.now().UnixNano()%int64(window))
	return over(left), nil
}

// bucket names a counter without telling what is counted: the store needs no logins.
func bucket(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "imap:" + parts[0] + ":" + hex.EncodeToString(sum[:16])
}

// lookup counts a search for settings.
func (l *limiter) lookup(ctx context.Context, link latchkey.LinkID) (over, error) {
	if link == "" {
		return 0, nil // an application's backend asks; it has limits of its own
	}
	return l.count(ctx, l.limits.LookupsPerLink, linkWindow, "lookup", string(link))
}

// verify counts a login about to be tried: per link once, per login and host for each side.
func (l *limiter) verify(ctx context.Context, link latchkey.LinkID, m mail, known func(host string) bool) (over, error) {
	if link != "" {
		if o, err := l.count(ctx, l.limits.VerifiesPerLink, linkWindow, "link", string(link)); err != nil || o > 0 {
			return o, err
		}
	}
	for _, p := range protocols() {
		s := m.of(p)
		if s == nil {
			continue
		}
		if o, err := l.side(ctx, p, s, known(s.Host)); err != nil || o > 0 {
			return o, err
		}
	}
	return 0, nil
}

func (l *limiter) side(ctx context.Context, p login.Protocol, s *side, known bool) (over, error) {
	host, user := strings.ToLower(s.Host), strings.ToLower(s.User)
	o, err := l.count(ctx, l.limits.TriesPerLogin, loginWindow, "login", string(p), host, user)
	if err != nil || o > 0 {
		return o, err
	}
	limit := l.limits.LoginsPerHost
	if known {
		limit *= l.limits.KnownHostFactor
	}
	// A login counts on its host the first time it is seen there in the window.
	n, err := l.tries.Count(ctx, bucket("seen", string(p), host, user), hostWindow, l.now())
	if err != nil || n > 1 {
		return 0, err
	}
	return l.count(ctx, limit, hostWindow, "host", string(p), host)
}

// localTries counts in this process.
type localTries struct {
	mu     sync.Mutex
	counts map[string]localCount
}

type localCount struct {
	window int64
	n      int
	ends   time.Time
}

// maxLocal bounds the buckets kept; beyond it, windows that have passed are forgotten.
const maxLocal = 10_000

func (t *localTries) Count(_ context.Context, bucket string, window time.Duration, now time.Time) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.counts) > maxLocal {
		for k, c := range t.counts {
			if now.After(c.ends) {
				delete(t.counts, k)
			}
		}
	}
	at := now.UnixNano() / int64(window)
	c := t.counts[bucket]
	if c.window != at {
		c = localCount{window: at, ends: time.Unix(0, (at+1)*int64(window))}
	}
	c.n++
	t.counts[bucket] = c
	return c.n, nil
}
