package hooks

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

const (
	// listenersTTL is how long another replica's change of an endpoint may go unseen. Whoever changes
	// one waits that long before it says so.
	listenersTTL = time.Second
	// listenersSize bounds the applications that are remembered.
	listenersSize = 4096
)

// audience is who listens to an application, and what signing needs.
type audience struct {
	app       latchkey.Application
	endpoints []latchkey.Endpoint
	followed  time.Time
}

// listen tells whether anybody listens for the type.
func (a audience) listen(t latchkey.EventType, now time.Time) bool {
	return now.Before(a.followed) || slices.ContainsFunc(a.endpoints, func(e latchkey.Endpoint) bool {
		return e.Paused == "" && e.MayWant(t)
	})
}

func (a audience) endpoint(id latchkey.EndpointID) (latchkey.Endpoint, bool) {
	i := slices.IndexFunc(a.endpoints, func(e latchkey.Endpoint) bool { return e.ID == id })
	if i < 0 {
		return latchkey.Endpoint{}, false
	}
	return a.endpoints[i], true
}

// listeners remembers audiences for a moment: they are asked for with every event and every try.
type listeners struct {
	now func() time.Time

	mu   sync.RWMutex
	apps map[latchkey.ApplicationID]heard
	// epoch counts forgettings: what was read before one must not be remembered after it.
	epoch uint64
}

type heard struct {
	audience
	// at is when reading began.
	at time.Time
}

func newListeners(now func() time.Time) *listeners {
	return &listeners{now: now, apps: map[latchkey.ApplicationID]heard{}}
}

// of returns the application's audience, at most listenersTTL old. An application that is gone has
// none.
func (l *listeners) of(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) (audience, error) {
	now := l.now()
	l.mu.RLock()
	have, ok := l.apps[app]
	epoch := l.epoch
	l.mu.RUnlock()
	if age := now.Sub(have.at); ok && age >= 0 && age < listenersTTL {
		return have.audience, nil
	}
	a, err := readAudience(ctx, tx, app)
	if err != nil {
		return audience{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == epoch {
		if len(l.apps) >= listenersSize {
			clear(l.apps)
		}
		l.apps[app] = heard{audience: a, at: now}
	}
	return a, nil
}

func readAudience(ctx context.Context, tx store.Tx, id latchkey.ApplicationID) (audience, error) {
	app, err := tx.Applications().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return audience{}, nil
	}
	if err != nil {
		return audience{}, err
	}
	a := audience{app: app}
	if a.followed, err = tx.Applications().FollowedUntil(ctx, id); err != nil {
		return audience{}, err
	}
	a.endpoints, err = tx.Endpoints().List(ctx, id)
	return a, err
}

func (l *listeners) forget(app latchkey.ApplicationID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	delete(l.apps, app)
}
