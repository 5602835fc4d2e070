package telegram

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

// evil is the server's side of an agreement, which can be wrong at each place. It answers what it was
// sent last, so that nothing runs beside the test.
type evil struct {
	key    *rsa.PrivateKey
	prime  *big.Int
	secret *big.Int
	g      int
	answer bin.Encoder

	nonce, server bin.Int128
	fresh         bin.Int256
	agreed        crypto.Key

	// What it changes before it says it.
	pq     func(*mt.ResPQ)
	params func(*mt.ServerDHParamsOk)
	inner  func(*mt.ServerDHInnerData)
	done   func(*mt.DhGenOk) bin.Encoder
}

func newEvil(t *testing.T) *evil {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	prime, err := exchange.TestServerRNG{}.DhPrime()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := rand.Int(rand.Reader, prime)
	if err != nil {
		t.Fatal(err)
	}
	return &evil{key: key, prime: prime, secret: secret, g: 3}
}

func (e *evil) Close() error { return nil }

func (e *evil) Recv(_ context.Context, b *bin.Buffer) error {
	var body bin.Buffer
	if err := e.answer.Encode(&body); err != nil {
		return err
	}
	b.Reset()
	return proto.UnencryptedMessage{MessageID: int64(proto.NewMessageID(time.Now(), proto.MessageServerResponse)), MessageData: body.Buf}.Encode(b)
}

func (e *evil) Send(_ context.Context, b *bin.Buffer) error {
	var m proto.UnencryptedMessage
	if err := m.Decode(b); err != nil {
		return err
	}
	body := &bin.Buffer{Buf: m.MessageData}
	id, err := body.PeekID()
	if err != nil {
		return err
	}
	switch id {
	case mt.ReqPqMultiRequestTypeID:
		return e.first(body)
	case mt.ReqDHParamsRequestTypeID:
		return e.second(body)
	}
	return e.third(body)
}

func (e *evil) first(b *bin.Buffer) error {
	var req mt.ReqPqMultiRequest
	if err := req.Decode(b); err != nil {
		return err
	}
	e.nonce = req.Nonce
	var err error
	if e.server, err = crypto.RandInt128(rand.Reader); err != nil {
		return err
	}
	res := &mt.ResPQ{
		Nonce: e.nonce, ServerNonce: e.server, Pq: new(big.Int).SetUint64(1229739323 * 1402015859).Bytes(),
		ServerPublicKeyFingerprints: []int64{exchange.PublicKey{RSA: &e.key.PublicKey}.Fingerprint()},
	}
	if e.pq != nil {
		e.pq(res)
	}
	e.answer = res
	return nil
}

func (e *evil) second(b *bin.Buffer) error {
	var req mt.ReqDHParamsRequest
	if err := req.Decode(b); err != nil {
		return err
	}
	raw, err := crypto.DecodeRSAPad(req.EncryptedData, e.key)
	if err != nil {
		return err
	}
	var theirs mt.PQInnerDataDC
	if err := theirs.Decode(&bin.Buffer{Buf: raw}); err != nil {
		return err
	}
	e.fresh = theirs.NewNonce
	inner := &mt.ServerDHInnerData{
		Nonce: e.nonce, ServerNonce: e.server, G: e.g, DhPrime: e.prime.Bytes(),
		GA: new(big.Int).Exp(big.NewInt(int64(e.g)), e.secret, e.prime).Bytes(), ServerTime: int(time.Now().Unix()),
	}
	if e.inner != nil {
		e.inner(inner)
	}
	var plain bin.Buffer
	if err := inner.Encode(&plain); err != nil {
		return err
	}
	key, iv := crypto.TempAESKeys(e.fresh.BigInt(), e.server.BigInt())
	sealed, err := crypto.EncryptExchangeAnswer(rand.Reader, plain.Buf, key, iv)
	if err != nil {
		return err
	}
	res := &mt.ServerDHParamsOk{Nonce: e.nonce, ServerNonce: e.server, EncryptedAnswer: sealed}
	if e.params != nil {
		e.params(res)
	}
	e.answer = res
	return nil
}

