package funnel

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// Stages of a link. The steps' and failures' counts have a step, the failures' a code.
const (
	StageCreated    = "created"
	StageOpened     = "opened"
	StageStarted    = "started"
	StageChosen     = "chosen"
	StageConnected  = "connected"
	StageExpired    = "expired"
	StageStep       = "step"
	StageStepFailed = "step_failed"
	StageFailed     = "failed"
	StageCanceled   = "canceled"
)

// Day is the UTC day of a link, by its id.
func Day(id latchkey.LinkID) time.Time { return dayOf(id.Time()) }

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

const (
	// defaultHorizon is how long what was written lately is left alone: on PostgreSQL an id is given
	// before its transaction commits, and replicas' clocks differ.
	defaultHorizon = 10 * time.Second
	eventBatch     = 500
	// history bounds what is read of one link to know whether it was somewhere before.
	history = 250
)

// Names of the cursors.
const (
	cursorEvents  = "funnel.events"
	cursorCreated = "funnel.created"
	cursorExpired = "funnel.expired"
)

// Config is what the counter needs.
type Config struct {
	Store store.Store
	Now   func() time.Time
	// Expired is told how many links were found to have ended unused; may be nil.
	Expired func(n int)
	// Horizon is how long what was written lately is left alone; 0 means ten seconds.
	Horizon time.Duration
}

// Counter counts, and reads what was counted.
type Counter struct{ cfg Config }

// New makes a Counter.
func New(cfg Config) *Counter {
	if cfg.Horizon == 0 {
		cfg.Horizon = defaultHorizon
	}
	if cfg.Expired == nil {
		cfg.Expired = func(int) {}
	}
	return &Counter{cfg: cfg}
}

// Count counts what has happened since it counted last. Where two replicas count at once, one of them
// finds that it is late and leaves the rest to the other.
func (c *Counter) Count(ctx context.Context) error {
	until := c.cfg.Now().Add(-c.cfg.Horizon)
	for _, count := range []func(context.Context, time.Time) error{c.events, c.created, c.expired} {
		if err := count(ctx, until); err != nil && !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return nil
}

// keep writes counts and the cursor in one transaction.
func (c *Counter) keep(ctx context.Context, cursor, was, now string, counts tally) error {
	return c.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Funnel().MoveCursor(ctx, cursor, was, now); err != nil {
			return err
		}
		return tx.Funnel().Add(ctx, counts.list()...)
	})
}

func (c *Counter) events(ctx context.Context, until time.Time) error {
	was, err := c.cfg.Store.Funnel().Cursor(ctx, cursorEvents)
	if err != nil {
		return err
	}
	end := latchkey.EventIDAt(until)
	for ctx.Err() == nil {
		batch, err := c.cfg.Store.Funnel().Events(ctx, latchkey.EventID(was), end, eventBatch)
		if err != nil || len(batch) == 0 {
			return err
		}
		counts, err := c.tally(ctx, batch)
		if err != nil {
			return err
		}
		now := string(batch[len(batch)-1].ID)
		if err := c.keep(ctx, cursorEvents, was, now, counts); err != nil {
			return err
		}
		was = now
	}
	return ctx.Err()
}

// tally counts a batch of events. Whether a link was at a place before is seen from its history.
func (c *Counter) tally(ctx context.Context, batch []latchkey.Event) (tally, error) {
	out := tally{}
	seen := map[latchkey.LinkID]map[place]latchkey.EventID{}
	for _, ev := range batch {
		places := placesOf(ev)
		if len(places) == 0 {
			continue
		}
		before, ok := seen[ev.LinkID]
		if !ok {
			past, err := c.cfg.Store.Events().List(ctx, ev.ApplicationID, store.EventFilter{Link: ev.LinkID}, "", history)
			if err != nil {
				return nil, err
			}
			before = firsts(past)
			seen[ev.LinkID] = before
		}
		for _, p := range places {
			n := int64(1)
			if first, ok := before[p]; ok && first < ev.ID {
				n = 0
			} else if !ok {
				before[p] = ev.ID
			}
			out.add(ev.ApplicationID, Day(ev.LinkID), p, n, 1)
		}
	}
	return out, nil
}

// firsts are the events at which a link first came to each place.
func firsts(past []latchkey.Event) map[place]latchkey.EventID {
	out := map[place]latchkey.EventID{}
	for _, ev := range past {
		for _, p := range placesOf(ev) {
			if _, ok := out[p]; !ok {
				out[p] = ev.ID
			}
		}
	}
	return out
}

// place is somewhere that a link can get to.
type place struct {
	stage    string
	provider latchkey.Provider
	step     string
	code     string
}

