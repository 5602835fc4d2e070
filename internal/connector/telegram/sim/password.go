package sim

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"math/big"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// The server's side of the two-step password (core.telegram.org/api/srp). The group is that of
// RFC 3526 §3, which is a safe prime of 2048 bits; 3 generates what the client wants of it.

const (
	srpG          = 3
	srpIterations = 100_000
)

type srpExchange struct {
	id           int64
	salt1, salt2 []byte
	b, gb, v     *big.Int
}

func hash(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func salted(data, s []byte) []byte { return hash(s, data, s) }

// x is the password's number: PH2 of the documentation.
func (e *srpExchange) x(password string) (*big.Int, error) {
	first := salted(salted([]byte(password), e.salt1), e.salt2)
	long, err := pbkdf2.Key(sha512.New, string(first), e.salt1, srpIterations, sha512.Size)
	if err != nil {
		return nil, err
	}
	return new(big.Int).SetBytes(salted(long, e.salt2)), nil
}

func srpGroup() (g, p *big.Int) {
	p, _ = new(big.Int).SetString(srpPrime, 16)
	return big.NewInt(srpG), p
}

func (r *request) getPassword(*bin.Buffer) (bin.Encoder, error) {
	who := r.key.pending
	if who == nil {
		who = r.key.owner
	}
	if who == nil {
		return nil, tgerr.New(401, "AUTH_KEY_UNREGISTERED")
	}
	g, p := srpGroup()
	out := &tg.AccountPassword{
		NewAlgo: &tg.PasswordKdfAlgoUnknown{}, NewSecureAlgo: &tg.SecurePasswordKdfAlgoUnknown{}, SecureRandom: random(32),
	}
	if who.Password == "" {
		return out, nil
	}
	e := &srpExchange{id: int64(binary.BigEndian.Uint32(random(4))), salt1: random(8), salt2: random(16)}
	x, err := e.x(who.Password)
	if err != nil {
		return nil, err
	}
	k := new(big.Int).SetBytes(hash(padded(p), padded(g)))
	e.v = new(big.Int).Exp(g, x, p)
	if e.b, err = rand.Int(rand.Reader, p); err != nil {
		return nil, err
	}
	e.gb = new(big.Int).Mod(new(big.Int).Add(new(big.Int).Mul(k, e.v), new(big.Int).Exp(g, e.b, p)), p)
	r.key.srp = e
	out.HasPassword = true
	out.SetHint(who.Hint)
	out.SetSRPID(e.id)
	out.SetSRPB(padded(e.gb))
	out.SetCurrentAlgo(&tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow{
		Salt1: e.salt1, Salt2: e.salt2, G: srpG, P: padded(p),
	})
	return out, nil
}

func (r *request) checkPassword(b *bin.Buffer) (bin.Encoder, error) {
	var req tg.AuthCheckPasswordRequest
	if err := req.Decode(b); err != nil {
		return nil, err
	}
	who, e := r.key.pending, r.key.srp
	if who == nil {
		return nil, tgerr.New(401, "AUTH_KEY_UNREGISTERED")
	}
	in, ok := req.Password.(*tg.InputCheckPasswordSRP)
	if !ok {
		return nil, tgerr.New(400, "PASSWORD_HASH_INVALID")
	}
	if e == nil || e.id != in.SRPID {
		return nil, tgerr.New(400, "SRP_ID_INVALID")
	}
	r.key.srp = nil // good for one try
	if !bytes.Equal(in.M1, e.proof(in.A)) {
		return nil, tgerr.New(400, "PASSWORD_HASH_INVALID")
	}
	r.key.owner, r.key.pending, r.key.since = who, nil, r.s.cfg.Now()
	return authorization(who), nil
}

// proof is the M1 that the right password makes.
func (e *srpExchange) proof(a []byte) []byte {
	g, p := srpGroup()
	ga := new(big.Int).SetBytes(a)
	u := new(big.Int).SetBytes(hash(padded(ga), padded(e.gb)))
	secret := new(big.Int).Exp(new(big.Int).Mul(ga, new(big.Int).Exp(e.v, u, p)), e.b, p)
	mixed := hash(padded(p))
	for i, x := range hash(padded(g)) {
		mixed[i] ^= x
	}
	return hash(mixed, hash(e.salt1), hash(e.salt2), padded(ga), padded(e.gb), hash(padded(secret)))
}
