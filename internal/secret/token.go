package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// tokenBytes is the randomness of a token. At 256 bits guessing is hopeless, so a plain hash is
// enough to keep it by.
const tokenBytes = 32

// NewToken makes an opaque, URL-safe token of 43 characters, and the hash under which it is kept.
func NewToken() (token string, hash []byte) {
	var b [tokenBytes]byte
	// crypto/rand.Read never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(b[:])
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, HashToken(token)
}

// HashToken is SHA-256 of the token as it was handed out.
func HashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// SameToken compares a presented token with the hash that was kept, in constant time.
func SameToken(token string, hash []byte) bool {
	return SameHash(HashToken(token), hash)
}

// SameHash compares two hashes or MACs in constant time. Empty ones are never the same: a row
// without a hash matches nothing.
func SameHash(a, b []byte) bool {
	return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1
}
