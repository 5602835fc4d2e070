package accounts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/store"
)

// mailWorld is a connector whose accounts are at hosts, and whose checks are scripted by what they are
// called: what says says.
type mailWorld struct {
	connector.Connector
	mu     sync.Mutex
	says   func(c connector.Credential) (connector.Health, error)
	checks map[latchkey.AccountID]int
	now    map[string]int // checks of a host that run now
	most   map[string]int
	block  chan struct{}
}

func newMailWorld() *mailWorld {
	return &mailWorld{checks: map[latchkey.AccountID]int{}, now: map[string]int{}, most: map[string]int{}}
}

func (w *mailWorld) Host(params json.RawMessage) string {
	var p struct {
		Host string `json:"host"`
	}
	if json.Unmarshal(params, &p) != nil {
		return ""
	}
	return p.Host
}

func (w *mailWorld) Check(ctx context.Context, c connector.Credential) (connector.Health, error) {
	host := w.Host(c.Params)
	w.mu.Lock()
	w.checks[c.AccountID]++
	w.now[host]++
	w.most[host] = max(w.most[host], w.now[host])
	block, says := w.block, w.says
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now[host]--
	}()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return connector.Health{}, ctx.Err()
		}
	}
	if says != nil {
		return says(c)
	}
	return connector.Health{Status: latchkey.AccountOK}, nil
}

func (w *mailWorld) say(f func(c connector.Credential) (connector.Health, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.says = f
}

func (w *mailWorld) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.checks {
		n += k
	}
	return n
}

func always(h connector.Health) func(connector.Credential) (connector.Health, error) {
	return func(connector.Credential) (connector.Health, error) { return h, nil }
}

var (
	isFine    = connector.Health{Status: latchkey.AccountOK}
	isDown    = connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonHostUnreachable}
	isRefused = connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonPasswordChanged}
)

// newMailLab is a lab in which accounts of provider IMAP are checked, of each replica by a world of its own.
func newMailLab(t testing.TB, engine string, replicas int, wrap func(store.Store) store.Store, change func(*accounts.Config)) (*lab, []*mailWorld) {
	t.Helper()
	var worlds []*mailWorld
	l := newLab(t, engine, replicas, wrap, func(cfg *accounts.Config) {
		w := newMailWorld()
		worlds = append(worlds, w)
		cfg.Connectors = map[latchkey.Provider]connector.Connector{latchkey.IMAP: w}
		cfg.CheckRate, cfg.CheckPoll = 1e6, 5*time.Millisecond
		if change != nil {
			change(cfg)
		}
	})
	return l, worlds
}

// mailboxes makes accounts at a host that are due now.
func (l *lab) mailboxes(t testing.TB, n int, host string) (ids []latchkey.AccountID) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 64)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			now := l.now()
			a := latchkey.Account{
				ID: latchkey.NewAccountID(now), ApplicationID: l.app, Provider: latchkey.IMAP, Identity: fmt.Sprintf("u%d@%s", i, host),
				Proof: latchkey.ProofTyped, Status: latchkey.AccountOK, StatusAt: now.Add(-24 * time.Hour), Secret: []byte("password"),
				Params: json.RawMessage(`{"host":"` + host + `"}`), CreatedAt: now.Add(-48 * time.Hour), UpdatedAt: now, CheckAt: now,
			}
			if err := l.store.Accounts().Create(context.WithoutCancel(t.Context()), a); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, a.ID)
		})
	}
	wg.Wait()
	return ids
}

