package hooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"latchkey"
	"latchkey/internal/hooks"
	"latchkey/internal/pgtest"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// nameServer answers every question for an address with the one that is set.
func nameServer(t *testing.T, address *atomic.Value) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			rr, err := dns.NewRR(q.Question[0].Name + " 0 IN A " + address.Load().(string))
			if err != nil {
				t.Error(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = s.Shutdown() })
	return pc.LocalAddr().String()
}

// TestReceiverMovesToAPrivateAddress changes what a name leads to between tries. Something listens at
// the new address; it must not even be called.
func TestReceiverMovesToAPrivateAddress(t *testing.T) {
	t.Parallel()
	var address atomic.Value
	address.Store("127.0.0.1")
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{DNSServer: nameServer(t, &address), AllowWebhook: []string{"127.0.0.1"}})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // each try dials, and so looks the name up
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	inside, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	var called atomic.Int64
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			called.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = inside.Close() })
	d := l.notify("http://hooks.shop.test:"+port+"/path-canary", map[string]string{"status": "x"})
	if _, a := l.deliver(d.ID); a.HTTPStatus != http.StatusServiceUnavailable {
		t.Fatalf("first try: %+v", a)
	}
	for _, moved := range []string{"127.0.0.2", "169.254.169.254", "10.0.0.1", "0.0.0.0"} {
		address.Store(moved)
		l.clock.Advance(time.Hour)
		begun := time.Now()
		now, a := l.deliver(d.ID)
		if a.HTTPStatus != 0 || a.Error == "" || now.Status != latchkey.DeliveryPending || now.DueAt.IsZero() {
			t.Errorf("%s: %+v %+v", moved, now, a)
		}
		if strings.Contains(a.Error, moved) {
			t.Errorf("the application is told where the name leads: %s", a.Error)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: refused after %s: it was dialled", moved, took)
		}
	}
	address.Store("127.0.0.1")
	l.clock.Advance(8 * time.Hour)
	if _, a := l.deliver(d.ID); a.HTTPStatus != http.StatusServiceUnavailable {
		t.Errorf("back again: %+v", a)
	}
	if n := called.Load(); n != 0 {
		t.Errorf("the private address was called %d times", n)
	}
	l.wantNoSecret("path-canary")
}

// TestPostgresRestartsUnderDeliveries stops the database while events are written and deliveries are
// under way, and starts it again.
func TestPostgresRestartsUnderDeliveries(t *testing.T) {
	t.Parallel()
	own := pgtest.NewOwn(t)
	db := database{url: own.URL, master: secret.NewMasterKey()}
	r := db.replica(t, "one").run()
	l := newLedger()
	rec := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	rec.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		l.take(t, req)
		time.Sleep(3 * time.Millisecond) // as a receiver takes
	})
	r.endpoint(rec.URL, "account.*")
	var accounts []latchkey.AccountID
	for range 20 {
		accounts = append(accounts, r.account())
	}
	var mu sync.Mutex
	var written []string
	failed := 0
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for _, id := range accounts {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ids, err := r.tryEmit(id)
				mu.Lock()
				if err == nil {
					written = append(written, ids...)
				} else {
					failed++
				}
				mu.Unlock()
				time.Sleep(10 * time.Millisecond) // as things happen
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(written)
	}
	until(t, "some deliveries", func() bool { return l.distinct() > 100 })
	own.Stop()
	down := count()
	until(t, "writers to notice", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return failed > len(accounts)
	})
	own.Start()
	until(t, "events after the restart", func() bool { return count() > down+100 })
	close(stop)
	writers.Wait()
	until(t, "every event that was written", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !slices.ContainsFunc(written, func(id string) bool { return l.ids[id] == 0 })
	})
	for _, id := range accounts {
		if got := l.firsts(string(id)); !slices.IsSorted(got) {
			t.Errorf("%s was told in the order %v", id, got)
		}
	}
	t.Logf("%d events written, %d tries to write failed, %d deliveries for %d ids came", len(written), failed, l.count(), l.distinct())
}

// tryEmit writes one event of the account, and returns the ids of what was written.
func (r *replica) tryEmit(id latchkey.AccountID) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
	defer cancel()
	err = r.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		ids = nil
		ev, err := r.hooks.Emit(ctx, tx, latchkey.Event{
			ApplicationID: r.app.ID, Type: latchkey.EventAccountStatusChanged, AccountID: id,
			Data: json.RawMessage(`{"status":"CREDENTIALS","account_type":"IMAP"}`),
		})
		ids = append(ids, string(ev.ID))
		return err
	})
	return ids, err
}

