package applications

import "crypto/rand"

// Prefixes of keys: the reader of a log or of a leaked file sees at once what it is.
const (
	prefixLive = "lk_live_"
	prefixTest = "lk_test_"
)

const (
	base62    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keyRandom = 43 // 43 · log2(62) = 256 bits
)

// newKey makes a key of letters and digits only, so that a double click selects all of it.
func newKey(test bool) string {
	prefix := prefixLive
	if test {
		prefix = prefixTest
	}
	out := make([]byte, 0, keyRandom)
	var buf [64]byte
	for len(out) < keyRandom {
		// crypto/rand.Read never fails: it ends the program where the system has no randomness.
		_, _ = rand.Read(buf[:])
		for _, b := range buf {
			// 248 is the largest multiple of 62 in a byte: above it, some letters would be likelier.
			if b < 248 && len(out) < keyRandom {
				out = append(out, base62[b%62])
			}
		}
	}
	return prefix + string(out)
}
