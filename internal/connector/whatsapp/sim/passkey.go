package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// Of the assertion that a browser makes (Web Authentication Level 2, §7.2).
const (
	rpID   = "whatsapp.com"
	origin = "https://web.whatsapp.com"
)

// passkeyPairing is a pairing that is vouched for with a passkey.
type passkeyPairing struct {
	phone      *phone
	challenge  string
	credential []byte
	key        *ecdsa.PrivateKey
	ref        string
	identity   *waCompanionReg.CompanionEphemeralIdentity
	encoded    []byte
	commitment []byte
	primary    keyPair
}

// askPasskey asks the companion for an assertion.
func (c *conn) askPasskey(ph *phone) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	p := &passkeyPairing{phone: ph, challenge: rand.Text(), credential: []byte(rand.Text()), key: key, ref: rand.Text()}
	c.sim.mu.Lock()
	c.passkey = p
	c.sim.mu.Unlock()
	options, err := json.Marshal(map[string]any{
		"challenge": b64(p.challenge), "timeout": 600000, "rpId": rpID, "userVerification": "required",
		"allowCredentials": []any{map[string]any{"id": b64(string(p.credential)), "type": "public-key", "transports": []string{"internal"}}},
	})
	if err != nil {
		return err
	}
	return c.send(node("notification", waBinary.Attrs{"from": types.ServerJID, "type": "passkey_prologue_request", "id": rand.Text()},
		leaf("passkey_request_options", options)))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// Assertion is what the account owner's browser answers on web.whatsapp.com to what the companion was
// asked: the JSON that is pasted.
func (s *Sim) Assertion(number string) (string, error) {
	s.mu.Lock()
	var p *passkeyPairing
	for c := range s.conns {
		if c.passkey != nil && c.passkey.phone.Number == number {
			p = c.passkey
		}
	}
	s.mu.Unlock()
	if p == nil {
		return "", ErrNoCode
	}
	client, err := json.Marshal(map[string]string{"type": "webauthn.get", "challenge": b64(p.challenge), "origin": origin})
	if err != nil {
		return "", err
	}
	rp := sha256.Sum256([]byte(rpID))
	auth := append(rp[:], 5, 0, 0, 0, 1) // user present and verified, one use
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(auth), sum[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, p.key, digest[:])
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(map[string]any{
		"id": b64(string(p.credential)), "rawId": b64(string(p.credential)), "type": "public-key",
		"response": map[string]any{"clientDataJSON": b64(string(client)), "authenticatorData": b64(string(auth)), "signature": b64(string(sig)), "userHandle": nil},
	})
	return string(out), err
}

func (c *conn) passkeyRef() string {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.passkey == nil {
		return ""
	}
	return c.passkey.ref
}

// prologue checks the assertion, and answers with the phone's ephemeral key.
func (c *conn) prologue(iq *waBinary.Node, n waBinary.Node) error {
	p := c.passkey
	if p == nil || !p.verify(content(&n, "webauthn_assertion")) {
		return c.refuse(iq, 401, "not-authorized")
	}
	var pl waCompanionReg.ProloguePayload
	p.identity = &waCompanionReg.CompanionEphemeralIdentity{}
	if proto.Unmarshal(content(&n, "prologue_payload"), &pl) != nil || proto.Unmarshal(pl.GetCompanionEphemeralIdentity(), p.identity) != nil {
		return c.refuse(iq, 400, "bad-request")
	}
	p.encoded, p.commitment, p.primary = pl.GetCompanionEphemeralIdentity(), pl.GetCommitment().GetHash(), newKeyPair()
	if err := c.result(iq); err != nil {
		return err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	primary, err := proto.Marshal(&waCompanionReg.PrimaryEphemeralIdentity{PublicKey: p.primary.pub[:], Nonce: random})
	if err != nil {
		return err
	}
	return c.send(node("notification", waBinary.Attrs{"from": types.ServerJID, "type": "crsc_continuation", "id": rand.Text()},
		leaf("primary_ephemeral_identity", primary)))
}

// verify checks what WebAuthn says must be checked of an assertion.
func (p *passkeyPairing) verify(raw []byte) bool {
	var a struct {
		Response struct {
			ClientDataJSON    string `json:"clientDataJSON"`
			AuthenticatorData string `json:"authenticatorData"`
			Signature         string `json:"signature"`
		} `json:"response"`
	}
	if json.Unmarshal(raw, &a) != nil {
		return false
	}
	client, err1 := base64.RawURLEncoding.DecodeString(a.Response.ClientDataJSON)
	auth, err2 := base64.RawURLEncoding.DecodeString(a.Response.AuthenticatorData)
	sig, err3 := base64.RawURLEncoding.DecodeString(a.Response.Signature)
	var said struct{ Type, Challenge, Origin string }
	if err1 != nil || err2 != nil || err3 != nil || json.Unmarshal(client, &said) != nil {
		return false
	}
	rp := sha256.Sum256([]byte(rpID))
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(auth), sum[:]...))
	return said.Type == "webauthn.get" && said.Challenge == b64(p.challenge) && said.Origin == origin &&
		len(auth) >= 37 && bytes.Equal(auth[:32], rp[:]) && ecdsa.VerifyASN1(&p.key.PublicKey, digest[:], sig)
}

// companionNonce opens the companion's commitment.
func (c *conn) companionNonce(iq *waBinary.Node, n waBinary.Node) error {
	p := c.passkey
	raw, _ := n.Content.([]byte)
	if p == nil || p.identity == nil {
		return c.refuse(iq, 400, "bad-request")
	}
	sum := sha256.Sum256(append(bytes.Clone(p.encoded), raw...))
	if !bytes.Equal(sum[:], p.commitment) {
		return c.refuse(iq, 401, "not-authorized")
	}
	return c.result(iq)
}

// pairingRequest takes the companion's keys, sealed for the phone.
func (c *conn) pairingRequest(iq *waBinary.Node, n waBinary.Node) error {
	p := c.passkey
	raw, _ := n.Content.([]byte)
	var sealed waCompanionReg.EncryptedPairingRequest
	if p == nil || p.identity == nil || proto.Unmarshal(raw, &sealed) != nil || len(sealed.GetIV()) != 12 {
		return c.refuse(iq, 400, "bad-request")
	}
	shared, err := p.primary.shared(p.identity.GetPublicKey())
	if err != nil {
		return c.refuse(iq, 400, "bad-request")
	}
	salt := fmt.Sprintf("Companion Pairing %d with ref %s", p.identity.GetDeviceType(), p.identity.GetRef())
	key, err := hkdf.Key(sha256.New, shared, []byte(salt), "Pairing Information Encryption Key", 32)
	if err != nil {
		return err
	}
	aead, err := gcm(key)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, sealed.GetIV(), sealed.GetEncryptedPayload(), nil)
	var req waCompanionReg.PairingRequest
	if err != nil || proto.Unmarshal(plain, &req) != nil || len(req.GetCompanionIdentityKey()) != 32 {
		return c.refuse(iq, 401, "not-authorized")
	}
	if err := c.result(iq); err != nil {
		return err
	}
	return c.pair(p.phone, [32]byte(req.GetCompanionIdentityKey()), req.GetAdvSecret())
}
