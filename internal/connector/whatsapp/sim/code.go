package sim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// codePairing is a pairing by a code that the companion shows and the phone's owner types.
//
//	companion ── companion_hello (its ephemeral key under the code) ──▶ server
//	phone     ── primary_hello (the phone's, under the code) ─────────▶ companion
//	companion ── companion_finish (key bundle under the shared secret) ▶ phone
type codePairing struct {
	number  string
	ref     string
	wrapped []byte
	phone   *phone
	primary keyPair
	theirs  []byte
}

const wrappedKey = 80 // salt 32, IV 16, key 32

func content(n *waBinary.Node, tag string) []byte {
	child := n.GetChildByTag(tag)
	raw, _ := child.Content.([]byte)
	return raw
}

// linkCode takes the companion's two messages.
func (c *conn) linkCode(iq *waBinary.Node, reg waBinary.Node) error {
	ag := reg.AttrGetter()
	switch ag.OptionalString("stage") {
	case "companion_hello":
		if err := c.at(EdgeCode); err != nil {
			return err
		}
		if code := c.sim.faults().CodeError; code != 0 {
			return c.refuse(iq, code, map[int]string{400: "bad-request", 429: "rate-overlimit"}[code])
		}
		wrapped := content(&reg, "link_code_pairing_wrapped_companion_ephemeral_pub")
		if len(wrapped) != wrappedKey {
			return c.refuse(iq, 400, "bad-request")
		}
		p := &codePairing{number: ag.JID("jid").User, ref: rand.Text(), wrapped: wrapped}
		c.sim.mu.Lock()
		c.code = p
		c.sim.mu.Unlock()
		return c.result(iq, node("link_code_companion_reg", nil, leaf("link_code_pairing_ref", []byte(p.ref))))
	case "companion_finish":
		return c.codeFinish(iq, &reg)
	}
	return c.result(iq)
}

// TypeCode types a pairing code into the phone.
func (s *Sim) TypeCode(number, code string) error {
	code = strings.ToUpper(strings.ReplaceAll(code, "-", ""))
	s.mu.Lock()
	ph := s.phones[number]
	var c *conn
	for x := range s.conns {
		if x.code != nil && x.code.number == number && len(x.refs) > 0 {
			c = x
		}
	}
	s.mu.Unlock()
	switch {
	case ph == nil:
		return ErrNoPhone
	case c == nil:
		return ErrNoCode
	}
	theirs, err := underCode(code, c.code.wrapped)
	if err != nil {
		return err
	}
	primary := newKeyPair()
	salt := make([]byte, wrappedKey)
	_, _ = rand.Read(salt[:48]) // never fails
	copy(salt[48:], primary.pub[:])
	wrapped, err := underCode(code, salt)
	if err != nil {
		return err
	}
	s.mu.Lock()
	c.code.phone, c.code.primary, c.code.theirs = ph, primary, theirs
	s.mu.Unlock()
	return c.send(node("notification", waBinary.Attrs{"from": types.ServerJID, "type": "link_code_companion_reg", "id": rand.Text()},
		node("link_code_companion_reg", waBinary.Attrs{"stage": "primary_hello"},
			leaf("link_code_pairing_wrapped_primary_ephemeral_pub", slices.Concat(salt[:48], wrapped)),
			leaf("primary_identity_pub", ph.identity.pub[:]),
			leaf("link_code_pairing_ref", []byte(c.code.ref)))))
}

// underCode turns the key at the end of wrapped into its other form under the code.
func underCode(code string, wrapped []byte) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, code, wrapped[:32], 2<<16, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 32)
	cipher.NewCTR(block, wrapped[32:48]).XORKeyStream(out, wrapped[48:80])
	return out, nil
}

// codeFinish opens the companion's key bundle: it only opens where the code was right.
func (c *conn) codeFinish(iq, reg *waBinary.Node) error {
	if err := c.at(EdgeFinish); err != nil {
		return err
	}
	p := c.code
	if p == nil || p.phone == nil {
		return c.refuse(iq, 400, "bad-request")
	}
	if err := c.result(iq); err != nil {
		return err
	}
	secret, identity, err := openBundle(p, content(reg, "link_code_pairing_wrapped_key_bundle"))
	if err != nil {
		return c.wrongCode(p)
	}
	if p.phone.Silent {
		return nil
	}
	return c.pair(p.phone, identity, secret)
}

// wrongCode lets the owner try again, but not for ever.
func (c *conn) wrongCode(p *codePairing) error {
	c.sim.mu.Lock()
	p.phone.wrong++
	last := p.phone.wrong >= maxWrong
	if last {
		p.phone.wrong = 0
		c.code = nil
	}
	c.sim.mu.Unlock()
	if last {
		return errCut
	}
	return nil
}

func openBundle(p *codePairing, bundle []byte) (secret []byte, identity [32]byte, err error) {
	if len(bundle) < 32+12 {
		return nil, identity, ErrWrongCode
	}
	shared, err := p.primary.shared(p.theirs)
	if err != nil {
		return nil, identity, err
	}
	key, err := hkdf.Key(sha256.New, shared, bundle[:32], "link_code_pairing_key_bundle_encryption_key", 32)
	if err != nil {
		return nil, identity, err
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, identity, err
	}
	plain, err := aead.Open(nil, bundle[32:44], bundle[44:], nil)
	if err != nil || len(plain) != 96 || [32]byte(plain[32:64]) != p.phone.identity.pub {
		return nil, identity, ErrWrongCode
	}
	identity = [32]byte(plain[:32])
	common, err := p.phone.identity.shared(identity[:])
	if err != nil {
		return nil, identity, err
	}
	secret, err = hkdf.Key(sha256.New, slices.Concat(shared, common, plain[64:]), nil, "adv_secret", 32)
	return secret, identity, err
}

// Wrong tells how many wrong codes were typed into the phone for what it is being linked to.
func (s *Sim) Wrong(number string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ph := s.phones[number]; ph != nil {
		return ph.wrong
	}
	return 0
}
