package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

const canary = "CANARY-correct-horse-battery-staple"

func newApplication(secret string) latchkey.Application {
	id := latchkey.NewApplicationID(time.Now())
	return latchkey.Application{ID: id, Name: string(id), WebhookSecret: secret, CreatedAt: time.Now()}
}

func newFlow(app latchkey.ApplicationID, body string) latchkey.Flow {
	now := time.Now()
	return latchkey.Flow{ID: latchkey.NewFlowID(now), ApplicationID: app, Status: latchkey.FlowInProgress, Body: []byte(body), CreatedAt: now}
}

func newAccount(app latchkey.ApplicationID, secret string) latchkey.Account {
	now := time.Now()
	return latchkey.Account{ID: latchkey.NewAccountID(now), ApplicationID: app, Secret: []byte(secret), CreatedAt: now}
}

// sealedValues is how many fill writes.
const sealedValues = 17

func newProviderApp(app latchkey.ApplicationID, secret string) latchkey.ProviderApp {
	now := time.Now()
	return latchkey.ProviderApp{
		ID: latchkey.NewProviderAppID(now), ApplicationID: app, Provider: latchkey.Google, ClientID: "c",
		ClientSecret: secret, ServiceAccount: secret, CreatedAt: now,
	}
}

func newSender(app latchkey.ApplicationID, secret string) latchkey.Sender {
	now := time.Now()
	return latchkey.Sender{
		ID: latchkey.NewSenderID(now), ApplicationID: app, Kind: latchkey.SenderBasic, Password: secret, ClientSecret: secret,
		ServiceAccount: secret, CreatedAt: now,
	}
}

func newMail(app latchkey.ApplicationID, secret string) latchkey.Mail {
	now := time.Now()
	return latchkey.Mail{ID: latchkey.NewMailID(now), ApplicationID: app, Body: []byte(secret), Status: latchkey.MailQueued, CreatedAt: now}
}

func newAnswer(app latchkey.ApplicationID, key byte) store.IdempotentAnswer {
	return store.IdempotentAnswer{
		ApplicationID: app, Route: "POST /v1/links", KeyHash: []byte{key}, CreatedAt: time.Now().Truncate(time.Millisecond),
		ExpiresAt: time.Now().Add(time.Hour),
	}
}

// fill writes the secret into every column that is sealed, and returns how many.
func fill(t *testing.T, s *sqlstore.Store, secret string, key byte) (latchkey.Application, latchkey.Flow, latchkey.Account) {
	t.Helper()
	a := newApplication(secret)
	a.OldWebhookSecret = secret
	f, acc, ans := newFlow(a.ID, secret), newAccount(a.ID, secret), newAnswer(a.ID, key)
	must(t, s.Applications().Create(t.Context(), a))
	must(t, s.Flows().Create(t.Context(), f))
	must(t, s.Flows().Save(t.Context(), f, 0, 0))
	must(t, s.Accounts().Create(t.Context(), acc))
	must(t, s.Accounts().Update(t.Context(), acc))
	l := newLink(a.ID)
	l.Proxy = &latchkey.Proxy{Protocol: latchkey.ProxyHTTP, Host: "proxy.example", Port: 3128, Username: "x", Password: secret}
	must(t, s.Links().Create(t.Context(), l))
	must(t, s.ProviderApps().Create(t.Context(), newProviderApp(a.ID, secret)))
	must(t, s.Senders().Create(t.Context(), newSender(a.ID, secret)))
	must(t, s.Mails().Create(t.Context(), newMail(a.ID, secret)))
	must(t, s.Keeps().Want(t.Context(), store.Keep{AccountID: acc.ID, ApplicationID: a.ID, Provider: latchkey.WhatsApp}))
	must(t, s.Memories().Put(t.Context(), memoryOf(acc), "session", "", map[string][]byte{"one": []byte(secret)}))
	must(t, s.SigningKeys().Create(t.Context(), latchkey.SigningKey{ApplicationID: a.ID, Algorithm: "ES256", Generation: 1, Private: []byte(secret)}))
	must(t, s.Endpoints().Create(t.Context(), latchkey.Endpoint{
		ID: latchkey.NewEndpointID(time.Now()), ApplicationID: a.ID, Secret: secret, OldSecret: secret,
		Headers: []latchkey.Header{{Key: "X-Token", Value: secret}}, CreatedAt: time.Now(),
	}))
	_, won, err := s.Idempotency().Claim(t.Context(), ans, time.Time{})
	must(t, err)
	if !won {
		t.Fatal("the claim was not won")
	}
	ans.Status, ans.Body = 201, []byte(secret)
	must(t, s.Idempotency().Finish(t.Context(), ans))
	return a, f, acc
}

