package whatsapp

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"

	"latchkey"
	"latchkey/internal/connector"
)

// credential is a linked device: what the engine seals as the account's secret.
type credential struct {
	V              int    `json:"v"`
	JID            string `json:"jid"`
	LID            string `json:"lid,omitempty"`
	RegistrationID uint32 `json:"registration_id"`
	Noise          []byte `json:"noise"`
	Identity       []byte `json:"identity"`
	PreKey         []byte `json:"prekey"`
	PreKeyID       uint32 `json:"prekey_id"`
	PreKeySig      []byte `json:"prekey_sig"`
	Adv            []byte `json:"adv"`
	Account        []byte `json:"account"`
	Platform       string `json:"platform,omitempty"`
	Business       string `json:"business,omitempty"`
	PushName       string `json:"push_name,omitempty"`
	// Proxy is what the device was linked through, and connects through.
	Proxy *latchkey.Proxy `json:"proxy,omitempty"`
	// Names keys the names in Memory, and tells one linking of an account from the next.
	Names []byte `json:"names"`
	// Seed is what linking put into the Memory, before there was one.
	Seed []seed `json:"seed,omitempty"`
}

type seed struct {
	Kind   string            `json:"kind"`
	Group  string            `json:"group"`
	Values map[string][]byte `json:"values"`
}

const credentialVersion = 1

var errCredential = errors.New("whatsapp: the credential cannot be read")

// newDevice makes the keys of a device that is to be linked.
func newDevice(names []byte, mem connector.Memory, log waLog.Logger) *store.Device {
	d := &store.Device{
		Log: log, NoiseKey: keys.NewKeyPair(), IdentityKey: keys.NewKeyPair(), AdvSecretKey: make([]byte, 32),
	}
	_, _ = rand.Read(d.AdvSecretKey) // never fails
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	d.RegistrationID = binary.BigEndian.Uint32(id[:])
	d.SignedPreKey = d.IdentityKey.CreateSignedPreKey(1)
	furnish(d, names, mem)
	return d
}

func newNames() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

// furnish gives the device its stores.
func furnish(d *store.Device, names []byte, mem connector.Memory) *keeping {
	k := &keeping{mem: mem, names: names}
	d.SetAllStores(k)
	d.LIDs, d.Container, d.Initialized = k, k, true
	return k
}

// encodeDevice makes the credential of a linked device.
func encodeDevice(d *store.Device, names []byte, seeds []seed, via *latchkey.Proxy) ([]byte, error) {
	if d.ID == nil || d.Account == nil {
		return nil, errors.New("whatsapp: the device is not linked")
	}
	account, err := proto.Marshal(d.Account)
	if err != nil {
		return nil, err
	}
	c := credential{
		V: credentialVersion, JID: d.ID.String(), RegistrationID: d.RegistrationID,
		Noise: d.NoiseKey.Priv[:], Identity: d.IdentityKey.Priv[:],
		PreKey: d.SignedPreKey.Priv[:], PreKeyID: d.SignedPreKey.KeyID, PreKeySig: d.SignedPreKey.Signature[:],
		Adv: d.AdvSecretKey, Account: account, Platform: d.Platform, Business: d.BusinessName, PushName: d.PushName,
		Names: names, Seed: seeds, Proxy: via,
	}
	if !d.LID.IsEmpty() {
		c.LID = d.LID.String()
	}
	return json.Marshal(c)
}

