package providerapps

import (
	"sync"
	"time"

	"latchkey"
)

// cacheTTL is how long another replica's change may go unseen.
const cacheTTL = 5 * time.Second

// cacheSize bounds the applications that are remembered.
const cacheSize = 4096

type entry struct {
	apps  []latchkey.ProviderApp
	until time.Time
}

// cache remembers the provider apps of applications; they are few.
type cache struct {
	now func() time.Time

	mu      sync.RWMutex
	entries map[latchkey.ApplicationID]entry
	// epoch counts forgettings: what was read before one must not be remembered after it.
	epoch uint64
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, entries: map[latchkey.ApplicationID]entry{}}
}

func (c *cache) look(app latchkey.ApplicationID) (apps []latchkey.ProviderApp, ok bool, epoch uint64) {
	now := c.now()
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[app]
	// An entry from further ahead than any was made before somebody set the clock back.
	return e.apps, ok && now.Before(e.until) && e.until.Sub(now) <= cacheTTL, c.epoch
}

func (c *cache) remember(app latchkey.ApplicationID, apps []latchkey.ProviderApp, epoch uint64) {
	until := c.now().Add(cacheTTL)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if len(c.entries) >= cacheSize {
		clear(c.entries)
	}
	c.entries[app] = entry{apps: apps, until: until}
}

func (c *cache) forget(app latchkey.ApplicationID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.entries, app)
}
