package latchkey_test

import (
	"testing"
	"time"

	"latchkey"
)

func TestRefreshTimeIsAheadAndSpread(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if at := latchkey.RefreshTime("acc_1", now, time.Time{}); !at.IsZero() {
		t.Errorf("a credential without end: %s", at)
	}
	if at := latchkey.RefreshTime("acc_1", now, now.Add(-time.Hour)); !at.Equal(now) {
		t.Errorf("one that has ended: %s", at)
	}
	seen := map[time.Time]bool{}
	for range 1000 {
		at := latchkey.RefreshTime(latchkey.NewAccountID(now), now, now.Add(time.Hour))
		if life := at.Sub(now); life < 42*time.Minute || life > 51*time.Minute {
			t.Errorf("after %s of an hour", life)
		}
		seen[at] = true
	}
	if len(seen) < 300 {
		t.Errorf("1000 accounts come back at %d moments", len(seen))
	}
}

func TestRefreshing(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		a    latchkey.Account
		want bool
	}{
		"never":         {latchkey.Account{}, false},
		"scheduled":     {latchkey.Account{RefreshAt: now.Add(time.Minute)}, false},
		"claimed":       {latchkey.Account{RefreshAt: now.Add(time.Minute), RefreshClaim: now.Add(time.Minute)}, true},
		"answered":      {latchkey.Account{RefreshAt: now.Add(time.Hour), RefreshClaim: now.Add(time.Minute)}, false},
		"claim ran out": {latchkey.Account{RefreshAt: now, RefreshClaim: now}, false},
	} {
		if got := c.a.Refreshing(now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
