package sim

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/libsignal/ecc"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// Phone describes a phone that is put into somebody's hand.
type Phone struct {
	// Number in international form, digits only.
	Number string `json:"number"`
	// Business is the name of a business account; empty for a person's.
	Business string `json:"business,omitempty"`
	// Passkey makes the account one whose new devices must be vouched for with a passkey.
	Passkey bool `json:"passkey,omitempty"`
	// Silent makes the phone scan and then say nothing more.
	Silent bool `json:"silent,omitempty"`
}

type phone struct {
	Phone
	lid      string
	identity keyPair
	devices  map[uint16]*device
	next     uint16
	wrong    int
	banned   time.Time
	banCode  int
	locked   int
}

// device is a linked companion.
type device struct {
	jid, lid types.JID
	noise    [32]byte
	prekeys  int
	conn     *conn
	name     string
}

// Device is a linked device as the phone lists it.
type Device struct {
	// Name is what the device calls itself.
	Name   string `json:"device"`
	Online bool   `json:"online"`
}

// pairing is between pair-success and the companion's signature.
type pairing struct {
	id       string
	phone    *phone
	device   *device
	details  []byte
	identity [32]byte
}

// Errors of what a hand may do with a phone.
var (
	ErrNoPhone   = errors.New("sim: no such phone")
	ErrNoCode    = errors.New("sim: this code is not shown, or not any more")
	ErrWrongCode = errors.New("sim: the code is wrong")
)

// maxWrong is how many wrong codes end a pairing.
const maxWrong = 3

// AddPhone puts a phone into somebody's hand; one that is there already is changed.
func (s *Sim) AddPhone(p Phone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.phones[p.Number]; old != nil {
		old.Phone = p
		return
	}
	s.phones[p.Number] = &phone{Phone: p, lid: "9" + p.Number, identity: newKeyPair(), devices: map[uint16]*device{}, next: 1}
}

// Scan holds the phone before a QR code, whose text it is.
func (s *Sim) Scan(number, text string) error {
	_, rest, ok := strings.Cut(text, "#")
	parts := strings.Split(rest, ",")
	if !ok || len(parts) != 5 {
		return ErrNoCode
	}
	identity, err1 := base64.StdEncoding.DecodeString(parts[2])
	secret, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(identity) != 32 || len(secret) != 32 {
		return ErrNoCode
	}
	s.mu.Lock()
	ph := s.phones[number]
	c := s.showing(parts[0])
	s.mu.Unlock()
	switch {
	case ph == nil:
		return ErrNoPhone
	case c == nil:
		return ErrNoCode
	}
	if err := c.at(EdgeScan); err != nil || ph.Silent {
		return nil //nolint:nilerr // the phone's part is done
	}
	if ph.Passkey {
		return c.askPasskey(ph)
	}
	return c.pair(ph, [32]byte(identity), secret)
}

// showing finds who shows the ref now. A code that has just gone is still taken.
func (s *Sim) showing(text string) *conn {
	now := s.cfg.Now()
	for c := range s.conns {
		for _, r := range c.refs {
			if r.text == text && !now.Before(r.from) && now.Before(r.until.Add(s.cfg.NextRef/4)) {
				return c
			}
		}
	}
	return nil
}

// pair tells the companion that it is linked, signed by the phone.
func (c *conn) pair(ph *phone, identity [32]byte, secret []byte) error {
	raw, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID: proto.Uint32(1), Timestamp: proto.Uint64(uint64(c.sim.cfg.Now().Unix())), KeyIndex: proto.Uint32(1), //nolint:gosec // after 1970
	})
	if err != nil {
		return err
	}
	account, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{
		Details: raw, AccountSignatureKey: ph.identity.pub[:],
		AccountSignature: ph.identity.sign(slices.Concat([]byte{6, 0}, raw, identity[:])),
	})
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(account)
	signedID, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: account, HMAC: mac.Sum(nil)})
	if err != nil {
		return err
	}
	p := c.sim.allot(c, ph, identity, raw)
	children := []waBinary.Node{
		leaf("device-identity", signedID),
		node("device", waBinary.Attrs{"jid": p.device.jid, "lid": p.device.lid}),
		node("platform", waBinary.Attrs{"name": "android"}),
	}
	if ph.Business != "" {
		children = append(children, node("biz", waBinary.Attrs{"name": ph.Business}))
	}
	err = c.send(node("iq", waBinary.Attrs{"from": types.ServerJID, "type": "set", "id": p.id, "t": strconv.FormatInt(c.sim.cfg.Now().Unix(), 10)},
		node("pair-success", nil, children...)))
	if err != nil {
		return err
	}
	_ = c.at(EdgePair) // the companion's matter
	return nil
}

// allot gives the companion its number among the account's devices.
func (s *Sim) allot(c *conn, ph *phone, identity [32]byte, details []byte) *pairing {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &device{noise: c.who.static, name: c.who.name()}
	d.jid = types.JID{User: ph.Number, Device: ph.next, Server: types.DefaultUserServer}
	d.lid = types.JID{User: ph.lid, Device: ph.next, Server: types.HiddenUserServer}
	ph.next++
	c.pairing = &pairing{id: rand.Text(), phone: ph, device: d, details: details, identity: identity}
	c.refs = nil
	return c.pairing
}

