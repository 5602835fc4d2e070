package store

import (
	"context"
	"time"

	"latchkey"
)

// FunnelCount is how many links of one day (by their creation, UTC) got to a stage. Links counts each
// link once, Times every time.
type FunnelCount struct {
	ApplicationID latchkey.ApplicationID
	Day           time.Time
	Stage         string
	Provider      latchkey.Provider
	Step          string
	Code          string
	Links, Times  int64
}

// Funnel keeps counts of what became of links, so that nobody has to read the links again.
type Funnel interface {
	// Add adds to the counts.
	Add(ctx context.Context, counts ...FunnelCount) error
	// Sum adds the days up, from and to included; Day is zero in what it returns.
	Sum(ctx context.Context, app latchkey.ApplicationID, from, to time.Time) ([]FunnelCount, error)
	DeleteBefore(ctx context.Context, day time.Time, limit int) (int, error)
	// Cursor is how far the named counter has read; empty at its beginning.
	Cursor(ctx context.Context, name string) (string, error)
	// MoveCursor moves it on from where it was; ErrStale where another replica has.
	MoveCursor(ctx context.Context, name, was, now string) error
	// Events lists events of all applications after one and up to another, in the order of their ids.
	Events(ctx context.Context, after, until latchkey.EventID, limit int) ([]latchkey.Event, error)
	// Created counts the application's links after one id and up to another, by index.
	Created(ctx context.Context, app latchkey.ApplicationID, after, until latchkey.LinkID) (int64, error)
	// Expired counts links whose time ended after one moment and up to another, and that nobody
	// completed; Stage is left empty. Links that were expired before their time are not among them.
	Expired(ctx context.Context, after, until time.Time) ([]FunnelCount, error)
	// Oldest is the id of the oldest link, and when the first of all links expires; ErrNotFound where
	// there is none.
	Oldest(ctx context.Context) (latchkey.LinkID, time.Time, error)
}
