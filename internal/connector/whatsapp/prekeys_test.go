package whatsapp

import (
	"testing"

	"go.mau.fi/whatsmeow/util/keys"
)

// TestOneTimeKeysAreTheLibrarys: made another way, they are the same.
func TestOneTimeKeysAreTheLibrarys(t *testing.T) {
	t.Parallel()
	for id := range uint32(500) {
		got, err := newPreKey(id)
		if err != nil {
			t.Fatal(err)
		}
		want := keys.NewKeyPairFromPrivateKey(*got.Priv)
		if *got.Pub != *want.Pub || *got.Priv != *want.Priv || got.KeyID != id {
			t.Fatalf("%x: %x, want %x", *got.Priv, *got.Pub, *want.Pub)
		}
	}
}

func BenchmarkOneTimeKey(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if _, err := newPreKey(1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("the library's", func(b *testing.B) {
		for b.Loop() {
			keys.NewPreKey(1)
		}
	})
}
