package applications

import (
	"crypto/rand"
	"hash/crc32"
	"strings"
)

// Prefixes of keys: the reader of a log or of a leaked file sees at once what it is.
const (
	prefixLive = "lk_live_"
	prefixTest = "lk_test_"
)

const (
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keyRandom   = 43 // 43 · log2(62) = 256 bits
	keyChecksum = 6  // 62^6 > 2^32
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
	body := prefix + string(out)
	return body + checksum(body)
}

// wellFormed tells whether a key that claims to be one of ours can be.
func wellFormed(key string) bool {
	if !strings.HasPrefix(key, prefixLive) && !strings.HasPrefix(key, prefixTest) {
		return false
	}
	if len(key) != len(prefixLive)+keyRandom+keyChecksum {
		return false
	}
	cut := len(key) - keyChecksum
	return checksum(key[:cut]) == key[cut:]
}

func checksum(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var b [keyChecksum]byte
	for i := range b {
		b[len(b)-1-i] = base62[n%62]
		n /= 62
	}
	return string(b[:])
}
