package hooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"latchkey"
	"latchkey/internal/hooks"
	"latchkey/internal/pgtest"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// replica is one process's hooks on a database, on the real clock.
type replica struct {
	t     *testing.T
	store *sqlstore.Store
	hooks *hooks.Hooks
	app   latchkey.Application
	stop  func()
}

// database is where replicas meet.
type database struct {
	url, path string
	master    secret.MasterKey
}

func onBoth(t *testing.T, test func(t *testing.T, db database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, database{path: t.TempDir() + "/latchkey.db", master: secret.NewMasterKey()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, database{url: pgtest.URL(t), master: secret.NewMasterKey()})
	})
}

func (db database) replica(t *testing.T, owner string) *replica {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	d, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{URL: db.url, Path: db.path, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), d.Keysets(), db.master, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{t: t, stop: func() {}}
	if r.store, err = sqlstore.NewStore(d, ring); err != nil {
		t.Fatal(err)
	}
	out, err := safehttp.New(safehttp.Config{Now: time.Now, Log: log, AllowWebhook: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	client := out.Client(safehttp.Webhook, safehttp.ClientOptions{Timeout: 3 * time.Second, IdlePerHost: 64})
	client.Transport = signs{client.Transport, owner}
	r.hooks = hooks.New(hooks.Config{
		Store: r.store, Watch: r.store, Now: time.Now, Log: log, Owner: owner, Sole: db.url == "", Client: client,
	})
	apps, err := r.store.Applications().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(apps) == 0 {
		r.app = latchkey.Application{ID: latchkey.NewApplicationID(time.Now()), Name: "shop", WebhookSecret: hooks.NewSecret(), CreatedAt: time.Now()}
		if err := r.store.Applications().Create(t.Context(), r.app); err != nil {
			t.Fatal(err)
		}
	} else {
		r.app = apps[0]
	}
	t.Cleanup(func() {
		r.stop()
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// sentBy says which replica sent a delivery.
const sentBy = "X-Sent-By"

type signs struct {
	next  http.RoundTripper
	owner string
}

func (s signs) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(sentBy, s.owner)
	return s.next.RoundTrip(r)
}

// run begins sending.
func (r *replica) run() *replica {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.hooks.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	return r
}

func (r *replica) endpoint(url string, events ...string) latchkey.Endpoint {
	r.t.Helper()
	e, err := r.hooks.CreateEndpoint(r.t.Context(), r.app.ID, hooks.EndpointSpec{URL: &url, Events: &events})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *replica) account() latchkey.AccountID {
	r.t.Helper()
	now := time.Now()
	a := latchkey.Account{
		ID: latchkey.NewAccountID(now), ApplicationID: r.app.ID, Provider: latchkey.IMAP, Status: latchkey.AccountOK, CreatedAt: now, UpdatedAt: now,
	}
	if err := r.store.Accounts().Create(r.t.Context(), a); err != nil {
		r.t.Fatal(err)
	}
	return a.ID
}

// emit writes one event of each account, in one transaction.
func (r *replica) emit(accounts ...latchkey.AccountID) {
	r.t.Helper()
	err := r.store.InTx(r.t.Context(), func(ctx context.Context, tx store.Tx) error {
		for _, a := range accounts {
			ev := latchkey.Event{
				ApplicationID: r.app.ID, Type: latchkey.EventAccountStatusChanged, AccountID: a,
				Data: json.RawMessage(`{"status":"CREDENTIALS","account_type":"IMAP"}`),
			}
			if _, err := r.hooks.Emit(ctx, tx, ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// message is what an endpoint is told.
type message struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Sequence int    `json:"sequence"`
	Data     struct {
		AccountID string `json:"account_id"`
	} `json:"data"`
	Test bool `json:"test"`
}

// ledger is a receiver that keeps what it took, by account in the order of arrival.
type ledger struct {
	mu    sync.Mutex
	came  map[string][]int
	total int
	ids   map[string]int
}

func newLedger() *ledger { return &ledger{came: map[string][]int{}, ids: map[string]int{}} }

func (l *ledger) take(t *testing.T, r *http.Request) message {
	body, err := io.ReadAll(r.Body)
	var m message
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		t.Errorf("what came is no event: %v %s", err, body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came[m.Data.AccountID] = append(l.came[m.Data.AccountID], m.Sequence)
	l.ids[r.Header.Get("Webhook-Id")]++
	l.total++
	return m
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

func (l *ledger) distinct() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

// firsts are an account's sequences in the order in which each came first.
func (l *ledger) firsts(account string) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []int
	for _, n := range l.came[account] {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// TestFirstTriesAreInOrder has many accounts, writers in two replicas, and a receiver that refuses
// every fifth: first tries of each account come in its order, and a retry holds nobody up.
func TestFirstTriesAreInOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		const accounts, each = 20, 15
		one := db.replica(t, "one").run()
		two := one
		if db.url != "" {
			two = db.replica(t, "two").run()
		}
		l, tried := newLedger(), newLedger()
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {})
		var n int
		var mu sync.Mutex
		r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			again := tried.ids[req.Header.Get("Webhook-Id")]
			tried.ids[req.Header.Get("Webhook-Id")]++
			n++
			refuse := n%5 == 0 && again == 0
			mu.Unlock()
			l.take(t, req)
			if refuse {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		one.endpoint(r.URL, "account.*")
		var ids []latchkey.AccountID
		for range accounts {
			ids = append(ids, one.account())
		}
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() {
				for k := range each {
					[]*replica{one, two}[(i+k)%2].emit(id)
				}
			})
		}
		wg.Wait()
		until(t, "all of them", func() bool { return l.distinct() == accounts*each })
		for _, id := range ids {
			if got := l.firsts(string(id)); !slices.IsSorted(got) || len(got) != each {
				t.Errorf("%s was told in the order %v", id, got)
			}
		}
	})
}

// TestBadReceiversHoldNobodyUp floods receivers that hang, reset, redirect, drip and are not there,
// and measures how long deliveries to a good one take meanwhile.
func TestBadReceiversHoldNobodyUp(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		r := db.replica(t, "one").run()
		bad := []string{
			raw(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }),
			raw(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }),
			raw(t, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n")
			}),
			raw(t, func(c net.Conn) {
				for range 1000 {
					if _, err := io.WriteString(c, "H"); err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}),
			"http://10.1.2.3:8080/", "http://127.0.0.1:1/",
		}
		for _, u := range bad {
			r.endpoint(u, "account.*")
		}
		const n = 300
		var ids []latchkey.AccountID
		for range n {
			ids = append(ids, r.account())
		}
		r.emit(ids...) // nobody good hears of these
		l := newLedger()
		good := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
		good.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { l.take(t, req) })
		r.endpoint(good.URL, "account.*")
		for i := range 5 {
			begun := time.Now()
			r.emit(ids[:50]...)
			until(t, "the good receiver", func() bool { return l.count() == 50*(i+1) })
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("50 deliveries to a good receiver took %s beside bad ones", took)
			}
		}
		if l.distinct() != l.count() {
			t.Errorf("%d came, %d different", l.count(), l.distinct())
		}
	})
}

