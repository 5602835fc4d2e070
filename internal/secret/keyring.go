package secret

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// PrefixSize is the length of the prefix that names a sealed value's key.
const PrefixSize = 5

// MaxStale bounds how long a replica seals with a keyset that it has not looked up again. Call
// Refresh more often than that, so that no Seal has to wait for the database.
const MaxStale = time.Minute

// Times of the reload that an unknown key causes.
const (
	reloadEvery   = 3 * time.Second
	reloadTimeout = 5 * time.Second
)

// KeysetStore keeps the one wrapped keyset of a database.
//
// Load returns nil and version 0 where there is none yet. Save writes wrapped where the version is
// still expectedVersion (0: where there is none), and makes it expectedVersion+1; otherwise it
// returns ErrKeysetChanged and writes nothing. Load may be called from within somebody's
// transaction, so it must not wait for a writer.
type KeysetStore interface {
	Load(ctx context.Context) (wrapped []byte, version int64, err error)
	Save(ctx context.Context, wrapped []byte, expectedVersion int64) error
}

// Keyring seals and opens. It is safe for concurrent use.
type Keyring struct {
	store  KeysetStore
	master MasterKey
	now    func() time.Time

	state atomic.Pointer[state]
	// reload keeps replicas from asking the database twice for the same news.
	reload sync.Mutex
	// lastMiss is when an unknown key last caused a reload (Unix ms); reload guards it.
	lastMiss int64
}

// state is one version of the keyset, ready for use.
type state struct {
	unwrapped
	version  int64
	aead     tink.AEAD
	primary  [PrefixSize]byte
	prefixes map[[PrefixSize]byte]bool
	// confirmed is when the database last said that this version is the current one (Unix ms).
	confirmed atomic.Int64
	macKeys   sync.Map // purpose → []byte
}

// LoadOrCreate unwraps the store's keyset, or makes one where there is none. Of two replicas that
// start together on an empty database one makes the keyset and both use it. With a wrong master key
// it writes nothing and returns ErrWrongMasterKey.
func LoadOrCreate(ctx context.Context, ks KeysetStore, master MasterKey, now func() time.Time) (*Keyring, error) {
	if master.IsZero() {
		return nil, ErrMasterKeyMissing
	}
	r := &Keyring{store: ks, master: master, now: now}
	found, err := r.load(ctx)
	if err != nil || found {
		return ringOrError(r, err)
	}
	u, err := newUnwrapped(now())
	if err != nil {
		return nil, err
	}
	wrapped, err := u.wrap(master)
	if err != nil {
		return nil, err
	}
	if err := ks.Save(ctx, wrapped, 0); err != nil && !errors.Is(err, ErrKeysetChanged) {
		return nil, fmt.Errorf("secret: saving the first keyset: %w", err)
	}
	// Whoever won: what counts is what the database now holds.
	found, err = r.load(ctx)
	if err == nil && !found {
		err = fmt.Errorf("secret: the keyset was saved, but is not there: %w", ErrKeysetDamaged)
	}
	return ringOrError(r, err)
}

