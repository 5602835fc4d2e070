package hooks_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/hooks"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// clock is a time that only moves when told.
type clock struct{ ms atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// logbook collects what is logged.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lab is a real store with one application, and hooks on it.
type lab struct {
	t     *testing.T
	store *sqlstore.Store
	hooks *hooks.Hooks
	clock *clock
	log   *logbook
	app   latchkey.Application
}

func newLab(t *testing.T, o safehttp.ClientOptions, cfg safehttp.Config) *lab {
	t.Helper()
	l := &lab{t: t, clock: &clock{}, log: &logbook{}}
	// The library that checks signatures reads the real clock.
	l.clock.ms.Store(time.Now().UnixMilli())
	log := slog.New(slog.NewJSONHandler(l.log, nil))
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: l.clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), l.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	if l.store, err = sqlstore.NewStore(db, ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	cfg.Now, cfg.Log = l.clock.Now, log
	if cfg.AllowWebhook == nil {
		cfg.AllowWebhook = []string{"127.0.0.1"}
	}
	out, err := safehttp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.hooks = hooks.New(hooks.Config{
		Store: l.store, Watch: l.store, Client: out.Client(safehttp.Webhook, o), Now: l.clock.Now, Log: log,
		Jitter: func() float64 { return 0.5 }, Owner: "lab", Sole: true,
	})
	l.app = latchkey.Application{
		ID: latchkey.NewApplicationID(l.clock.Now()), Name: "shop", WebhookSecret: hooks.NewSecret(), CreatedAt: l.clock.Now().UTC().Truncate(time.Millisecond),
	}
	if err := l.store.Applications().Create(t.Context(), l.app); err != nil {
		t.Fatal(err)
	}
	return l
}

// notify writes a delivery, and returns it as it lies in the store.
func (l *lab) notify(url string, payload any) latchkey.Delivery {
	l.t.Helper()
	link := latchkey.NewLinkID(l.clock.Now())
	err := l.store.InTx(l.t.Context(), func(ctx context.Context, tx store.Tx) error {
		return l.hooks.Notify(ctx, tx, hooks.Notification{ApplicationID: l.app.ID, LinkID: link, EventID: "evt_1", URL: url, Payload: payload})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	ds, err := l.store.Deliveries().ByLink(l.t.Context(), l.app.ID, link)
	if err != nil || len(ds) != 1 {
		l.t.Fatalf("deliveries: %v %v", ds, err)
	}
	return ds[0]
}

// again is how long after now the next try is due; zero where there is none.
func (l *lab) again(d latchkey.Delivery) time.Duration {
	if d.DueAt.IsZero() {
		return 0
	}
	return d.DueAt.Sub(l.clock.Now())
}

// deliver does one try and returns what is known afterwards.
func (l *lab) deliver(id latchkey.DeliveryID) (latchkey.Delivery, latchkey.Attempt) {
	l.t.Helper()
	if _, err := l.hooks.Deliver(l.t.Context(), id); err != nil {
		l.t.Fatalf("Deliver: %v", err)
	}
	d, err := l.store.Deliveries().Get(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	as, err := l.store.Deliveries().Attempts(l.t.Context(), id)
	if err != nil || len(as) == 0 || len(as) != d.Attempts {
		l.t.Fatalf("attempts: %v %v, delivery says %d", as, err, d.Attempts)
	}
	return d, as[len(as)-1]
}

// receiver is an application's backend: it keeps what it was sent, and answers as told.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	then http.HandlerFunc
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, then http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{then: then}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.got = append(r.got, received{req.Header.Clone(), b})
	r.mu.Unlock()
	r.then(w, req)
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// wantNoSecret searches what was logged for what must never be there.
func (l *lab) wantNoSecret(secrets ...string) {
	l.t.Helper()
	for _, s := range append(secrets, l.app.WebhookSecret, strings.TrimPrefix(l.app.WebhookSecret, "whsec_")) {
		if strings.Contains(l.log.String(), s) {
			l.t.Errorf("%q is in the log: %s", s, l.log)
		}
	}
}