func (e *evil) third(b *bin.Buffer) error {
	var req mt.SetClientDHParamsRequest
	if err := req.Decode(b); err != nil {
		return err
	}
	key, iv := crypto.TempAESKeys(e.fresh.BigInt(), e.server.BigInt())
	raw, err := crypto.DecryptExchangeAnswer(req.EncryptedData, key, iv)
	if err != nil {
		return err
	}
	var theirs mt.ClientDHInnerData
	if err := theirs.Decode(&bin.Buffer{Buf: raw}); err != nil {
		return err
	}
	new(big.Int).Exp(new(big.Int).SetBytes(theirs.GB), e.secret, e.prime).FillBytes(e.agreed[:])
	ok := &mt.DhGenOk{Nonce: e.nonce, ServerNonce: e.server, NewNonceHash1: crypto.NonceHash1(e.fresh, e.agreed)}
	e.answer = ok
	if e.done != nil {
		e.answer = e.done(ok)
	}
	return nil
}

// TestTheGroupIsTelegrams compares with the beginning and end of the prime that the documentation
// prints (core.telegram.org/mtproto/security_guidelines).
func TestTheGroupIsTelegrams(t *testing.T) {
	t.Parallel()
	text := hex.EncodeToString(newEvil(t).prime.Bytes())
	if !strings.HasPrefix(text, "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f") || !strings.HasSuffix(text, "0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b") {
		t.Errorf("it is %s", text)
	}
}

// TestOnlyTelegramsOwnKeyIsTrusted: the one of its servers for everybody, and not that of its test servers.
func TestOnlyTelegramsOwnKeyIsTrusted(t *testing.T) {
	t.Parallel()
	const known uint64 = 0xd09d1d85de64fd85
	keys := ParseKeys(ownKeys)
	if len(keys) != 1 || uint64(exchange.PublicKey{RSA: keys[0]}.Fingerprint()) != known || keys[0].N.BitLen() != crypto.RSAKeyBits {
		t.Errorf("%d keys are trusted", len(keys))
	}
}

