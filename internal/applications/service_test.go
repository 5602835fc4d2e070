package applications_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

const webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func openStore(t *testing.T) store.Store {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
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
	return s
}

func newService(st store.Store, c *clock) *applications.Service {
	return applications.New(applications.Config{
		Store: st, Now: c.now, Log: slog.New(slog.DiscardHandler),
		NewWebhookSecret: func() string { return webhookSecret },
	})
}

func start(t *testing.T) (*applications.Service, store.Store, *clock) {
	t.Helper()
	c := &clock{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	st := openStore(t)
	return newService(st, c), st, c
}

func TestCreateAndAuthenticate(t *testing.T) {
	t.Parallel()
	s, st, _ := start(t)
	for _, test := range []bool{false, true} {
		name := map[bool]string{false: "live", true: "trial"}[test]
		made, err := s.Create(t.Context(), applications.Spec{Name: "  " + name + " ", Test: test})
		if err != nil {
			t.Fatal(err)
		}
		pattern := map[bool]string{false: `^lk_live_[0-9A-Za-z]{43}$`, true: `^lk_test_[0-9A-Za-z]{43}$`}[test]
		if key := made.Key.Reveal(); !regexp.MustCompile(pattern).MatchString(key) {
			t.Errorf("a key looks like %q", key)
		}
		app, k, err := s.Authenticate(t.Context(), made.Key.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if app.Name != name || app.Test != test || app.WebhookSecret != webhookSecret {
			t.Errorf("application: %+v", app)
		}
		if diff := cmp.Diff(made.APIKey, k); diff != "" {
			t.Errorf("key (-made +found):\n%s", diff)
		}
		if _, err := st.Keys().ByHash(t.Context(), []byte(made.Key.Reveal())); err == nil {
			t.Error("the key itself is stored")
		}
	}
	if _, err := s.Create(t.Context(), applications.Spec{Name: "live"}); !errs.Is(err, errs.CodeConflict) {
		t.Errorf("a taken name: %v", err)
	}
	for _, name := range []string{"", "   ", "a\x00b", string(make([]rune, 101))} {
		if _, err := s.Create(t.Context(), applications.Spec{Name: name}); !errs.Is(err, errs.CodeInvalidParameters) {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestWrongKeys(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t)
	made, err := s.Create(t.Context(), applications.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	key := made.Key.Reveal()
	for _, wrong := range []string{"", "x", key[:len(key)-1], key + "0", "lk_live_" + key, string(make([]byte, 100_000))} {
		if _, _, err := s.Authenticate(t.Context(), wrong); !errs.Is(err, errs.CodeInvalidKey) {
			t.Errorf("wrong key of %d bytes: %v", len(wrong), err)
		}
	}
}

// counting counts the reads that authentication costs.
type counting struct {
	store.Store
	keys *countingKeys
}

func (c counting) Keys() store.Keys { return c.keys }

type countingKeys struct {
	store.Keys
	mu    sync.Mutex
	reads int
	// during runs inside a read, before its answer is returned.
	during func()
}

func (c *countingKeys) ByHash(ctx context.Context, hash []byte) (latchkey.APIKey, error) {
	c.mu.Lock()
	c.reads++
	during := c.during
	c.mu.Unlock()
	k, err := c.Keys.ByHash(ctx, hash)
	if during != nil {
		during()
	}
	return k, err
}

func TestAuthenticateRemembers(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	st := openStore(t)
	keys := &countingKeys{Keys: st.Keys()}
	s := newService(counting{st, keys}, c)
	made, err := s.Create(t.Context(), applications.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	key := made.Key.Reveal()
	try := func(key string, want int, ok bool) {
		t.Helper()
		_, _, err := s.Authenticate(t.Context(), key)
		if (err == nil) != ok {
			t.Errorf("authenticate: %v", err)
		}
		if keys.reads != want {
			t.Errorf("reads: %d, want %d", keys.reads, want)
		}
	}
	try(key, 1, true)
	try(key, 1, true)
	c.advance(5 * time.Second)
	try(key, 2, true)
	try("nobody's", 3, false)
	try("nobody's", 3, false)
	c.advance(2 * time.Second)
	try("nobody's", 4, false)

	// A read that was under way while its key was deleted must not be remembered.
	c.advance(5 * time.Second)
	keys.during = func() {
		keys.during = nil
		if err := s.DeleteKey(t.Context(), made.Application.ID, made.APIKey.ID); err != nil {
			t.Error(err)
		}
	}
	try(key, 5, true)
	try(key, 6, false)
}

func TestDeletedKeyIsForgottenAtOnce(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t)
	made, err := s.Create(t.Context(), applications.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Create(t.Context(), applications.Spec{Name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	k, text, err := s.CreateKey(t.Context(), made.Application.ID, "links only", []latchkey.Permission{latchkey.PermLinks})
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := s.Authenticate(t.Context(), text.Reveal())
	if err != nil || !got.May(latchkey.PermLinks) || got.May(latchkey.PermAccounts) {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := s.DeleteKey(t.Context(), other.Application.ID, k.ID); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("a foreign key: %v", err)
	}
	if err := s.DeleteKey(t.Context(), made.Application.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Authenticate(t.Context(), text.Reveal()); !errs.Is(err, errs.CodeInvalidKey) {
		t.Errorf("a deleted key: %v", err)
	}
	if err := s.DeleteKey(t.Context(), made.Application.ID, k.ID); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, _, err := s.CreateKey(t.Context(), made.Application.ID, "x", []latchkey.Permission{"root"}); !errs.Is(err, errs.CodeInvalidParameters) {
		t.Errorf("an unknown permission: %v", err)
	}
	if _, _, err := s.CreateKey(t.Context(), "app_0", "x", nil); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("an unknown application: %v", err)
	}
}

func TestEnsureDefault(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t)
	ensure := func(key, hook string) applications.Default {
		t.Helper()
		d, err := s.EnsureDefault(t.Context(), applications.Prepared{APIKey: secret.NewText(key), WebhookSecret: secret.NewText(hook)})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	works := func(key string, want bool) {
		t.Helper()
		if _, _, err := s.Authenticate(t.Context(), key); (err == nil) != want {
			t.Errorf("key works: %v, want %v", err == nil, want)
		}
	}
	first := ensure("", "")
	if first.FirstKey.IsZero() || !first.Created || first.Application.Name != applications.DefaultName || first.Application.Test {
		t.Fatalf("first start: %+v", first)
	}
	works(first.FirstKey.Reveal(), true)
	if again := ensure("", ""); !again.FirstKey.IsZero() || again.Created || again.Application.ID != first.Application.ID {
		t.Errorf("second start: %+v", again)
	}
	one, two := "prepared-key-number-one-0123456789", "prepared-key-number-two-0123456789"
	ensure(one, "")
	works(one, true)
	ensure(one, "")
	works(one, true)
	ensure(two, "")
	works(one, false)
	works(two, true)
	works(first.FirstKey.Reveal(), true)
	ensure("", "")
	works(two, false)

	const hook = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	if d := ensure("", hook); d.Application.WebhookSecret != hook || d.Application.OldWebhookSecret != first.Application.WebhookSecret || d.Application.OldSecretUntil.IsZero() {
		t.Error("the prepared webhook secret was not taken, or the one before does not sign beside it")
	}
	if d := ensure("", hook); d.Application.OldWebhookSecret != first.Application.WebhookSecret {
		t.Error("the next start forgot the secret before")
	}
	if d := ensure("", ""); d.Application.WebhookSecret != hook {
		t.Error("the webhook secret did not stay")
	}
	if err := s.DeleteKey(t.Context(), first.Application.ID, first.KeyID); err != nil {
		t.Fatal(err)
	}
	if d := ensure("", ""); d.FirstKey.IsZero() {
		t.Error("an application without a key got none")
	}
	for _, bad := range []applications.Prepared{
		{APIKey: secret.NewText("too-short")},
		{APIKey: secret.NewText("has a space in it, which no header has")},
		{APIKey: secret.NewText("has-a-ünicode-letter-which-no-header-has")},
		{WebhookSecret: secret.NewText("whsec_short")},
		{WebhookSecret: secret.NewText("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")},
	} {
		if _, err := s.EnsureDefault(t.Context(), bad); err == nil {
			t.Errorf("taken: %s", bad.APIKey.Reveal()+bad.WebhookSecret.Reveal())
		}
	}
}

func TestEnsureDefaultAtOnce(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	st := openStore(t)
	const replicas = 8
	keys := make([]string, replicas)
	var wg sync.WaitGroup
	for i := range replicas {
		wg.Go(func() {
			d, err := newService(st, c).EnsureDefault(t.Context(), applications.Prepared{})
			if err != nil {
				t.Error(err)
			}
			keys[i] = d.FirstKey.Reveal()
		})
	}
	wg.Wait()
	made := 0
	for _, k := range keys {
		if k != "" {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d first keys were made", made)
	}
}
