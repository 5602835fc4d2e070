package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

const (
	// flushEvery is how long what is counted waits to be written.
	flushEvery = 5 * time.Second
	flushTime  = 10 * time.Second
	// maxOpen bounds the memory of what is counted: actors and actions are few.
	maxOpen = 10_000
)

// Config is what the trail needs.
type Config struct {
	Store store.Store
	Now   func() time.Time
	Log   *slog.Logger
}

// Trail gathers lines.
type Trail struct {
	cfg Config

	mu   sync.Mutex
	open map[line]*latchkey.AuditEntry
}

// line is what counted entries have in common.
type line struct {
	app             latchkey.ApplicationID
	actor           latchkey.ActorKind
	id              string
	action, outcome string
}

// New makes a trail. Call Run to have what is counted written.
func New(cfg Config) *Trail {
	return &Trail{cfg: cfg, open: map[line]*latchkey.AuditEntry{}}
}

// Write writes a line of its own, where there was no transaction to write it. It fills in id and time.
func (t *Trail) Write(ctx context.Context, e latchkey.AuditEntry) {
	e = t.Fill(e)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := t.cfg.Store.Audit().Add(ctx, e); err != nil {
		t.cfg.Log.ErrorContext(ctx, "a line of the audit trail was not written", slog.String("action", e.Action),
			slog.String("actor_id", e.ActorID), slog.String("target", e.Target), slog.String("cause", err.Error()))
	}
}

// Fill gives an entry its id, time, outcome and count, where it has none.
func (t *Trail) Fill(e latchkey.AuditEntry) latchkey.AuditEntry {
	now := t.cfg.Now().UTC()
	if e.At.IsZero() {
		e.At = now.Truncate(time.Millisecond)
	}
	if e.ID == "" {
		e.ID = latchkey.NewAuditID(now)
	}
	if e.Outcome == "" {
		e.Outcome = latchkey.AuditOK
	}
	if e.Count == 0 {
		e.Count = 1
	}
	return e
}

// Count adds one to the line of the entry's actor, action and outcome. It never waits for the database.
func (t *Trail) Count(e latchkey.AuditEntry) {
	if e.Outcome == "" {
		e.Outcome = latchkey.AuditOK
	}
	k := line{e.ApplicationID, e.Actor, e.ActorID, e.Action, e.Outcome}
	t.mu.Lock()
	defer t.mu.Unlock()
	if have, ok := t.open[k]; ok {
		have.Count++
		// The line is of the last of them; with several, no single request or target is meant.
		have.Address, have.RequestID, have.Target = e.Address, "", ""
		return
	}
	if len(t.open) < maxOpen {
		first := e // the hot path above leaves e where it is
		first.Count = 1
		t.open[k] = &first
	}
}

// Run writes what is counted, until ctx ends, and what is left then.
func (t *Trail) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.Flush(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			t.Flush(ctx)
		}
	}
}

// Flush writes what is counted now.
func (t *Trail) Flush(ctx context.Context) {
	t.mu.Lock()
	open := t.open
	t.open = map[line]*latchkey.AuditEntry{}
	t.mu.Unlock()
	if len(open) == 0 {
		return
	}
	entries := make([]latchkey.AuditEntry, 0, len(open))
	for _, e := range open {
		entries = append(entries, t.Fill(*e))
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	err := t.cfg.Store.Audit().Add(ctx, entries...)
	if err == nil {
		return
	}
	t.cfg.Log.ErrorContext(ctx, "counted lines of the audit trail were not written; they wait", slog.String("cause", err.Error()))
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, e := range open {
		if have, ok := t.open[k]; ok {
			have.Count += e.Count
		} else {
			t.open[k] = e
		}
	}
}