// TestAgreementWithAnEvilServer: whatever is wrong, no key comes of it.
func TestAgreementWithAnEvilServer(t *testing.T) {
	t.Parallel()
	other := bin.Int128{1, 2, 3}
	ga := func(n *big.Int) func(*evil) {
		return func(e *evil) { e.inner = func(d *mt.ServerDHInnerData) { d.GA = n.Bytes() } }
	}
	prime, err := exchange.TestServerRNG{}.DhPrime()
	if err != nil {
		t.Fatal(err)
	}
	low := new(big.Int).Lsh(big.NewInt(1), 2048-64)
	pq := func(n uint64) func(*evil) {
		return func(e *evil) { e.pq = func(r *mt.ResPQ) { r.Pq = new(big.Int).SetUint64(n).Bytes() } }
	}
	group := func(g int, p *big.Int) func(*evil) {
		return func(e *evil) {
			e.inner = func(d *mt.ServerDHInnerData) { d.G, d.DhPrime = g, p.Bytes() }
		}
	}
	for name, edit := range map[string]func(*evil){
		"another's nonce in resPQ":        func(e *evil) { e.pq = func(r *mt.ResPQ) { r.Nonce = other } },
		"a key that is not trusted":       func(e *evil) { e.pq = func(r *mt.ResPQ) { r.ServerPublicKeyFingerprints = []int64{1} } },
		"no key":                          func(e *evil) { e.pq = func(r *mt.ResPQ) { r.ServerPublicKeyFingerprints = nil } },
		"pq is 0":                         pq(0),
		"pq is 1":                         pq(1),
		"pq is prime":                     pq(9223372036854775783),
		"pq is too large":                 func(e *evil) { e.pq = func(r *mt.ResPQ) { r.Pq = low.Bytes() } },
		"another's nonce in params":       func(e *evil) { e.params = func(r *mt.ServerDHParamsOk) { r.Nonce = other } },
		"another server nonce in params":  func(e *evil) { e.params = func(r *mt.ServerDHParamsOk) { r.ServerNonce = other } },
		"params changed on the way":       func(e *evil) { e.params = func(r *mt.ServerDHParamsOk) { r.EncryptedAnswer[40] ^= 1 } },
		"params cut":                      func(e *evil) { e.params = func(r *mt.ServerDHParamsOk) { r.EncryptedAnswer = r.EncryptedAnswer[:17] } },
		"params empty":                    func(e *evil) { e.params = func(r *mt.ServerDHParamsOk) { r.EncryptedAnswer = nil } },
		"another's nonce inside":          func(e *evil) { e.inner = func(d *mt.ServerDHInnerData) { d.Nonce = other } },
		"another server nonce inside":     func(e *evil) { e.inner = func(d *mt.ServerDHInnerData) { d.ServerNonce = other } },
		"g is 1":                          group(1, prime),
		"g is no generator":               group(1000, prime),
		"p is not prime":                  group(3, new(big.Int).Sub(prime, big.NewInt(2))),
		"p is small":                      group(3, big.NewInt(23)),
		"p is 0":                          group(3, new(big.Int)),
		"p is larger than 2048 bits":      group(3, new(big.Int).Lsh(prime, 64)),
		"g_a is 0":                        ga(new(big.Int)),
		"g_a is 1":                        ga(big.NewInt(1)),
		"g_a is p-1":                      ga(new(big.Int).Sub(prime, big.NewInt(1))),
		"g_a is p":                        ga(prime),
		"g_a is near 0":                   ga(new(big.Int).Sub(low, big.NewInt(1))),
		"g_a is near p":                   ga(new(big.Int).Sub(prime, big.NewInt(7))),
		"g_a is above p":                  ga(new(big.Int).Lsh(prime, 3)),
		"a clock of another day":          func(e *evil) { e.inner = func(d *mt.ServerDHInnerData) { d.ServerTime -= 86400 } },
		"another's nonce at the end":      func(e *evil) { e.done = func(r *mt.DhGenOk) bin.Encoder { r.Nonce = other; return r } },
		"another server nonce at the end": func(e *evil) { e.done = func(r *mt.DhGenOk) bin.Encoder { r.ServerNonce = other; return r } },
		"another key":                     func(e *evil) { e.done = func(r *mt.DhGenOk) bin.Encoder { r.NewNonceHash1 = other; return r } },
		"retry": func(e *evil) {
			e.done = func(r *mt.DhGenOk) bin.Encoder {
				return &mt.DhGenRetry{Nonce: r.Nonce, ServerNonce: r.ServerNonce, NewNonceHash2: r.NewNonceHash1}
			}
		},
		"fail": func(e *evil) {
			e.done = func(r *mt.DhGenOk) bin.Encoder {
				return &mt.DhGenFail{Nonce: r.Nonce, ServerNonce: r.ServerNonce, NewNonceHash3: r.NewNonceHash1}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvil(t)
			edit(e)
			c := New(Config{PublicKeys: []*rsa.PublicKey{&e.key.PublicKey}})
			began := time.Now()
			key, _, err := c.agree(t.Context(), e, firstDC)
			if err == nil || key.Value != (crypto.Key{}) {
				t.Errorf("a key was agreed on: %v", err)
			}
			t.Logf("%v after %v", err, time.Since(began).Round(time.Millisecond))
		})
	}
	e := newEvil(t)
	c := New(Config{PublicKeys: []*rsa.PublicKey{&e.key.PublicKey}})
	key, _, err := c.agree(t.Context(), e, firstDC)
	if err != nil || key.Value != e.agreed {
		t.Errorf("with a good server: %v", err)
	}
}
