package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/secret"
)

const codes = 1_000_000

// secrets are the parts of a challenge that only the mail holds.
type secrets struct{ code, token string }

// challenge makes a code and a link's token.
func (s *Service) challenge(v latchkey.SignIn, now time.Time) (latchkey.Challenge, secrets) {
	token, hash := secret.NewToken()
	code := randomCode()
	c := latchkey.Challenge{LinkHash: hash, CodePad: (code + pad(token)) % codes, ExpiresAt: now.Add(Lifetime)}
	text := fmt.Sprintf("%06d", code)
	c.CodeMAC = s.codeMAC(v, c, text)
	return c, secrets{code: text, token: token}
}

// randomCode is uniform (ASVS 6.5: from a generator fit for secrets).
func randomCode() int {
	const fair = (1 << 32) / codes * codes
	for {
		var b [4]byte
		_, _ = rand.Read(b[:]) // never fails: it ends the program where the system has no randomness
		if n := binary.BigEndian.Uint32(b[:]); n < fair {
			return int(n % codes)
		}
	}
}

// pad is a number that only the holder of the token can work out.
func pad(token string) int {
	sum := sha256.Sum256([]byte("latchkey/signin/pad/v1|" + token))
	return int(binary.BigEndian.Uint64(sum[:]) % codes)
}

// codeMAC binds a code to its realm, its sign-in and its challenge.
func (s *Service) codeMAC(v latchkey.SignIn, c latchkey.Challenge, code string) []byte {
	data := string(v.ApplicationID) + "|" + string(v.ID) + "|" + base64.RawURLEncoding.EncodeToString(c.LinkHash) + "|" + code
	return s.cfg.MAC.MAC("signin/code/v1", []byte(data))
}

// codeOf is the code of a challenge, for somebody who has its link.
func codeOf(c latchkey.Challenge, token string) string {
	return fmt.Sprintf("%06d", (c.CodePad-pad(token)+codes)%codes)
}

// matches tells whether code is that of a challenge that is still good. Both are compared, whatever the
// first says. An earlier one has had every look that the newest had, and its own.
func (s *Service) matches(v latchkey.SignIn, code string, now time.Time) bool {
	good := false
	for _, c := range []latchkey.Challenge{v.Current, v.Before} {
		same := secret.SameHash(s.codeMAC(v, c, code), c.CodeMAC)
		good = good || same && c.Tries <= MaxTries && now.Before(c.ExpiresAt)
	}
	return good
}

// cleanCode is a code as people type it: with spaces or hyphens, in any script's digits.
func cleanCode(s string) (string, bool) {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '٠' && r <= '٩': // Arabic-Indic
			b.WriteRune('0' + r - '٠')
		case r >= '۰' && r <= '۹': // Extended Arabic-Indic
			b.WriteRune('0' + r - '۰')
		case r == ' ' || r == '-' || r == '\u00a0' || r == '\u200e' || r == '\u200f':
		default:
			return "", false
		}
		if b.Len() > 6 {
			return "", false
		}
	}
	return b.String(), b.Len() == 6
}

const idPrefix = "sin_"

// bearer names a sign-in and carries a secret of it: the form of links and grants.
func bearer(id latchkey.SignInID, token string) string {
	return strings.TrimPrefix(string(id), idPrefix) + "." + token
}

func parseBearer(s string) (id latchkey.SignInID, token string, ok bool) {
	body, token, ok := strings.Cut(s, ".")
	if !ok || len(body) != 26 || len(token) != 43 || !isID(body) {
		return "", "", false
	}
	return latchkey.SignInID(idPrefix + body), token, true
}

// isID tells whether s holds nothing but what ids are made of. PostgreSQL refuses some of what strangers
// send instead (a zero byte).
func isID(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) < 0
}

// link is where the mail leads.
func (s *Service) link(id latchkey.SignInID, token string) string {
	return s.cfg.BaseURL + "/signin/link/" + bearer(id, token)
}

// grant is what the browser carries to the application. It is a MAC over the row: it cannot be made
// up, and is kept nowhere.
func (s *Service) grant(v latchkey.SignIn) string {
	return bearer(v.ID, s.token(grantPurpose(v), v, v.ProvedAt))
}

func (s *Service) token(purpose string, v latchkey.SignIn, at time.Time) string {
	data := fmt.Sprintf("%s|%s|%d", v.ApplicationID, v.ID, at.UnixMilli())
	return base64.RawURLEncoding.EncodeToString(s.cfg.MAC.MAC(purpose, []byte(data)))
}
