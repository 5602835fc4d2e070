package telegram

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/transport"
)

// Making a key with a data centre (core.telegram.org/mtproto/auth_key), on the library's messages and
// ciphers. The library's own exchange proves anew each time that the group is one: 0.6 s of
// processor, where all servers have used one and the same group for years. Here a group is proven
// once in the life of the process, and that one not at all: a test does it.

var errAgree = errors.New("telegram: no key was agreed on")

// knownGroup is SHA-256 of the prime that Telegram's servers use.
const knownGroup = "02f85e7687fc6f33ba678226a963b3c8a191b47c890cf30debe17c1d623b5af1"

// groups remembers which groups were proven.
type groups struct {
	mu   sync.Mutex
	good map[[sha256.Size]byte]bool
}

func (g *groups) check(gen int, p *big.Int) error {
	sum := sha256.Sum256(p.Bytes())
	g.mu.Lock()
	good := g.good[sum]
	g.mu.Unlock()
	if good || hex.EncodeToString(sum[:]) == knownGroup {
		return crypto.CheckGP(gen, p) // the generator is cheap
	}
	if err := crypto.CheckDH(gen, p); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.good == nil || len(g.good) > 64 {
		g.good = map[[sha256.Size]byte]bool{}
	}
	g.good[sum] = true
	return nil
}

// agreement is one making of a key.
type agreement struct {
	conn  transport.Conn
	nonce bin.Int128
	// server and fresh are the other two nonces.
	server bin.Int128
	fresh  bin.Int256
}

// agree makes a key with the data centre behind conn.
func (c *Connector) agree(ctx context.Context, conn transport.Conn, dc int) (crypto.AuthKey, int64, error) {
	a := &agreement{conn: conn}
	var err error
	if a.nonce, err = crypto.RandInt128(rand.Reader); err == nil {
		a.fresh, err = crypto.RandInt256(rand.Reader)
	}
	if err != nil {
		return crypto.AuthKey{}, 0, err
	}
	var pq mt.ResPQ
	if err := a.ask(ctx, &mt.ReqPqMultiRequest{Nonce: a.nonce}, pq.Decode); err != nil {
		return crypto.AuthKey{}, 0, err
	}
	if pq.Nonce != a.nonce {
		return crypto.AuthKey{}, 0, fmt.Errorf("%w: another's nonce", errAgree)
	}
	a.server = pq.ServerNonce
	inner, err := a.parameters(ctx, pq, c.keys, dc)
	if err != nil {
		return crypto.AuthKey{}, 0, err
	}
	return a.finish(ctx, inner, &c.groups)
}

// ask sends one message and reads the answer, neither of them encrypted.
func (a *agreement) ask(ctx context.Context, msg bin.Encoder, read func(*bin.Buffer) error) error {
	var b bin.Buffer
	if err := msg.Encode(&b); err != nil {
		return err
	}
	plain := proto.UnencryptedMessage{
		MessageID: int64(proto.NewMessageID(time.Now(), proto.MessageFromClient)), MessageData: b.Copy(), //nolint:forbidigo // the protocol's own clock
	}
	b.Reset()
	if err := plain.Encode(&b); err != nil {
		return err
	}
	if err := a.conn.Send(ctx, &b); err != nil {
		return err
	}
	b.Reset()
	if err := a.conn.Recv(ctx, &b); err != nil {
		return err
	}
	var got proto.UnencryptedMessage
	if err := got.Decode(&b); err != nil {
		return fmt.Errorf("%w: %w", errAgree, err)
	}
	if err := read(&bin.Buffer{Buf: got.MessageData}); err != nil {
		return fmt.Errorf("%w: %w", errAgree, err)
	}
	return nil
}

// parameters proves to the server that we took the trouble, and gets its half.
func (a *agreement) parameters(ctx context.Context, pq mt.ResPQ, keys []exchange.PublicKey, dc int) (mt.ServerDHInnerData, error) {
	var inner mt.ServerDHInnerData
	i := slices.IndexFunc(keys, func(k exchange.PublicKey) bool {
		return slices.Contains(pq.ServerPublicKeyFingerprints, k.Fingerprint())
	})
	if i < 0 {
		return inner, fmt.Errorf("%w: the server has none of the keys that are trusted", errAgree)
	}
	n := new(big.Int).SetBytes(pq.Pq)
	// A prime would be searched for factors until the search gives up: seconds, for whoever sits in between.
	if !n.IsUint64() || n.Uint64() > 1<<63-1 || n.Uint64() < 4 || n.ProbablyPrime(0) {
		return inner, fmt.Errorf("%w: pq is no product of two primes", errAgree)
	}
	p, q, ok := factor(n.Uint64())
	if !ok {
		return inner, fmt.Errorf("%w: pq has no two factors", errAgree)
	}
	pb, qb := new(big.Int).SetUint64(p).Bytes(), new(big.Int).SetUint64(q).Bytes()
	var b bin.Buffer
	if err := (&mt.PQInnerDataDC{Pq: pq.Pq, P: pb, Q: qb, Nonce: a.nonce, ServerNonce: a.server, NewNonce: a.fresh, DC: dc}).Encode(&b); err != nil {
		return inner, err
	}
	sealed, err := crypto.RSAPad(b.Buf, keys[i].RSA, rand.Reader)
	if err != nil {
		return inner, fmt.Errorf("%w: %w", errAgree, err)
	}
	err = a.ask(ctx, &mt.ReqDHParamsRequest{
		Nonce: a.nonce, ServerNonce: a.server, P: pb, Q: qb, PublicKeyFingerprint: keys[i].Fingerprint(), EncryptedData: sealed,
	}, func(b *bin.Buffer) error {
		got, err := mt.DecodeServerDHParams(b)
		if err != nil {
			return err
		}
		params, ok := got.(*mt.ServerDHParamsOk)
		if !ok || params.Nonce != a.nonce || params.ServerNonce != a.server {
			return errors.New("the parameters are not for us")
		}
		key, iv := crypto.TempAESKeys(a.fresh.BigInt(), a.server.BigInt())
		data, err := crypto.DecryptExchangeAnswer(params.EncryptedAnswer, key, iv)
		if err != nil {
			return err
		}
		if len(data) == 0 { // that the hash does not fit, the library says in this way only
			return errors.New("the parameters were changed on the way")
		}
		return inner.Decode(&bin.Buffer{Buf: data})
	})
	if err == nil && (inner.Nonce != a.nonce || inner.ServerNonce != a.server) {
		err = fmt.Errorf("%w: another's nonce", errAgree)
	}
	if err == nil {
		err = sameTime(time.Unix(int64(inner.ServerTime), 0), time.Now()) //nolint:forbidigo // the protocol's own clock
	}
	return inner, err
}