// due counts accounts whose check has come.
func (l *lab) due(t testing.TB) int {
	t.Helper()
	list, err := l.store.Checks().Due(context.WithoutCancel(t.Context()), latchkey.IMAP, l.now(), store.Due{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// settled waits until nothing is due and nothing is claimed.
func (l *lab) settled(t testing.TB, ids []latchkey.AccountID) {
	t.Helper()
	until(t, "all due accounts are checked", func() bool {
		if l.due(t) > 0 {
			return false
		}
		for _, id := range ids {
			if a := l.get(t, id); !a.CheckedAt.Equal(l.now()) {
				return false
			}
		}
		return true
	})
}

func (l *lab) history(t testing.TB, id latchkey.AccountID) (out []string) {
	t.Helper()
	list, err := l.store.StatusChanges().List(context.WithoutCancel(t.Context()), l.app, id, store.Page{Limit: 250})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Backward(list) {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.To, c.Cause, c.ToReason)))
	}
	return out
}

// told counts the events of an account.
func (l *lab) told(t testing.TB, id latchkey.AccountID) int {
	t.Helper()
	evs, err := l.store.Events().List(context.WithoutCancel(t.Context()), l.app, store.EventFilter{Account: id}, "", 250)
	if err != nil {
		t.Fatal(err)
	}
	return len(evs)
}

func TestScheduledChecks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		l, w := newMailLab(t, engine, 1, nil, nil)
		ids := l.mailboxes(t, 1, "mx.example.org")
		stop := l.run(t)
		defer stop()
		check := func(h connector.Health) latchkey.Account {
			t.Helper()
			w[0].say(always(h))
			if at := l.get(t, ids[0]).CheckAt; at.After(l.now()) {
				l.advance(at.Sub(l.now()))
			}
			l.settled(t, ids)
			return l.get(t, ids[0])
		}
		for i, c := range []struct {
			h    connector.Health
			want latchkey.AccountStatus
		}{
			{isFine, "OK"},
			{isRefused, "OK"},
			{isRefused, "CREDENTIALS"},
			{isDown, "CREDENTIALS"},
			{isRefused, "CREDENTIALS"},
			{isFine, "OK"}, // the old password works again
			{isDown, "OK"},
			{isDown, "OK"},
			{isDown, "CONNECTING"},
			{isFine, "OK"},
		} {
			if a := check(c.h); a.Status != c.want || !a.CheckAt.After(l.now()) {
				t.Fatalf("check %d: %s, next in %s", i, a.Status, a.CheckAt.Sub(l.now()))
			}
		}
		stop()
		want := []string{"CREDENTIALS check password_changed", "OK check", "CONNECTING check host_unreachable", "OK check"}
		if got := l.history(t, ids[0]); !slices.Equal(got, want) {
			t.Errorf("history %q", got)
		}
		if n := l.told(t, ids[0]); n != len(want) {
			t.Errorf("%d events", n)
		}
	})
}

func TestStoppedAccountsAreLeftAlone(t *testing.T) {
	t.Parallel()
	l, w := newMailLab(t, "sqlite", 1, nil, nil)
	ids := l.mailboxes(t, 2, "mx.example.org")
	if _, err := l.replicas[0].Report(t.Context(), l.app, ids[0], connector.Health{Status: latchkey.AccountStopped}, latchkey.CauseAPI); err != nil {
		t.Fatal(err)
	}
	stop := l.run(t)
	l.settled(t, ids[1:])
	stop()
	if n := w[0].checks[ids[0]]; n != 0 {
		t.Errorf("%d checks", n)
	}
	got, err := l.replicas[0].Check(t.Context(), l.app, string(ids[0]))
	if err != nil || got.Status != latchkey.AccountOK || !got.CheckAt.After(l.now()) {
		t.Errorf("a check that was asked for does not start it again: %s, %v", got.Status, err)
	}
}

