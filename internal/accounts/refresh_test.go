package accounts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// idp is a connector over a scripted provider. Its credentials are "NAME GENERATION": each refresh
// token works once, and one that is used again is refused, as providers with rotation do.
type idp struct {
	connector.Connector
	life time.Duration
	now  func() time.Time

	mu      sync.Mutex
	calls   int
	times   []time.Time // of the calls
	reused  int
	valid   map[string]int // generation by name
	script  []func(ctx context.Context) (connector.Refreshed, error)
	app     *connector.App
	revoked []string
	checked []string
}

// Describe says nothing.
func (*idp) Describe() connector.Descriptor { return connector.Descriptor{} }

func (p *idp) Refresh(ctx context.Context, c connector.Credential) (connector.Refreshed, error) {
	p.mu.Lock()
	p.calls++
	p.times = append(p.times, time.Now())
	p.app = c.App
	if len(p.script) > 0 {
		step := p.script[0]
		p.script = p.script[1:]
		p.mu.Unlock()
		return step(ctx)
	}
	defer p.mu.Unlock()
	name, text, _ := strings.Cut(string(c.Secret), " ")
	n, err := strconv.Atoi(text)
	if err != nil {
		return connector.Refreshed{}, err
	}
	if n < p.valid[name] {
		p.reused++
		return connector.Refreshed{Refused: &connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonConsentRevoked}}, nil
	}
	p.valid[name] = n + 1
	return connector.Refreshed{Secret: fmt.Appendf(nil, "%s %d", name, n+1), ExpiresAt: p.now().Add(p.life)}, nil
}

func (p *idp) Token(c connector.Credential) (connector.AccessToken, error) {
	return connector.AccessToken{Token: "at-" + strings.ReplaceAll(string(c.Secret), " ", "-"), Type: "Bearer", Scopes: []string{"mail"}}, nil
}

// Check says what the credential was.
func (p *idp) Check(_ context.Context, c connector.Credential) (connector.Health, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checked, p.app = append(p.checked, string(c.Secret)), c.App
	return connector.Health{Status: latchkey.AccountOK}, nil
}

func (p *idp) Revoke(_ context.Context, c connector.Credential) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = append(p.revoked, string(c.Secret))
	return nil
}

func (p *idp) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func (p *idp) next(steps ...func(ctx context.Context) (connector.Refreshed, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = steps
}

// What the provider can do.
func outage(context.Context) (connector.Refreshed, error) {
	return connector.Refreshed{}, errors.New("the provider is down")
}

func hang(ctx context.Context) (connector.Refreshed, error) {
	<-ctx.Done()
	return connector.Refreshed{}, ctx.Err()
}

func refusal(context.Context) (connector.Refreshed, error) {
	return connector.Refreshed{Refused: &connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonPasswordChanged}}, nil
}

func brokenApp(context.Context) (connector.Refreshed, error) {
	return connector.Refreshed{RefusedApp: "client_secret_expired"}, nil
}

func nothing(context.Context) (connector.Refreshed, error) { return connector.Refreshed{}, nil }

// oauthApps knows one client, and notes what is said of it.
type oauthApps struct {
	mu    sync.Mutex
	flags []string
}

const appID = "pap_00000000000000000000000000"

func (o *oauthApps) For(_ context.Context, _ latchkey.ApplicationID, p latchkey.Provider, id string) (*connector.App, error) {
	if id != appID {
		return nil, errs.NotFoundf("provider app")
	}
	return &connector.App{ID: id, Provider: p, ClientID: "client"}, nil
}

func (o *oauthApps) Flag(_ context.Context, _ latchkey.ApplicationID, id, code string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flags = append(o.flags, id+" "+code)
	return nil
}

// lab is an installation of one or more replicas, with real stores.
type lab struct {
	replicas []*accounts.Service
	stores   []*sqlstore.Store
	store    store.Store
	idp      *idp
	apps     *oauthApps
	app      latchkey.ApplicationID

	mu sync.Mutex
	at time.Time
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(d)
}

