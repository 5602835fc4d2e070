package keepalive_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/keepalive"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

var root = [32]byte{7, 7, 7} //nolint:gochecknoglobals // the library trusts one root for the process

const ada = "4915112345678"

func TestMain(m *testing.M) {
	s, err := sim.Start(sim.Config{Root: root})
	if err == nil {
		err = errors.Join(whatsapp.TrustRoot(s.RootKey()), s.Close())
	}
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// emitter writes events as the real one does.
type emitter struct{}

func (emitter) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	ev.ID, ev.CreatedAt = latchkey.NewEventID(time.Now()), time.Now()
	seq, _, err := tx.Accounts().NextSequence(ctx, ev.AccountID, ev.CreatedAt)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ev, err
	}
	ev.Sequence = seq
	return ev, tx.Events().Add(ctx, ev)
}

// house is a database with one application, and as many replicas as a test starts.
type house struct {
	t      testing.TB
	url    string
	path   string
	store  *sqlstore.Store
	ring   *secret.Keyring
	app    latchkey.Application
	beside *sql.DB
	conns  map[latchkey.Provider]connector.Connector
}

func engines(t *testing.T, run func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { run(t, "") })
	t.Run("postgres", func(t *testing.T) { run(t, pgtest.URL(t)) })
}

func newHouse(t testing.TB, url string, conns ...connector.Connector) *house {
	t.Helper()
	h := &house{t: t, url: url, conns: map[latchkey.Provider]connector.Connector{}, path: filepath.Join(t.TempDir(), "test.db")}
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{URL: url, Path: h.path, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if h.ring, err = secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now); err != nil {
		t.Fatal(err)
	}
	if h.store, err = sqlstore.NewStore(db, h.ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range conns {
		h.conns[c.Describe().Provider] = c
	}
	h.app = latchkey.Application{ID: latchkey.NewApplicationID(time.Now()), Name: "app", CreatedAt: time.Now()}
	if err := h.store.Applications().Create(t.Context(), h.app); err != nil {
		t.Fatal(err)
	}
	return h
}

// replica is one process that keeps accounts connected.
type replica struct {
	*keepalive.Runner
	db       *parted
	accounts *accounts.Service
	stop     context.CancelFunc
	done     chan struct{}
}

type later struct{ r *replica }

func (l later) Note(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.AccountID, h connector.Health) error {
	return l.r.accounts.Note(ctx, tx, app, id, h)
}

func (h *house) replica(name string, edit func(*keepalive.Config)) *replica {
	h.t.Helper()
	r := &replica{done: make(chan struct{}), db: &parted{Store: h.store}}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("LATCHKEY_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	cfg := keepalive.Config{
		Store: r.db, Connectors: h.conns, Accounts: later{r}, Owner: name, Now: time.Now, Log: log,
		Lease: 1500 * time.Millisecond, Look: 20 * time.Millisecond,
	}
	if edit != nil {
		edit(&cfg)
	}
	r.Runner = keepalive.New(cfg)
	r.accounts = accounts.New(accounts.Config{
		Store: h.store, Connectors: h.conns, Events: emitter{}, Seal: h.ring, Now: time.Now, Log: log, Sessions: r.Runner,
	})
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		if err := r.Run(ctx); err != nil {
			h.t.Error(err)
		}
	}()
	h.t.Cleanup(r.end)
	return r
}

func (r *replica) end() {
	r.stop()
	<-r.done
}