// placesOf says where an event shows its link to be.
func placesOf(ev latchkey.Event) []place {
	if ev.LinkID == "" {
		return nil
	}
	var data struct {
		Provider latchkey.Provider `json:"provider"`
		Step     string            `json:"step"`
		Code     string            `json:"code"`
	}
	if len(ev.Data) > 0 && json.Unmarshal(ev.Data, &data) != nil {
		return nil
	}
	at := func(stage string) place { return place{stage, data.Provider, data.Step, data.Code} }
	var out []place
	switch ev.Type {
	case latchkey.EventLinkStarted:
		return []place{{stage: StageStarted}}
	case latchkey.EventLinkExpired:
		return early(ev)
	case latchkey.EventLinkCompleted:
		out = append(out, place{stage: StageConnected, provider: data.Provider})
	case latchkey.EventLinkFailed:
		out = append(out, at(StageFailed))
	case latchkey.EventLinkCanceled:
		out = append(out, at(StageCanceled))
	case latchkey.EventFlowStep:
		out = append(out, at(StageStep))
	case latchkey.EventFlowStepFailed:
		out = append(out, at(StageStepFailed))
	default:
		return nil
	}
	if data.Provider != "" {
		// Once for each provider, and once for the link.
		out = append(out, place{stage: StageChosen, provider: data.Provider}, place{stage: StageChosen})
	}
	return out
}

// early counts a link that ended before its time; those that end in time are found by their expiry.
func early(ev latchkey.Event) []place {
	var data struct {
		Early bool `json:"early"`
	}
	if len(ev.Data) == 0 || json.Unmarshal(ev.Data, &data) != nil || !data.Early {
		return nil
	}
	return []place{{stage: StageExpired}}
}

// created counts new links by their ids, which hold the time.
func (c *Counter) created(ctx context.Context, until time.Time) error {
	was, err := c.cfg.Store.Funnel().Cursor(ctx, cursorCreated)
	if err != nil {
		return err
	}
	from := latchkey.LinkID(was).Time()
	if was == "" {
		first, _, err := c.cfg.Store.Funnel().Oldest(ctx)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		from = first.Time().Add(-time.Millisecond)
	}
	apps, err := c.cfg.Store.Applications().List(ctx)
	if err != nil {
		return err
	}
	for from.Before(until) && ctx.Err() == nil {
		day := dayOf(from)
		to := until
		if next := day.Add(24 * time.Hour); to.After(next) {
			to = next
		}
		low, high := latchkey.LinkIDAt(from), latchkey.LinkIDAt(to)
		counts := tally{}
		for _, app := range apps {
			n, err := c.cfg.Store.Funnel().Created(ctx, app.ID, low, high)
			if err != nil {
				return err
			}
			counts.add(app.ID, day, place{stage: StageCreated}, n, n)
		}
		if err := c.keep(ctx, cursorCreated, was, string(high), counts); err != nil {
			return err
		}
		was, from = string(high), to
	}
	return ctx.Err()
}

// expired counts links whose time is over, with the grace of those that were bound before.
func (c *Counter) expired(ctx context.Context, until time.Time) error {
	until = until.Add(-latchkey.FlowGrace).UTC().Truncate(time.Millisecond)
	was, err := c.cfg.Store.Funnel().Cursor(ctx, cursorExpired)
	if err != nil {
		return err
	}
	from, err := time.Parse(time.RFC3339Nano, was)
	if err != nil {
		_, first, err := c.cfg.Store.Funnel().Oldest(ctx)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		from = first.Add(-time.Millisecond)
	}
	for from.Before(until) && ctx.Err() == nil {
		to := until
		if next := from.Add(24 * time.Hour); to.After(next) {
			to = next
		}
		found, err := c.cfg.Store.Funnel().Expired(ctx, from, to)
		if err != nil {
			return err
		}
		counts, all := tally{}, int64(0)
		for _, f := range found {
			counts.add(f.ApplicationID, f.Day, place{stage: StageExpired}, f.Links, f.Times)
			all += f.Links
		}
		now := to.Format(time.RFC3339Nano)
		if err := c.keep(ctx, cursorExpired, was, now, counts); err != nil {
			return err
		}
		c.cfg.Expired(int(all))
		was, from = now, to
	}
	return ctx.Err()
}

// tally gathers counts.
type tally map[tallyKey]*store.FunnelCount

type tallyKey struct {
	app latchkey.ApplicationID
	day int64
	place
}

func (t tally) add(app latchkey.ApplicationID, day time.Time, p place, links, times int64) {
	if times == 0 {
		return
	}
	k := tallyKey{app, day.Unix(), p}
	c := t[k]
	if c == nil {
		c = &store.FunnelCount{ApplicationID: app, Day: day, Stage: p.stage, Provider: p.provider, Step: p.step, Code: p.code}
		t[k] = c
	}
	c.Links += links
	c.Times += times
}

func (t tally) list() []store.FunnelCount {
	out := make([]store.FunnelCount, 0, len(t))
	for _, c := range t {
		out = append(out, *c)
	}
	return out
}
