package sim

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
)

// conn is one companion's socket.
type conn struct {
	sim *Sim
	ws  *websocket.Conn
	who accepted

	// reading
	rest   []byte
	header []byte
	reads  uint32

	writing sync.Mutex
	writes  uint32

	// The rest is guarded by the simulator's lock.
	refs    []ref
	device  *device
	code    *codePairing
	passkey *passkeyPairing
	pairing *pairing
}

// ref stands in one QR code.
type ref struct {
	text        string
	from, until time.Time
}

// Bounds of what is read from a companion.
const (
	frameHeader = 3
	readLimit   = 1 << 20
	// goodbye lies between a stream error and the end of the socket: a client that sees the end first
	// takes it for an outage.
	goodbye = 20 * time.Millisecond
)

var errCut = errors.New("sim: cut")

func (s *Sim) serve(w http.ResponseWriter, r *http.Request) {
	if st := s.faults().HTTPStatus; st != 0 {
		w.WriteHeader(st)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // any Origin: this is a test program
	if err != nil {
		return
	}
	ws.SetReadLimit(readLimit)
	c := &conn{sim: s, ws: ws}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.wg.Add(1)
	defer s.wg.Done()
	if err := c.run(); err != nil {
		s.cfg.Log.DebugContext(s.ctx, "connection ended", slog.String("cause", err.Error()))
	}
	c.cut()
	s.mu.Lock()
	delete(s.conns, c)
	if c.device != nil && c.device.conn == c {
		c.device.conn = nil
	}
	s.mu.Unlock()
}

func (c *conn) cut() { _ = c.ws.CloseNow() }

// hangUp ends the socket once what was sent has been read.
func (c *conn) hangUp() {
	time.AfterFunc(goodbye, c.cut)
}

// run plays one connection from its first byte.
func (c *conn) run() error {
	if err := c.at(EdgeUpgrade); err != nil {
		return err
	}
	if c.sim.faults().Silent {
		<-c.sim.ctx.Done()
		return nil
	}
	first, err := c.frame() // also reads the header
	if err != nil {
		return err
	}
	if err := c.at(EdgeHello); err != nil {
		return err
	}
	read := func() ([]byte, error) {
		if first != nil {
			out := first
			first = nil
			return out, nil
		}
		return c.frame()
	}
	if c.who, err = c.sim.accept(c.header, read, c.raw); err != nil {
		return err
	}
	if c.who.payload.GetDevicePairingData() != nil {
		err = c.register()
	} else {
		err = c.login()
	}
	for err == nil {
		var n *waBinary.Node
		if n, err = c.read(); err == nil {
			err = c.handle(n)
		}
	}
	return err
}

// at strikes where the faults say so.
func (c *conn) at(edge string) error {
	f := c.sim.faults()
	if f.GarbageAt == edge {
		junk := make([]byte, 300)
		_, _ = rand.Read(junk) // never fails
		_ = c.raw(junk)
	}
	if f.CutAt == edge {
		c.cut()
		return errCut
	}
	return nil
}

// frame reads one length-prefixed frame; the very first bytes are the protocol's header.
func (c *conn) frame() ([]byte, error) {
	need := func(n int) error {
		for len(c.rest) < n {
			_, data, err := c.ws.Read(c.sim.ctx)
			if err != nil {
				return err
			}
			c.rest = append(c.rest, data...)
		}
		return nil
	}
	if c.header == nil {
		n := len(socket.WAConnHeader)
		if err := need(n); err != nil {
			return nil, err
		}
		if !bytes.Equal(c.rest[:2], socket.WAConnHeader[:2]) {
			return nil, errNoHandshake
		}
		c.header, c.rest = bytes.Clone(c.rest[:n]), c.rest[n:]
	}
	if err := need(frameHeader); err != nil {
		return nil, err
	}
	n := int(c.rest[0])<<16 | int(c.rest[1])<<8 | int(c.rest[2])
	if err := need(frameHeader + n); err != nil {
		return nil, err
	}
	out := bytes.Clone(c.rest[frameHeader : frameHeader+n])
	c.rest = bytes.Clone(c.rest[frameHeader+n:])
	return out, nil
}

func (c *conn) raw(data []byte) error {
	n := len(data)
	msg := append([]byte{byte(n >> 16), byte(n >> 8), byte(n)}, data...) //nolint:gosec // three bytes of a length
	ctx, cancel := context.WithTimeout(c.sim.ctx, 10*time.Second)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, msg)
}

func (c *conn) read() (*waBinary.Node, error) {
	sealed, err := c.frame()
	if err != nil {
		return nil, err
	}
	plain, err := open(c.who.read, c.reads, sealed)
	if err != nil {
		return nil, err
	}
	c.reads++
	if plain, err = waBinary.Unpack(plain); err != nil {
		return nil, err
	}
	return waBinary.Unmarshal(plain)
}

func open(key cipher.AEAD, n uint32, sealed []byte) ([]byte, error) {
	return key.Open(nil, nonce(n), sealed, nil)
}

func (c *conn) send(n waBinary.Node) error {
	plain, err := waBinary.Marshal(n)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	sealed := c.who.write.Seal(nil, nonce(c.writes), plain, nil)
	c.writes++
	return c.raw(sealed)
}

func node(tag string, attrs waBinary.Attrs, children ...waBinary.Node) waBinary.Node {
	n := waBinary.Node{Tag: tag, Attrs: attrs}
	if len(children) > 0 {
		n.Content = children
	}
	return n
}

func leaf(tag string, content []byte) waBinary.Node {
	return waBinary.Node{Tag: tag, Content: content}
}

