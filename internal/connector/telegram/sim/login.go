package sim

import (
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// token is a QR login token (core.telegram.org/api/qr-login).
type token struct {
	raw      []byte
	key      *key
	expires  time.Time
	accepted *person
	used     bool
}

// code is what was sent to a phone.
type code struct {
	value, hash string
	step        int
	expires     time.Time
}

const codeTTL = 5 * time.Minute

func (r *request) knowsAPI(id int, hash string) error {
	if apis := r.s.cfg.APIs; id <= 0 || hash == "" || (len(apis) > 0 && apis[id] != hash) {
		return tgerr.New(400, "API_ID_INVALID")
	}
	return nil
}

func (r *request) exportLoginToken(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.AuthExportLoginTokenRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	if err := r.knowsAPI(req.APIID, req.APIHash); err != nil {
		return nil, err
	}
	if p := r.key.owner; p != nil {
		return &tg.AuthLoginTokenSuccess{Authorization: authorization(p)}, nil
	}
	now := r.s.cfg.Now()
	for id, t := range r.s.tokens {
		switch {
		case t.key == r.key && t.accepted != nil && !t.used:
			return r.accepted(t)
		case now.After(t.expires.Add(time.Minute)):
			delete(r.s.tokens, id)
		}
	}
	t := &token{raw: random(32), key: r.key, expires: now.Add(r.s.cfg.TokenTTL)}
	id := base64.RawURLEncoding.EncodeToString(t.raw)
	r.s.tokens[tokenKey("token="+id)] = t
	if phone := r.s.cfg.AutoScan; phone != "" {
		r.s.wg.Go(func() { _ = r.s.Scan(phone, "token="+id) }) // a number that nobody has scans nothing
	}
	return &tg.AuthLoginToken{Expires: int(t.expires.Unix()), Token: t.raw}, nil
}

// accepted answers for a token that a phone has accepted: from where the account lives.
func (r *request) accepted(t *token) (bin.Encoder, error) {
	if t.accepted.DC != r.key.dc {
		return &tg.AuthLoginTokenMigrateTo{DCID: t.accepted.DC, Token: t.raw}, nil
	}
	t.used = true
	auth, err := r.logIn(t.accepted)
	if err != nil {
		return nil, err
	}
	return &tg.AuthLoginTokenSuccess{Authorization: auth}, nil
}

func (r *request) importLoginToken(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.AuthImportLoginTokenRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	t := r.s.tokens[tokenKey("token="+base64.RawURLEncoding.EncodeToString(req.Token))]
	switch {
	case t == nil || t.accepted == nil || t.accepted.DC != r.key.dc:
		return nil, tgerr.New(400, "AUTH_TOKEN_INVALID")
	case t.used:
		return nil, tgerr.New(400, "AUTH_TOKEN_ALREADY_ACCEPTED")
	case r.s.cfg.Now().After(t.expires.Add(time.Minute)):
		return nil, tgerr.New(400, "AUTH_TOKEN_EXPIRED")
	}
	return r.accepted(t)
}

// logIn makes the key somebody's, unless a password stands before that.
func (r *request) logIn(p *person) (tg.AuthAuthorizationClass, error) {
	if p.banned {
		return nil, tgerr.New(401, "USER_DEACTIVATED_BAN")
	}
	if p.Password != "" {
		r.key.pending = p
		return nil, tgerr.New(401, "SESSION_PASSWORD_NEEDED")
	}
	r.key.owner, r.key.pending, r.key.since = p, nil, r.s.cfg.Now()
	return authorization(p), nil
}

func authorization(p *person) *tg.AuthAuthorization {
	return &tg.AuthAuthorization{User: p.user(true)}
}

// sender checks a number, and whether its account lives here. Nobody may have it yet.
func (r *request) sender(phone string) (string, *person, error) {
	digits := digitsOf(phone)
	if len(digits) < minPhone || len(digits) > maxPhone {
		return "", nil, tgerr.New(400, "PHONE_NUMBER_INVALID")
	}
	p := r.s.people[digits]
	switch {
	case p == nil:
		return digits, nil, nil
	case p.banned:
		return "", nil, tgerr.New(400, "PHONE_NUMBER_BANNED")
	case p.DC != r.key.dc:
		return "", nil, tgerr.New(303, "PHONE_MIGRATE_"+strconv.Itoa(p.DC))
	}
	return digits, p, nil
}

func (r *request) sendCode(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.AuthSendCodeRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	if err := r.knowsAPI(req.APIID, req.APIHash); err != nil {
		return nil, err
	}
	digits, p, err := r.sender(req.PhoneNumber)
	if err != nil {
		return nil, err
	}
	return r.sent(digits, p, &code{hash: base64.RawURLEncoding.EncodeToString(random(12))})
}

func (r *request) resendCode(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.AuthResendCodeRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	digits, p, err := r.sender(req.PhoneNumber)
	if err != nil {
		return nil, err
	}
	c := r.s.sent[digits]
	if c == nil || c.hash != req.PhoneCodeHash {
		return nil, tgerr.New(400, "PHONE_CODE_HASH_EMPTY")
	}
	if c.step+1 >= len(ways(p)) {
		return nil, tgerr.New(406, "SEND_CODE_UNAVAILABLE")
	}
	c.step++
	return r.sent(digits, p, c)
}

func ways(p *person) []string {
	if p == nil {
		return []string{"sms", "call"}
	}
	if len(p.Codes) == 0 {
		return []string{"app", "sms", "call"}
	}
	return p.Codes
}

const codeLength = 5

// sent makes a new code and says how it goes out.
func (r *request) sent(digits string, p *person, c *code) (bin.Encoder, error) {
	way := ways(p)[c.step]
	if way == "payment" {
		return &tg.AuthSentCodePaymentRequired{PhoneCodeHash: c.hash, StoreProduct: "sms", Currency: "EUR"}, nil
	}
	c.value, c.expires = r.s.cfg.Code, r.s.cfg.Now().Add(codeTTL)
	if c.value == "" {
		c.value = randomDigits(codeLength)
	}
	if way == "word" {
		c.value = "lighthouse"
	}
	r.s.sent[digits] = c
	out := &tg.AuthSentCode{Type: sentBy(way), PhoneCodeHash: c.hash}
	if c.step+1 < len(ways(p)) {
		out.SetTimeout(int(r.s.cfg.ResendAfter / time.Second))
		out.SetNextType(nextBy(ways(p)[c.step+1]))
	}
	return out, nil
}

func sentBy(way string) tg.AuthSentCodeTypeClass {
	switch way {
	case "sms":
		return &tg.AuthSentCodeTypeSMS{Length: codeLength}
	case "call":
		return &tg.AuthSentCodeTypeCall{Length: codeLength}
	case "flash_call":
		return &tg.AuthSentCodeTypeFlashCall{Pattern: "*"}
	case "missed_call":
		return &tg.AuthSentCodeTypeMissedCall{Prefix: "4930", Length: codeLength}
	case "email":
		return &tg.AuthSentCodeTypeEmailCode{EmailPattern: "a***@e***.test", Length: codeLength}
	case "email_setup":
		return &tg.AuthSentCodeTypeSetUpEmailRequired{}
	case "fragment":
		return &tg.AuthSentCodeTypeFragmentSMS{URL: "https://fragment.com/login", Length: codeLength}
	case "word":
		return &tg.AuthSentCodeTypeSMSWord{Beginning: "l"}
	}
	return &tg.AuthSentCodeTypeApp{Length: codeLength}
}

func nextBy(way string) tg.AuthCodeTypeClass {
	switch way {
	case "call":
		return &tg.AuthCodeTypeCall{}
	case "missed_call":
		return &tg.AuthCodeTypeMissedCall{}
	case "flash_call":
		return &tg.AuthCodeTypeFlashCall{}
	case "fragment":
		return &tg.AuthCodeTypeFragmentSMS{}
	}
	return &tg.AuthCodeTypeSMS{}
}

func (r *request) signIn(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.AuthSignInRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	digits, p, err := r.sender(req.PhoneNumber)
	if err != nil {
		return nil, err
	}
	given := req.PhoneCode
	c := r.s.sent[digits]
	if c != nil && ways(p)[c.step] == "email" { // core.telegram.org/api/auth#email-verification
		given = ""
		if v, ok := req.EmailVerification.(*tg.EmailVerificationCode); ok {
			given = v.Code
		}
	}
	switch {
	case given == "":
		return nil, tgerr.New(400, "PHONE_CODE_EMPTY")
	case c == nil || c.hash != req.PhoneCodeHash || r.s.cfg.Now().After(c.expires):
		return nil, tgerr.New(400, "PHONE_CODE_EXPIRED")
	case given != c.value:
		return nil, tgerr.New(400, "PHONE_CODE_INVALID")
	case p == nil:
		return &tg.AuthAuthorizationSignUpRequired{}, nil
	}
	delete(r.s.sent, digits)
	auth, err := r.logIn(p)
	if err != nil {
		return nil, err
	}
	return auth, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func randomDigits(n int) string {
	b := random(n)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}

func padded(n *big.Int) []byte { return slices.Clone(n.FillBytes(make([]byte, 256))) }
