package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// Contexts that the parts of a record are bound to.
const (
	recordFormat  = 1
	keysetContext = "latchkey/keyset/v1/keys"
	macContext    = "latchkey/keyset/v1/mac"
	macRootSize   = 32
)

// record is what lies in the database. Nothing in it is of use without the master key.
type record struct {
	Format int `json:"format"`
	// MasterKeyID and Check name the master key that fits, one way.
	MasterKeyID string `json:"master_key_id"`
	Check       []byte `json:"check"`
	Keyset      []byte `json:"keyset"`
	MAC         []byte `json:"mac"`
	// PromotedAt is when the primary key became it, in Unix milliseconds.
	PromotedAt int64 `json:"promoted_at"`
}

// unwrapped is a record in clear. It only lives in memory.
type unwrapped struct {
	handle     *keyset.Handle
	macRoot    []byte
	promotedAt time.Time
}

// newUnwrapped makes the first keys of a database.
func newUnwrapped(now time.Time) (unwrapped, error) {
	h, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return unwrapped{}, fmt.Errorf("secret: making a keyset: %w", err)
	}
	root := make([]byte, macRootSize)
	// crypto/rand.Read never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(root)
	return unwrapped{handle: h, macRoot: root, promotedAt: now}, nil
}

// wrap seals u under the master key.
func (u unwrapped) wrap(master MasterKey) ([]byte, error) {
	kek, err := master.wrapper()
	if err != nil {
		return nil, err
	}
	var keys bytes.Buffer
	err = u.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&keys), kek, []byte(keysetContext))
	if err != nil {
		return nil, fmt.Errorf("secret: wrapping the keyset: %w", err)
	}
	mac, err := kek.Encrypt(u.macRoot, []byte(macContext))
	if err != nil {
		return nil, fmt.Errorf("secret: wrapping the MAC key: %w", err)
	}
	return json.Marshal(record{
		Format: recordFormat, MasterKeyID: master.ID(), Check: master.fingerprint(),
		Keyset: keys.Bytes(), MAC: mac, PromotedAt: u.promotedAt.UnixMilli(),
	})
}

// unwrap opens a record. It tells a master key that does not fit (ErrWrongMasterKey) from a record
// that is not whole (ErrKeysetDamaged).
func unwrap(wrapped []byte, master MasterKey) (unwrapped, error) {
	var r record
	if err := json.Unmarshal(wrapped, &r); err != nil {
		return unwrapped{}, fmt.Errorf("%w: it is not a keyset record", ErrKeysetDamaged)
	}
	if r.Format != recordFormat {
		return unwrapped{}, fmt.Errorf("%w: format %d is not known to this version", ErrKeysetDamaged, r.Format)
	}
	if !SameHash(master.fingerprint(), r.Check) {
		return unwrapped{}, &WrongMasterKeyError{Want: publicID(r.MasterKeyID), Got: master.ID()}
	}
	kek, err := master.wrapper()
	if err != nil {
		return unwrapped{}, err
	}
	h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(r.Keyset)), kek, []byte(keysetContext))
	if err != nil {
		return unwrapped{}, fmt.Errorf("%w: the keys do not open", ErrKeysetDamaged)
	}
	root, err := kek.Decrypt(r.MAC, []byte(macContext))
	if err != nil || len(root) != macRootSize {
		return unwrapped{}, fmt.Errorf("%w: the MAC key does not open", ErrKeysetDamaged)
	}
	return unwrapped{handle: h, macRoot: root, promotedAt: time.UnixMilli(r.PromotedAt)}, nil
}

// publicID keeps what a stranger may have written into the database out of our errors.
func publicID(s string) string {
	if len(s) != 8 {
		return "unknown"
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "unknown"
		}
	}
	return s
}

// WrongMasterKeyError says which master key was given and which one the database was sealed with,
// by their public IDs. It is ErrWrongMasterKey.
type WrongMasterKeyError struct{ Want, Got string }

// Error says what to do.
func (e *WrongMasterKeyError) Error() string {
	return fmt.Sprintf("secret: wrong master key: the database was sealed with key %s, but key %s was given; nothing was changed; start again with the right LATCHKEY_MASTER_KEY or master.key", e.Want, e.Got)
}

// Is makes errors.Is(err, ErrWrongMasterKey) true.
func (e *WrongMasterKeyError) Is(target error) bool { return target == ErrWrongMasterKey }

// Errors of keysets and sealed values. None of them ever holds a value, sealed or not.
var (
	ErrWrongMasterKey = errors.New("secret: wrong master key")
	ErrKeysetDamaged  = errors.New("secret: the keyset in the database is damaged")
	// ErrKeysetChanged is what KeysetStore.Save returns where the version is not the expected one.
	ErrKeysetChanged = errors.New("secret: the keyset was changed by somebody else")
	// ErrUnknownKey is returned for a value that was sealed with a key that the keyset does not hold.
	ErrUnknownKey = errors.New("secret: sealed with a key that is not in the keyset")
	// ErrUnreadable is returned for a value that is damaged, or bound to another context.
	ErrUnreadable = errors.New("secret: sealed value cannot be opened")
	// ErrTooEarly is returned by Retire while replicas may still seal with the old key.
	ErrTooEarly = errors.New("secret: too early to drop the old key")
)
