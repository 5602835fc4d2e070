package secret

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// masterKeySize is that of AES-256.
const masterKeySize = 32

// Errors about the master key. Their texts are for the operator's terminal.
var (
	ErrMasterKeyMissing   = errors.New("secret: the master key is missing")
	ErrMasterKeyMalformed = errors.New("secret: a master key is 32 bytes in base64 (44 characters); make one with: head -c 32 /dev/urandom | base64")
	ErrMasterKeyExposed   = errors.New("secret: other users of this machine can read the master key file")
)

// MasterKey wraps the keyset. It prints as ***.
type MasterKey struct{ b *[masterKeySize]byte }

// NewMasterKey makes a random one.
func NewMasterKey() MasterKey {
	var b [masterKeySize]byte
	// crypto/rand.Read never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(b[:])
	return MasterKey{b: &b}
}

// ParseMasterKey reads base64 of 32 bytes, standard or URL alphabet, padded or not.
func ParseMasterKey(s string) (MasterKey, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	raw, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != masterKeySize {
		// The decoder's error would tell where the key is not base64; that helps nobody.
		return MasterKey{}, ErrMasterKeyMalformed
	}
	return MasterKey{b: (*[masterKeySize]byte)(raw)}, nil
}

// IsZero tells whether there is no key.
func (k MasterKey) IsZero() bool { return k.b == nil }

// ID is a short public name of the key, the same wherever the key is: it lets an error say which
// key is meant. It is derived one way and tells nothing of the key.
func (k MasterKey) ID() string {
	if k.b == nil {
		return ""
	}
	return hex.EncodeToString(k.fingerprint()[:4])
}

// Encode gives the key away in the form that ParseMasterKey reads.
func (k MasterKey) Encode() string {
	if k.b == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(k.b[:])
}

// Format writes *** for every verb.
func (k MasterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalText writes ***.
func (k MasterKey) MarshalText() ([]byte, error) { return []byte(mask), nil }

// fingerprint is what tells a wrong master key from a damaged record.
func (k MasterKey) fingerprint() []byte { return k.derive("latchkey/master-key/check/v1", 16) }

// wrapper is the AEAD under which the keyset record lies.
func (k MasterKey) wrapper() (tink.AEAD, error) {
	a, err := subtle.NewAESGCM(k.b[:])
	if err != nil {
		return nil, fmt.Errorf("secret: master key: %w", err)
	}
	return a, nil
}

func (k MasterKey) derive(info string, n int) []byte {
	out, err := hkdf.Key(sha256.New, k.b[:], nil, info, n)
	if err != nil {
		// RFC 5869 §2.3: only a length above 255 hashes fails, and n is one of our constants.
		panic("secret: hkdf: " + err.Error())
	}
	return out
}

// ReadMasterKey reads a key file that CreateMasterKey made. A file that group or others can read
// is refused: ErrMasterKeyExposed. A file that does not exist is fs.ErrNotExist.
func ReadMasterKey(path string) (MasterKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: master key file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	st, err := f.Stat()
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: master key file: %w", err)
	}
	if perm := st.Mode().Perm(); perm&0o077 != 0 {
		return MasterKey{}, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrMasterKeyExposed, path, perm, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: master key file: %w", err)
	}
	k, err := ParseMasterKey(string(b))
	if err != nil {
		return MasterKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// CreateMasterKey makes a key and writes it to path (0600), durably and all at once. A file that
// is there already is never touched: fs.ErrExist.
func CreateMasterKey(path string) (MasterKey, error) {
	k := NewMasterKey()
	dir := filepath.Dir(path)
	// os.CreateTemp opens with O_EXCL and mode 0600; the link then fails where path exists. So no
	// reader sees half a key, and of two processes that start together one wins.
	tmp, err := os.CreateTemp(dir, ".master-key-*")
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: master key file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // the name that was linked stays
	_, err = tmp.WriteString(k.Encode() + "\n")
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Link(tmp.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: master key file: %w", err)
	}
	return k, nil
}

// syncDir makes the new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MasterKeyFile reads the key at path, or makes it there if, and only if, the store holds no keyset
// yet: a key made beside a keyset that it does not fit would hide that the right one is lost.
// created tells which of the two it was.
func MasterKeyFile(ctx context.Context, path string, ks KeysetStore) (k MasterKey, created bool, err error) {
	k, err = ReadMasterKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	wrapped, _, err := ks.Load(ctx)
	if err != nil {
		return MasterKey{}, false, fmt.Errorf("secret: loading the keyset: %w", err)
	}
	if len(wrapped) > 0 {
		return MasterKey{}, false, fmt.Errorf("%w: the database holds sealed secrets, but there is no key at %s; put the key back or set LATCHKEY_MASTER_KEY", ErrMasterKeyMissing, path)
	}
	k, err = CreateMasterKey(path)
	if errors.Is(err, fs.ErrExist) {
		// Another process was quicker.
		k, err = ReadMasterKey(path)
		return k, false, err
	}
	return k, err == nil, err
}
