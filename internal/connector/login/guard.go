package login

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// maxBytes is what a server may send us in one connection. A greeting, a TLS handshake and a login
// need less than a tenth of it.
const maxBytes = 256 << 10

var errTooMuch = errors.New("login: the server sent more than a login needs")

// guard is a connection that ends: after maxBytes, and when its context does.
type guard struct {
	net.Conn
	ctx     context.Context //nolint:containedctx // the connection lives exactly as long as this context
	left    atomic.Int64
	tooMuch atomic.Bool
	eof     atomic.Bool
}

func newGuard(ctx context.Context, conn net.Conn) *guard {
	g := &guard{Conn: conn, ctx: ctx}
	g.left.Store(maxBytes)
	return g
}

func (g *guard) Read(b []byte) (int, error) {
	left := g.left.Load()
	if left <= 0 {
		g.tooMuch.Store(true)
		_ = g.Conn.Close()
		return 0, errTooMuch
	}
	if int64(len(b)) > left {
		b = b[:left]
	}
	n, err := g.Conn.Read(b)
	g.left.Add(-int64(n))
	if errors.Is(err, io.EOF) {
		g.eof.Store(true)
	}
	return n, err
}

// replay is a connection of which some bytes were already read.
type replay struct {
	net.Conn
	before []byte
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.before) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.before)
	r.before = r.before[n:]
	return n, nil
}
