package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// leaks tells whether text holds 8 bytes in a row of the key, in any usual writing.
func leaks(text string, key []byte) bool {
	for i := range len(key) - 8 {
		part := key[i : i+8]
		b64 := base64.StdEncoding.EncodeToString(key)
		if strings.Contains(text, string(part)) || strings.Contains(strings.ToLower(text), hex.EncodeToString(part)) ||
			strings.Contains(text, strings.Trim(fmt.Sprintf("%d", part), "[]")) || strings.Contains(text, b64[:12]) ||
			strings.Contains(text, base64.StdEncoding.EncodeToString(part)[:10]) {
			return true
		}
	}
	return false
}

func TestLeaksFindsAKey(t *testing.T) {
	t.Parallel()
	k := NewMasterKey()
	for _, s := range []string{k.Encode(), hex.EncodeToString(k.b[:]), fmt.Sprintf("%d", *k.b), string(k.b[:])} {
		if !leaks("x"+s+"y", k.b[:]) {
			t.Errorf("the search of the tests below does not find a key in %d bytes", len(s))
		}
	}
}

// cleartextKeys returns the raw keys of a keyset.
func cleartextKeys(t *testing.T, h *keyset.Handle) [][]byte {
	t.Helper()
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&buf)); err != nil {
		t.Fatal(err)
	}
	ks, err := keyset.NewBinaryReader(&buf).Read()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, k := range ks.GetKey() {
		// The serialised key ends in the raw bytes.
		v := k.GetKeyData().GetValue()
		out = append(out, v[len(v)-32:])
	}
	return out
}

func TestRecordAndErrorsNeverHoldKeys(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_795_000_000_000)
	master := NewMasterKey()
	u, err := newUnwrapped(now)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := u.wrap(master)
	if err != nil {
		t.Fatal(err)
	}
	keys := append(cleartextKeys(t, u.handle), master.b[:], u.macRoot)

	var r record
	if err := json.Unmarshal(wrapped, &r); err != nil {
		t.Fatal(err)
	}
	texts := []string{
		string(wrapped), string(r.Keyset), string(r.MAC), string(r.Check), r.MasterKeyID,
		fmt.Sprintf("%v %+v %#v %s %x", master, master, master, master, master), u.handle.String(),
	}
	// Every way to damage the record: the error says what is wrong and nothing else.
	for i := range wrapped {
		for _, bit := range []byte{0x01, 0x80} {
			bad := bytes.Clone(wrapped)
			bad[i] ^= bit
			got, err := unwrap(bad, master)
			if err == nil {
				if !bytes.Equal(got.macRoot, u.macRoot) || len(cleartextKeys(t, got.handle)) != 1 {
					t.Fatalf("byte %d changed, and other keys came out", i)
				}
				continue // a number that nothing depends on, or white space
			}
			if !errors.Is(err, ErrKeysetDamaged) && !errors.Is(err, ErrWrongMasterKey) {
				t.Fatalf("byte %d changed: %v", i, err)
			}
			texts = append(texts, err.Error())
		}
	}
	_, err = unwrap(wrapped, NewMasterKey())
	texts = append(texts, err.Error())
	for _, text := range texts {
		for i, k := range keys {
			if leaks(text, k) {
				t.Fatalf("key %d is in: %.200q", i, text)
			}
		}
	}
	if u, err := unwrap(wrapped, master); err != nil || !u.promotedAt.Equal(now) {
		t.Errorf("unwrap: %v, promoted at %v", err, u.promotedAt)
	}
}

func TestWrongKeyIsToldFromDamage(t *testing.T) {
	t.Parallel()
	master := NewMasterKey()
	u, err := newUnwrapped(time.UnixMilli(0))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := u.wrap(master)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(change func(*record)) []byte {
		var r record
		if err := json.Unmarshal(wrapped, &r); err != nil {
			t.Fatal(err)
		}
		change(&r)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		wrapped []byte
		want    error
	}{
		"not JSON":      {[]byte("garbage"), ErrKeysetDamaged},
		"later format":  {damaged(func(r *record) { r.Format = 2 }), ErrKeysetDamaged},
		"keys":          {damaged(func(r *record) { r.Keyset[len(r.Keyset)/2] ^= 1 }), ErrKeysetDamaged},
		"no keys":       {damaged(func(r *record) { r.Keyset = nil }), ErrKeysetDamaged},
		"MAC":           {damaged(func(r *record) { r.MAC[3] ^= 1 }), ErrKeysetDamaged},
		"parts swapped": {damaged(func(r *record) { r.Keyset, r.MAC = r.MAC, r.Keyset }), ErrKeysetDamaged},
		"check":         {damaged(func(r *record) { r.Check[0] ^= 1 }), ErrWrongMasterKey},
		"no check":      {damaged(func(r *record) { r.Check = nil }), ErrWrongMasterKey},
	} {
		if _, err := unwrap(c.wrapped, master); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	_, err = unwrap(damaged(func(r *record) { r.MasterKeyID = "\x1b[31m<b>"; r.Check = nil }), master)
	if strings.ContainsAny(err.Error(), "\x1b<") {
		t.Errorf("the error repeats what lay in the database: %q", err)
	}
}

func FuzzUnwrap(f *testing.F) {
	master := NewMasterKey()
	u, err := newUnwrapped(time.UnixMilli(0))
	if err != nil {
		f.Fatal(err)
	}
	wrapped, err := u.wrap(master)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wrapped)
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := unwrap(b, master)
		if err == nil && !bytes.Equal(got.macRoot, u.macRoot) {
			t.Error("a made-up record opened")
		}
	})
}