// signed takes the companion's answer to pair-success: from here on it is linked.
func (c *conn) signed(n *waBinary.Node) error {
	c.sim.mu.Lock()
	p := c.pairing
	c.sim.mu.Unlock()
	if p == nil || n.Attrs["id"] != p.id {
		return nil // the answer to pair-device
	}
	child := n.GetChildByTag("pair-device-sign", "device-identity")
	raw, _ := child.Content.([]byte)
	var id waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(raw, &id); err != nil || len(id.GetDeviceSignature()) != 64 {
		return errors.New("sim: the companion's signature cannot be read")
	}
	message := slices.Concat([]byte{6, 1}, p.details, p.identity[:], p.phone.identity.pub[:])
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(p.identity), message, [64]byte(id.GetDeviceSignature())) {
		return errors.New("sim: the companion's signature is wrong")
	}
	c.sim.mu.Lock()
	p.phone.devices[p.device.jid.Device] = p.device
	p.phone.wrong = 0
	c.sim.mu.Unlock()
	if err := c.at(EdgeSign); err != nil {
		return err
	}
	err := c.send(node("stream:error", waBinary.Attrs{"code": "515"}))
	c.hangUp()
	return err
}

// Adopt links a device to the account without a pairing, as if that had been long ago: it has left enough
// one-time keys. Noise is its public key. It returns the device's number among the account's.
func (s *Sim) Adopt(number string, noise [32]byte) (uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ph := s.phones[number]
	if ph == nil {
		return 0, ErrNoPhone
	}
	d := &device{noise: noise, prekeys: adoptedKeys}
	d.jid = types.JID{User: ph.Number, Device: ph.next, Server: types.DefaultUserServer}
	d.lid = types.JID{User: ph.lid, Device: ph.next, Server: types.HiddenUserServer}
	ph.devices[ph.next] = d
	ph.next++
	return d.jid.Device, nil
}

// adoptedKeys is what a device leaves when it is linked.
const adoptedKeys = 812

// refusal says why the account's devices are not let in.
func (p *phone) refusal(now time.Time) *refusal {
	if p.locked != 0 {
		return &refusal{reason: p.locked}
	}
	if left := p.banned.Sub(now); left > 0 {
		return &refusal{reason: 402, attrs: waBinary.Attrs{"code": strconv.Itoa(p.banCode), "expire": strconv.Itoa(int(left.Seconds()) + 1)}}
	}
	return nil
}

// Devices is how many devices are linked to the account, Online how many of them are connected.
func (s *Sim) Devices(number string) (linked, online int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ph := s.phones[number]
	if ph == nil {
		return 0, 0
	}
	for _, d := range ph.devices {
		if d.conn != nil {
			online++
		}
	}
	return len(ph.devices), online
}

// Listed is the phone's list of linked devices, the oldest first.
func (s *Sim) Listed(number string) []Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Device{}
	if ph := s.phones[number]; ph != nil {
		for _, n := range slices.Sorted(maps.Keys(ph.devices)) {
			out = append(out, Device{Name: ph.devices[n].name, Online: ph.devices[n].conn != nil})
		}
	}
	return out
}

// PreKeys is how many one-time keys the account's devices have left here.
func (s *Sim) PreKeys(number string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ph := s.phones[number]; ph != nil {
		for _, d := range ph.devices {
			n += d.prekeys
		}
	}
	return n
}

// Unlink removes every linked device on the phone.
func (s *Sim) Unlink(number string) error {
	return s.disconnect(number, node("stream:error", waBinary.Attrs{"code": "401"}, node("conflict", waBinary.Attrs{"type": "device_removed"})), func(ph *phone) {
		ph.devices = map[uint16]*device{}
	})
}

// Ban shuts the account out for a while; the code (101 …) says why.
func (s *Sim) Ban(number string, code int, d time.Duration) error {
	until := s.cfg.Now().Add(d)
	return s.disconnect(number, node("stream:error", waBinary.Attrs{"code": "503"}), func(ph *phone) { ph.banned, ph.banCode = until, code })
}

// Lock shuts the account out for good, with the reason 403 (locked) or 406 (banned); 0 lets it in again.
func (s *Sim) Lock(number string, reason int) error {
	return s.disconnect(number, node("stream:error", waBinary.Attrs{"code": "503"}), func(ph *phone) { ph.locked = reason })
}

func (s *Sim) disconnect(number string, farewell waBinary.Node, change func(*phone)) error {
	s.mu.Lock()
	ph := s.phones[number]
	var conns []*conn
	if ph != nil {
		for _, d := range ph.devices {
			if d.conn != nil {
				conns = append(conns, d.conn)
			}
		}
		change(ph)
	}
	s.mu.Unlock()
	if ph == nil {
		return ErrNoPhone
	}
	for _, c := range conns {
		_ = c.send(farewell)
		c.hangUp()
	}
	return nil
}

// forget removes the device that asks to be unlinked.
func (s *Sim) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.device == nil {
		return
	}
	if ph := s.phones[c.device.jid.User]; ph != nil {
		delete(ph.devices, c.device.jid.Device)
	}
}
