package sqlstore_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey/internal/store/sqlstore"
)

// ring is a small real Sealer: AES-256-GCM under keys named by the first five bytes.
type ring struct {
	mu      sync.RWMutex
	keys    map[string]cipher.AEAD
	primary string
}

func newRing(t testing.TB) *ring {
	t.Helper()
	r := &ring{keys: map[string]cipher.AEAD{}}
	r.rotate(t, "key-1")
	return r
}

func (r *ring) rotate(t testing.TB, prefix string) {
	t.Helper()
	key := sha256.Sum256([]byte("test key " + prefix))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[prefix], r.primary = aead, prefix
}

func (r *ring) Seal(aad string, plain []byte) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[r.primary].Seal([]byte(r.primary), nil, plain, []byte(aad)), nil
}

func (r *ring) Open(aad string, sealed []byte) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(sealed) < 5 || r.keys[string(sealed[:5])] == nil {
		return nil, errors.New("unknown key")
	}
	return r.keys[string(sealed[:5])].Open(nil, nil, sealed[5:], []byte(aad))
}

func (r *ring) PrimaryPrefix() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return []byte(r.primary)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open opens a store that is closed when the test ends.
func open(t testing.TB, o sqlstore.Options) *sqlstore.Store {
	t.Helper()
	o.Now, o.Log = time.Now, quiet()
	if o.Sealer == nil {
		o.Sealer = newRing(t)
	}
	s, err := sqlstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func openSQLite(t testing.TB) (*sqlstore.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latchkey.db")
	return open(t, sqlstore.Options{Path: path}), path
}
