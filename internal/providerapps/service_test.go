package providerapps_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/pgtest"
	"latchkey/internal/providerapps"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

const app latchkey.ApplicationID = "app_1"

// emitter writes events as hooks does.
type emitter struct{ now func() time.Time }

func (e emitter) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	// Long ago by the store's clock, which holds the newest back from readers of all events.
	ev.ID, ev.CreatedAt = latchkey.NewEventID(time.Now()), e.now().AddDate(-20, 0, 0)
	return ev, tx.Events().Add(ctx, ev)
}

// verifier says what it is told to.
type verifier struct {
	connector.Connector
	say func(a connector.App, callback string) ([]connector.AppFinding, error)
}

func (v verifier) VerifyApp(_ context.Context, a connector.App, callback string) ([]connector.AppFinding, error) {
	return v.say(a, callback)
}

type lab struct {
	// replicas share one database.
	replicas []*providerapps.Service
	store    *sqlstore.Store
	logs     *strings.Builder

	mu  sync.Mutex
	at  time.Time
	say func(a connector.App, callback string) ([]connector.AppFinding, error)
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

func each(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newLab(t, engine))
		})
	}
}

func newLab(t *testing.T, engine string) *lab {
	t.Helper()
	l := &lab{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), logs: &strings.Builder{}}
	o := sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if engine == "postgres" {
		o.URL = pgtest.URL(t)
	}
	master := secret.NewMasterKey()
	for i := range 2 {
		if i == 0 || engine == "postgres" {
			db, err := sqlstore.OpenDatabase(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), master, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if l.store, err = sqlstore.NewStore(db, ring); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		l.replicas = append(l.replicas, providerapps.New(providerapps.Config{
			Store: l.store, Events: emitter{l.now}, CallbackURL: "https://connect.test/oauth/callback", Now: l.now,
			Connectors: map[latchkey.Provider]connector.Connector{
				latchkey.Google: verifier{say: func(a connector.App, cb string) ([]connector.AppFinding, error) { return l.say(a, cb) }},
			},
			Log: slog.New(slog.NewTextHandler(locked{&l.mu, l.logs}, nil)),
		}))
	}
	return l
}