// wrap puts something between a service and its store.
func newLab(t testing.TB, engine string, replicas int, wrap func(store.Store) store.Store, change func(*accounts.Config)) *lab {
	t.Helper()
	l := &lab{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), apps: &oauthApps{}, app: "app_1"}
	l.idp = &idp{life: time.Hour, now: l.now, valid: map[string]int{}}
	log := slog.New(slog.DiscardHandler)
	o := sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: time.Now, Log: log}
	if engine == "postgres" {
		o.URL = pgtest.URL(t)
	}
	var ring *secret.Keyring
	master := secret.NewMasterKey()
	for i := range replicas {
		if i == 0 || engine == "postgres" {
			db, err := sqlstore.OpenDatabase(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if ring, err = secret.LoadOrCreate(t.Context(), db.Keysets(), master, time.Now); err != nil {
				t.Fatal(err)
			}
			s, err := sqlstore.NewStore(db, ring)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			l.stores = append(l.stores, s)
		}
		st := store.Store(l.stores[len(l.stores)-1])
		if wrap != nil {
			st = wrap(st)
		}
		cfg := accounts.Config{
			Store: st, Events: emitter{l.now}, Seal: ring, Now: l.now, Log: log, RefusalPause: time.Millisecond, Apps: l.apps,
			Connectors:  map[latchkey.Provider]connector.Connector{latchkey.Google: l.idp, latchkey.Telegram: plain{}},
			RefreshRate: 10_000, RefreshEvery: 10 * time.Millisecond, RefreshTimeout: 5 * time.Second,
		}
		if change != nil {
			change(&cfg)
		}
		l.replicas = append(l.replicas, accounts.New(cfg))
	}
	l.store = l.stores[0]
	return l
}

// account makes one whose token lives for the time given still, and is due when it is said.
func (l *lab) account(t testing.TB, name string, left, due time.Duration) latchkey.Account {
	t.Helper()
	now := l.now()
	a := latchkey.Account{
		ID: latchkey.NewAccountID(now), ApplicationID: l.app, Provider: latchkey.Google, Identity: name + "@example.org",
		Proof: latchkey.ProofProvider, Status: latchkey.AccountOK, StatusAt: now, Secret: []byte(name + " 1"), ProviderApp: appID,
		ExpiresAt: now.Add(left), RefreshAt: now.Add(due), CreatedAt: now.Add(-time.Hour), UpdatedAt: now.Add(-time.Hour),
	}
	if err := l.store.Accounts().Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func (l *lab) get(t testing.TB, id latchkey.AccountID) latchkey.Account {
	t.Helper()
	a, err := l.store.Accounts().Get(context.WithoutCancel(t.Context()), l.app, string(id))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (l *lab) events(t testing.TB) (out []latchkey.Event) {
	t.Helper()
	evs, err := l.store.Events().List(context.WithoutCancel(t.Context()), l.app, store.EventFilter{}, "", 250)
	if err != nil {
		t.Fatal(err)
	}
	return evs
}

func (l *lab) types(t testing.TB) (out []string) {
	t.Helper()
	for _, e := range l.events(t) {
		out = append(out, string(e.Type))
	}
	return out
}

// run runs all replicas until it is told to stop.
func (l *lab) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	for _, s := range l.replicas {
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
}

// until waits for what the replicas do.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

func each(t *testing.T, test func(t *testing.T, engine string)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

// TestReplicasNeverRefreshOneAccountTwice has a provider that rotates: a refresh token that two
// replicas used would be refused, and its account lost.
func TestReplicasNeverRefreshOneAccountTwice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		l := newLab(t, engine, 2, nil, nil)
		var all []latchkey.Account
		for i := range 120 {
			all = append(all, l.account(t, fmt.Sprint("u", i), 10*time.Minute, -time.Second))
		}
		rest := l.account(t, "later", time.Hour, time.Minute)
		stop := l.run(t)
		defer stop()
		until(t, "all are renewed", func() bool { return l.idp.asked() >= len(all) })
		stop()
		if l.idp.reused != 0 || l.idp.asked() != len(all) {
			t.Errorf("%d refreshes for %d accounts, %d with a token that was used before", l.idp.asked(), len(all), l.idp.reused)
		}
		for _, a := range all {
			got := l.get(t, a.ID)
			if !strings.HasSuffix(string(got.Secret), " 2") || got.Status != latchkey.AccountOK || !got.ExpiresAt.Equal(l.now().Add(time.Hour)) ||
				!got.RefreshAt.After(l.now()) || !got.RefreshAt.Before(got.ExpiresAt) || got.Refreshing(l.now()) {
				t.Fatalf("%q %s, expires %s, refresh %s", got.Secret, got.Status, got.ExpiresAt, got.RefreshAt)
			}
		}
		if got := l.get(t, rest.ID); string(got.Secret) != "later 1" {
			t.Errorf("one that was not due was renewed: %q", got.Secret)
		}
		if ev := l.types(t); len(ev) != 0 {
			t.Errorf("a quiet renewal is told of: %v", ev)
		}
	})
}

