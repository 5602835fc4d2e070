package accounts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

const canary = "canary-credential-7f3a9c"

// provider is a connector whose checks and revocations are scripted.
type provider struct {
	connector.Connector
	mu      sync.Mutex
	health  []connector.Health
	checks  int
	during  func()
	revoked []connector.Credential
	refuse  error
}

func (*provider) Describe() connector.Descriptor { return connector.Descriptor{} }

func (p *provider) Check(_ context.Context, _ connector.Credential) (connector.Health, error) {
	p.mu.Lock()
	h := p.health[min(p.checks, len(p.health)-1)]
	p.checks++
	during := p.during
	p.mu.Unlock()
	if during != nil {
		during()
	}
	return h, nil
}

func (p *provider) Revoke(_ context.Context, c connector.Credential) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return p.refuse
	}
	p.revoked = append(p.revoked, c)
	return nil
}

// plain is a connector that can neither check nor revoke.
type plain struct{ connector.Connector }

// emitter writes events as the real one does.
type emitter struct{ now func() time.Time }

func (e emitter) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	ev.ID, ev.CreatedAt = latchkey.NewEventID(e.now()), e.now()
	seq, _, err := tx.Accounts().NextSequence(ctx, ev.AccountID, ev.CreatedAt)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ev, err
	}
	ev.Sequence = seq
	return ev, tx.Events().Add(ctx, ev)
}

type house struct {
	*accounts.Service
	store    *sqlstore.Store
	provider *provider
	app      latchkey.Application
	path     string
	mu       sync.Mutex
	at       time.Time
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), path: filepath.Join(t.TempDir(), "test.db"),
		provider: &provider{health: []connector.Health{{Status: latchkey.AccountOK}}},
	}
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: h.path, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if h.store, err = sqlstore.NewStore(db, ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	h.Service = accounts.New(accounts.Config{
		Store: h.store, Events: emitter{h.now}, Seal: ring, Now: h.now, Log: log, RefusalPause: time.Millisecond,
		Connectors: map[latchkey.Provider]connector.Connector{latchkey.Mock: h.provider, latchkey.Telegram: plain{}},
	})
	h.app = latchkey.Application{ID: latchkey.NewApplicationID(h.at), Name: "app", CreatedAt: h.at}
	if err := h.store.Applications().Create(t.Context(), h.app); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) account(t *testing.T, p latchkey.Provider, external string) latchkey.Account {
	t.Helper()
	a := latchkey.Account{
		ID: latchkey.NewAccountID(h.now()), ApplicationID: h.app.ID, ExternalID: external, Provider: p, Identity: "ada@example.org",
		Proof: latchkey.ProofTyped, Status: latchkey.AccountOK, StatusAt: h.now(), Params: json.RawMessage(`{"imap_host":"h"}`),
		Secret: []byte(canary), CreatedAt: h.now(), UpdatedAt: h.now(),
	}
	if err := h.store.Accounts().Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func (h *house) events(t *testing.T) []latchkey.Event {
	t.Helper()
	evs, err := h.store.Events().List(t.Context(), h.app.ID, store.EventFilter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return evs
}

func TestCheckWritesWhatItFinds(t *testing.T) {
	t.Parallel()
	outage := connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonHostUnreachable}
	refusal := connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonPasswordChanged}
	fine := connector.Health{Status: latchkey.AccountOK}
	for name, c := range map[string]struct {
		before latchkey.AccountStatus
		health []connector.Health
		want   latchkey.AccountStatus
		reason latchkey.Reason
		checks int
		events int
	}{
		"fine":                         {latchkey.AccountOK, []connector.Health{fine}, latchkey.AccountOK, "", 1, 0},
		"outage":                       {latchkey.AccountOK, []connector.Health{outage}, latchkey.AccountConnecting, outage.Reason, 1, 1},
		"refused twice":                {latchkey.AccountOK, []connector.Health{refusal, refusal}, latchkey.AccountCredentials, refusal.Reason, 2, 1},
		"refused once, then fine":      {latchkey.AccountOK, []connector.Health{refusal, fine}, latchkey.AccountOK, "", 2, 0},
		"refused once, then an outage": {latchkey.AccountOK, []connector.Health{refusal, outage}, latchkey.AccountConnecting, outage.Reason, 2, 1},
		"an outage after a refusal":    {latchkey.AccountCredentials, []connector.Health{outage}, latchkey.AccountCredentials, "", 1, 0},
		"mended":                       {latchkey.AccountCredentials, []connector.Health{fine}, latchkey.AccountOK, "", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.provider.health = c.health
			a := h.account(t, latchkey.Mock, "mine")
			a.Status = c.before
			if err := h.store.Accounts().Update(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			got, err := h.Check(t.Context(), h.app.ID, "mine")
			if err != nil {
				t.Fatal(err)
			}
			stored, err := h.Get(t.Context(), h.app.ID, string(a.ID))
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range []latchkey.Account{got, stored} {
				if x.Status != c.want || x.Reason != c.reason || !x.CheckedAt.Equal(h.now()) || string(x.Secret) != canary {
					t.Errorf("account: %s %q, checked %s", x.Status, x.Reason, x.CheckedAt)
				}
			}
			if h.provider.checks != c.checks {
				t.Errorf("%d checks, want %d", h.provider.checks, c.checks)
			}
			evs := h.events(t)
			if len(evs) != c.events {
				t.Fatalf("%d events, want %d", len(evs), c.events)
			}
			for _, e := range evs {
				var data struct {
					Status   latchkey.AccountStatus `json:"status"`
					Previous struct {
						Status latchkey.AccountStatus `json:"status"`
					} `json:"previous"`
				}
				if err := json.Unmarshal(e.Data, &data); err != nil {
					t.Fatal(err)
				}
				if e.Type != latchkey.EventAccountStatusChanged || e.Sequence != 1 || data.Status != c.want || data.Previous.Status != c.before {
					t.Errorf("event: %s %d %s", e.Type, e.Sequence, e.Data)
				}
			}
		})
	}
}