func ringOrError(r *Keyring, err error) (*Keyring, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Refresh looks up whether the keyset has changed. On error the keyring keeps what it has.
func (r *Keyring) Refresh(ctx context.Context) error {
	found, err := r.load(ctx)
	if err == nil && !found {
		return fmt.Errorf("%w: it is gone from the database", ErrKeysetDamaged)
	}
	return err
}

// load reads and unwraps what the store holds; found is false where it holds nothing.
func (r *Keyring) load(ctx context.Context) (found bool, err error) {
	asked := r.now()
	wrapped, version, err := r.store.Load(ctx)
	if err != nil {
		return false, fmt.Errorf("secret: loading the keyset: %w", err)
	}
	if len(wrapped) == 0 {
		return false, nil
	}
	if cur := r.state.Load(); cur != nil && cur.version == version {
		cur.confirmed.Store(asked.UnixMilli())
		return true, nil
	}
	u, err := unwrap(wrapped, r.master)
	if err != nil {
		return true, err
	}
	next, err := newState(u, version)
	if err != nil {
		return true, err
	}
	next.confirmed.Store(asked.UnixMilli())
	r.install(next)
	return true, nil
}

// install puts s in place unless a newer version already is.
func (r *Keyring) install(s *state) {
	for {
		cur := r.state.Load()
		if cur != nil && cur.version >= s.version {
			return
		}
		if r.state.CompareAndSwap(cur, s) {
			return
		}
	}
}

func newState(u unwrapped, version int64) (*state, error) {
	a, err := aead.New(u.handle)
	if err != nil {
		return nil, fmt.Errorf("%w: unusable keys", ErrKeysetDamaged)
	}
	s := &state{unwrapped: u, version: version, aead: a, prefixes: map[[PrefixSize]byte]bool{}}
	info := u.handle.KeysetInfo()
	for _, k := range info.GetKeyInfo() {
		p := prefixOf(k.GetKeyId())
		s.prefixes[p] = true
		if k.GetKeyId() == info.GetPrimaryKeyId() {
			s.primary = p
		}
	}
	return s, nil
}

// prefixOf is Tink's output prefix: a version byte, then the key's id.
func prefixOf(id uint32) (p [PrefixSize]byte) {
	p[0] = 1
	binary.BigEndian.PutUint32(p[1:], id)
	return p
}

// Seal encrypts plain, bound to the context aad. The result begins with PrimaryPrefix.
func (r *Keyring) Seal(aad string, plain []byte) ([]byte, error) {
	s := r.state.Load()
	if r.now().UnixMilli()-s.confirmed.Load() > MaxStale.Milliseconds() {
		if err := r.confirm(s); err != nil {
			return nil, fmt.Errorf("secret: not sealing with keys that could be outdated: %w", err)
		}
		s = r.state.Load()
	}
	out, err := s.aead.Encrypt(plain, []byte(aad))
	if err != nil {
		return nil, fmt.Errorf("secret: sealing: %w", err)
	}
	return out, nil
}

// confirm reloads unless somebody else just did.
func (r *Keyring) confirm(seen *state) error {
	r.reload.Lock()
	defer r.reload.Unlock()
	cur := r.state.Load()
	if cur != seen || r.now().UnixMilli()-cur.confirmed.Load() <= MaxStale.Milliseconds() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	return r.Refresh(ctx)
}

// Open decrypts what Seal made for the same context. A value under a key that is not known yet
// makes the keyring look for a newer keyset, at most every few seconds.
func (r *Keyring) Open(aad string, sealed []byte) ([]byte, error) {
	if len(sealed) < PrefixSize {
		return nil, ErrUnreadable
	}
	s := r.state.Load()
	if p := [PrefixSize]byte(sealed); !s.prefixes[p] {
		if err := r.lookFor(p); err != nil {
			return nil, err
		}
		s = r.state.Load()
	}
	plain, err := s.aead.Decrypt(sealed, []byte(aad))
	if err != nil {
		return nil, ErrUnreadable
	}
	return plain, nil
}

// lookFor reloads until the keyset holds the key p, or returns ErrUnknownKey.
func (r *Keyring) lookFor(p [PrefixSize]byte) error {
	r.reload.Lock()
	defer r.reload.Unlock()
	if r.state.Load().prefixes[p] {
		return nil
	}
	now := r.now().UnixMilli()
	if since := now - r.lastMiss; since >= 0 && since < reloadEvery.Milliseconds() {
		return ErrUnknownKey
	}
	r.lastMiss = now
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	if err := r.Refresh(ctx); err != nil {
		return fmt.Errorf("%w, and the keyset could not be loaded again: %w", ErrUnknownKey, err)
	}
	if !r.state.Load().prefixes[p] {
		return ErrUnknownKey
	}
	return nil
}

// PrimaryPrefix is what values sealed now begin with.
func (r *Keyring) PrimaryPrefix() []byte {
	p := r.state.Load().primary
	return p[:]
}

// KeyPrefixes are the prefixes of every key in the keyset, the primary's first.
func (r *Keyring) KeyPrefixes() [][]byte {
	s := r.state.Load()
	primary := s.primary
	out := [][]byte{primary[:]}
	for _, k := range s.handle.KeysetInfo().GetKeyInfo() {
		if p := prefixOf(k.GetKeyId()); p != s.primary {
			out = append(out, p[:])
		}
	}
	return out
}

// MAC is HMAC-SHA-256 under a key of the purpose's own. It is the same on every replica, and
// survives the rotation of keys.
func (r *Keyring) MAC(purpose string, data []byte) []byte {
	s := r.state.Load()
	h := hmac.New(sha256.New, s.macKey(purpose))
	// A hash never returns an error.
	_, _ = h.Write(data)
	return h.Sum(nil)
}

func (s *state) macKey(purpose string) []byte {
	if k, ok := s.macKeys.Load(purpose); ok {
		return k.([]byte)
	}
	k, err := hkdf.Key(sha256.New, s.macRoot, nil, "latchkey/mac/v1/"+purpose, sha256.Size)
	if err != nil {
		// RFC 5869 §2.3: only a length above 255 hashes fails.
		panic("secret: hkdf: " + err.Error())
	}
	s.macKeys.Store(purpose, k)
	return k
}
