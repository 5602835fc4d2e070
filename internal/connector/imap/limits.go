package imap

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
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
	// TriesPerLogin are passwords for one login on one host, over all links of an application, in
	// fifteen minutes. One that was right is not counted again.
	TriesPerLogin int
	// LoginsPerHost are different logins that were refused on one host, over all links of an
	// application, in ten minutes: strangers with links of one application lock out nobody else's.
	// Hosts of big providers, who guard their own doors, have KnownHostFactor times as many.
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

// limiter counts over all replicas through tries, and remembers in this process what it learned.
type limiter struct {
	tries  TryCounter
	limits Limits
	now    func() time.Time
	// key makes what is remembered of passwords worthless elsewhere. It lives in this process alone.
	key [32]byte

	mu   sync.Mutex
	good map[string]time.Time     // guesses that were right, until when that counts
	busy map[string]chan struct{} // guesses under way
	shut map[string]time.Time     // hosts at which too many logins failed
}

func newLimiter(tries TryCounter, limits Limits, now func() time.Time) *limiter {
	if tries == nil {
		tries = &localTries{counts: map[string]localCount{}}
	}
	l := &limiter{
		tries: tries, limits: limits.withDefaults(), now: now,
		good: map[string]time.Time{}, busy: map[string]chan struct{}{}, shut: map[string]time.Time{},
	}
	_, _ = rand.Read(l.key[:]) // never fails: it ends the program where there is no randomness
	return l
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

// pass is the leave to try a mailbox's logins once.
type pass struct {
	l     *limiter
	app   latchkey.ApplicationID
	held  map[login.Protocol]string // the guess of each side
	sides mail
}

// enter counts logins about to be tried: the link's try, and each side's guess. A guess that was
// right a moment ago is none; equal guesses wait for the first of them, so that many flows into one
// mailbox do not lock each other out.
func (l *limiter) enter(ctx context.Context, app latchkey.ApplicationID, link latchkey.LinkID, m mail) (*pass, over, error) {
	if link != "" {
		if o, err := l.count(ctx, l.limits.VerifiesPerLink, linkWindow, "link", string(link)); err != nil || o > 0 {
			return nil, o, err
		}
	}
	ps := &pass{l: l, app: app, held: map[login.Protocol]string{}, sides: m}
	for _, p := range protocols() {
		d := m.of(p)
		if d == nil {
			continue
		}
		if o, err := ps.enterSide(ctx, p, d); err != nil || o > 0 {
			ps.leave()
			return nil, o, err
		}
	}
	return ps, 0, nil
}

func (ps *pass) enterSide(ctx context.Context, p login.Protocol, d *side) (over, error) {
	l, guess := ps.l, ps.l.guess(p, d)
	for {
		l.mu.Lock()
		now := l.now()
		if until := l.shut[ps.shutKey(d)]; now.Before(until) {
			l.mu.Unlock()
			return over(until.Sub(now)), nil
		}
		if now.Before(l.good[guess]) {
			l.mu.Unlock()
			return 0, nil
		}
		first, waiting := l.busy[guess]
		if !waiting {
			l.busy[guess] = make(chan struct{})
			ps.held[p] = guess
			l.mu.Unlock()
			return l.count(ctx, l.limits.TriesPerLogin, loginWindow, "login", string(ps.app), string(p), strings.ToLower(d.Host), strings.ToLower(d.User))
		}
		l.mu.Unlock()
		select {
		case <-first:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// shutKey names a host as one application sees it.
func (ps *pass) shutKey(d *side) string { return string(ps.app) + "|" + strings.ToLower(d.Host) }

func (l *limiter) guess(p login.Protocol, d *side) string {
	mac := hmac.New(sha256.New, l.key[:])
	mac.Write([]byte(strings.Join([]string{string(p), strings.ToLower(d.Host), strings.ToLower(d.User), d.Password}, "\x00")))
	return string(mac.Sum(nil))
}

// settle tells what came of a side. A login that was refused counts at its host, the first time it is
// seen there in the window: one password tried on many logins is how sprayers work. known hosts are
// those of big providers.
func (ps *pass) settle(ctx context.Context, p login.Protocol, e *login.Error, known bool) error {
	l, d := ps.l, ps.sides.of(p)
	if e == nil {
		l.remember(l.good, l.guess(p, d), l.now().Add(loginWindow))
		return nil
	}
	if !e.Refused() {
		return nil
	}
	host, user := strings.ToLower(d.Host), strings.ToLower(d.User)
	n, err := l.tries.Count(ctx, bucket("seen", string(ps.app), string(p), host, user), hostWindow, l.now())
	if err != nil || n > 1 {
		return err
	}
	limit := l.limits.LoginsPerHost
	if known {
		limit *= l.limits.KnownHostFactor
	}
	o, err := l.count(ctx, limit-1, hostWindow, "host", string(ps.app), string(p), host)
	if o > 0 {
		l.remember(l.shut, ps.shutKey(d), l.now().Add(time.Duration(o)))
	}
	return err
}

// remember keeps a fact until it is over. What is over is forgotten when there is much of it.
func (l *limiter) remember(facts map[string]time.Time, key string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(facts) > maxLocal {
		now := l.now()
		maps.DeleteFunc(facts, func(_ string, t time.Time) bool { return !now.Before(t) })
	}
	facts[key] = until
}

// leave lets the next equal guess go on.
func (ps *pass) leave() {
	ps.l.mu.Lock()
	defer ps.l.mu.Unlock()
	for _, guess := range ps.held {
		close(ps.l.busy[guess])
		delete(ps.l.busy, guess)
	}
	ps.held = nil
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