// TestReplicasShareChecks: each account is checked once, and everybody does a good part of it.
func TestReplicasShareChecks(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{2, 4} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			t.Parallel()
			l, worlds := newMailLab(t, "postgres", replicas, nil, nil)
			var ids []latchkey.AccountID
			for host := range 20 {
				ids = append(ids, l.mailboxes(t, 40, fmt.Sprint("mx", host))...)
			}
			// They begin together: whoever starts late on a busy machine has not been unfair.
			gate := make(chan struct{})
			for _, w := range worlds {
				w.block = gate
			}
			stop := l.run(t)
			defer stop()
			until(t, "all are at work", func() bool {
				return !slices.ContainsFunc(worlds, func(w *mailWorld) bool { return w.total() < 20 })
			})
			close(gate)
			l.settled(t, ids)
			stop()
			total := 0
			for i, w := range worlds {
				n := w.total()
				total += n
				if fair := len(ids) / replicas; n < fair/10 {
					t.Errorf("replica %d made %d checks of %d", i, n, len(ids))
				}
				for host, most := range w.most {
					if most > 8 {
						t.Errorf("%d checks of %s at once", most, host)
					}
				}
			}
			if total != len(ids) {
				t.Errorf("%d checks of %d accounts", total, len(ids))
			}
		})
	}
}

// TestDeadReplicasLoseNothing has a replica die in the middle of its checks: when its claims have run
// out, the other does them.
func TestDeadReplicasLoseNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		l, worlds := newMailLab(t, engine, 2, nil, nil)
		ids := l.mailboxes(t, 30, "mx.example.org")
		worlds[0].block = make(chan struct{}) // never answers
		ctx, kill := context.WithCancel(context.WithoutCancel(t.Context()))
		dead := make(chan error, 1)
		go func() { dead <- l.replicas[0].Run(ctx) }()
		until(t, "the first replica is at work", func() bool { return worlds[0].total() > 0 })
		kill()
		if err := <-dead; err != nil {
			t.Error(err)
		}
		l.replicas = l.replicas[1:]
		stop := l.run(t)
		defer stop()
		until(t, "the others are checked", func() bool { return l.due(t) == 0 })
		if n := worlds[1].total(); n == len(ids) {
			t.Error("nothing was lost: the first replica had no claims")
		}
		l.advance(4 * time.Minute)
		until(t, "the lost ones are checked", func() bool { return worlds[1].total() >= len(ids) && l.due(t) == 0 })
		stop()
		if n := worlds[1].total(); n != len(ids) {
			t.Errorf("%d checks of %d accounts", n, len(ids))
		}
		for _, id := range ids {
			if n := l.told(t, id); n != 0 {
				t.Errorf("%d events", n)
			}
		}
	})
}

// TestPace: a host that has many accounts is asked no faster than the operator allows, over all
// replicas, and its queue does not keep the others waiting.
func TestPace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		l, worlds := newMailLab(t, engine, 2, nil, func(cfg *accounts.Config) { cfg.CheckRate = 4 })
		crowd := l.mailboxes(t, 600, "crowded")
		small := l.mailboxes(t, 1, "small")
		stop := l.run(t)
		defer stop()
		total := func() int { return worlds[0].total() + worlds[1].total() }
		// 40 are due to all in a window of ten seconds, and each process has five of its own.
		until(t, "a window's checks of the crowded host, and the small one's", func() bool {
			return total() >= 41 && l.get(t, small[0]).CheckedAt.Equal(l.now())
		})
		time.Sleep(100 * time.Millisecond) // would they go on?
		if n := total(); n > 51+1 {
			t.Errorf("%d checks in one window", n)
		}
		l.advance(10 * time.Second)
		until(t, "the next window's", func() bool { return total() >= 81 })
		stop()
		if n := total(); n > 2*51+1 {
			t.Errorf("%d checks in two windows", n)
		}
		if l.due(t) < len(crowd)-2*51 {
			t.Error("accounts were passed over")
		}
	})
}