type locked struct {
	mu *sync.Mutex
	b  *strings.Builder
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func ptr[T any](v T) *T { return &v }

func google(id string) providerapps.Spec {
	return providerapps.Spec{Provider: ptr("google"), ClientID: ptr(id), ClientSecret: ptr("canary-secret")}
}

func (l *lab) create(t *testing.T, s providerapps.Spec) latchkey.ProviderApp {
	t.Helper()
	a, err := l.replicas[0].Create(t.Context(), app, s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (l *lab) defaults(t *testing.T) (ids []latchkey.ProviderAppID) {
	t.Helper()
	all, err := l.replicas[0].List(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Default {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

func TestThereIsAlwaysOneDefault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *lab) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				s := google(fmt.Sprint("client-", i))
				s.Default = ptr(i%2 == 0)
				if _, err := l.replicas[i%2].Create(t.Context(), app, s); err != nil {
					t.Errorf("create: %v", err)
				}
			})
		}
		wg.Wait()
		was := l.defaults(t)
		if len(was) != 1 {
			t.Fatalf("defaults: %v", was)
		}
		next := l.create(t, google("next"))
		if _, err := l.replicas[0].Update(t.Context(), app, next.ID, providerapps.Spec{Default: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		if got := l.defaults(t); len(got) != 1 || got[0] != next.ID {
			t.Errorf("defaults: %v", got)
		}
		if err := l.replicas[0].Delete(t.Context(), app, next.ID); err != nil {
			t.Fatal(err)
		}
		if got := l.defaults(t); len(got) != 1 || got[0] == next.ID {
			t.Errorf("defaults after the default was deleted: %v", got)
		}
		if err := l.replicas[0].Delete(t.Context(), app, next.ID); !errs.Is(err, errs.CodeNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
	})
}

func TestForFindsTheClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *lab) {
		t.Helper()
		here, there := l.replicas[0], l.replicas[1]
		missing := func(s *providerapps.Service, id latchkey.ApplicationID, p latchkey.Provider, ref string) {
			t.Helper()
			if c, err := s.For(t.Context(), id, p, ref); !errs.Is(err, errs.CodeNotFound) {
				t.Errorf("%s %s %q: %v, %v", id, p, ref, c, err)
			}
		}
		missing(here, app, latchkey.Google, "")
		missing(there, app, latchkey.Google, "")
		first, second := l.create(t, google("one")), l.create(t, google("two"))
		for ref, want := range map[string]string{"": "one", string(first.ID): "one", string(second.ID): "two"} {
			c, err := here.For(t.Context(), app, latchkey.Google, ref)
			if err != nil || c.ClientID != want || c.ClientSecret != "canary-secret" || c.Protocol != "imap" {
				t.Errorf("%q: %+v, %v", ref, c, err)
			}
		}
		if !here.Has(t.Context(), app, latchkey.Google) || here.Has(t.Context(), app, latchkey.Microsoft) {
			t.Error("has")
		}
		missing(here, app, latchkey.Microsoft, string(first.ID))
		missing(here, "app_2", latchkey.Google, string(first.ID))
		missing(here, "app_2", latchkey.Google, "")
		// The other replica believes what it knew for five seconds, and no longer.
		missing(there, app, latchkey.Google, "")
		l.advance(5 * time.Second)
		if c, err := there.For(t.Context(), app, latchkey.Google, ""); err != nil || c.ClientID != "one" {
			t.Errorf("five seconds later: %+v, %v", c, err)
		}
		if _, err := here.Update(t.Context(), app, first.ID, providerapps.Spec{ClientSecret: ptr(" new\n")}); err != nil {
			t.Fatal(err)
		}
		if c, err := here.For(t.Context(), app, latchkey.Google, ""); err != nil || c.ClientSecret != "new" || c.ClientID != "one" {
			t.Errorf("at once after a change: %+v, %v", c, err)
		}
		l.advance(-time.Hour) // somebody sets the clock back
		if c, err := there.For(t.Context(), app, latchkey.Google, ""); err != nil || c.ClientSecret != "new" {
			t.Errorf("after the clock went back: %+v, %v", c, err)
		}
		if strings.Contains(l.logs.String(), "canary-secret") {
			t.Error("the log holds a secret")
		}
	})
}