// decodeDevice is the way back.
func decodeDevice(raw []byte, mem connector.Memory, log waLog.Logger) (*store.Device, *keeping, credential, error) {
	var c credential
	if err := json.Unmarshal(raw, &c); err != nil || c.V != credentialVersion {
		return nil, nil, c, errCredential
	}
	for _, k := range [][]byte{c.Noise, c.Identity, c.PreKey, c.Names} {
		if len(k) != 32 {
			return nil, nil, c, errCredential
		}
	}
	jid, err := types.ParseJID(c.JID)
	if err != nil || jid.User == "" || len(c.PreKeySig) != 64 {
		return nil, nil, c, errCredential
	}
	d := &store.Device{
		Log: log, ID: &jid, RegistrationID: c.RegistrationID, AdvSecretKey: c.Adv, Account: &waAdv.ADVSignedDeviceIdentity{},
		NoiseKey:    keys.NewKeyPairFromPrivateKey([32]byte(c.Noise)),
		IdentityKey: keys.NewKeyPairFromPrivateKey([32]byte(c.Identity)),
		Platform:    c.Platform, BusinessName: c.Business, PushName: c.PushName,
	}
	sig := [64]byte(c.PreKeySig)
	d.SignedPreKey = &keys.PreKey{KeyPair: *keys.NewKeyPairFromPrivateKey([32]byte(c.PreKey)), KeyID: c.PreKeyID, Signature: &sig}
	if err := proto.Unmarshal(c.Account, d.Account); err != nil {
		return nil, nil, c, errCredential
	}
	if c.LID != "" {
		if d.LID, err = types.ParseJID(c.LID); err != nil {
			return nil, nil, c, errCredential
		}
	}
	return d, furnish(d, c.Names, mem), c, nil
}

// name hides what a row is about: the names of rows are not sealed, and would list whom somebody
// talks to.
func name(key []byte, kind, clear string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(kind + "\x00" + clear))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}

// The entry by which a Memory is known to be this linking's, and readable.
const (
	kindMark = "mark"
	markName = "linking"
)

// move makes the Memory this linking's: what an earlier one left is forgotten, and what was put while
// linking is put. It fails with connector.ErrUnreadable before anything connects, where it must.
func (c credential) move(ctx context.Context, mem connector.Memory) error {
	own := name(c.Names, kindMark, markName)
	found, err := mem.Get(ctx, kindMark, "", markName)
	if err != nil {
		return err
	}
	if bytes.Equal(found[markName], []byte(own)) {
		return nil
	}
	if err := mem.Clear(ctx); err != nil {
		return err
	}
	for _, s := range c.Seed {
		if err := mem.Put(ctx, s.Kind, s.Group, s.Values); err != nil {
			return err
		}
	}
	return mem.Put(ctx, kindMark, "", map[string][]byte{markName: []byte(own)})
}

// ram is a Memory that lasts as long as a linking.
type ram struct {
	mu sync.Mutex
	m  map[[2]string]map[string][]byte
}

func newRAM() *ram { return &ram{m: map[[2]string]map[string][]byte{}} }

func (r *ram) Get(_ context.Context, kind, group string, names ...string) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]byte{}
	for _, n := range names {
		if v, ok := r.m[[2]string{kind, group}][n]; ok {
			out[n] = v
		}
	}
	return out, nil
}

func (r *ram) List(_ context.Context, kind, group string) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]byte{}
	for n, v := range r.m[[2]string{kind, group}] {
		out[n] = v
	}
	return out, nil
}

func (r *ram) Put(_ context.Context, kind, group string, values map[string][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := [2]string{kind, group}
	if r.m[at] == nil {
		r.m[at] = map[string][]byte{}
	}
	for n, v := range values {
		r.m[at][n] = bytes.Clone(v)
	}
	return nil
}

func (r *ram) Delete(_ context.Context, kind, group string, names ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := [2]string{kind, group}
	if len(names) == 0 {
		delete(r.m, at)
	}
	for _, n := range names {
		delete(r.m[at], n)
	}
	return nil
}

func (r *ram) Clear(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m = map[[2]string]map[string][]byte{}
	return nil
}

// seeds is what was put so far, to go with the credential.
func (r *ram) seeds() []seed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []seed
	for at, values := range r.m {
		out = append(out, seed{Kind: at[0], Group: at[1], Values: values})
	}
	return out
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("whatsapp: %s: %w", what, err)
}