// account stores an account as the flow engine does.
func (h *house) account(r *replica, g connector.Grant, p latchkey.Provider) latchkey.Account {
	h.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := latchkey.Account{
		ID: latchkey.NewAccountID(now), ApplicationID: h.app.ID, Provider: p, Name: g.Name, Identity: g.Identity, Proof: latchkey.ProofProvider,
		Status: latchkey.AccountOK, StatusAt: now, Params: g.Params, Sources: g.Sources, Secret: g.Secret, CreatedAt: now, UpdatedAt: now,
	}
	err := h.store.InTx(h.t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := tx.Accounts().Create(ctx, a); err != nil {
			return err
		}
		return r.Wanted(ctx, tx, a)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *house) get(id latchkey.AccountID) latchkey.Account {
	h.t.Helper()
	a, err := h.store.Accounts().Get(context.Background(), h.app.ID, string(id))
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// status waits until the account has the status and reason.
func (h *house) status(id latchkey.AccountID, st latchkey.AccountStatus, why latchkey.Reason) latchkey.Account {
	h.t.Helper()
	var a latchkey.Account
	until(h.t, string(st)+" "+string(why), func() bool {
		a = h.get(id)
		return a.Status == st && a.Reason == why
	})
	return a
}

// sql reaches the database beside the store.
func (h *house) sql() *sql.DB {
	h.t.Helper()
	driver, source := "sqlite", h.path
	if h.url != "" {
		driver, source = "pgx", h.url
	}
	if h.beside == nil {
		db, err := sql.Open(driver, source)
		if err != nil {
			h.t.Fatal(err)
		}
		h.beside = db
		h.t.Cleanup(func() { _ = db.Close() })
	}
	return h.beside
}

func (h *house) count(table string) (n int) {
	h.t.Helper()
	if err := h.sql().QueryRowContext(h.t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// statusOf reads the columns, which are there also where the credential cannot be opened.
func (h *house) statusOf(id latchkey.AccountID) (st latchkey.AccountStatus, why latchkey.Reason) {
	h.t.Helper()
	row := h.sql().QueryRowContext(h.t.Context(), "SELECT status, reason FROM accounts WHERE id = $1", string(id))
	if err := row.Scan(&st, &why); err != nil {
		h.t.Fatal(err)
	}
	return st, why
}

// statusEvents are the statuses that the application was told of.
func (h *house) statusEvents(id latchkey.AccountID) []string {
	h.t.Helper()
	evs, err := h.store.Events().List(h.t.Context(), h.app.ID, store.EventFilter{Account: id, Type: latchkey.EventAccountStatusChanged}, "", 100)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, e := range evs {
		var d struct {
			Status string
			Reason *string
		}
		if err := json.Unmarshal(e.Data, &d); err != nil {
			h.t.Fatal(err)
		}
		if d.Reason != nil {
			d.Status += " " + *d.Reason
		}
		out = append(out, d.Status)
	}
	return out
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

// phones is a simulated WhatsApp with a connector that talks to it.
type phones struct {
	t testing.TB
	*sim.Sim
	conn *whatsapp.Connector
}

func newPhones(t testing.TB) *phones {
	t.Helper()
	s, err := sim.Start(sim.Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.AddPhone(sim.Phone{Number: ada})
	return &phones{t, s, whatsapp.New(whatsapp.Config{Now: time.Now, Dial: func(ctx context.Context, _ *latchkey.Proxy, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	}})}
}

// scanner scans the first code that is shown.
type scanner struct {
	p      *phones
	number string
	once   sync.Once
}

func (s *scanner) Show(_ context.Context, st connector.Step) error {
	if st.Payload == "" {
		return nil
	}
	var err error
	s.once.Do(func() { err = s.p.Scan(s.number, st.Payload) })
	return err
}

func (*scanner) Next(ctx context.Context) (connector.Input, error) {
	<-ctx.Done()
	return connector.Input{}, ctx.Err()
}

// link links a phone.
func (p *phones) link(number string) connector.Grant {
	p.t.Helper()
	turn, err := p.conn.Direct(connector.Start{}, nil)
	if err == nil {
		turn, err = p.conn.Do(context.Background(), *turn.Work, &scanner{p: p, number: number})
	}
	if err != nil || turn.Grant == nil {
		p.t.Fatalf("not linked: %+v, %v", turn, err)
	}
	return *turn.Grant
}

func (p *phones) online(number string, n int) {
	p.t.Helper()
	until(p.t, "online", func() bool { _, on := p.Devices(number); return on == n })
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// jobCatcher keeps the jobs that are enqueued through it.
type jobCatcher struct {
	*sqlstore.Store
	jobs []store.Job
}

func (c *jobCatcher) InTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	return c.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error { return fn(ctx, catching{tx, c}) })
}

type catching struct {
	store.Tx
	c *jobCatcher
}

func (x catching) Enqueue(_ context.Context, jobs ...store.Job) error {
	x.c.jobs = append(x.c.jobs, jobs...)
	return nil
}

// parted is a database that a process can lose sight of.
type parted struct {
	*sqlstore.Store
	away atomic.Bool
}

func (p *parted) Keeps() store.Keeps { return partedKeeps{p.Store.Keeps(), p} }

type partedKeeps struct {
	store.Keeps
	p *parted
}

func (k partedKeeps) Beat(ctx context.Context, owner string, until time.Time) error {
	if k.p.away.Load() {
		return errors.New("the database is away")
	}
	return k.Keeps.Beat(ctx, owner, until)
}