// TestEndpointMissesNothing makes an endpoint at one replica while the other writes events: from the
// answer on, it hears of all.
func TestEndpointMissesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		one := db.replica(t, "one").run()
		two := one
		if db.url != "" {
			two = db.replica(t, "two").run()
		}
		acc := two.account()
		two.emit(acc) // it has looked, and found nobody
		l := newLedger()
		r := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
		r.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { l.take(t, req) })
		for i := range 3 {
			url := fmt.Sprintf("%s/%d", r.URL, i)
			one.endpoint(url, "account.status_changed")
			two.emit(acc)
			until(t, "the event", func() bool { return l.count() == (i+1)*(i+2)/2 })
		}
	})
}

// TestRotation signs with both secrets for a day.
func TestRotation(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	r := newReceiver(t, status(200))
	e, err := l.hooks.CreateEndpoint(t.Context(), l.app.ID, hooks.EndpointSpec{
		URL: &r.URL, Events: &[]string{"*"}, Headers: &[]latchkey.Header{{Key: "X-Token", Value: "canary-header"}, {Key: "Content-Type", Value: "application/json"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	deliver := func() received {
		t.Helper()
		d, err := l.hooks.TestEndpoint(t.Context(), l.app.ID, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		l.deliver(d.ID)
		all := r.all()
		return all[len(all)-1]
	}
	fits := func(secret string, got received) bool {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return wh.VerifyIgnoringTimestamp(got.body, got.header) == nil
	}
	first := deliver()
	if !fits(e.Secret, first) || fits(l.app.WebhookSecret, first) || first.header.Get("X-Token") != "canary-header" {
		t.Errorf("signed with another secret than the endpoint's: %v", first.header)
	}
	now, err := l.hooks.RotateSecret(t.Context(), l.app.ID, e.ID)
	if err != nil || now.Secret == e.Secret {
		t.Fatalf("%v", err)
	}
	l.clock.Advance(23 * time.Hour)
	if got := deliver(); !fits(e.Secret, got) || !fits(now.Secret, got) {
		t.Errorf("not signed with both: %v", got.header["Webhook-Signature"])
	}
	l.clock.Advance(2 * time.Hour)
	if got := deliver(); fits(e.Secret, got) || !fits(now.Secret, got) {
		t.Errorf("after a day: %v", got.header["Webhook-Signature"])
	}
	l.wantNoSecret("canary-header", e.Secret, now.Secret)
}

// TestEndpointIsPaused pauses at 410 and after days of failures, and tells the owner's others.
func TestEndpointIsPaused(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	gone, failing, owner := newReceiver(t, status(410)), newReceiver(t, status(500)), newReceiver(t, status(200))
	endpoint := func(url string, events ...string) latchkey.Endpoint {
		t.Helper()
		e, err := l.hooks.CreateEndpoint(t.Context(), l.app.ID, hooks.EndpointSpec{URL: &url, Events: &events})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	g, f := endpoint(gone.URL, "link.*"), endpoint(failing.URL, "link.*")
	endpoint(owner.URL, "webhook.paused")
	emit := func() {
		t.Helper()
		err := l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			_, err := l.hooks.Emit(ctx, tx, latchkey.Event{ApplicationID: l.app.ID, Type: latchkey.EventLinkCreated, LinkID: "lnk_1"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	emit()
	ctx, cancel := context.WithCancel(t.Context())
	done := aside(func() error { return l.hooks.Run(ctx) })
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	paused := func(id latchkey.EndpointID) latchkey.PauseReason {
		e, err := l.hooks.Endpoint(t.Context(), l.app.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		return e.Paused
	}
	until(t, "the pause after 410", func() bool { return paused(g.ID) == latchkey.PausedGone })
	// Not only received but on record: the time of the next try is reckoned then.
	recorded := func() int {
		list, _, err := l.hooks.Deliveries(t.Context(), l.app.ID, f.ID, store.Page{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v %v", list, err)
		}
		return len(list[0].Tries)
	}
	until(t, "the first try", func() bool { return recorded() == 1 })
	for i := 1; paused(f.ID) == "" && i < 40; i++ {
		l.clock.Advance(8*time.Hour + 2*time.Hour)
		until(t, "the next try", func() bool { return recorded() > i || paused(f.ID) != "" })
	}
	if got := paused(f.ID); got != latchkey.PausedFailing {
		t.Errorf("paused for %q, want failing", got)
	}
	until(t, "the owner to hear of both", func() bool { return len(owner.all()) == 2 })
	// Paused, it is sent nothing, and cannot be tested until it is resumed.
	n := len(failing.all())
	emit()
	if _, err := l.hooks.TestEndpoint(t.Context(), l.app.ID, f.ID); err == nil {
		t.Error("a paused webhook is tested")
	}
	if e, err := l.hooks.ResumeEndpoint(t.Context(), l.app.ID, f.ID); err != nil || e.Paused != "" || !e.FailingSince.IsZero() {
		t.Errorf("resumed: %+v %v", e, err)
	}
	emit()
	until(t, "deliveries after the resume", func() bool { return len(failing.all()) == n+1 })
	if !strings.Contains(l.log.String(), "webhook paused") {
		t.Error("the log does not tell of the pause")
	}
}

// TestReplay sends past events again, in order, with the ids that they had.
func TestReplay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		r := db.replica(t, "one").run()
		w, err := r.store.Work(t.Context(), sqlstore.WorkConfig{Handlers: r.hooks.Handlers(), Unstaggered: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		since := time.Now()
		acc := r.account()
		const n = 450
		for range n / 50 {
			r.emit(slices.Repeat([]latchkey.AccountID{acc}, 50)...)
		}
		until(t, "the events to settle, which takes PostgreSQL a second", func() bool {
			after := latchkey.EventIDAt(since)
			seen := 0
			for {
				list, err := r.store.Events().List(t.Context(), r.app.ID, store.EventFilter{}, after, 250)
				if err != nil {
					t.Fatal(err)
				}
				if seen += len(list); len(list) < 250 {
					return seen == n
				}
				after = list[len(list)-1].ID
			}
		})
		l := newLedger()
		rec := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
		rec.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { l.take(t, req) })
		e := r.endpoint(rec.URL, "account.*")
		if err := r.hooks.ReplaySince(t.Context(), r.app.ID, e.ID, since); err != nil {
			t.Fatal(err)
		}
		until(t, "the replay", func() bool { return l.count() == n })
		if got := l.firsts(string(acc)); !slices.IsSorted(got) || len(got) != n {
			t.Errorf("replayed in the order %v", got)
		}
		list, _, err := r.hooks.Deliveries(t.Context(), r.app.ID, e.ID, store.Page{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatal(err)
		}
		if _, err := r.hooks.Replay(t.Context(), r.app.ID, list[0].ID); err != nil {
			t.Fatal(err)
		}
		until(t, "one more", func() bool { return l.count() == n+1 && l.distinct() == n })
		if _, err := r.hooks.Replay(t.Context(), "app_other", list[0].ID); err == nil {
			t.Error("another application's delivery is replayed")
		}
	})
}

// aside runs f aside and returns where its error comes.
func aside(f func() error) chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// TestFloodStallsNobody has thousands of events delivered, and other transactions come through meanwhile:
// those of people who sign in. How fast they are is for `make bench`.
func TestFloodStallsNobody(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		r := db.replica(t, "one").run()
		l := newLedger()
		rec := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
		rec.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { l.take(t, req) })
		r.endpoint(rec.URL, "account.*")
		var ids []latchkey.AccountID
		for range 50 {
			ids = append(ids, r.account())
		}
		const n = 5000
		flood := aside(func() error {
			for range n / len(ids) {
				r.emit(ids...)
			}
			return nil
		})
		came := 0
		for ; l.count() < n; came++ {
			r.account()
			time.Sleep(5 * time.Millisecond) // as people come
		}
		if err := <-flood; err != nil {
			t.Fatal(err)
		}
		if came < 50 {
			t.Errorf("beside %d deliveries %d transactions came through", n, came)
		}
	})
}
