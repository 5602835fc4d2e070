package sim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"golang.org/x/crypto/curve25519"
	"google.golang.org/protobuf/proto"
)

// pattern is the protocol's name (Noise Protocol Framework §8), padded to the length of a hash.
const pattern = "Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00"

// keyPair is an X25519 key pair, which also signs (XEdDSA).
type keyPair struct{ pub, priv [32]byte }

func newKeyPair() keyPair {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	return keyPairFrom(seed)
}

func keyPairFrom(seed [32]byte) keyPair {
	k := keyPair{priv: seed}
	k.priv[0] &= 248
	k.priv[31] = k.priv[31]&127 | 64
	pub, err := curve25519.X25519(k.priv[:], curve25519.Basepoint)
	if err != nil {
		panic(err) // only a low-order point fails, and the base point is none
	}
	copy(k.pub[:], pub)
	return k
}

func (k keyPair) sign(message []byte) []byte {
	sig := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(k.priv), message)
	return sig[:]
}

func (k keyPair) shared(pub []byte) ([]byte, error) { return curve25519.X25519(k.priv[:], pub) }

// handshake is the responder's side of Noise XX. It differs from the framework in one thing: the
// empty payload of the first message is not mixed into the hash.
type handshake struct {
	hash, salt []byte
	key        cipher.AEAD
	n          uint32
}

func newHandshake(header []byte) (*handshake, error) {
	h := &handshake{hash: []byte(pattern), salt: []byte(pattern)}
	var err error
	h.key, err = gcm(h.hash)
	h.mixHash(header)
	return h, err
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func nonce(n uint32) []byte {
	iv := make([]byte, 12)
	binary.BigEndian.PutUint32(iv[8:], n)
	return iv
}

func (h *handshake) mixHash(data []byte) {
	sum := sha256.Sum256(append(append([]byte(nil), h.hash...), data...))
	h.hash = sum[:]
}

func (h *handshake) expand(secret []byte) (first, second []byte, err error) {
	out, err := hkdf.Key(sha256.New, secret, h.salt, "", 64)
	if err != nil {
		return nil, nil, err
	}
	return out[:32], out[32:], nil
}

func (h *handshake) mixKey(own keyPair, pub []byte) error {
	secret, err := own.shared(pub)
	if err != nil {
		return err
	}
	salt, key, err := h.expand(secret)
	if err != nil {
		return err
	}
	h.salt, h.n = salt, 0
	h.key, err = gcm(key)
	return err
}

func (h *handshake) seal(plain []byte) []byte {
	out := h.key.Seal(nil, nonce(h.n), plain, h.hash)
	h.n++
	h.mixHash(out)
	return out
}

func (h *handshake) open(sealed []byte) ([]byte, error) {
	plain, err := h.key.Open(nil, nonce(h.n), sealed, h.hash)
	if err != nil {
		return nil, err
	}
	h.n++
	h.mixHash(sealed)
	return plain, nil
}

// accepted is what a handshake yields: who it is, and the two keys of the transport.
type accepted struct {
	static      [32]byte
	payload     *waWa6.ClientPayload
	read, write cipher.AEAD
}

// name is what the device calls itself; empty where it is linked already.
func (a accepted) name() string {
	var props waCompanionReg.DeviceProps
	if proto.Unmarshal(a.payload.GetDevicePairingData().GetDeviceProps(), &props) != nil {
		return ""
	}
	return props.GetOs()
}

var errNoHandshake = errors.New("sim: not a handshake")

// accept plays the responder over read and write, which carry whole frames.
func (s *Sim) accept(header []byte, read func() ([]byte, error), write func([]byte) error) (accepted, error) {
	var out accepted
	h, err := newHandshake(header)
	if err != nil {
		return out, err
	}
	hello, err := readHandshake(read)
	if err != nil {
		return out, err
	}
	theirs := hello.GetClientHello().GetEphemeral()
	if len(theirs) != 32 {
		return out, errNoHandshake
	}
	h.mixHash(theirs)
	ephemeral := newKeyPair()
	h.mixHash(ephemeral.pub[:])
	if err := h.mixKey(ephemeral, theirs); err != nil {
		return out, err
	}
	static := h.seal(s.static.pub[:])
	if err := h.mixKey(s.static, theirs); err != nil {
		return out, err
	}
	chain, err := s.certificate()
	if err != nil {
		return out, err
	}
	msg, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: ephemeral.pub[:], Static: static, Payload: h.seal(chain),
	}})
	if err != nil {
		return out, err
	}
	if err := write(msg); err != nil {
		return out, err
	}
	finish, err := readHandshake(read)
	if err != nil {
		return out, err
	}
	return h.finish(ephemeral, finish.GetClientFinish())
}

func readHandshake(read func() ([]byte, error)) (*waWa6.HandshakeMessage, error) {
	raw, err := read()
	if err != nil {
		return nil, err
	}
	var m waWa6.HandshakeMessage
	if err := proto.Unmarshal(raw, &m); err != nil {
		return nil, errNoHandshake
	}
	return &m, nil
}

func (h *handshake) finish(ephemeral keyPair, m *waWa6.HandshakeMessage_ClientFinish) (accepted, error) {
	out := accepted{payload: &waWa6.ClientPayload{}}
	static, err := h.open(m.GetStatic())
	if err != nil || len(static) != 32 {
		return out, errNoHandshake
	}
	copy(out.static[:], static)
	if err := h.mixKey(ephemeral, static); err != nil {
		return out, err
	}
	raw, err := h.open(m.GetPayload())
	if err != nil {
		return out, errNoHandshake
	}
	if err := proto.Unmarshal(raw, out.payload); err != nil {
		return out, errNoHandshake
	}
	// The first key is the initiator's for writing (Noise §5.2, Split).
	first, second, err := h.expand(nil)
	if err != nil {
		return out, err
	}
	if out.read, err = gcm(first); err != nil {
		return out, err
	}
	out.write, err = gcm(second)
	return out, err
}

// Life of the certificates, around now.
const (
	certBefore = time.Hour
	certAfter  = 24 * time.Hour
)

// certificate is the chain root → intermediate → leaf, whose key is the server's static one.
func (s *Sim) certificate() ([]byte, error) {
	from, until := s.cfg.Now().Add(-certBefore), s.cfg.Now().Add(certAfter)
	if s.faults().Expired {
		from, until = from.Add(-certAfter), s.cfg.Now().Add(-certBefore/2)
	}
	root := s.root
	if s.faults().WrongRoot {
		root = newKeyPair()
	}
	intermediate := newKeyPair()
	mid, err := signed(root, 1, 0, intermediate.pub, from, until)
	if err != nil {
		return nil, fmt.Errorf("sim: certificate: %w", err)
	}
	leaf, err := signed(intermediate, 2, 1, s.static.pub, from, until)
	if err != nil {
		return nil, fmt.Errorf("sim: certificate: %w", err)
	}
	return proto.Marshal(&waCert.CertChain{Intermediate: mid, Leaf: leaf})
}

func signed(by keyPair, serial, issuer uint32, key [32]byte, from, until time.Time) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial: proto.Uint32(serial), IssuerSerial: proto.Uint32(issuer), Key: key[:],
		NotBefore: proto.Uint64(uint64(from.Unix())), NotAfter: proto.Uint64(uint64(until.Unix())), //nolint:gosec // after 1970
	})
	if err != nil {
		return nil, err
	}
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: by.sign(details)}, nil
}