// TestProvidersOutage has a provider refuse everybody for an hour: nobody is sent through the wizard, an
// account elsewhere that really was refused is, and all is well when the provider is.
func TestProvidersOutage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		l, worlds := newMailLab(t, engine, 2, nil, nil)
		ids := l.mailboxes(t, 200, "idp")
		alone := l.mailboxes(t, 1, "elsewhere")
		// All refuse from now on, but the checks come one after the other, as they do.
		for _, w := range worlds {
			w.say(always(isRefused))
		}
		stop := l.run(t)
		defer stop()
		all := append(slices.Clone(ids), alone...)
		for range 8 {
			until(t, "nothing is due", func() bool { return l.due(t) == 0 })
			l.advance(10 * time.Minute)
		}
		until(t, "nothing is due", func() bool { return l.due(t) == 0 })
		count := func() map[latchkey.AccountStatus]int {
			n := map[latchkey.AccountStatus]int{}
			for _, id := range ids {
				n[l.get(t, id).Status]++
			}
			return n
		}
		if n := count(); n[latchkey.AccountConnecting] != len(ids) {
			t.Errorf("in the outage: %v", n)
		}
		if a := l.get(t, alone[0]); a.Status != latchkey.AccountCredentials {
			t.Errorf("the one elsewhere is %s", a.Status)
		}
		for _, w := range worlds {
			w.say(always(isFine))
		}
		for range 12 {
			l.advance(10 * time.Minute)
			until(t, "nothing is due", func() bool { return l.due(t) == 0 })
		}
		stop()
		if n := count(); n[latchkey.AccountOK] != len(ids) {
			t.Errorf("after the outage: %v", n)
		}
		for _, id := range all {
			for _, line := range l.history(t, id) {
				if id != alone[0] && strings.HasPrefix(line, "CREDENTIALS") {
					t.Fatalf("told CREDENTIALS: %q", l.history(t, id))
				}
			}
		}
	})
}

// TestClockPutBack: accounts whose next check was written by a clock a year ahead are checked again.
func TestClockPutBack(t *testing.T) {
	t.Parallel()
	l, w := newMailLab(t, "sqlite", 1, nil, nil)
	ids := l.mailboxes(t, 3, "mx.example.org")
	for _, id := range ids {
		a := l.get(t, id)
		a.CheckAt = l.now().Add(365 * 24 * time.Hour)
		if err := l.store.Accounts().Update(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	stop := l.run(t)
	defer stop()
	until(t, "they are due within a pause", func() bool {
		for _, id := range ids {
			if l.get(t, id).CheckAt.After(l.now().Add(accounts.DefaultCheckEvery)) {
				return false
			}
		}
		return true
	})
	l.advance(accounts.DefaultCheckEvery)
	l.settled(t, ids)
	stop()
	if n := w[0].total(); n != len(ids) {
		t.Errorf("%d checks", n)
	}
}

// brittle is a store whose checks and transactions fail while it is broken, as in a restart of the
// database.
type brittle struct {
	store.Store
	mu     sync.Mutex
	broken bool
}

var errRestart = errors.New("the database is restarting")

func (b *brittle) down() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

func (b *brittle) set(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = broken
}

func (b *brittle) InTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	if b.down() {
		return errRestart
	}
	return b.Store.InTx(ctx, fn)
}

func (b *brittle) Checks() store.Checks { return brittleChecks{b.Store.Checks(), b} }

type brittleChecks struct {
	store.Checks
	b *brittle
}

func (c brittleChecks) Due(ctx context.Context, p latchkey.Provider, now time.Time, after store.Due, n int) ([]store.Due, error) {
	if c.b.down() {
		return nil, errRestart
	}
	return c.Checks.Due(ctx, p, now, after, n)
}

func (c brittleChecks) Finish(ctx context.Context, a latchkey.Account, claim time.Time) error {
	if c.b.down() {
		return errRestart
	}
	return c.Checks.Finish(ctx, a, claim)
}

// TestDatabaseRestarts in the middle of checks: what could not be written is found out again.
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		var b *brittle
		l, w := newMailLab(t, engine, 1, func(s store.Store) store.Store { b = &brittle{Store: s}; return b }, nil)
		ids := l.mailboxes(t, 20, "mx.example.org")
		w[0].block = make(chan struct{})
		stop := l.run(t)
		defer stop()
		until(t, "checks run", func() bool { return w[0].total() > 0 })
		b.set(true)
		close(w[0].block)
		until(t, "they are through", func() bool {
			w[0].mu.Lock()
			defer w[0].mu.Unlock()
			return w[0].now["mx.example.org"] == 0
		})
		b.set(false)
		l.advance(4 * time.Minute)
		until(t, "all are checked", func() bool {
			l.advance(time.Second)
			return !slices.ContainsFunc(ids, func(id latchkey.AccountID) bool { return l.get(t, id).CheckedAt.IsZero() })
		})
		stop()
		for _, id := range ids {
			if n := l.told(t, id); n != 0 {
				t.Errorf("%d events", n)
			}
		}
	})
}

