package accounts_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// TestAccessTokenIsRenewedOnce has many callers at two replicas ask for a token that is about to end.
func TestAccessTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		l := newLab(t, engine, 2, nil, nil)
		a := l.account(t, "u", time.Minute, 10*time.Minute)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				got, err := l.replicas[i%2].AccessToken(t.Context(), l.app, string(a.ID), "key_1")
				if err != nil || got.Token != "at-u-2" || got.Type != "Bearer" {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if l.idp.asked() != 1 || l.idp.reused != 0 {
			t.Errorf("%d refreshes, %d with a spent token", l.idp.asked(), l.idp.reused)
		}
	})
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	type step = func(context.Context) (connector.Refreshed, error)
	for name, c := range map[string]struct {
		left   time.Duration
		script []step
		token  string
		code   errs.Code
		calls  int
	}{
		"lives long":                   {left: time.Hour, token: "at-u-1"},
		"lives six minutes":            {left: 6 * time.Minute, token: "at-u-1"},
		"lives four minutes":           {left: 4 * time.Minute, token: "at-u-2", calls: 1},
		"ended":                        {left: -time.Hour, token: "at-u-2", calls: 1},
		"outage, but it lives":         {left: time.Minute, script: []step{outage}, token: "at-u-1", calls: 1},
		"outage, and it ended":         {left: -time.Minute, script: []step{outage}, code: errs.CodeUnavailable, calls: 1},
		"refused":                      {left: time.Minute, script: []step{refusal, refusal}, code: errs.CodeCredentialRejected, calls: 2},
		"client refused, but it lives": {left: time.Minute, script: []step{brokenApp}, token: "at-u-1", calls: 1},
		"client refused, and it ended": {left: -time.Minute, script: []step{brokenApp}, code: errs.CodeProviderUnavailable, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "sqlite", 1, nil, nil)
			a := l.account(t, "u", c.left, time.Minute)
			l.idp.next(c.script...)
			// The second call must not add to an outage.
			for range 2 {
				got, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1")
				if got.Token != c.token || (c.code == "") != (err == nil) || c.code != "" && !errs.Is(err, c.code) {
					t.Errorf("%q, %v", got.Token, err)
				}
			}
			if l.idp.asked() != c.calls {
				t.Errorf("%d refreshes, want %d", l.idp.asked(), c.calls)
			}
			if n := len(l.issued(t)); (n == 1) != (c.token != "") {
				t.Errorf("%d events of an issued token", n)
			}
		})
	}
	l := newLab(t, "sqlite", 1, nil, nil)
	a := l.account(t, "u", time.Hour, time.Minute)
	if _, err := l.replicas[0].AccessToken(t.Context(), "app_2", string(a.ID), "key_1"); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("a foreign account: %v", err)
	}
	a.ID, a.Provider = latchkey.NewAccountID(l.now()), latchkey.Telegram
	if err := l.store.Accounts().Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1"); !errs.Is(err, errs.CodeUnsupported) {
		t.Errorf("no OAuth account: %v", err)
	}
}

// TestCallerWhoHangsUpLosesNothing ends the caller's request in the middle of a rotation.
func TestCallerWhoHangsUpLosesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite", 1, nil, nil)
	a := l.account(t, "u", time.Minute, time.Minute)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan struct{})
	l.idp.next(func(context.Context) (connector.Refreshed, error) {
		hangUp()
		<-gone
		return connector.Refreshed{Secret: []byte("u 2"), ExpiresAt: l.now().Add(time.Hour)}, nil
	})
	if _, err := l.replicas[0].AccessToken(ctx, l.app, string(a.ID), "key_1"); err == nil {
		t.Error("who hung up got an answer")
	}
	close(gone)
	until(t, "the rotated credential is stored", func() bool { return string(l.get(t, a.ID).Secret) == "u 2" })
}

func TestIssuedTokensAreOnRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t, "sqlite", 1, nil, nil)
	a := l.account(t, "u", 10*time.Hour, 8*time.Hour)
	ask := func(n int) {
		t.Helper()
		for range n {
			if _, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(5)
	l.advance(time.Minute)
	ask(3)
	if got := l.issued(t); !slices.Equal(got, []float64{1, 5}) {
		t.Errorf("counts %v", got)
	}
	stop := l.run(t)
	stop() // the end writes what waits
	got := l.issued(t)
	slices.Sort(got) // two share their millisecond
	if !slices.Equal(got, []float64{1, 2, 5}) {
		t.Errorf("counts %v", got)
	}
}

// BenchmarkAccessToken is the call for a token that lives, with many callers and many accounts.
func BenchmarkAccessToken(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			l := newLab(b, engine, 1, nil, nil)
			var ids []string
			for i := range 200 {
				ids = append(ids, string(l.account(b, fmt.Sprint("u", i), 10*time.Hour, 8*time.Hour).ID))
			}
			b.SetParallelism(16)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := l.replicas[0].AccessToken(b.Context(), l.app, ids[i%len(ids)], "key_1"); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkRefresh works off 10,000 accounts that are due at once, at a rate of 400/s at most.
func BenchmarkRefresh(b *testing.B) {
	const due, rate = 10_000, 400
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				l := newLab(b, engine, 1, nil, func(c *accounts.Config) { c.RefreshRate = rate })
				for i := range due {
					l.account(b, fmt.Sprint("u", i), 10*time.Minute, -time.Second)
				}
				b.StartTimer()
				begin := time.Now()
				stop := l.run(b)
				for l.idp.asked() < due && time.Since(begin) < 5*time.Minute {
					time.Sleep(10 * time.Millisecond)
				}
				stop()
				took := time.Since(begin)
				b.ReportMetric(due/took.Seconds(), "accounts/s")
				if l.idp.asked() != due || l.idp.reused > 0 || due/took.Seconds() > rate*1.01 {
					b.Errorf("%d refreshes, %d with a spent token, in %s", l.idp.asked(), l.idp.reused, took)
				}
			}
		})
	}
}
