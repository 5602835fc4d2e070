package secret_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/secret"
)

// memory is a database's one row: compare-and-set on a version.
type memory struct {
	mu      sync.Mutex
	wrapped []byte
	version int64
	loads   atomic.Int64
	saves   atomic.Int64
	broken  atomic.Bool
}

var errBroken = errors.New("database is away")

func (m *memory) Load(context.Context) ([]byte, int64, error) {
	m.loads.Add(1)
	if m.broken.Load() {
		return nil, 0, errBroken
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]byte(nil), m.wrapped...), m.version, nil
}

func (m *memory) Save(_ context.Context, wrapped []byte, expected int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.version != expected {
		return secret.ErrKeysetChanged
	}
	m.saves.Add(1)
	m.wrapped, m.version = append([]byte(nil), wrapped...), expected+1
	return nil
}

// clock is a time that only moves when told.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func open(tb testing.TB, m secret.KeysetStore, k secret.MasterKey, c *clock) *secret.Keyring {
	tb.Helper()
	r, err := secret.LoadOrCreate(tb.Context(), m, k, c.Now)
	if err != nil {
		tb.Fatalf("LoadOrCreate: %v", err)
	}
	return r
}

func seal(tb testing.TB, r *secret.Keyring, aad, plain string) []byte {
	tb.Helper()
	s, err := r.Seal(aad, []byte(plain))
	if err != nil {
		tb.Fatalf("Seal: %v", err)
	}
	return s
}

func mustOpen(tb testing.TB, r *secret.Keyring, aad string, sealed []byte, want string) {
	tb.Helper()
	got, err := r.Open(aad, sealed)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	if string(got) != want {
		tb.Fatalf("Open = %q, want %q", got, want)
	}
}