// TestRefusedRenewalIsConfirmedLater has a provider refuse a renewal: a second refusal, later, is believed.
func TestRefusedRenewalIsConfirmedLater(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite", 1, nil, nil)
	a := l.account(t, "u", time.Hour, -time.Second)
	l.idp.next(refusal, refusal)
	stop := l.run(t)
	defer stop()
	until(t, "refused once", func() bool {
		return l.get(t, a.ID).RefreshAt.After(l.now().Add(time.Second)) && !l.get(t, a.ID).Refreshing(l.now())
	})
	if got := l.get(t, a.ID); got.Status != latchkey.AccountOK || got.Watch.Doubts != 1 {
		t.Errorf("%s, %d doubts", got.Status, got.Watch.Doubts)
	}
	l.idp.next(refusal, refusal)
	l.advance(12 * time.Minute) // a process that has just started is not sure
	until(t, "refused again", func() bool { return l.get(t, a.ID).Status == latchkey.AccountCredentials })
	if got := l.history(t, a.ID); !slices.Equal(got, []string{"CREDENTIALS refresh password_changed"}) {
		t.Errorf("history %q", got)
	}
	stop()
}

// TestEarlyWarning: an end that is a week ahead is told once, where renewals keep failing and where the
// grant itself ends.
func TestEarlyWarning(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	warnings := func(l *lab) (n int) {
		for _, e := range l.types(t) {
			if e == string(latchkey.EventAccountExpiring) {
				n++
			}
		}
		return n
	}
	t.Run("renewals fail", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "sqlite", 1, nil, nil)
		a := l.account(t, "u", 8*day, -time.Second)
		stop := l.run(t)
		defer stop()
		for i := range 400 {
			l.idp.next(outage)
			was := l.get(t, a.ID)
			l.advance(max(was.RefreshAt.Sub(l.now()), 0))
			until(t, "tried again", func() bool {
				g := l.get(t, a.ID)
				return g.Watch.Renewals > was.Watch.Renewals && !g.Refreshing(l.now())
			})
			if i == 20 {
				if warnings(l) != 0 {
					t.Error("told too early")
				}
				l.advance(day + time.Hour)
			}
			if i == 30 {
				break
			}
		}
		stop()
		if n := warnings(l); n != 1 {
			t.Errorf("%d warnings", n)
		}
	})
	t.Run("the grant ends", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "sqlite", 1, nil, nil)
		a := l.account(t, "u", time.Hour, -time.Second)
		ends := l.now().Add(10 * day)
		renew := func(gen int) func(context.Context) (connector.Refreshed, error) {
			return func(context.Context) (connector.Refreshed, error) {
				return connector.Refreshed{Secret: fmt.Appendf(nil, "u %d", gen), ExpiresAt: l.now().Add(60 * day), GrantEnds: ends}, nil
			}
		}
		stop := l.run(t)
		defer stop()
		for gen := 2; gen < 5; gen++ {
			l.idp.next(renew(gen))
			l.advance(max(l.get(t, a.ID).RefreshAt.Sub(l.now()), 0))
			until(t, "renewed", func() bool { return string(l.get(t, a.ID).Secret) == fmt.Sprint("u ", gen) })
			if want := min(gen-2, 1); warnings(l) != want {
				t.Errorf("generation %d: %d warnings", gen, warnings(l))
			}
		}
		stop()
	})
}