// register begins the life of a companion that is not linked yet: it is given codes to show.
func (c *conn) register() error {
	if reason := c.sim.faults().RegisterFailure; reason != 0 {
		return c.fail(reason, nil)
	}
	if err := c.at(EdgeRefs); err != nil {
		return err
	}
	iq := node("pair-device", nil)
	now, children := c.sim.cfg.Now(), []waBinary.Node{}
	var list []ref
	for i := range refs {
		r := ref{text: "2@" + rand.Text(), from: now, until: now.Add(c.sim.cfg.NextRef)}
		if i == 0 {
			r.until = now.Add(c.sim.cfg.FirstRef)
		}
		now = r.until
		list = append(list, r)
		children = append(children, leaf("ref", []byte(r.text)))
	}
	iq.Content = children
	c.sim.mu.Lock()
	c.refs = list
	c.sim.mu.Unlock()
	// The real server closes the socket when its codes have run out.
	end := time.AfterFunc(c.sim.cfg.FirstRef+(refs-1)*c.sim.cfg.NextRef, c.cut)
	context.AfterFunc(c.sim.ctx, func() { end.Stop() })
	return c.send(node("iq", waBinary.Attrs{"from": types.ServerJID, "type": "set", "id": rand.Text(), "xmlns": "md"}, iq))
}

// login lets a linked device in, unless it is not linked any more.
func (c *conn) login() error {
	if err := c.at(EdgeLogin); err != nil {
		return err
	}
	if reason := c.sim.faults().Failure; reason != 0 {
		return c.fail(reason, nil)
	}
	p := c.who.payload
	d, old, refusal := c.sim.admit(c, p)
	if refusal != nil {
		return c.fail(refusal.reason, refusal.attrs)
	}
	if old != nil {
		_ = old.send(node("stream:error", nil, node("conflict", waBinary.Attrs{"type": "replaced"})))
		old.hangUp()
	}
	err := c.send(node("success", waBinary.Attrs{"t": strconv.FormatInt(c.sim.cfg.Now().Unix(), 10), "lid": d.lid, "location": "sim"}))
	if err != nil {
		return err
	}
	return c.at(EdgeSuccess)
}

type refusal struct {
	reason int
	attrs  waBinary.Attrs
}

// admit finds the device, and who was logged in with its keys before.
func (s *Sim) admit(c *conn, p *waWa6.ClientPayload) (d *device, old *conn, no *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ph := s.phones[strconv.FormatUint(p.GetUsername(), 10)]
	if ph == nil {
		return nil, nil, &refusal{reason: 401}
	}
	if no := ph.refusal(s.cfg.Now()); no != nil {
		return nil, nil, no
	}
	d = ph.devices[uint16(p.GetDevice())] //nolint:gosec // compared below
	if d == nil || d.noise != c.who.static {
		return nil, nil, &refusal{reason: 401}
	}
	old, d.conn, c.device = d.conn, c, d
	s.logins = append(s.logins, s.cfg.Now())
	return d, old, nil
}

// fail says why there will be no session, and hangs up.
func (c *conn) fail(reason int, attrs waBinary.Attrs) error {
	all := waBinary.Attrs{"reason": strconv.Itoa(reason), "location": "sim"}
	for k, v := range attrs {
		all[k] = v
	}
	err := c.send(node("failure", all))
	c.hangUp()
	return err
}

// handle answers what a companion asks.
func (c *conn) handle(n *waBinary.Node) error {
	if n.Tag != "iq" {
		return nil // acks, presence and telemetry need no answer
	}
	switch n.AttrGetter().OptionalString("type") {
	case "result":
		return c.signed(n)
	case "error":
		return errCut // the companion refuses to pair
	}
	c.sim.mu.Lock()
	mute := c.device != nil && c.sim.fault.Mute
	c.sim.mu.Unlock()
	if mute {
		return nil
	}
	children := n.GetChildren()
	what := n.AttrGetter().OptionalString("xmlns")
	if len(children) > 0 {
		what += " " + children[0].Tag
	}
	switch what {
	case "encrypt count":
		return c.result(n, node("count", waBinary.Attrs{"value": strconv.Itoa(c.prekeys(0))}))
	case "encrypt registration":
		list := n.GetChildByTag("list")
		c.prekeys(len(list.GetChildren()))
		return c.result(n)
	case "md link_code_companion_reg":
		return c.linkCode(n, children[0])
	case "md ref":
		return c.result(n, leaf("ref", []byte(c.passkeyRef())))
	case "md passkey_prologue":
		return c.prologue(n, children[0])
	case "md companion_nonce":
		return c.companionNonce(n, children[0])
	case "md encrypted_pairing_request":
		return c.pairingRequest(n, children[0])
	case "md remove-companion-device":
		err := c.result(n)
		c.sim.forget(c)
		c.hangUp()
		return err
	}
	return c.result(n)
}

func (c *conn) result(to *waBinary.Node, children ...waBinary.Node) error {
	return c.send(node("iq", waBinary.Attrs{"from": types.ServerJID, "type": "result", "id": to.Attrs["id"]}, children...))
}

func (c *conn) refuse(to *waBinary.Node, code int, text string) error {
	return c.send(node("iq", waBinary.Attrs{"from": types.ServerJID, "type": "error", "id": to.Attrs["id"]},
		node("error", waBinary.Attrs{"code": strconv.Itoa(code), "text": text})))
}

// prekeys adds to the keys that the device has left here, and counts them.
func (c *conn) prekeys(add int) int {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.device == nil {
		return 0
	}
	c.device.prekeys += add
	return c.device.prekeys
}