// memoryOf refers to the memory of an account that fill made.
func memoryOf(a latchkey.Account) store.MemoryRef {
	return store.MemoryRef{AccountID: a.ID, ApplicationID: a.ApplicationID, Fence: 1}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	t.Parallel()
	s, path := openSQLite(t)
	fill(t, s, canary, 1)
	// In clear on purpose: it shows that the search finds what is there.
	visible := newLink("app_1")
	visible.Name = "VISIBLE-name"
	must(t, s.Links().Create(t.Context(), visible))
	found := false
	for _, f := range []string{path, path + "-wal"} {
		raw, err := os.ReadFile(f)
		must(t, err)
		found = found || bytes.Contains(raw, []byte("VISIBLE-name"))
		if bytes.Contains(raw, []byte(canary)) || bytes.Contains(raw, []byte("CANARY-correct")) {
			t.Errorf("%s holds the secret in clear", filepath.Base(f))
		}
	}
	if !found {
		t.Error("the search finds nothing at all")
	}
}

func TestSecretsAreNotInTheDump(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s := open(t, sqlstore.Options{URL: url})
	fill(t, s, canary, 1)
	visible := newLink("app_1")
	visible.Name = "VISIBLE-name"
	must(t, s.Links().Create(t.Context(), visible))
	dump, err := exec.CommandContext(t.Context(), pgtest.Binary(t, "pg_dump"), "--inserts", url).Output()
	must(t, err)
	if !bytes.Contains(dump, []byte("VISIBLE-name")) {
		t.Error("the search finds nothing at all")
	}
	hex := fmt.Sprintf("%x", canary)
	if bytes.Contains(dump, []byte(canary)) || strings.Contains(string(dump), hex) {
		t.Error("the dump holds the secret in clear")
	}
}

