package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
)

// A lane is what checks have in common: one provider, or one mail host. It holds their pace and
// remembers whether the provider is to be believed.
type lane struct {
	mu   sync.Mutex
	name string

	// Pace: a window's tokens. The first few are this process's own; the rest is shared with the other
	// replicas, a block at a time.
	window   int64
	tokens   int
	closed   bool
	inFlight int

	// Circuit: results of the window that now lies in and of the one before.
	results  [2]counts
	half     int64
	suspect  bool
	lastBad  time.Time
	lastUsed time.Time
}

type counts struct{ fine, refused int }

const (
	paceWindow = 10 * time.Second
	// paceOwn is how many checks of a lane a process begins in a window without asking the others.
	paceOwn = 5
	// paceBlock is how many more it takes at once.
	paceBlock = 10
	// laneWidth is how many checks of one lane run at once in one process.
	laneWidth = 8

	circuitHalf   = 5 * time.Minute
	circuitWindow = 2 * circuitHalf
	// suspicious is how many accounts have to be refused in a window, over all replicas, before their
	// provider rather than they come under suspicion; it also takes more than half of all results.
	suspicious = 20
	// acquitted is how many good results, being more than half, end the suspicion.
	acquitted = 3
	// suspicionEnds is how long after the last refusal it ends by itself.
	suspicionEnds = time.Hour

	maxLanes = 10_000
)

// lanes are made when they are first used.
type lanes struct {
	mu  sync.Mutex
	all map[string]*lane
}

func (l *lanes) get(name string, now time.Time) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln := l.all[name]; ln != nil {
		ln.touch(now)
		return ln
	}
	if len(l.all) >= maxLanes {
		for n, ln := range l.all {
			if ln.idle(now) {
				delete(l.all, n)
			}
		}
	}
	ln := &lane{name: name, lastUsed: now}
	l.all[name] = ln
	return ln
}

func (l *lane) touch(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastUsed = now
}

// idle tells whether forgetting the lane forgets nothing.
func (l *lane) idle(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight == 0 && !l.suspect && (now.Sub(l.lastUsed) > circuitWindow || now.Before(l.lastUsed))
}

// laneOf is the lane of an account: its provider, with its host where the provider has many.
func (s *Service) laneOf(p latchkey.Provider, params []byte) *lane {
	name := string(p)
	if placer, ok := s.cfg.Connectors[p].(connector.Placer); ok {
		name += " " + placer.Host(params)
	}
	return s.lanes.get(name, s.now())
}

// bucket names the lane among the counters of the store.
func (l *lane) bucket(what string) string {
	h := sha256.Sum256([]byte(l.name))
	return what + ":" + base64.RawURLEncoding.EncodeToString(h[:18])
}

// enter lets a check begin, or not now. Where the store cannot be asked, the own tokens must do.
func (s *Service) enter(ctx context.Context, l *lane) bool {
	now := s.now()
	switch ok, ask := l.take(now); {
	case ok:
		return true
	case !ask:
		return false
	}
	n, err := s.cfg.Store.Tries().Count(ctx, l.bucket("checks"), paceWindow, now)
	if err != nil {
		return false
	}
	return l.refill(now, float64(n*paceBlock) <= s.cfg.CheckRate*paceWindow.Seconds())
}

// take takes a token of this process; ask says that it is worth asking for more.
func (l *lane) take(now time.Time) (ok, ask bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := now.UnixNano() / int64(paceWindow); w != l.window {
		l.window, l.tokens, l.closed = w, paceOwn, false
	}
	switch {
	case l.inFlight >= laneWidth || l.closed:
		return false, false
	case l.tokens == 0:
		return false, true
	}
	l.tokens--
	l.inFlight++
	return true, false
}

// refill takes what the replicas have left for this one.
func (l *lane) refill(now time.Time, granted bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.UnixNano()/int64(paceWindow) != l.window {
		return false // it took too long; the next look begins anew
	}
	if !granted {
		l.closed = true
		return false
	}
	l.tokens += paceBlock - 1
	l.inFlight++
	return true
}

func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
}

// count notes a result. refusals is how many there were over all replicas, if that was asked.
func (l *lane) count(now time.Time, good bool, refusals int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := now.UnixNano() / int64(circuitHalf); h != l.half {
		l.results[1] = counts{}
		if h == l.half+1 {
			l.results[1] = l.results[0]
		}
		l.results[0], l.half = counts{}, h
	}
	if good {
		l.results[0].fine++
	} else {
		l.results[0].refused++
		l.lastBad = now
	}
	fine, refused := l.results[0].fine+l.results[1].fine, l.results[0].refused+l.results[1].refused
	switch {
	case refused > fine && max(refusals, refused) >= suspicious:
		l.suspect = true
	case fine > refused && fine >= acquitted:
		l.suspect = false
	}
}

// suspected tells whether refusals are held to be the provider's own trouble.
func (l *lane) suspected(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.suspect && (now.Sub(l.lastBad) > suspicionEnds || now.Before(l.lastBad.Add(-circuitWindow))) {
		l.suspect = false
	}
	return l.suspect
}

// works notes that an account of the lane is well.
func (s *Service) works(l *lane) { l.count(s.now(), true, 0) }

// refusal notes that an account was refused that had not been, and tells how far that is to be believed:
// where so many are refused, the provider is under suspicion. All replicas count together.
func (s *Service) refusal(ctx context.Context, l *lane) trust {
	now := s.now()
	n, err := s.cfg.Store.Tries().Count(ctx, l.bucket("refusals"), circuitWindow, now)
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "a refusal was counted here only", slog.String("lane", l.name), slog.Any("error", err))
	}
	before := l.suspected(now)
	l.count(now, false, n)
	after := l.suspected(now)
	if after && !before {
		s.cfg.Log.WarnContext(ctx, "refusals are held back: most accounts are refused at once", slog.String("lane", l.name), slog.Int("refusals", n))
	}
	switch {
	case after:
		return suspected
	case l.silent() && now.Sub(s.begun) < min(circuitWindow, s.policy().every*2/3) && !now.Before(s.begun):
		return unsure
	}
	return trusted
}

// silent tells whether no good result was seen lately.
func (l *lane) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.results[0].fine+l.results[1].fine == 0
}