func TestWhatComesOfARenewal(t *testing.T) {
	t.Parallel()
	type step = func(context.Context) (connector.Refreshed, error)
	const day = 24 * time.Hour
	changed, expiring := string(latchkey.EventAccountStatusChanged), string(latchkey.EventAccountExpiring)
	for name, c := range map[string]struct {
		before latchkey.Account // status and reason
		left   time.Duration
		script []step
		status latchkey.AccountStatus
		reason latchkey.Reason
		again  [2]time.Duration // when it is tried again; zero for never
		events []string
		flag   string
		secret string
	}{
		"fine":                    {left: time.Minute, status: "OK", again: [2]time.Duration{30 * time.Minute, time.Hour}, flag: "", secret: "u 2"},
		"refused once":            {left: time.Minute, script: []step{refusal}, status: "OK", again: [2]time.Duration{30 * time.Minute, time.Hour}, secret: "u 2"},
		"refused twice":           {left: time.Minute, script: []step{refusal, refusal}, status: "OK", again: [2]time.Duration{time.Minute, 3 * time.Minute}},
		"refused, then an outage": {left: time.Hour, script: []step{refusal, outage}, status: "OK", again: [2]time.Duration{time.Minute, 10 * time.Minute}},
		"outage, token lives":     {left: time.Hour, script: []step{outage}, status: "OK", again: [2]time.Duration{time.Minute, 10 * time.Minute}},
		"outage, token ended":     {left: -time.Minute, script: []step{outage}, status: "CONNECTING", reason: "host_unreachable", again: [2]time.Duration{time.Second, time.Minute}, events: []string{changed}},
		"hang":                    {left: time.Hour, script: []step{hang}, status: "OK", again: [2]time.Duration{time.Minute, 10 * time.Minute}},
		"outage, user must act":   {before: latchkey.Account{Status: "CREDENTIALS", Reason: "imap_disabled"}, left: -time.Minute, script: []step{outage}, status: "CREDENTIALS", reason: "imap_disabled", again: [2]time.Duration{time.Second, time.Minute}},
		"mended outage":           {before: latchkey.Account{Status: "CONNECTING", Reason: "host_unreachable"}, left: -time.Minute, status: "OK", again: [2]time.Duration{30 * time.Minute, time.Hour}, events: []string{changed}, secret: "u 2"},
		"check's finding stays":   {before: latchkey.Account{Status: "CREDENTIALS", Reason: "imap_disabled"}, left: time.Minute, status: "CREDENTIALS", reason: "imap_disabled", again: [2]time.Duration{30 * time.Minute, time.Hour}, secret: "u 2"},
		"app refused":             {left: time.Hour, script: []step{brokenApp}, status: "OK", again: [2]time.Duration{time.Minute, 10 * time.Minute}, flag: "client_secret_expired"},
		"app refused, ended":      {left: -time.Hour, script: []step{brokenApp}, status: "ERROR", reason: latchkey.ReasonProviderApp, again: [2]time.Duration{time.Minute, 30 * time.Minute}, events: []string{changed}, flag: "client_secret_expired"},
		"nothing to renew, far":   {left: 30 * day, script: []step{nothing}, status: "OK", again: [2]time.Duration{23 * day, 23 * day}},
		"nothing to renew, near":  {left: 6 * day, script: []step{nothing}, status: "OK", again: [2]time.Duration{6 * day, 6 * day}, events: []string{expiring}},
		"nothing to renew, ended": {left: 0, script: []step{nothing}, status: "CREDENTIALS", reason: "token_expired", events: []string{changed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "sqlite", 1, nil, func(cfg *accounts.Config) { cfg.RefreshTimeout = 50 * time.Millisecond })
			l.idp.next(c.script...)
			a := l.account(t, "u", c.left, -time.Second)
			if c.before.Status != "" {
				a.Status, a.Reason = c.before.Status, c.before.Reason
				if err := l.store.Accounts().Update(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			stop := l.run(t)
			defer stop()
			until(t, "settled", func() bool { g := l.get(t, a.ID); return !g.RefreshAt.Equal(a.RefreshAt) && !g.Refreshing(l.now()) })
			stop()
			got := l.get(t, a.ID)
			wait := got.RefreshAt.Sub(l.now())
			if got.RefreshAt.IsZero() {
				wait = 0
			}
			if got.Status != c.status || got.Reason != c.reason || wait < c.again[0] || wait > c.again[1] {
				t.Errorf("%s %q, again in %s", got.Status, got.Reason, wait)
			}
			if want := c.secret; want != "" && string(got.Secret) != want || want == "" && string(got.Secret) != "u 1" {
				t.Errorf("secret %q", got.Secret)
			}
			if ev := l.types(t); !slices.Equal(ev, c.events) {
				t.Errorf("events %v, want %v", ev, c.events)
			}
			var flags []string
			if c.flag != "" || c.secret != "" {
				flags = []string{appID + " " + c.flag}
			}
			if !slices.Equal(l.apps.flags, flags) {
				t.Errorf("flags %q, want %q", l.apps.flags, flags)
			}
			if l.idp.app == nil || l.idp.app.ID != appID {
				t.Errorf("the client was %+v", l.idp.app)
			}
		})
	}
}

func TestDeletedClientIsNobodysFault(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite", 1, nil, nil)
	a := l.account(t, "u", time.Hour, -time.Second)
	a.ProviderApp = "pap_gone"
	if err := l.store.Accounts().Update(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	stop := l.run(t)
	defer stop()
	until(t, "settled", func() bool { g := l.get(t, a.ID); return !g.RefreshAt.Equal(a.RefreshAt) && !g.Refreshing(l.now()) })
	stop()
	if got := l.get(t, a.ID); got.Status != latchkey.AccountOK || l.idp.asked() != 0 || len(l.apps.flags) != 0 {
		t.Errorf("%s, %d calls, flags %v", got.Status, l.idp.asked(), l.apps.flags)
	}
}

// failing is a store whose transactions fail for a while.
type failing struct {
	store.Store
	mu    *sync.Mutex
	left  *int
	after bool // fail after the commit: the answer is lost
}

func (f failing) InTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	f.mu.Lock()
	fail := *f.left > 0
	if fail {
		*f.left--
	}
	f.mu.Unlock()
	if !fail {
		return f.Store.InTx(ctx, fn)
	}
	if f.after {
		if err := f.Store.InTx(ctx, fn); err != nil {
			return err
		}
	}
	return errors.New("the database went away")
}

// TestRotatedCredentialIsNotLost fails the write that follows a rotation, before and after commit.
func TestRotatedCredentialIsNotLost(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("committed ", after), func(t *testing.T) {
			t.Parallel()
			left := 4
			l := newLab(t, "sqlite", 1, func(s store.Store) store.Store {
				return failing{Store: s, mu: &sync.Mutex{}, left: &left, after: after}
			}, nil)
			a := l.account(t, "u", time.Minute, -time.Second)
			stop := l.run(t)
			defer stop()
			until(t, "stored", func() bool { return string(l.get(t, a.ID).Secret) == "u 2" })
			stop()
			if got := l.get(t, a.ID); got.Status != latchkey.AccountOK || got.Refreshing(l.now()) || l.idp.asked() != 1 {
				t.Errorf("%s, %d calls", got.Status, l.idp.asked())
			}
		})
	}
}

