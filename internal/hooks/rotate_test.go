package hooks_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
)

// TestApplicationSecretRotates has notifications carry both signatures for a day.
func TestApplicationSecretRotates(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	r := newReceiver(t, status(200))
	fits := func(secret string, got received) bool {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return wh.VerifyIgnoringTimestamp(got.body, got.header) == nil
	}
	told := func() received {
		l.deliver(l.notify(r.URL, map[string]string{"status": "x"}).ID)
		all := r.all()
		return all[len(all)-1]
	}
	if got := told(); !fits(l.app.WebhookSecret, got) {
		t.Errorf("before: %v", got.header["Webhook-Signature"])
	}
	now, err := l.hooks.RotateApplicationSecret(t.Context(), l.app.ID)
	if err != nil || now.WebhookSecret == l.app.WebhookSecret || !now.OldSecretUntil.Equal(l.clock.Now().UTC().Truncate(time.Millisecond).Add(24*time.Hour)) {
		t.Fatalf("%v, until %v", err, now.OldSecretUntil)
	}
	l.clock.Advance(23 * time.Hour)
	if got := told(); !fits(l.app.WebhookSecret, got) || !fits(now.WebhookSecret, got) {
		t.Errorf("not signed with both: %v", got.header["Webhook-Signature"])
	}
	l.clock.Advance(2 * time.Hour)
	if got := told(); fits(l.app.WebhookSecret, got) || !fits(now.WebhookSecret, got) {
		t.Errorf("after a day: %v", got.header["Webhook-Signature"])
	}
	if _, err := l.hooks.RotateApplicationSecret(t.Context(), "app_06gzx6xh3r001zvca5cz7vxm4w"); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("an unknown application: %v", err)
	}
	l.wantNoSecret(l.app.WebhookSecret, now.WebhookSecret)
}

// TestPreparedSecretIsNotRotated leaves a secret to the configuration that names it.
func TestPreparedSecretIsNotRotated(t *testing.T) {
	t.Parallel()
	l := newLab(t, safehttp.ClientOptions{}, safehttp.Config{})
	is := l.app
	is.Name = "default"
	if err := l.store.Applications().Update(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	prepared := l.preparing(t)
	if _, err := prepared.RotateApplicationSecret(t.Context(), is.ID); !errs.Is(err, errs.CodeConflict) {
		t.Errorf("rotated: %v", err)
	}
	if got, err := l.store.Applications().Get(t.Context(), is.ID); err != nil || got.WebhookSecret != is.WebhookSecret || got.OldWebhookSecret != "" {
		t.Errorf("the secret changed: %v", err)
	}
	is.Name = "shop"
	if err := l.store.Applications().Update(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	if _, err := prepared.RotateApplicationSecret(t.Context(), is.ID); err != nil {
		t.Errorf("another application: %v", err)
	}
}

// preparing is hooks of an installation whose configuration names the secret of application "default".
func (l *lab) preparing(t *testing.T) *hooks.Hooks {
	t.Helper()
	out, err := safehttp.New(safehttp.Config{Now: l.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return hooks.New(hooks.Config{
		Store: l.store, Client: out.Client(safehttp.Webhook, safehttp.ClientOptions{}), Now: l.clock.Now, Log: slog.New(slog.DiscardHandler), Sole: true, Prepared: true,
	})
}

// TestRotationsAndChangesAtOnce has neither a rotation nor a change of a setting undo the other.
func TestRotationsAndChangesAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		r := db.replica(t, "one")
		for round := range 3 {
			was, err := r.store.Applications().Get(t.Context(), r.app.ID)
			if err != nil {
				t.Fatal(err)
			}
			name, secrets := fmt.Sprint("shop ", round), map[string]bool{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					got, err := r.hooks.RotateApplicationSecret(t.Context(), r.app.ID)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					secrets[got.WebhookSecret] = true
				})
			}
			wg.Go(func() {
				err := r.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
					if err := tx.Applications().Lock(ctx, r.app.ID); err != nil {
						return err
					}
					app, err := tx.Applications().Get(ctx, r.app.ID)
					if err != nil {
						return err
					}
					app.Name = name
					return tx.Applications().Update(ctx, app)
				})
				if err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			got, err := r.store.Applications().Get(t.Context(), r.app.ID)
			if err != nil {
				t.Fatal(err)
			}
			// One was first: its secret is the one before.
			if got.Name != name || !secrets[got.WebhookSecret] || !secrets[got.OldWebhookSecret] || secrets[was.WebhookSecret] || len(secrets) != 2 {
				t.Fatalf("round %d: %q, %d secrets", round, got.Name, len(secrets))
			}
		}
	})
}
