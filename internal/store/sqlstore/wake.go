package sqlstore

import (
	"context"
	"database/sql"
	"sync"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// wakeUp tells the workers of this process about committed jobs, on SQLite. River's own way there
// is a table that is polled 20 times a second on the one writer; other processes on the same file,
// such as the command line, are covered by the workers' ordinary polling.
type wakeUp struct {
	mu        sync.Mutex
	listeners map[*wakeListener]struct{}
}

func newWakeUp() *wakeUp { return &wakeUp{listeners: map[*wakeListener]struct{}{}} }

// jobs is called after a commit with jobs. It never blocks: a listener that has a call waiting
// will look for jobs anyway.
func (w *wakeUp) jobs() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.listeners {
		select {
		case l.calls <- struct{}{}:
		default:
		}
	}
}

// wakingDriver is River's SQLite driver with notifications inside the process.
type wakingDriver struct {
	*riversqlite.Driver
	wake *wakeUp
}

func newWakingDriver(db *sql.DB, wake *wakeUp) *wakingDriver {
	return &wakingDriver{Driver: riversqlite.New(db), wake: wake}
}

// SupportsListenNotify keeps River from writing notifications into the database.
func (d *wakingDriver) SupportsListenNotify() bool { return false }

// GetListener is called by each client that works.
func (d *wakingDriver) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &wakeListener{wake: d.wake, schema: params.Schema, calls: make(chan struct{}, 1)}
}

// wakeListener is one client's end.
type wakeListener struct {
	wake   *wakeUp
	schema string
	calls  chan struct{}
}

// topicInsert and its payload are what River's producers listen for.
const topicInsert = "river_insert"

func (l *wakeListener) Connect(context.Context) error {
	l.wake.mu.Lock()
	defer l.wake.mu.Unlock()
	l.wake.listeners[l] = struct{}{}
	return nil
}

func (l *wakeListener) Close(context.Context) error {
	l.wake.mu.Lock()
	defer l.wake.mu.Unlock()
	delete(l.wake.listeners, l)
	return nil
}

func (l *wakeListener) Listen(context.Context, string) error   { return nil }
func (l *wakeListener) Unlisten(context.Context, string) error { return nil }
func (l *wakeListener) Ping(context.Context) error             { return nil }
func (l *wakeListener) Schema() string                         { return l.schema }
func (l *wakeListener) SetAfterConnectExec(string)             {}

func (l *wakeListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-l.calls:
		return &riverdriver.Notification{Topic: topicInsert, Payload: `{"queue":"` + river.QueueDefault + `"}`}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
