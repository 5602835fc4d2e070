package hosted_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/mock"
	"latchkey/internal/hooks"
	"latchkey/internal/hosted"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// rig is one replica with a real database, the mock connector, and an application.
type rig struct {
	t      *testing.T
	store  *sqlstore.Store
	engine *hosted.Engine
	app    latchkey.Application
	heard  *herald
	phone  *mock.Phone
	clock  *clock
	stop   func()

	mu      sync.Mutex
	revoked []string
	works   []string
}

// clock can be moved; it runs otherwise.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// herald writes events with the real hooks and remembers notices.
type herald struct {
	hooks *hooks.Hooks
	mu    sync.Mutex
	heard []hosted.Notice
}

func (h *herald) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	return h.hooks.Emit(ctx, tx, ev)
}

func (h *herald) Notify(ctx context.Context, tx store.Tx, n hosted.Notice) error {
	args, err := json.Marshal(n.Kind)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.heard = append(h.heard, n)
	h.mu.Unlock()
	return tx.Enqueue(ctx, store.Job{Kind: "notice", Args: args})
}

func (h *herald) kinds() []hosted.NoticeKind {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []hosted.NoticeKind
	for _, n := range h.heard {
		out = append(out, n.Kind)
	}
	return out
}

func (r *rig) Revoke(_ context.Context, _ store.Tx, _ latchkey.Provider, _ latchkey.ApplicationID, c connector.Credential) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = append(r.revoked, c.Identity)
	return nil
}

func (r *rig) revocations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.revoked...)
}

func (r *rig) worksBegun(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, w := range r.works {
		if w == name {
			n++
		}
	}
	return n
}

type options struct {
	url     string // PostgreSQL, else SQLite at path
	path    string
	master  *secret.MasterKey
	owner   string
	lease   time.Duration
	wait    time.Duration
	edge    func(string)
	phone   *mock.Phone
	phoneOf mock.PhoneConfig
	idle    bool // do not run the runner
	live    bool // not a test application
	apps    hosted.Apps
	observe hosted.Observer
	// wrap puts something between the engine and the store.
	wrap func(store.Store) store.Store
	// with replaces connectors.
	with map[latchkey.Provider]connector.Connector
}

