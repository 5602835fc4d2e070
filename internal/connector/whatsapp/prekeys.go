package whatsapp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"

	"filippo.io/edwards25519"
	"go.mau.fi/whatsmeow/util/keys"
)

// One-time keys lie together: the server wants hundreds of them, and each is used once.
const (
	kindPreKey  = "prekey"
	preKeyNext  = "next"
	preKeyShelf = 64 // keys in one entry
	preKeySize  = 4 + 1 + 32
)

// oneTime is a key on its shelf.
type oneTime struct {
	id       uint32
	uploaded bool
	priv     [32]byte
}

func (o oneTime) key() *keys.PreKey {
	return &keys.PreKey{KeyPair: *keys.NewKeyPairFromPrivateKey(o.priv), KeyID: o.id}
}

// newPreKey makes a one-time key. A new device leaves 812 of them at once: multiplied on the Edwards form of
// the curve, where the base point's multiples are known, they take a quarter of the time that the
// library's own way takes, which goes by the Montgomery ladder (RFC 7748 §4.1 has the map between the two).
func newPreKey(id uint32) (*keys.PreKey, error) {
	var priv [32]byte
	_, _ = rand.Read(priv[:]) // never fails
	// As RFC 7748 §5 wants scalars; the ladder clamps by itself, what is stored is clamped.
	priv[0] &= 248
	priv[31] = priv[31]&127 | 64
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(priv[:])
	if err != nil {
		return nil, err
	}
	pub := [32]byte(new(edwards25519.Point).ScalarBaseMult(scalar).BytesMontgomery())
	return &keys.PreKey{KeyPair: keys.KeyPair{Pub: &pub, Priv: &priv}, KeyID: id}, nil
}

func shelfOf(id uint32) string { return strconv.FormatUint(uint64(id/preKeyShelf), 10) }

func encodeShelf(list []oneTime) []byte {
	out := make([]byte, 0, len(list)*preKeySize)
	for _, o := range list {
		out = binary.BigEndian.AppendUint32(out, o.id)
		flag := byte(0)
		if o.uploaded {
			flag = 1
		}
		out = append(append(out, flag), o.priv[:]...)
	}
	return out
}

func decodeShelf(raw []byte) ([]oneTime, error) {
	if len(raw)%preKeySize != 0 {
		return nil, errors.New("whatsapp: a shelf of one-time keys is damaged")
	}
	var out []oneTime
	for x := range slices.Chunk(raw, preKeySize) {
		out = append(out, oneTime{id: binary.BigEndian.Uint32(x), uploaded: x[4] == 1, priv: [32]byte(x[5:])})
	}
	return out, nil
}

// shelves reads all one-time keys, lowest first, and the id of the next.
func (k *keeping) shelves(ctx context.Context) (list []oneTime, next uint32, err error) {
	all, err := k.mem.List(ctx, kindPreKey, "")
	if err != nil {
		return nil, 0, err
	}
	next = 1
	for n, raw := range all {
		if n == preKeyNext {
			if len(raw) == 4 {
				next = binary.BigEndian.Uint32(raw)
			}
			continue
		}
		shelf, err := decodeShelf(raw)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, shelf...)
	}
	slices.SortFunc(list, func(a, b oneTime) int { return cmp.Compare(a.id, b.id) })
	return list, next, nil
}

// shelve writes the shelves on which the ids lie, and the next id.
func (k *keeping) shelve(ctx context.Context, list []oneTime, next uint32, ids ...uint32) error {
	values := map[string][]byte{preKeyNext: binary.BigEndian.AppendUint32(nil, next)}
	for _, id := range ids {
		values[shelfOf(id)] = nil
	}
	byShelf := map[string][]oneTime{}
	for _, o := range list {
		byShelf[shelfOf(o.id)] = append(byShelf[shelfOf(o.id)], o)
	}
	for s := range values {
		if s != preKeyNext {
			values[s] = encodeShelf(byShelf[s])
		}
	}
	return k.mem.Put(ctx, kindPreKey, "", values)
}

// GetOrGenPreKeys implements store.PreKeyStore.
func (k *keeping) GetOrGenPreKeys(ctx context.Context, count uint32) ([]*keys.PreKey, error) {
	k.prekeys.Lock()
	defer k.prekeys.Unlock()
	list, next, err := k.shelves(ctx)
	if err != nil {
		return nil, err
	}
	var out []*keys.PreKey
	for _, o := range list {
		if !o.uploaded && len(out) < int(count) {
			out = append(out, o.key())
		}
	}
	var made []uint32
	for len(out) < int(count) {
		key, err := newPreKey(next)
		if err != nil {
			return nil, err
		}
		list = append(list, oneTime{id: next, priv: *key.Priv})
		out, made = append(out, key), append(made, next)
		next++
	}
	if len(made) == 0 {
		return out, nil
	}
	return out, k.shelve(ctx, list, next, made...)
}

// GenOnePreKey implements store.PreKeyStore. The key is about to be handed out.
func (k *keeping) GenOnePreKey(ctx context.Context) (*keys.PreKey, error) {
	k.prekeys.Lock()
	defer k.prekeys.Unlock()
	list, next, err := k.shelves(ctx)
	if err != nil {
		return nil, err
	}
	key, err := newPreKey(next)
	if err != nil {
		return nil, err
	}
	list = append(list, oneTime{id: next, uploaded: true, priv: *key.Priv})
	return key, k.shelve(ctx, list, next+1, next)
}

// GetPreKey implements store.PreKeyStore.
func (k *keeping) GetPreKey(ctx context.Context, id uint32) (*keys.PreKey, error) {
	shelf, err := k.shelf(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, o := range shelf {
		if o.id == id {
			return o.key(), nil
		}
	}
	return nil, nil //nolint:nilnil // the library's way to say that there is none
}

func (k *keeping) shelf(ctx context.Context, id uint32) ([]oneTime, error) {
	n := shelfOf(id)
	found, err := k.mem.Get(ctx, kindPreKey, "", n)
	if err != nil {
		return nil, err
	}
	return decodeShelf(found[n])
}

// RemovePreKey implements store.PreKeyStore: a one-time key was used.
func (k *keeping) RemovePreKey(ctx context.Context, id uint32) error {
	k.prekeys.Lock()
	defer k.prekeys.Unlock()
	shelf, err := k.shelf(ctx, id)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(shelf, func(o oneTime) bool { return o.id == id })
	if len(left) == 0 {
		return k.mem.Delete(ctx, kindPreKey, "", shelfOf(id))
	}
	return k.mem.Put(ctx, kindPreKey, "", map[string][]byte{shelfOf(id): encodeShelf(left)})
}

// MarkPreKeysAsUploaded implements store.PreKeyStore.
func (k *keeping) MarkPreKeysAsUploaded(ctx context.Context, upTo uint32) error {
	k.prekeys.Lock()
	defer k.prekeys.Unlock()
	list, next, err := k.shelves(ctx)
	if err != nil {
		return err
	}
	var changed []uint32
	for i := range list {
		if list[i].id <= upTo && !list[i].uploaded {
			list[i].uploaded = true
			changed = append(changed, list[i].id)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return k.shelve(ctx, list, next, changed...)
}

// UploadedPreKeyCount implements store.PreKeyStore.
func (k *keeping) UploadedPreKeyCount(ctx context.Context) (int, error) {
	list, _, err := k.shelves(ctx)
	n := 0
	for _, o := range list {
		if o.uploaded {
			n++
		}
	}
	return n, err
}
