package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// TestKeyStaysWhileARevocationWaits rotates the keys while a credential that must be revoked lies in a
// job, sealed with the old one.
func TestKeyStaysWhileARevocationWaits(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{OAuth: config.OAuth{RefreshRate: 50}, Data: t.TempDir(), Listen: "127.0.0.1:0", LogLevel: "error"}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	installed := func(do func(in *installation) error) {
		t.Helper()
		if err := with(&console{ctx: t.Context(), out: &bytes.Buffer{}, err: &bytes.Buffer{}, now: now}, cfg, do); err != nil {
			t.Fatal(err)
		}
	}
	rotate := func() string {
		t.Helper()
		var out bytes.Buffer
		if err := (keysRotateCmd{}).Run(&console{ctx: t.Context(), out: &out, err: &out, now: now}, cfg); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		return out.String()
	}
	installed(func(in *installation) error {
		if err := in.build(t.Context()); err != nil {
			return err
		}
		return in.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return in.accounts.Revoke(ctx, tx, latchkey.Google, "app_1", connector.Credential{Identity: "ada@example.org", Secret: []byte("the token")})
		})
	})
	if out := rotate(); !strings.Contains(out, "still seals 1 credentials that wait to be revoked") {
		t.Fatal(out)
	}
	ahead.Store(int64(4 * secret.MaxStale))
	if out := rotate(); !strings.Contains(out, "wait to be revoked") || strings.Contains(out, "forgotten") {
		t.Fatalf("a second run took the key away: %s", out)
	}
	// The job can still read what it carries; after it, nothing holds the key.
	installed(func(in *installation) error {
		done := make(chan error, 1)
		worker, err := in.store.Work(t.Context(), sqlstore.WorkConfig{Timeout: time.Minute, MaxWorkers: 1, Handlers: map[string]store.Handler{
			accounts.KindRevoke: func(_ context.Context, j store.RunningJob) error {
				var args struct {
					ID     string `json:"id"`
					Sealed []byte `json:"sealed"`
				}
				err := json.Unmarshal(j.Args, &args)
				if err == nil {
					_, err = in.ring.Open("app_1|jobs|"+args.ID+"|sealed", args.Sealed)
				}
				done <- err
				return nil
			},
		}})
		if err != nil {
			return err
		}
		if err := <-done; err != nil {
			t.Errorf("the credential cannot be read any more: %v", err)
		}
		return worker.Stop(context.WithoutCancel(t.Context()))
	})
	if out := rotate(); !strings.Contains(out, "forgotten") {
		t.Errorf("the key stays for nobody: %s", out)
	}
}
