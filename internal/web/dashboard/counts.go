package dashboard

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"latchkey"
)

// Counting is a walk over an index of all accounts of an application, so what it finds is kept for a
// while where there are many. Where there are few, every page shows what is so now.
const (
	countsMany  = 10_000
	countsFresh = 5 * time.Second
	countsOld   = time.Minute
	countsSize  = 256
	countsTime  = 30 * time.Second
)

// counted is how many accounts of an application were in each status at a moment.
type counted struct {
	by map[latchkey.AccountStatus]int64
	at time.Time
}

func (c counted) total() (n int64) {
	for _, x := range c.by {
		n += x
	}
	return n
}

// counts remembers what was counted. For countsFresh it is taken as it is; until countsOld it is
// answered with, and counted anew behind the answer; after that whoever asks waits.
type counts struct {
	accounts Accounts
	now      func() time.Time
	log      *slog.Logger

	flight singleflight.Group
	mu     sync.Mutex
	apps   map[latchkey.ApplicationID]counted
}

// of returns the application's counts. They must not be changed.
func (c *counts) of(ctx context.Context, app latchkey.ApplicationID) (counted, error) {
	c.mu.Lock()
	have, ok := c.apps[app]
	c.mu.Unlock()
	age := c.now().Sub(have.at)
	switch {
	case ok && age >= 0 && age < countsFresh:
		return have, nil
	case ok && age >= 0 && age < countsOld:
		c.begin(ctx, app)
		return have, nil
	}
	select {
	case res := <-c.begin(ctx, app):
		if res.Err != nil {
			return counted{}, res.Err
		}
		return res.Val.(counted), nil //nolint:forcetypeassert // begin's own
	case <-ctx.Done():
		return counted{}, ctx.Err()
	}
}

// begin counts once for everybody who asks meanwhile, also when the first of them leaves.
func (c *counts) begin(ctx context.Context, app latchkey.ApplicationID) <-chan singleflight.Result {
	return c.flight.DoChan(string(app), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countsTime)
		defer cancel()
		now := counted{at: c.now()}
		var err error
		if now.by, err = c.accounts.CountByStatus(ctx, app); err != nil {
			// Behind an answer nobody else says so.
			c.log.WarnContext(ctx, "accounts were not counted for the dashboard", slog.String("application_id", string(app)), slog.String("cause", err.Error()))
			return counted{}, err
		}
		c.remember(app, now)
		return now, nil
	})
}

func (c *counts) remember(app latchkey.ApplicationID, now counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.apps, app)
	if now.total() < countsMany {
		return
	}
	if len(c.apps) >= countsSize {
		var oldest latchkey.ApplicationID
		for id, x := range c.apps {
			if oldest == "" || x.at.Before(c.apps[oldest].at) {
				oldest = id
			}
		}
		delete(c.apps, oldest)
	}
	c.apps[app] = now
}