func TestCheckOneAtATime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Mock, "")
	a.CheckedAt = a.UpdatedAt // it was connected just now, which is no reason to wait
	if err := h.store.Accounts().Update(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	h.advance(time.Millisecond)
	var inner error
	h.provider.during = func() { _, inner = h.Check(t.Context(), h.app.ID, string(a.ID)) }
	if _, err := h.Check(t.Context(), h.app.ID, string(a.ID)); err != nil {
		t.Fatal(err)
	}
	h.provider.during = nil
	_, soon := h.Check(t.Context(), h.app.ID, string(a.ID))
	for name, err := range map[string]error{"meanwhile": inner, "at once after": soon} {
		if e := errs.As(err); e.Kind != errs.TooMany || e.RetryAfter <= 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.advance(5 * time.Second)
	if _, err := h.Check(t.Context(), h.app.ID, string(a.ID)); err != nil {
		t.Errorf("later: %v", err)
	}
	h.advance(-time.Hour) // somebody sets the clock back
	if _, err := h.Check(t.Context(), h.app.ID, string(a.ID)); err != nil {
		t.Errorf("after the clock went back: %v", err)
	}
}

func TestCheckYieldsToReconnect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Mock, "")
	h.provider.health = []connector.Health{{Status: latchkey.AccountCredentials}}
	h.provider.during = func() {
		h.advance(time.Second)
		mended := a
		mended.Secret, mended.UpdatedAt = []byte("new"), h.now()
		if err := h.store.Accounts().Update(t.Context(), mended); err != nil {
			t.Error(err)
		}
	}
	got, err := h.Check(t.Context(), h.app.ID, string(a.ID))
	if err != nil || got.Status != latchkey.AccountOK || string(got.Secret) != "new" {
		t.Errorf("%s, %v", got.Status, err)
	}
	if evs := h.events(t); len(evs) != 0 {
		t.Errorf("events: %v", evs)
	}
}

func TestCheckKeepsARotatedSecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Mock, "")
	h.provider.health = []connector.Health{{Status: latchkey.AccountOK, Secret: []byte("rotated")}}
	if _, err := h.Check(t.Context(), h.app.ID, string(a.ID)); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Get(t.Context(), h.app.ID, string(a.ID)); err != nil || string(got.Secret) != "rotated" {
		t.Errorf("%q, %v", got.Secret, err)
	}
}

func TestForeignAccountsAreUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Mock, "mine")
	other := latchkey.Application{ID: latchkey.NewApplicationID(h.now()), Name: "other", CreatedAt: h.now()}
	if err := h.store.Applications().Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{string(a.ID), "mine", string(latchkey.NewAccountID(h.now()))} {
		_, get := h.Get(t.Context(), other.ID, id)
		_, check := h.Check(t.Context(), other.ID, id)
		del := h.Delete(t.Context(), other.ID, id)
		for _, err := range []error{get, check, del} {
			if diff := cmp.Diff(errs.NotFoundf("account").Error(), errs.As(err).Error()); diff != "" {
				t.Error(diff)
			}
		}
	}
	if _, err := h.Get(t.Context(), h.app.ID, "mine"); err != nil {
		t.Errorf("the account is gone: %v", err)
	}
	b := h.account(t, latchkey.Telegram, "")
	if _, err := h.Check(t.Context(), h.app.ID, string(b.ID)); !errs.Is(err, errs.CodeUnsupported) {
		t.Errorf("check without a checker: %v", err)
	}
}