func newRig(t *testing.T, o options) *rig {
	t.Helper()
	if o.path == "" {
		o.path = filepath.Join(t.TempDir(), "latchkey.db")
	}
	if o.owner == "" {
		o.owner = "replica-1"
	}
	if o.lease == 0 {
		o.lease = 600 * time.Millisecond
	}
	if o.wait == 0 {
		o.wait = 3 * time.Second
	}
	r := &rig{t: t, clock: &clock{}}
	log := slog.New(slog.DiscardHandler)
	r.store = openStore(t, o, r.clock.now, log)
	r.phone = o.phone
	if r.phone == nil {
		if o.phoneOf.CodeTTL == 0 {
			o.phoneOf.CodeTTL = 200 * time.Millisecond
		}
		p, err := mock.StartPhone(o.phoneOf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		r.phone = p
	}
	r.heard = &herald{hooks: hooks.New(hooks.Config{Store: r.store, Client: hooksClient(), Now: r.clock.now, Log: log})}
	conn := mock.New(mock.Config{
		Now: r.clock.now, Pace: 20 * time.Millisecond, DialPhone: r.phone.Dial,
		OnWork: func(name string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.works = append(r.works, name)
		},
	})
	var between store.Store = r.store
	if o.wrap != nil {
		between = o.wrap(r.store)
	}
	connectors := map[latchkey.Provider]connector.Connector{latchkey.Mock: conn, latchkey.IMAP: renamed{conn}, latchkey.Google: oauthLike{}}
	maps.Copy(connectors, o.with)
	r.engine = hosted.New(hosted.Config{
		Store: between, Connectors: connectors,
		Herald: r.heard, Listeners: r.heard.hooks, Revocations: r, Apps: o.apps, Owner: o.owner, CallbackURL: "http://127.0.0.1/oauth/callback",
		Now: r.clock.now, Log: log, Lease: o.lease, Wait: o.wait, Edge: o.edge, Observe: o.observe,
	})
	r.app = ensureApp(t, r.store, !o.live)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	if o.idle {
		close(done)
	} else {
		go func() {
			defer close(done)
			if err := r.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
	}
	t.Cleanup(r.stop)
	return r
}

// renamed plays the mock under another provider, so that there is something to pick.
type renamed struct{ *mock.Connector }

func (renamed) Describe() connector.Descriptor {
	return connector.Descriptor{Provider: latchkey.IMAP, Scopes: []string{"mail.read"}}
}

func openStore(t *testing.T, o options, now func() time.Time, log *slog.Logger) *sqlstore.Store {
	t.Helper()
	ctx := context.Background()
	db, err := sqlstore.OpenDatabase(ctx, sqlstore.Options{URL: o.url, Path: o.path, Now: now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	master := secret.NewMasterKey()
	if o.master != nil {
		master = *o.master
	}
	ring, err := secret.LoadOrCreate(ctx, db.Keysets(), master, now)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlstore.NewStore(db, ring)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func ensureApp(t *testing.T, st *sqlstore.Store, test bool) latchkey.Application {
	t.Helper()
	ctx := context.Background()
	if app, err := st.Applications().ByName(ctx, "northwind"); err == nil {
		return app
	}
	app := latchkey.Application{
		ID: latchkey.NewApplicationID(time.Now()), Name: "northwind", Test: test, WebhookSecret: hooks.NewSecret(),
		CreatedAt: time.Now(),
	}
	if err := st.Applications().Create(ctx, app); err != nil {
		t.Fatal(err)
	}
	return app
}

func (r *rig) link(edit ...func(*hosted.LinkSpec)) hosted.CreatedLink {
	r.t.Helper()
	spec := hosted.LinkSpec{
		Type: latchkey.LinkCreate, Dialect: latchkey.DialectLink, Name: "user_1234", ExpiresAt: r.clock.now().Add(time.Hour),
		Terms: latchkey.LinkTerms{
			Providers: []string{"MOCK"}, SuccessURL: "https://app.example/ok?x=1#f", FailureURL: "https://app.example/no",
			NotifyURL: "https://app.example/notify", NotifyFailures: true,
		},
	}
	for _, e := range edit {
		e(&spec)
	}
	l, err := r.engine.CreateLink(context.Background(), r.app, spec)
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// browser is one end user's browser: it keeps cookies.
type browser struct {
	r     *rig
	token string
	jar   map[string]string
	last  hosted.View
}

func (r *rig) browser(token string) *browser {
	return &browser{r: r, token: token, jar: map[string]string{}}
}

func (b *browser) cookies(name string) string { return b.jar[name] }

func (b *browser) keep(v hosted.View) {
	if v.SetCookie != nil {
		b.jar[v.SetCookie.Name] = v.SetCookie.Value
	}
	b.last = v
}

func (b *browser) view() hosted.View {
	b.r.t.Helper()
	v, err := b.r.engine.View(context.Background(), b.token, b.cookies)
	if err != nil {
		b.r.t.Fatalf("view: %v", err)
	}
	b.keep(v)
	return v
}

func (b *browser) try(a connector.Action, kv ...string) (hosted.View, error) {
	return b.tryAt(b.last.Version, a, kv...)
}

func (b *browser) tryAt(version int64, a connector.Action, kv ...string) (hosted.View, error) {
	values := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		values[kv[i]] = kv[i+1]
	}
	v, err := b.r.engine.Answer(context.Background(), b.token, b.cookies, hosted.Answer{Version: version, Action: a, Values: values})
	if err == nil || v.Link.ID != "" {
		b.keep(v)
	}
	return v, err
}

func (b *browser) do(a connector.Action, kv ...string) hosted.View {
	b.r.t.Helper()
	v, err := b.try(a, kv...)
	if err != nil {
		b.r.t.Fatalf("%s: %v", a, err)
	}
	return v
}

// login starts the link and signs in to the mock.
func (b *browser) login(user string) hosted.View {
	b.r.t.Helper()
	b.view()
	b.do(connector.ActStart)
	return b.do(connector.ActSubmit, "username", user, "password", "hunter2-canary")
}

// await looks until the view satisfies ok.
func (b *browser) await(what string, ok func(hosted.View) bool) hosted.View {
	b.r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		v := b.view()
		if ok(v) {
			return v
		}
		if time.Now().After(deadline) {
			b.r.t.Fatalf("never %s: status %s, step %s, errors %v, busy %v", what, v.Status, v.Step.ID, v.Step.Errors, v.Busy)
		}
		time.Sleep(10 * time.Millisecond) // a page polls, too
	}
}

func (b *browser) awaitStatus(s latchkey.FlowStatus) hosted.View {
	b.r.t.Helper()
	return b.await(string(s), func(v hosted.View) bool { return v.Status == s })
}

func (r *rig) linkNow(id latchkey.LinkID) (latchkey.Link, []latchkey.Event) {
	r.t.Helper()
	l, ev, err := r.engine.Link(context.Background(), r.app.ID, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return l, ev
}

func (r *rig) accounts() []latchkey.Account {
	r.t.Helper()
	out, err := r.store.Accounts().List(context.Background(), r.app.ID, store.Page{Limit: 250})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func types(events []latchkey.Event) []latchkey.EventType {
	var out []latchkey.EventType
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}
