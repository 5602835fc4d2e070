package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey"
)

// slow counts accounts as a large installation does: it takes a while, and each time there are more.
type slow struct {
	Accounts

	mu    sync.Mutex
	n     int64
	asked int
	err   error
}

func (s *slow) CountByStatus(ctx context.Context, _ latchkey.ApplicationID) (map[latchkey.AccountStatus]int64, error) {
	s.mu.Lock()
	s.asked++
	s.n++
	n, err := s.n, s.err
	s.mu.Unlock()
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return map[latchkey.AccountStatus]int64{latchkey.AccountOK: n - 1, latchkey.AccountCredentials: 1}, err
}

func (s *slow) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func counting(first int64) (*counts, *slow) {
	s := &slow{n: first - 1}
	return &counts{accounts: s, now: time.Now, log: slog.New(slog.DiscardHandler), apps: map[latchkey.ApplicationID]counted{}}, s
}

// want asks and checks the sum, its age, and how long the answer took.
func want(t *testing.T, c *counts, sum int64, age, took time.Duration) {
	t.Helper()
	began := time.Now()
	got, err := c.of(t.Context(), "app_1")
	if err != nil {
		t.Fatal(err)
	}
	if got.total() != sum || time.Since(got.at)-time.Since(began) != age || time.Since(began) != took {
		t.Fatalf("%d accounts, %v old, after %v; want %d, %v, %v", got.total(), time.Since(got.at)-time.Since(began), time.Since(began), sum, age, took)
	}
}

func TestCountsOfManyAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := counting(countsMany)
		const ms = time.Millisecond
		want(t, c, countsMany, 0, 100*ms)
		want(t, c, countsMany, 100*ms, 0)
		time.Sleep(countsFresh - 100*ms)
		// Old enough to count anew, once for everybody who asks, behind the answer.
		want(t, c, countsMany, countsFresh, 0)
		want(t, c, countsMany, countsFresh, 0)
		time.Sleep(100 * ms)
		synctest.Wait() // both sleeps end at once
		want(t, c, countsMany+1, 100*ms, 0)
		if s.asked != 2 {
			t.Errorf("counted %d times", s.asked)
		}
		// Where it cannot be counted, what is known serves until it is too old.
		s.fail(errors.New("gone"))
		time.Sleep(countsOld - 200*ms)
		want(t, c, countsMany+1, countsOld-100*ms, 0)
		time.Sleep(100 * ms)
		synctest.Wait()
		if _, err := c.of(t.Context(), "app_1"); err == nil {
			t.Error("an old count was shown")
		}
		s.fail(nil)
		want(t, c, countsMany+4, 0, 100*ms)
	})
}

func TestCountsOfFewAreOfNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := counting(countsMany - 2)
		want(t, c, countsMany-2, 0, 100*time.Millisecond)
		want(t, c, countsMany-1, 0, 100*time.Millisecond)
		if len(c.apps) != 0 {
			t.Error("few are remembered")
		}
	})
}

func TestCountsOutliveWhoAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := counting(countsMany)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := c.of(ctx, "app_1")
			gone <- err
		}()
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who left was told %v", err)
		}
		want(t, c, countsMany, 0, 100*time.Millisecond)
		if s.asked != 1 {
			t.Errorf("counted %d times", s.asked)
		}
	})
}

func TestCountsAreBounded(t *testing.T) {
	t.Parallel()
	c, _ := counting(1)
	many := map[latchkey.AccountStatus]int64{latchkey.AccountOK: countsMany}
	began := time.Now()
	for i := range countsSize + 1 {
		c.remember(latchkey.ApplicationID(fmt.Sprint("app_", i)), counted{by: many, at: began.Add(time.Duration(i))})
	}
	if _, there := c.apps["app_0"]; there || len(c.apps) != countsSize {
		t.Errorf("%d are remembered, the oldest among them: %t", len(c.apps), there)
	}
	// An application that shrinks is looked at anew.
	c.remember("app_1", counted{by: map[latchkey.AccountStatus]int64{}, at: began})
	if _, there := c.apps["app_1"]; there {
		t.Error("few are remembered")
	}
}