// TestFlagIsToldOnce has both replicas find out at once, many times over.
func TestFlagIsToldOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *lab) {
		t.Helper()
		a := l.create(t, google("one"))
		flag := func(code string) {
			t.Helper()
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					if err := l.replicas[i%2].Flag(t.Context(), app, string(a.ID), code); err != nil {
						t.Errorf("flag: %v", err)
					}
				})
			}
			wg.Wait()
			l.advance(5 * time.Second)
		}
		flag("client_secret_expired")
		if got, err := l.replicas[0].Get(t.Context(), app, a.ID); err != nil || got.Flag != "client_secret_expired" || got.ClientSecret != "canary-secret" {
			t.Errorf("%+v, %v", got, err)
		}
		flag("")
		if err := l.replicas[0].Flag(t.Context(), app, "pap_gone", "x"); err != nil {
			t.Errorf("one that is gone: %v", err)
		}
		evs, err := l.store.Events().List(t.Context(), app, store.EventFilter{}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		type said struct{ Type, ID, Provider, Name, Code string }
		var got []said
		for _, e := range evs {
			var d struct {
				ID       string `json:"provider_app_id"`
				Provider string `json:"provider"`
				Name     string `json:"name"`
				Code     string `json:"code"`
			}
			if err := json.Unmarshal(e.Data, &d); err != nil || e.AccountID != "" {
				t.Errorf("%s, %v", e.Data, err)
			}
			got = append(got, said{string(e.Type), d.ID, d.Provider, d.Name, d.Code})
		}
		want := []said{
			{"provider_app.broken", string(a.ID), "GOOGLE", "GOOGLE", "client_secret_expired"},
			{"provider_app.mended", string(a.ID), "GOOGLE", "GOOGLE", ""},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite")
	s := l.replicas[0]
	a := l.create(t, google("one"))
	if err := s.Flag(t.Context(), app, string(a.ID), "client_secret_expired"); err != nil {
		t.Fatal(err)
	}
	right := true
	l.say = func(c connector.App, callback string) ([]connector.AppFinding, error) {
		if c.ClientSecret != "canary-secret" || callback != "https://connect.test/oauth/callback" {
			return nil, errors.New("asked wrong")
		}
		return []connector.AppFinding{{Code: "client_id", OK: true}, {Code: "client_secret", OK: right, Detail: "Click."}}, nil
	}
	right = false
	if v, err := s.Verify(t.Context(), app, a.ID); err != nil || v.OK || len(v.Findings) != 2 || v.App.Flag == "" {
		t.Errorf("%+v, %v", v, err)
	}
	right = true
	if v, err := s.Verify(t.Context(), app, a.ID); err != nil || !v.OK || v.App.Flag != "" {
		t.Errorf("%+v, %v", v, err)
	}
	if got, err := s.Get(t.Context(), app, a.ID); err != nil || got.Flag != "" {
		t.Errorf("the flag stays: %+v, %v", got, err)
	}
	l.say = func(connector.App, string) ([]connector.AppFinding, error) { return nil, errors.New("down") }
	if _, err := s.Verify(t.Context(), app, a.ID); !errs.Is(err, errs.CodeUnavailable) {
		t.Errorf("an outage: %v", err)
	}
	l.say = func(connector.App, string) ([]connector.AppFinding, error) { return nil, nil }
	if v, err := s.Verify(t.Context(), app, a.ID); err != nil || v.OK {
		t.Errorf("nothing was looked at, and that is fine? %+v, %v", v, err)
	}
	other := l.create(t, providerapps.Spec{Provider: ptr("LINKEDIN"), ClientID: ptr("x"), ClientSecret: ptr("s")})
	if _, err := s.Verify(t.Context(), app, other.ID); !errs.Is(err, errs.CodeUnsupported) {
		t.Errorf("no verifier: %v", err)
	}
	if _, err := s.Verify(t.Context(), "app_2", a.ID); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("a foreign app: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite")
	for i := range 50 {
		l.create(t, google(fmt.Sprint(i)))
	}
	if _, err := l.replicas[0].Create(t.Context(), app, google("51")); !errs.Is(err, errs.CodeConflict) {
		t.Errorf("%v", err)
	}
}

func FuzzApply(f *testing.F) {
	f.Add("GOOGLE", "id", "secret", "", "", "", "", "imap", "scope")
	f.Add("MICROSOFT", "00000000-0000-4000-8000-000000000000", "x~y", "{}", "common", "global", "", "api", "a b")
	f.Add("GOOGLE", "", "", `{"type":"service_account","client_email":"a","private_key":"PRIVATE KEY"}`, "", "", "acme.io", "", "\"")
	f.Fuzz(func(t *testing.T, provider, id, secret, key, tenant, cloud, domain, protocol, scope string) {
		s := providerapps.Spec{
			Provider: &provider, ClientID: &id, ClientSecret: &secret, ServiceAccount: &key, Tenant: &tenant, Cloud: &cloud, Domain: &domain,
			Protocol: &protocol, ExtraScopes: &[]string{scope},
		}
		a, problems := providerapps.Apply(latchkey.ProviderApp{}, s)
		for _, p := range problems {
			if p.Field == "" || p.Code == "" || p.Message == "" || len(secret) > 20 && strings.Contains(p.Message, secret) {
				t.Errorf("%+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		// What is taken can go into a URL, a header or a form without breaking out of it.
		for _, v := range []string{a.ClientID, a.ClientSecret, a.Tenant, a.Cloud, a.Domain, a.Protocol, a.ExtraScopes[0]} {
			if strings.ContainsAny(v, " \r\n\t\x00") {
				t.Errorf("%q was taken", v)
			}
		}
		if strings.ContainsAny(a.Tenant, "/?#@:%") || strings.ContainsAny(a.Domain, "/?#@:%") {
			t.Errorf("tenant %q, domain %q", a.Tenant, a.Domain)
		}
		// And it stays as it is when it is applied again.
		again, problems := providerapps.Apply(a, providerapps.Spec{})
		if diff := cmp.Diff(a, again); len(problems) > 0 || diff != "" {
			t.Errorf("%v\n%s", problems, diff)
		}
	})
}
