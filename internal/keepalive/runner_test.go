package keepalive_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/keepalive"
	"latchkey/internal/store"
)

// wire is a Keeper whose connections are only counted. It notices when one account is connected twice.
type wire struct {
	connector.Connector
	mu     sync.Mutex
	on     map[latchkey.AccountID]int
	starts []time.Time
	twice  atomic.Int64
	// end, if set, ends each connection at once.
	end func(id latchkey.AccountID) connector.Ending
	// linger is how long a connection takes to notice that it has to end.
	linger time.Duration
}

func newWire() *wire { return &wire{on: map[latchkey.AccountID]int{}} }

func (w *wire) Describe() connector.Descriptor {
	return connector.Descriptor{Provider: latchkey.WhatsApp}
}

func (w *wire) Keep(ctx context.Context, k connector.Kept) (connector.Ending, error) {
	w.mu.Lock()
	w.on[k.AccountID]++
	if w.on[k.AccountID] > 1 {
		w.twice.Add(1)
	}
	w.starts = append(w.starts, time.Now())
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.on[k.AccountID]--
	}()
	if w.end != nil {
		return w.end(k.AccountID), nil
	}
	if err := k.Tell(ctx, connector.Health{Status: latchkey.AccountOK}); err != nil {
		return connector.Ending{}, err
	}
	<-ctx.Done()
	if w.linger > 0 {
		t := time.NewTimer(w.linger)
		defer t.Stop()
		<-t.C
	}
	return connector.Ending{}, ctx.Err()
}

func (w *wire) connected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.on {
		n += c
	}
	return n
}

// fill makes accounts that became due at once, long ago.
func (h *house) fill(n int) []latchkey.AccountID {
	h.t.Helper()
	var ids []latchkey.AccountID
	due := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	err := h.store.InTx(h.t.Context(), func(ctx context.Context, tx store.Tx) error {
		ids = nil
		for i := range n {
			a := latchkey.Account{
				ID: latchkey.NewAccountID(time.Now()), ApplicationID: h.app.ID, Provider: latchkey.WhatsApp, Identity: fmt.Sprint(i),
				Proof: latchkey.ProofProvider, Status: latchkey.AccountOK, Secret: []byte("x"), CreatedAt: due, UpdatedAt: due, StatusAt: due,
			}
			if err := tx.Accounts().Create(ctx, a); err != nil {
				return err
			}
			if err := tx.Keeps().Want(ctx, store.Keep{AccountID: a.ID, ApplicationID: h.app.ID, Provider: a.Provider, Due: due}); err != nil {
				return err
			}
			ids = append(ids, a.ID)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return ids
}

// TestConnectionsAreSpread: what is due together does not come at once, and all of it comes. How even
// it is, TestPace tells without a machine's moods.
func TestConnectionsAreSpread(t *testing.T) {
	const n, window = 200, 2 * time.Second
	w := newWire()
	h := newHouse(t, "", w)
	h.fill(n)
	began := time.Now()
	h.replica("one", func(c *keepalive.Config) { c.Window = window })
	until(t, "all connected", func() bool { return w.connected() == n })
	if took := time.Since(began); took < window/2 {
		t.Errorf("%d connections took %s of a window of %s", n, took, window)
	}
}

// TestReplicasShareEvenlyAndNeverMeet starts, adds, stops and kills replicas.
func TestReplicasShareEvenlyAndNeverMeet(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		const n = 60
		w := newWire()
		w.linger = 20 * time.Millisecond
		h := newHouse(t, url, w)
		h.fill(n)
		quick := func(c *keepalive.Config) { c.Window = 200 * time.Millisecond }
		one := h.replica("one", quick)
		until(t, "one has all", func() bool { return one.Held() == n })
		two := h.replica("two", quick)
		until(t, "two has its share", func() bool { return two.Held() >= n/2-4 && one.Held()+two.Held() == n })
		three := h.replica("three", quick)
		until(t, "three has its share", func() bool { return three.Held() >= n/3-4 })
		two.end()
		until(t, "the others have taken over", func() bool { return one.Held()+three.Held() == n && w.connected() == n })
		one.db.away.Store(true)
		until(t, "three has all, since one gives no sign of life", func() bool { return three.Held() == n && one.Held() == 0 })
		one.db.away.Store(false)
		until(t, "one is back", func() bool { return one.Held() >= n/2-4 && one.Held()+three.Held() == n })
		if x := w.twice.Load(); x != 0 {
			t.Errorf("%d times an account was connected twice", x)
		}
	})
}

// TestBackOff: what fails is tried ever later, and not in step.
func TestBackOff(t *testing.T) {
	for fails := range 20 {
		for range 50 {
			d := keepalive.BackOff(fails)
			lo, hi := time.Second<<max(fails-1, 0), 2*time.Second<<max(fails-1, 0)
			if fails >= 9 || hi > 10*time.Minute {
				lo, hi = 5*time.Minute, 10*time.Minute
			}
			if d < lo || d > hi {
				t.Fatalf("after %d failures: %s, want %s to %s", fails, d, lo, hi)
			}
		}
	}
}

// TestFailingKeeperIsNotHammered: a connection that ends at once is not begun again at once.
func TestFailingKeeperIsNotHammered(t *testing.T) {
	w := newWire()
	w.end = func(latchkey.AccountID) connector.Ending {
		return connector.Ending{Health: connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonHostUnreachable}}
	}
	h := newHouse(t, "", w)
	ids := h.fill(1)
	h.replica("one", nil)
	h.status(ids[0], latchkey.AccountConnecting, latchkey.ReasonHostUnreachable)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.starts) != 3 {
		t.Errorf("it was told after %d tries", len(w.starts))
	}
	for i := 1; i < len(w.starts); i++ {
		if gap := w.starts[i].Sub(w.starts[i-1]); gap < time.Second {
			t.Errorf("try %d came after %s", i+1, gap)
		}
	}
}

func TestPanickingKeeper(t *testing.T) {
	w := newWire()
	var calls atomic.Int64
	w.end = func(latchkey.AccountID) connector.Ending {
		if calls.Add(1) == 1 {
			panic("asked to")
		}
		return connector.Ending{Final: true, Health: connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonSessionTerminated}}
	}
	h := newHouse(t, "", w)
	ids := h.fill(1)
	h.replica("one", nil)
	h.status(ids[0], latchkey.AccountCredentials, latchkey.ReasonSessionTerminated)
}

// TestForgottenAccountIsLetGo: an account that was deleted is hung up on without anybody's help.
func TestForgottenAccountIsLetGo(t *testing.T) {
	w := newWire()
	h := newHouse(t, "", w)
	ids := h.fill(2)
	r := h.replica("one", nil)
	until(t, "connected", func() bool { return w.connected() == 2 })
	if err := h.store.Keeps().Stop(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	until(t, "hung up", func() bool { return w.connected() == 1 && r.Held() == 1 })
	k, err := h.store.Keeps().Get(t.Context(), ids[0])
	if err != nil || !k.Due.IsZero() || k.Owner != "" {
		t.Errorf("keep: %+v, %v", k, err)
	}
}
