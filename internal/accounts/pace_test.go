package accounts_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey/internal/accounts"
)

// TestReplicasKeepOnePace has two replicas work off what is due at one provider: together they are no
// faster than one may be.
func TestReplicasKeepOnePace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, engine string) {
		t.Helper()
		const perSecond, due = 100, 150
		l := newLab(t, engine, 2, nil, func(c *accounts.Config) { c.RefreshRate = perSecond })
		for i := range due {
			l.account(t, fmt.Sprint("u", i), 10*time.Minute, -time.Second)
		}
		stop := l.run(t)
		defer stop()
		until(t, "all are renewed", func() bool { return l.idp.asked() >= due })
		stop()
		at := l.idp.times
		slices.SortFunc(at, time.Time.Compare)
		if took := at[len(at)-1].Sub(at[0]); took < (due-1)*time.Second/perSecond*9/10 {
			t.Errorf("%d renewals in %s are more than %d in a second", due, took, perSecond)
		}
		// No burst on the way either. A slow scheduler may push some calls together.
		const some = perSecond / 2
		for i := range len(at) - some {
			if d := at[i+some].Sub(at[i]); d < time.Second/4 {
				t.Errorf("%d renewals within %s", some, d)
				break
			}
		}
	})
}

// TestPaceBeginsAnewAfterARest has moments that passed unused not given out as a burst.
func TestPaceBeginsAnewAfterARest(t *testing.T) {
	t.Parallel()
	const perSecond = 40 // ten moments are reserved at once
	l := newLab(t, "sqlite", 1, nil, func(c *accounts.Config) { c.RefreshRate = perSecond })
	a := l.account(t, "first", time.Minute, time.Hour)
	if _, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	until(t, "the rest of the moments is over", func() bool { return time.Since(begin) > 300*time.Millisecond })
	for i := range 5 {
		a := l.account(t, fmt.Sprint("u", i), time.Minute, time.Hour)
		if _, err := l.replicas[0].AccessToken(t.Context(), l.app, string(a.ID), "key_1"); err != nil {
			t.Fatal(err)
		}
	}
	if at := l.idp.times; at[5].Sub(at[1]) < 4*time.Second/perSecond*8/10 {
		t.Errorf("five renewals after a rest took %s", at[5].Sub(at[1]))
	}
}
