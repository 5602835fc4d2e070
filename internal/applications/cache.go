package applications

import (
	"sync"
	"time"

	"latchkey"
)

// How long an answer is believed. A deleted key lives on for hitTTL on other replicas; a key that
// was tried before it was made is refused for missTTL after.
const (
	hitTTL    = 5 * time.Second
	missTTL   = 2 * time.Second
	cacheSize = 4096
)

type hash [32]byte

type entry struct {
	app     latchkey.Application
	key     latchkey.APIKey
	expires time.Time
}

// cache remembers who a key belongs to, and which keys nobody has. The two are kept apart, so that
// a stranger's guesses do not push out the keys in use.
type cache struct {
	now func() time.Time

	mu     sync.RWMutex
	hits   map[hash]entry
	misses map[hash]time.Time
	// epoch counts forgettings: what was read before one must not be remembered after it.
	epoch uint64
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, hits: make(map[hash]entry), misses: make(map[hash]time.Time)}
}

// look returns the entry, whether the key is known to be nobody's, and the epoch to remember with.
func (c *cache) look(h hash) (e entry, found, miss bool, epoch uint64) {
	now := c.now()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.hits[h]; ok && now.Before(e.expires) {
		return e, true, false, c.epoch
	}
	until, ok := c.misses[h]
	return entry{}, false, ok && now.Before(until), c.epoch
}

func (c *cache) remember(h hash, e entry, epoch uint64) {
	now := c.now()
	e.expires = now.Add(hitTTL)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	delete(c.misses, h)
	makeRoom(c.hits, func(e entry) bool { return !now.Before(e.expires) })
	c.hits[h] = e
}

func (c *cache) rememberMiss(h hash, epoch uint64) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	delete(c.hits, h)
	makeRoom(c.misses, func(until time.Time) bool { return !now.Before(until) })
	c.misses[h] = now.Add(missTTL)
}

// forget drops the entries that match, and all misses: a key may just have been made.
func (c *cache) forget(match func(entry) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for h, e := range c.hits {
		if match(e) {
			delete(c.hits, h)
		}
	}
	clear(c.misses)
}

// makeRoom drops what has run out once m is full, and everything if that was not enough: a refill
// costs one point read a key.
func makeRoom[V any](m map[hash]V, out func(V) bool) {
	if len(m) < cacheSize {
		return
	}
	for h, v := range m {
		if out(v) {
			delete(m, h)
		}
	}
	if len(m) >= cacheSize {
		clear(m)
	}
}