// clockApart is how far clocks may be apart: servers take messages of 300 s ago, and of 30 s ahead
// (core.telegram.org/mtproto/description#message-identifier-msg-id).
const clockApart = 5 * time.Minute

// sameTime tells an operator what no later error would: with another time than the server's, every
// message is refused.
func sameTime(server, ours time.Time) error {
	if d := ours.Sub(server); d.Abs() > clockApart {
		return fmt.Errorf("%w: this machine's clock and Telegram's are %s apart", errAgree, d.Round(time.Second))
	}
	return nil
}

// finish sends our half, and checks that the server has the same key.
func (a *agreement) finish(ctx context.Context, inner mt.ServerDHInnerData, known *groups) (crypto.AuthKey, int64, error) {
	none := crypto.AuthKey{}
	prime, g, ga := new(big.Int).SetBytes(inner.DhPrime), big.NewInt(int64(inner.G)), new(big.Int).SetBytes(inner.GA)
	if err := known.check(inner.G, prime); err != nil {
		return none, 0, fmt.Errorf("%w: %w", errAgree, err)
	}
	secret, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), crypto.RSAKeyBits))
	if err != nil {
		return none, 0, err
	}
	gb := new(big.Int).Exp(g, secret, prime)
	if err := crypto.CheckDHParams(prime, g, ga, gb); err != nil {
		return none, 0, fmt.Errorf("%w: %w", errAgree, err)
	}
	var b bin.Buffer
	if err := (&mt.ClientDHInnerData{Nonce: a.nonce, ServerNonce: a.server, GB: gb.Bytes()}).Encode(&b); err != nil {
		return none, 0, err
	}
	tmpKey, tmpIV := crypto.TempAESKeys(a.fresh.BigInt(), a.server.BigInt())
	sealed, err := crypto.EncryptExchangeAnswer(rand.Reader, b.Buf, tmpKey, tmpIV)
	if err != nil {
		return none, 0, fmt.Errorf("%w: %w", errAgree, err)
	}
	var key crypto.Key
	new(big.Int).Exp(ga, secret, prime).FillBytes(key[:])
	err = a.ask(ctx, &mt.SetClientDHParamsRequest{Nonce: a.nonce, ServerNonce: a.server, EncryptedData: sealed}, func(b *bin.Buffer) error {
		got, err := mt.DecodeSetClientDHParamsAnswer(b)
		if err != nil {
			return err
		}
		ok, is := got.(*mt.DhGenOk) // "retry" and "fail" end it as well: the next try has other numbers
		if !is || ok.Nonce != a.nonce || ok.ServerNonce != a.server || ok.NewNonceHash1 != crypto.NonceHash1(a.fresh, key) {
			return errors.New("the server has not the same key")
		}
		return nil
	})
	if err != nil {
		return none, 0, err
	}
	return key.WithID(), crypto.ServerSalt(a.fresh, a.server), nil
}

// factor finds the two factors of n, the smaller one first: Brent's variant of Pollard's method, in
// machine words. It is the trouble that the protocol asks of a client.
func factor(n uint64) (p, q uint64, ok bool) {
	if n%2 == 0 {
		return 2, n / 2, n > 4
	}
	mul := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a, b)
		_, rem := bits.Div64(hi%n, lo, n)
		return rem
	}
	const seeds, batch, longest = 32, 128, 1 << 20
	for c := uint64(1); c <= seeds; c++ {
		next := func(x uint64) uint64 {
			v := mul(x, x)
			if v >= n-c {
				return v - (n - c)
			}
			return v + c
		}
		y, d := uint64(2), uint64(1)
		for r := 1; d == 1 && r < longest; r *= 2 {
			x := y
			for range r {
				y = next(y)
			}
			for k := 0; k < r && d == 1; k += batch {
				back, product := y, uint64(1)
				for range min(batch, r-k) {
					y = next(y)
					product = mul(product, max(x, y)-min(x, y))
				}
				if d = gcd(product, n); d != n {
					continue
				}
				for d = 1; d == 1; { // too far: one step at a time
					back = next(back)
					d = gcd(max(x, back)-min(x, back), n)
				}
			}
		}
		if d > 1 && d < n {
			return min(d, n/d), max(d, n/d), true
		}
	}
	return 0, 0, false
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