// TestSealedValuesAreBoundToTheirPlace moves sealed values to other rows, columns and applications,
// as somebody who can write to the database could.
func TestSealedValuesAreBoundToTheirPlace(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		t.Helper()
		s := open(t)
		db := s.Database().Writer()
		a1, f1, acc1 := fill(t, s, "secret of the first", 1)
		a2, f2, acc2 := fill(t, s, "secret of the second", 2)
		read := map[string]func() error{
			"application": func() error { _, err := s.Applications().Get(t.Context(), a2.ID); return err },
			"flow":        func() error { _, err := s.Flows().Get(t.Context(), f2.ID); return err },
			"account":     func() error { _, err := s.Accounts().Get(t.Context(), acc2.ApplicationID, string(acc2.ID)); return err },
		}
		for _, c := range []struct{ what, statement, from, to string }{
			{"application", "UPDATE applications SET webhook_secret = (SELECT webhook_secret FROM applications WHERE id = $1) WHERE id = $2", string(a1.ID), string(a2.ID)},
			{"flow", "UPDATE flows SET body = (SELECT body FROM flows WHERE id = $1) WHERE id = $2", string(f1.ID), string(f2.ID)},
			{"flow", "UPDATE flows SET body = (SELECT secret FROM accounts WHERE id = $1) WHERE id = $2", string(acc1.ID), string(f2.ID)},
			{"account", "UPDATE accounts SET secret = (SELECT secret FROM accounts WHERE id = $1) WHERE id = $2", string(acc1.ID), string(acc2.ID)},
		} {
			if _, err := db.ExecContext(t.Context(), c.statement, c.from, c.to); err != nil {
				t.Fatal(err)
			}
			if read[c.what]() == nil {
				t.Errorf("the %s opens a value that was moved there: %s", c.what, c.statement)
			}
		}
		// A provider app's secrets: into another row, and into each other's column.
		p1, p2 := newProviderApp(a1.ID, "one"), newProviderApp(a1.ID, "two")
		must(t, s.ProviderApps().Create(t.Context(), p1))
		must(t, s.ProviderApps().Create(t.Context(), p2))
		for _, move := range []string{
			"UPDATE provider_apps SET client_secret = (SELECT client_secret FROM provider_apps WHERE id = $1) WHERE id = $2",
			"UPDATE provider_apps SET service_account = (SELECT client_secret FROM provider_apps WHERE id = $2) WHERE id = $1",
		} {
			from, to := p1, p2
			if strings.Contains(move, "SET service_account") {
				from, to = p1, p1
			}
			_, err := db.ExecContext(t.Context(), move, string(from.ID), string(to.ID))
			must(t, err)
			if _, err := s.ProviderApps().Get(t.Context(), a1.ID, to.ID); err == nil {
				t.Errorf("the provider app opens a value that was moved there: %s", move)
			}
		}
		// The row as a whole, under another application.
		if _, err := db.ExecContext(t.Context(), "UPDATE accounts SET application_id = $1 WHERE id = $2", string(a2.ID), string(acc1.ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Accounts().Get(t.Context(), a2.ID, string(acc1.ID)); err == nil {
			t.Error("an account opens under another application")
		}
		if _, err := db.ExecContext(t.Context(), "UPDATE idempotency SET body = (SELECT body FROM idempotency WHERE application_id = $1) WHERE application_id = $2",
			string(a1.ID), string(a2.ID)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Idempotency().Claim(t.Context(), newAnswer(a2.ID, 2), time.Time{}); err == nil {
			t.Error("an answer opens under another application")
		}
	})
}

func TestReseal(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, openEngine func(t *testing.T) *sqlstore.Store) {
		t.Helper()
		s := openEngine(t)
		keys := s.Sealer().(*ring)
		const n = 30
		var flows []latchkey.Flow
		var accounts []latchkey.Account
		for i := range n {
			_, f, a := fill(t, s, fmt.Sprintf("secret %d", i), byte(i))
			flows, accounts = append(flows, f), append(accounts, a)
		}
		must(t, s.Flows().Create(t.Context(), newFlow("app_empty", "")))
		keys.rotate(t, "key-2")
		if got, err := s.SealedWith(t.Context(), []byte("key-1")); err != nil || got != sealedValues*n {
			t.Fatalf("sealed with the old key: %d, %v; want %d", got, err, sealedValues*n)
		}
		// One value cannot be opened: it must be reported, and not keep the others from being sealed.
		_, err := s.Database().Writer().ExecContext(t.Context(), "UPDATE accounts SET secret = $1 WHERE id = (SELECT min(id) FROM accounts)", []byte("key-0 damaged"))
		must(t, err)

		// Writers go on meanwhile; what they write must not be undone by an older value.
		var wg sync.WaitGroup
		for i, f := range flows {
			wg.Go(func() {
				for v := range int64(5) {
					f.Version, f.Body = v+1, fmt.Appendf(nil, "state %d of %d", v+1, i)
					if err := s.Flows().Save(t.Context(), f, v, 0); err != nil {
						t.Errorf("save: %v", err)
					}
				}
			})
		}
		// So do connections, whose keys move on with each message.
		for i, a := range accounts {
			wg.Go(func() {
				for v := range 5 {
					values := map[string][]byte{"one": fmt.Appendf(nil, "keys %d of %d", v+1, i), fmt.Sprint("late", v): []byte("late")}
					if err := s.Memories().Put(t.Context(), memoryOf(a), "session", "", values); err != nil {
						t.Errorf("keys of a connection: %v", err)
					}
				}
			})
		}
		for {
			done, err := s.Reseal(t.Context(), 7)
			if done > 7 {
				t.Errorf("%d values in a batch of 7", done)
			}
			if done == 0 {
				if err == nil || !strings.Contains(err.Error(), "accounts|") {
					t.Errorf("the value that cannot be opened was not reported: %v", err)
				}
				break
			}
		}
		wg.Wait()
		if got, err := s.SealedWith(t.Context(), []byte("key-1")); err != nil || got != 0 {
			t.Errorf("sealed with the old key: %d, %v; want 0", got, err)
		}
		const late = 5 * n
		if got, err := s.SealedWith(t.Context(), []byte("key-2")); err != nil || got != sealedValues*n-1+late {
			t.Errorf("sealed with the new key: %d, %v; want %d", got, err, sealedValues*n-1+late)
		}
		for i, a := range accounts {
			got, err := s.Memories().List(t.Context(), memoryOf(a), "session", "")
			if err != nil || len(got) != 6 || string(got["one"]) != fmt.Sprintf("keys 5 of %d", i) {
				t.Errorf("memory %d: %q, %v", i, got, err)
			}
		}
		for i, f := range flows {
			got, err := s.Flows().Get(t.Context(), f.ID)
			if err != nil || string(got.Body) != fmt.Sprintf("state 5 of %d", i) {
				t.Errorf("flow %d: %q, %v", i, got.Body, err)
			}
		}
	})
}

// TestTwoReplicas has two stores on one PostgreSQL.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	url, keys := pgtest.URL(t), newRing(t)
	stores := []*sqlstore.Store{open(t, sqlstore.Options{URL: url, Sealer: keys}), open(t, sqlstore.Options{URL: url, Sealer: keys})}
	f := newFlow("app_1", "state")
	must(t, stores[0].Flows().Create(t.Context(), f))
	var wg sync.WaitGroup
	won := make(chan int, 100)
	for i := range 50 {
		wg.Go(func() {
			next := f
			next.Version++
			err := stores[i%2].InTx(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Flows().Save(ctx, next, 0, 0) })
			if err == nil {
				won <- i
			}
			if _, err := stores[i%2].Tries().Count(t.Context(), "both", time.Hour, f.CreatedAt); err != nil {
				t.Errorf("count: %v", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d replicas saved the same version, want 1", len(won))
	}
	if n, err := stores[0].Tries().Count(t.Context(), "both", time.Hour, f.CreatedAt); err != nil || n != 51 {
		t.Errorf("counted %d, %v; want 51", n, err)
	}
}
