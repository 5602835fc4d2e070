package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/store"
)

const (
	maxWait = 20
	// listenEvery is how often a request that waits looks.
	listenEvery = 250 * time.Millisecond
	// listenFor is how long after a request its caller still counts as listening.
	listenFor = time.Minute
	// maxListening is how many requests of one application may wait here at once.
	maxListening = 8
)

// listening counts requests that wait.
type listening struct {
	mu   sync.Mutex
	apps map[latchkey.ApplicationID]int
}

func (l *listening) enter(app latchkey.ApplicationID) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.apps[app] >= maxListening {
		return nil, &errs.Error{
			Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: 5 * time.Second,
			Detail: "Too many requests of this application wait for events at once. One is enough: it gets them all.",
		}
	}
	l.apps[app]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.apps[app]--; l.apps[app] == 0 {
			delete(l.apps, app)
		}
	}, nil
}

// listenEvents answers POST /events/listen: what happens, as it happens. Unlike GET /events it has
// every event written, also those that are written only where somebody listens.
func (a *API) listenEvents(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	now := a.now()
	after, patterns, wait := readListen(f, now)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	leave, err := a.listening.enter(c.app.ID)
	if err != nil {
		return answer{}, err
	}
	defer leave()
	if err := a.cfg.Webhooks.Follow(ctx, c.app.ID, now.Add(wait+listenFor)); err != nil {
		return answer{}, err
	}
	out := listenAnswer{Object: "EventPage", Items: []event{}, Test: c.app.Test}
	end := time.NewTimer(wait)
	defer end.Stop()
	look := time.NewTicker(listenEvery)
	defer look.Stop()
	for {
		more := true
		for more && len(out.Items) == 0 {
			events, err := a.cfg.Events.List(ctx, c.app.ID, store.EventFilter{}, after, maxLimit)
			if err != nil {
				return answer{}, err
			}
			more = len(events) == maxLimit
			for _, e := range events {
				after = e.ID
				if len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return latchkey.MatchEvent(p, e.Type) }) {
					out.Items = append(out.Items, showEvent(e))
				}
			}
		}
		out.After = string(after)
		if len(out.Items) > 0 || wait == 0 {
			return answer{http.StatusOK, out}, nil
		}
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-end.C:
			return answer{http.StatusOK, out}, nil
		case <-look.C:
		}
	}
}

func readListen(f *fields, now time.Time) (after latchkey.EventID, patterns []string, wait time.Duration) {
	after = latchkey.EventIDAt(now)
	if s := f.str("after", text{max: maxNameOf, emptyAbsent: true}); s != "" {
		if !idShape(s, "evt_") {
			f.fail("after", errs.CodeInvalidValue, "This is not the id of an event.")
		}
		after = latchkey.EventID(s)
	}
	patterns = f.list("events", hooks.MaxPatterns, hooks.MaxPattern)
	for i, p := range patterns {
		if !latchkey.KnownPattern(p) {
			f.fail("events["+strconv.Itoa(i)+"]", errs.CodeInvalidValue, "There are no events of this type.")
		}
	}
	seconds, _ := f.integer("wait", 0, maxWait)
	return after, patterns, time.Duration(seconds) * time.Second
}

func showEvent(e latchkey.Event) event {
	return event{
		Object: "Event", ID: string(e.ID), Type: string(e.Type), CreatedAt: at(e.CreatedAt), Sequence: e.Sequence,
		LinkID: orNull(string(e.LinkID)), AccountID: orNull(string(e.AccountID)), Data: object(e.Data),
	}
}