// TestFourReplicasShare has four processes on one PostgreSQL send to one receiver: each does its part,
// and when one is killed the others lose nothing of its.
func TestFourReplicasShare(t *testing.T) {
	t.Parallel()
	const replicas, accounts, rounds = 4, 200, 10
	db := database{url: pgtest.URL(t), master: secret.NewMasterKey()}
	writer := db.replica(t, "writer") // it writes, and sends nothing
	l := newLedger()
	var mu sync.Mutex
	by := map[string]int{}
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	r.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		l.take(t, req)
		mu.Lock()
		by[req.Header.Get(sentBy)]++
		mu.Unlock()
	})
	writer.endpoint(r.URL, "account.*")
	var ids []latchkey.AccountID
	for range accounts {
		ids = append(ids, writer.account())
	}
	var children []*exec.Cmd
	for i := range replicas {
		children = append(children, db.child(t, fmt.Sprintf("replica-%d", i)))
	}
	total := 0
	send := func() {
		t.Helper()
		writer.emit(ids...)
		total += len(ids)
		until(t, "a round", func() bool { return l.distinct() == total })
	}
	parts := func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		defer clear(by)
		out := map[string]int{}
		for k, n := range by {
			out[k] = n
		}
		return out
	}
	// Until they have met, one has more than its part.
	even := func(p map[string]int, sent int) bool {
		if len(p) != replicas {
			return false
		}
		for _, n := range p {
			if part := float64(n) / float64(sent); part < 0.15 || part > 0.35 {
				return false
			}
		}
		return true
	}
	until(t, "the replicas to share", func() bool { parts(); send(); return even(parts(), accounts) })
	for range rounds {
		send()
	}
	p := parts()
	t.Logf("of %d deliveries: %v", rounds*accounts, p)
	if !even(p, rounds*accounts) {
		t.Errorf("four replicas share %d deliveries like this: %v", rounds*accounts, p)
	}
	before := l.count()
	writing := aside(func() error {
		for range rounds {
			writer.emit(ids...)
		}
		return nil
	})
	until(t, "deliveries to be under way", func() bool { return l.count() > before+accounts })
	if err := children[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = children[0].Wait() // it was killed
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	total += rounds * accounts
	until(t, "everything after the kill", func() bool { return l.distinct() == total })
	if twice := l.count() - l.distinct(); twice > 64 {
		t.Errorf("%d came twice: more than one process can have under way to one receiver", twice)
	}
	for _, id := range ids {
		if got := l.firsts(string(id)); !slices.IsSorted(got) {
			t.Errorf("%s was told in the order %v", id, got)
		}
	}
}

// TestEndpointsAreFew asks for many side by side: no more are made than an application may have.
func TestEndpointsAreFew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		r := db.replica(t, "one")
		var asked sync.WaitGroup
		var made atomic.Int64
		for range 40 {
			asked.Go(func() {
				url := "https://shop.test/"
				if _, err := r.hooks.CreateEndpoint(t.Context(), r.app.ID, hooks.EndpointSpec{URL: &url, Events: &[]string{"*"}}); err == nil {
					made.Add(1)
				}
			})
		}
		asked.Wait()
		all, err := r.hooks.Endpoints(t.Context(), r.app.ID)
		if err != nil || len(all) != 20 || made.Load() != 20 {
			t.Errorf("%d endpoints, %d answers: %v", len(all), made.Load(), err)
		}
	})
}

// TestNewAddressHasItsOwnDays: what the old address failed does not pause the new one.
func TestNewAddressHasItsOwnDays(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	bad := newReceiver(t, status(500))
	e, err := l.hooks.CreateEndpoint(t.Context(), l.app.ID, hooks.EndpointSpec{URL: &bad.URL, Events: &[]string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	try := func() latchkey.Endpoint {
		t.Helper()
		d, err := l.hooks.TestEndpoint(t.Context(), l.app.ID, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		l.deliver(d.ID)
		now, err := l.hooks.Endpoint(t.Context(), l.app.ID, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	if now := try(); now.FailingSince.IsZero() {
		t.Fatal("a failure is not noted")
	}
	l.clock.Advance(71 * time.Hour)
	url := bad.URL + "/new"
	if _, err := l.hooks.UpdateEndpoint(t.Context(), l.app.ID, e.ID, hooks.EndpointSpec{URL: &url}); err != nil {
		t.Fatal(err)
	}
	if now, err := l.hooks.Endpoint(t.Context(), l.app.ID, e.ID); err != nil || !now.FailingSince.IsZero() {
		t.Errorf("with a new address it fails since %s: %v", now.FailingSince, err)
	}
	l.clock.Advance(2 * time.Hour)
	if now := try(); now.Paused != "" {
		t.Errorf("paused for %q after one failure of a new address", now.Paused)
	}
}

// TestReplayOfWhatJustHappened asks for a replay in the moment after an event: PostgreSQL's newest
// events are held back from readers, and must not be missed for it.
func TestReplayOfWhatJustHappened(t *testing.T) {
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
		l := newLedger()
		rec := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
		rec.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { l.take(t, req) })
		e := r.endpoint(rec.URL, "account.*")
		acc := r.account()
		since := time.Now()
		r.emit(acc)
		if err := r.hooks.ReplaySince(t.Context(), r.app.ID, e.ID, since); err != nil {
			t.Fatal(err)
		}
		until(t, "the event, and its replay", func() bool { return l.count() >= 2 })
		if l.distinct() != 1 {
			t.Errorf("%d ids for one event", l.distinct())
		}
	})
}

// TestRetriesSurviveAClockThatWasAhead puts the clock ten years ahead while a try fails, and back: neither
// the process that saw it nor one that comes after leaves the retry where it was put.
func TestRetriesSurviveAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		for _, restarted := range []bool{false, true} {
			r := db.replica(t, "one")
			var ahead atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			remake := func() {
				r.hooks = hooks.New(hooks.Config{
					Store: r.store, Watch: r.store, Now: now, Log: slog.New(slog.DiscardHandler), Owner: "one", Sole: db.url == "", Client: http.DefaultClient,
				})
				r.run()
			}
			var tries atomic.Int64
			receiver := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
			receiver.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tries.Add(1) == 1 {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
			remake()
			e := r.endpoint(receiver.URL, "account.*")
			ahead.Store(int64(10 * 365 * 24 * time.Hour))
			r.emit(r.account())
			recorded := func(attempts int) func() bool {
				return func() bool {
					page, err := r.store.Deliveries().ByEndpoint(t.Context(), r.app.ID, e.ID, store.Page{Limit: 9})
					return err == nil && len(page) == 1 && page[0].Attempts == attempts
				}
			}
			until(t, "the first try to be recorded", recorded(1))
			if restarted {
				r.stop()
			}
			ahead.Store(0)
			if restarted {
				remake()
			}
			until(t, "the retry", recorded(2))
			r.stop()
		}
	})
}