func TestDeleteRevokes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Mock, "mine")
	plainAccount := h.account(t, latchkey.Telegram, "")
	for _, id := range []string{"mine", string(plainAccount.ID)} {
		if err := h.Delete(t.Context(), h.app.ID, id); err != nil {
			t.Fatal(err)
		}
		if err := h.Delete(t.Context(), h.app.ID, id); !errs.Is(err, errs.CodeNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
	}
	if file, err := os.ReadFile(h.path); err != nil || bytes.Contains(file, []byte(canary)) {
		t.Errorf("the credential lies in the database file (or %v)", err)
	}
	done := make(chan error, 10)
	w, err := h.store.Work(t.Context(), sqlstore.WorkConfig{Handlers: map[string]store.Handler{
		accounts.KindRevoke: func(ctx context.Context, j store.RunningJob) error {
			err := h.HandleRevoke(ctx, j)
			done <- err
			return err
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := connector.Credential{AccountID: a.ID, Identity: a.Identity, Params: a.Params, Secret: []byte(canary), ApplicationID: a.ApplicationID}
	if diff := cmp.Diff([]connector.Credential{want}, h.provider.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
	var types []latchkey.EventType
	for _, e := range h.events(t) {
		types = append(types, e.Type)
	}
	slices.Sort(types) // they share a millisecond
	if diff := cmp.Diff([]latchkey.EventType{latchkey.EventAccountDeleted, latchkey.EventAccountDeleted, accounts.EventRevoked}, types); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// enqueued catches the job instead of running it.
type enqueued struct {
	store.Tx
	jobs []store.Job
}

func (e *enqueued) Enqueue(_ context.Context, jobs ...store.Job) error {
	e.jobs = append(e.jobs, jobs...)
	return nil
}

func TestRevokeAndFailedRevocation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.account(t, latchkey.Mock, "")
	a.ProviderApp = "pap_one"
	if err := h.store.Accounts().Update(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	tx := &enqueued{Tx: h.store}
	if err := h.Revoke(t.Context(), tx, a.Provider, a.ApplicationID, connector.Credential{
		AccountID: a.ID, Identity: a.Identity, Params: a.Params, Secret: a.Secret, App: &connector.App{ID: string(a.ProviderApp)},
	}); err != nil {
		t.Fatal(err)
	}
	if len(tx.jobs) != 1 || bytes.Contains(tx.jobs[0].Args, []byte(canary)) {
		t.Fatalf("jobs: %+v", tx.jobs)
	}
	run := func(attempt int) error {
		return h.HandleRevoke(t.Context(), store.RunningJob{Kind: tx.jobs[0].Kind, Args: tx.jobs[0].Args, Attempt: attempt, MaxAttempts: 2})
	}
	if err := run(1); err != nil || len(h.provider.revoked) != 0 {
		t.Fatalf("a grant on which an account stands is revoked (%v)", err)
	}
	if err := h.store.Accounts().Delete(t.Context(), a.ApplicationID, a.ID); err != nil {
		t.Fatal(err)
	}
	if err := run(1); err != nil || len(h.provider.revoked) != 1 {
		t.Fatal(err)
	}
	if evs := h.events(t); len(evs) != 0 {
		t.Errorf("a grant that never was an account is told of: %v", evs)
	}
	// A credential moved into another job does not open.
	var args map[string]any
	if err := json.Unmarshal(tx.jobs[0].Args, &args); err != nil {
		t.Fatal(err)
	}
	args["id"] = "another"
	forged, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.HandleRevoke(t.Context(), store.RunningJob{Args: forged, Attempt: 1, MaxAttempts: 2}); err == nil {
		t.Error("a forged job was done")
	}
	h.provider.refuse = errors.New("provider is down")
	if err := run(2); !errors.Is(err, h.provider.refuse) {
		t.Errorf("the last attempt: %v", err)
	}
}

// TestGrantInUseIsSaid deletes one of two accounts that stand on one grant: the event says why nothing
// was revoked. One whose credential the application keeps has nothing to revoke.
func TestGrantInUseIsSaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var one latchkey.AccountID
	for range 2 {
		a := h.account(t, latchkey.Mock, "")
		a.ProviderApp = "pap_one"
		one = a.ID
		if err := h.store.Accounts().Update(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	lent := h.account(t, latchkey.Mock, "")
	lent.AuthServer = true
	if err := h.store.Accounts().Update(t.Context(), lent); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 10)
	w, err := h.store.Work(t.Context(), sqlstore.WorkConfig{Handlers: map[string]store.Handler{
		accounts.KindRevoke: func(ctx context.Context, j store.RunningJob) error {
			err := h.HandleRevoke(ctx, j)
			ran <- err
			return err
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []latchkey.AccountID{lent.ID, one} {
		if err := h.Delete(t.Context(), h.app.ID, string(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range h.events(t) {
		if e.Type == accounts.EventRevoked || e.Type == accounts.EventRevocationFailed {
			var data struct {
				Reason string `json:"reason"`
			}
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatal(err)
			}
			said = append(said, string(e.Type)+" "+data.Reason)
		}
	}
	if diff := cmp.Diff([]string{"account.revocation_failed in_use"}, said); diff != "" || len(h.provider.revoked) != 0 {
		t.Errorf("%s %v", diff, h.provider.revoked)
	}
}
