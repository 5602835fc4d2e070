package settings

import (
	"container/list"
	"sync"
	"time"
)

// cache remembers results for a while, the least recently used of them the shortest.
type cache struct {
	now  func() time.Time
	size int

	mu    sync.Mutex
	items map[string]*list.Element
	order *list.List // front: used last
}

type cached struct {
	key     string
	result  Result
	expires time.Time
}

func newCache(size int, now func() time.Time) *cache {
	return &cache{now: now, size: size, items: map[string]*list.Element{}, order: list.New()}
}

func (c *cache) get(key string) (Result, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.items[key]
	if !ok {
		return Result{}, false
	}
	item, _ := el.Value.(*cached)
	if !c.now().Before(item.expires) {
		c.order.Remove(el)
		delete(c.items, key)
		return Result{}, false
	}
	c.order.MoveToFront(el)
	return item.result, true
}

func (c *cache) put(key string, r Result, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.items[key]; ok {
		el.Value = &cached{key, r, c.now().Add(ttl)}
		c.order.MoveToFront(el)
		return
	}
	c.items[key] = c.order.PushFront(&cached{key, r, c.now().Add(ttl)})
	for c.order.Len() > c.size {
		last := c.order.Back()
		item, _ := last.Value.(*cached)
		delete(c.items, item.key)
		c.order.Remove(last)
	}
}