func TestRenewalYields(t *testing.T) {
	t.Parallel()
	t.Run("to a reconnect", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "sqlite", 1, nil, nil)
		a := l.account(t, "u", time.Minute, -time.Second)
		l.idp.next(func(ctx context.Context) (connector.Refreshed, error) {
			b := l.get(t, a.ID)
			b.Secret, b.RefreshAt = []byte("new 7"), l.now().Add(time.Hour)
			return connector.Refreshed{Secret: []byte("u 2"), ExpiresAt: l.now().Add(time.Hour)}, l.store.Accounts().Update(ctx, b)
		})
		_, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1")
		if got := l.get(t, a.ID); err != nil || string(got.Secret) != "new 7" || !got.RefreshAt.Equal(l.now().Add(time.Hour)) {
			t.Errorf("%q %s, %v", got.Secret, got.RefreshAt, err)
		}
	})
	t.Run("to a deletion", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "sqlite", 1, nil, nil)
		a := l.account(t, "u", time.Minute, -time.Second)
		l.idp.next(func(ctx context.Context) (connector.Refreshed, error) {
			return connector.Refreshed{Secret: []byte("u 2"), ExpiresAt: l.now().Add(time.Hour)}, l.replicas[0].Delete(ctx, l.app, string(a.ID))
		})
		if _, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1"); !errs.Is(err, errs.CodeNotFound) {
			t.Errorf("a token of a deleted account: %v", err)
		}
		done := make(chan error, 2)
		w, err := l.stores[0].Work(t.Context(), sqlstore.WorkConfig{Handlers: map[string]store.Handler{
			accounts.KindRevoke: func(ctx context.Context, j store.RunningJob) error {
				err := l.replicas[0].HandleRevoke(ctx, j)
				done <- err
				return err
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(<-done, <-done, w.Stop(context.WithoutCancel(t.Context()))); err != nil {
			t.Fatal(err)
		}
		slices.Sort(l.idp.revoked)
		if !slices.Equal(l.idp.revoked, []string{"u 1", "u 2"}) {
			t.Errorf("revoked %q", l.idp.revoked)
		}
	})
}

func (l *lab) issued(t testing.TB) (counts []float64) {
	t.Helper()
	for _, e := range l.events(t) {
		if e.Type != accounts.EventTokenIssued {
			continue
		}
		var data map[string]any
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(e.Data), "at-") || data["key_id"] != "key_1" {
			t.Errorf("event: %s", e.Data)
		}
		n, _ := data["count"].(float64)
		counts = append(counts, n)
	}
	return counts
}

// TestCheckRenewsFirst has a check find a token that has ended: that is no reason to say anything bad.
func TestCheckRenewsFirst(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite", 1, nil, nil)
	a := l.account(t, "u", -time.Minute, time.Minute)
	got, err := l.replicas[0].Check(t.Context(), l.app, string(a.ID))
	if err != nil || got.Status != latchkey.AccountOK || !slices.Equal(l.idp.checked, []string{"u 2"}) || l.idp.app == nil {
		t.Errorf("%s, %v, checked %q", got.Status, err, l.idp.checked)
	}
	b := l.account(t, "v", -time.Minute, time.Minute)
	l.idp.next(refusal, refusal)
	got, err = l.replicas[0].Check(t.Context(), l.app, string(b.ID))
	if err != nil || got.Status != latchkey.AccountCredentials || len(l.idp.checked) != 1 {
		t.Errorf("%s, %v, checked %q", got.Status, err, l.idp.checked)
	}
}
