package telegram

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mtproto"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/transport"

	"latchkey"
	"latchkey/internal/connector"
)

// What a connection can end with, besides Telegram's own errors.
var (
	// errKeyUnknown says that the server does not know the key (any more).
	errKeyUnknown = errors.New("telegram: the key is not known there")
	// errLine is every other end of a connection.
	errLine = errors.New("telegram: the connection was lost")
	errDone = errors.New("telegram: done")
)

// caller is who connects.
type caller struct {
	api    int
	device string
	via    *latchkey.Proxy
}

// on connects with the session and does fn there. The session has the key and the salt of the
// connection afterwards, also where fn failed. pushed, if not nil, is called when
// a QR code was accepted.
func (c *Connector) on(ctx context.Context, s *session, who caller, pushed func(), fn func(context.Context, calls) error) error {
	if s.DC == 0 {
		s.DC = firstDC
	}
	addr, ok := c.dcs[s.DC]
	if !ok {
		return fmt.Errorf("%w: there is no address of data centre %d", errLine, s.DC)
	}
	raw, err := c.dial(ctx, who.via, addr)
	if err != nil {
		return err
	}
	watch := &watched{Conn: raw}
	defer watch.Close()
	opts := mtproto.Options{DC: s.DC, PublicKeys: c.keys, Salt: s.Salt, CompressThreshold: -1, DialTimeout: c.cfg.CallTimeout}
	if len(s.Key) == len(crypto.Key{}) {
		opts.Key = crypto.Key(s.Key).WithID()
	} else if opts.Key, opts.Salt, err = c.newKey(ctx, watch, s.DC); err != nil {
		return err
	}
	l := &line{c: c, who: who, pushed: pushed}
	tap := &tapped{Cipher: crypto.NewClientCipher(rand.Reader)}
	opts.Handler, opts.Cipher = l, tap
	l.conn = mtproto.New(func(context.Context) (transport.Conn, error) { return watch, nil }, opts)
	var out error
	err = l.conn.Run(ctx, func(ctx context.Context) error {
		if out = fn(ctx, calls{l}); out == nil {
			return errDone
		}
		return out
	})
	if key, salt := tap.last(); key != nil {
		s.Key, s.Salt = key, salt
	}
	switch {
	case errors.Is(err, errDone):
		return nil
	case watch.unknown():
		return errKeyUnknown
	case out != nil:
		return out
	}
	return err
}

// dial connects to a data centre.
func (c *Connector) dial(ctx context.Context, via *latchkey.Proxy, addr string) (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	raw, err := c.cfg.Dial.DialVia(ctx, via, addr)
	if err != nil {
		return nil, err
	}
	conn, err := transport.Intermediate.Handshake(raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// newKey agrees on a key within the time of one call.
func (c *Connector) newKey(ctx context.Context, conn transport.Conn, dc int) (crypto.AuthKey, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	return c.agree(ctx, conn, dc)
}

// line is one connection. It says who calls before the first call (core.telegram.org/api/invoking).
type line struct {
	c      *Connector
	conn   *mtproto.Conn
	who    caller
	pushed func()

	mu   sync.Mutex
	said bool
}

// Invoke makes one call.
func (l *line) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	l.mu.Lock()
	first := !l.said
	l.said = true
	l.mu.Unlock()
	if first {
		device := cmp.Or(connector.DeviceName(l.who.device), "Latchkey")
		in = &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: &tg.InitConnectionRequest{
			APIID: l.who.api, DeviceModel: device, SystemVersion: "Latchkey", AppVersion: l.c.cfg.Version, SystemLangCode: "en", LangCode: "en",
			Query: outgoing{in},
		}}
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.cfg.CallTimeout)
	defer cancel()
	return l.conn.Invoke(ctx, in, out)
}

// OnMessage implements mtproto.Handler.
func (l *line) OnMessage(b *bin.Buffer) error {
	if l.pushed != nil && saysAccepted(b.Buf) {
		l.pushed()
	}
	return nil
}

// OnSession implements mtproto.Handler.
func (*line) OnSession(mtproto.Session) error { return nil }

// outgoing is a call inside a wrapper: it is never read.
type outgoing struct{ bin.Encoder }

// Decode implements bin.Decoder.
func (outgoing) Decode(*bin.Buffer) error { return errors.New("telegram: a call is not read") }

// tapped remembers the key and the salt that are in use.
type tapped struct {
	crypto.Cipher
	mu   sync.Mutex
	key  []byte
	salt int64
}

// Encrypt implements mtproto.Cipher.
func (t *tapped) Encrypt(key crypto.AuthKey, data crypto.EncryptedMessageData, b *bin.Buffer) error {
	t.mu.Lock()
	t.key, t.salt = append(t.key[:0], key.Value[:]...), data.Salt
	t.mu.Unlock()
	return t.Cipher.Encrypt(key, data, b)
}

func (t *tapped) last() ([]byte, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.key, t.salt
}

// watched sees that the server does not know the key. The library would agree on a new one and go
// on: with nobody's account.
type watched struct {
	transport.Conn
	mu   sync.Mutex
	gone bool
}

// Recv implements transport.Conn.
func (w *watched) Recv(ctx context.Context, b *bin.Buffer) error {
	err := w.Conn.Recv(ctx, b)
	var refused *codec.ProtocolErr
	if !errors.As(err, &refused) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = w.gone || refused.Code == codec.CodeAuthKeyNotFound
	return errLine
}

func (w *watched) unknown() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}
