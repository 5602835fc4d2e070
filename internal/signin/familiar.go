package signin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/secret"
)

// A device that has proved an address carries a word of ours for it, and has budgets of its own from then on.
// So a stranger who uses up an address's budgets locks out nobody who has signed in on the same device before
// (the device cookies of OWASP, “Slow Down Online Guessing Attacks with Device Cookies”). A word is a MAC: it
// tells nothing of the address, cannot be made up, and is kept nowhere.

// familiarFor is how long a word is good.
const familiarFor = 180 * 24 * time.Hour

const (
	nonceSize = 16
	wordSize  = 44 // the nonce and as much of the MAC, in base64
	// maxWords is how many addresses one device is familiar with; the oldest are forgotten.
	maxWords = 6
	wordSep  = "."
)

// word makes a device's word for an address. The nonce begins with the time.
func (s *Service) word(app latchkey.ApplicationID, bucket string, nonce []byte) string {
	mac := s.cfg.MAC.MAC("signin/familiar/v1", []byte(string(app)+"|"+bucket+"|"+string(nonce)))
	return base64.RawURLEncoding.EncodeToString(nonce) + base64.RawURLEncoding.EncodeToString(mac[:nonceSize])
}

// familiar tells whether one of the words is for the address, and names the device for its budgets.
func (s *Service) familiar(app latchkey.ApplicationID, bucket, words string) string {
	for w := range strings.SplitSeq(words, wordSep) {
		if len(w) != wordSize {
			continue
		}
		nonce, err := base64.RawURLEncoding.DecodeString(w[:wordSize/2])
		if err != nil || !secret.SameHash([]byte(w), []byte(s.word(app, bucket, nonce))) {
			continue
		}
		var made int64
		if _, err := binary.Decode(nonce, binary.BigEndian, &made); err == nil && s.now().Sub(time.Unix(made, 0)) < familiarFor {
			return s.label("signin/device/v1", w)
		}
	}
	return ""
}

// label is a name for a bucket from which nothing can be read.
func (s *Service) label(purpose, of string) string {
	return base64.RawURLEncoding.EncodeToString(s.cfg.MAC.MAC(purpose, []byte(of))[:15])
}

// Remember returns the words that a device is to carry which has proved v's address and carried words
// before. The newest is the first.
func (s *Service) Remember(v latchkey.SignIn, words string) string {
	a, err := address.Parse(v.Email)
	if err != nil || v.Status == latchkey.SignInPending {
		return words
	}
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce)                                       // never fails
	_, _ = binary.Encode(nonce, binary.BigEndian, s.now().Unix()) // eight bytes of sixteen
	kept := []string{s.word(v.ApplicationID, a.Bucket, nonce)}
	for w := range strings.SplitSeq(words, wordSep) {
		if len(w) != wordSize || len(kept) == maxWords {
			continue
		}
		if s.familiar(v.ApplicationID, a.Bucket, w) == "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, wordSep)
}
