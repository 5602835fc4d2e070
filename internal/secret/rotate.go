package secret

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// AddKey puts a new key into the keyset, for opening only, and returns its prefix. It becomes the
// one that seals with Promote.
func (r *Keyring) AddKey(ctx context.Context) (prefix []byte, err error) {
	err = r.change(ctx, func(m *keyset.Manager, _ *unwrapped) error {
		id, err := m.Add(aead.XAES256GCM192BitNonceKeyTemplate())
		if err != nil {
			return fmt.Errorf("secret: adding a key: %w", err)
		}
		p := prefixOf(id)
		prefix = p[:]
		return nil
	})
	return prefix, err
}

// Promote makes the key with the prefix the one that seals. Replicas that have not loaded it yet
// do so when they meet the first value sealed with it.
func (r *Keyring) Promote(ctx context.Context, prefix []byte) error {
	return r.change(ctx, func(m *keyset.Manager, u *unwrapped) error {
		id, ok := keyID(u.handle, prefix)
		if !ok {
			return ErrUnknownKey
		}
		if err := m.SetPrimary(id); err != nil {
			return fmt.Errorf("secret: promoting a key: %w", err)
		}
		u.promotedAt = r.now()
		return nil
	})
}

// Retire drops the key with the prefix for ever: what is still sealed with it is lost, so the
// caller first makes sure that nothing is. The key that seals is never dropped, and none is within
// twice MaxStale of the last Promote (ErrTooEarly): until then a replica may still seal with it.
func (r *Keyring) Retire(ctx context.Context, prefix []byte) error {
	return r.change(ctx, func(m *keyset.Manager, u *unwrapped) error {
		id, ok := keyID(u.handle, prefix)
		if !ok {
			return ErrUnknownKey
		}
		if wait := u.promotedAt.Add(2 * MaxStale).Sub(r.now()); wait > 0 {
			return fmt.Errorf("%w: wait another %s", ErrTooEarly, wait.Round(time.Second))
		}
		if err := m.Delete(id); err != nil {
			return fmt.Errorf("secret: dropping a key: %w", err)
		}
		return nil
	})
}

// keyID finds the key that a prefix names.
func keyID(h *keyset.Handle, prefix []byte) (uint32, bool) {
	if len(prefix) != PrefixSize {
		return 0, false
	}
	for _, k := range h.KeysetInfo().GetKeyInfo() {
		if prefixOf(k.GetKeyId()) == [PrefixSize]byte(prefix) {
			return k.GetKeyId(), true
		}
	}
	return 0, false
}

// changeTries bounds how often a change is tried anew because another replica was quicker.
const changeTries = 10

// change applies fn to the newest keyset and saves it by compare-and-set. fn may run again.
func (r *Keyring) change(ctx context.Context, fn func(*keyset.Manager, *unwrapped) error) error {
	for range changeTries {
		if err := r.Refresh(ctx); err != nil {
			return err
		}
		s := r.state.Load()
		u := s.unwrapped
		m := keyset.NewManagerFromHandle(u.handle)
		if err := fn(m, &u); err != nil {
			return err
		}
		h, err := m.Handle()
		if err != nil {
			return fmt.Errorf("secret: changing the keyset: %w", err)
		}
		u.handle = h
		wrapped, err := u.wrap(r.master)
		if err != nil {
			return err
		}
		err = r.store.Save(ctx, wrapped, s.version)
		if errors.Is(err, ErrKeysetChanged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("secret: saving the keyset: %w", err)
		}
		return r.Refresh(ctx)
	}
	return ErrKeysetChanged
}
