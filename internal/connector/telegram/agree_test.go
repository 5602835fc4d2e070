package telegram

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
)

// The group that is not proven while somebody waits is proven here.
func TestKnownGroupIsOne(t *testing.T) {
	t.Parallel()
	p, err := exchange.TestServerRNG{}.DhPrime()
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(p.Bytes()); hex.EncodeToString(sum[:]) != knownGroup {
		t.Fatalf("another group: %x", sum)
	}
	for _, g := range []int{2, 3, 4, 5, 6, 7} {
		if crypto.CheckGP(g, p) == nil {
			if err := crypto.CheckDH(g, p); err != nil {
				t.Errorf("generator %d: %v", g, err)
			}
			break
		}
	}
}

func TestGroupsAreChecked(t *testing.T) {
	t.Parallel()
	var g groups
	p, err := exchange.TestServerRNG{}.DhPrime()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.check(3, new(big.Int).Sub(p, big.NewInt(2))); err == nil {
		t.Error("a number that is no prime is taken")
	}
	if err := g.check(1337, p); err == nil {
		t.Error("a generator of nothing is taken")
	}
	if err := g.check(3, big.NewInt(23)); err == nil {
		t.Error("a small group is taken")
	}
}

func TestFactor(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]uint64{{1229739323, 1402015859}, {3, 5}, {2, 7}, {2147483629, 2147483647}, {1000003, 1000003}, {65537, 4294967291}} {
		if p, q, ok := factor(c[0] * c[1]); !ok || p != c[0] || q != c[1] {
			t.Errorf("%d × %d: %d, %d, %v", c[0], c[1], p, q, ok)
		}
	}
	if _, _, ok := factor(2147483647); ok {
		t.Error("a prime has factors")
	}
}

func BenchmarkFactor(b *testing.B) {
	for b.Loop() {
		if _, _, ok := factor(1229739323 * 1402015859); !ok {
			b.Fatal("no factors")
		}
	}
}
