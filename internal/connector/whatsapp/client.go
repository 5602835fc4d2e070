package whatsapp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Bounds of a connection.
const (
	dialTimeout = 15 * time.Second
	// maxHeader bounds the answer to the request that opens the WebSocket.
	maxHeader     = 64 << 10
	upgradeBuffer = 1 << 10
	// eventRoom is how many events may wait; the library stands still while there is no room.
	eventRoom = 64
)

// client is one device's connection.
type client struct {
	*whatsmeow.Client
	events chan any
	// lost closes when the socket has ended, also during the handshake, which the library would not notice.
	lost  chan struct{}
	ended func()
	// left ends when we hang up; shaken closes when the handshake has succeeded or failed. Only after
	// both does stop end what the library does: see watched.
	left   context.Context //nolint:containedctx // the client's own life
	leave  context.CancelFunc
	shaken chan struct{}
	stop   context.CancelFunc

	mu   sync.Mutex
	sock *watched
}

// open makes the client of a device and connects it. It waits for no longer than ctx. The client
// outlives ctx, and must be closed. All that it sends goes through the proxy, if there is one.
func (c *Connector) open(ctx context.Context, d *store.Device, via *latchkey.Proxy, name string) (*client, error) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	cl := &client{
		Client: whatsmeow.NewClient(d, quiet{c.cfg.Log}), events: make(chan any, eventRoom), lost: make(chan struct{}),
		shaken: make(chan struct{}), stop: stop,
	}
	cl.left, cl.leave = context.WithCancel(life)
	cl.ended = sync.OnceFunc(func() { close(cl.lost) })
	// What breaks, ends: whoever holds the client decides what then.
	cl.EnableAutoReconnect, cl.DisableLoginAutoReconnect = false, true
	// The history of chats is nobody's business here.
	cl.ManualHistorySyncDownload = true
	cl.BackgroundEventCtx = life
	cl.GetClientPayload = func() *waWa6.ClientPayload { return c.named(d.GetClientPayload(), name) }
	cl.AddEventHandler(func(ev any) {
		select {
		case cl.events <- ev:
		case <-cl.left.Done():
		}
	})
	dial := func(ctx context.Context, hostport string) (net.Conn, error) { return c.cfg.Dial(ctx, via, hostport) }
	web := cl.web(dial, cl.watch)
	cl.SetPreLoginHTTPClient(web)
	cl.SetWebsocketHTTPClient(web)
	// What the library fetches by itself, such as synchronised settings, is not the connection.
	cl.SetMediaHTTPClient(cl.web(dial, aside))
	done := make(chan error, 1)
	go func() {
		defer close(cl.shaken)
		done <- cl.ConnectContext(life)
	}()
	limit := time.NewTimer(dialTimeout)
	defer limit.Stop()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = context.DeadlineExceeded
	case <-cl.lost:
		// The handshake may just have failed for a better reason.
		select {
		case err = <-done:
		case <-time.After(lastWord):
			err = errLost
		}
	}
	if err != nil {
		cl.close()
		return nil, err
	}
	return cl, nil
}

// request asks the server something. It does not wait on a socket that has ended, as the library would.
func (cl *client) request(ctx context.Context, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, firstWord)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- ask(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-cl.lost:
		cancel()
		return errLost
	}
}

// lastWord is how long an event may follow the end of its socket.
const lastWord = 200 * time.Millisecond

var errLost = errors.New("whatsapp: the connection ended")

// close ends the connection: when it returns, nothing is sent or read over it any more. The library's own
// way to disconnect is not taken: it waits for a handshake that hangs, and for the server's answer to
// its farewell, and it writes without a lock what the reader of a socket that ends reads.
func (cl *client) close() {
	cl.leave()
	cl.mu.Lock()
	if cl.sock != nil {
		_ = cl.sock.cut()
	}
	cl.mu.Unlock()
	select {
	case <-cl.shaken:
		cl.stop()
	default:
		go func() {
			<-cl.shaken
			cl.stop()
		}()
	}
}

// web is how the library opens the WebSocket, and would fetch files. It speaks to servers by TLS, as they
// were asked for: what a server redirects to, or names without encryption, is reached by nobody.
func (cl *client) web(dial func(ctx context.Context, hostport string) (net.Conn, error), watch func(net.Conn) net.Conn) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return errElsewhere },
		Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errElsewhere },
			DialTLSContext: func(ctx context.Context, _, hostport string) (net.Conn, error) {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(cl.left, cancel)()
				conn, err := dial(ctx, hostport)
				if err != nil {
					return nil, err
				}
				return watch(conn), nil
			},
			MaxResponseHeaderBytes: maxHeader, ResponseHeaderTimeout: dialTimeout, DisableKeepAlives: true,
			// They live as long as the WebSocket, which has its own.
			ReadBufferSize: upgradeBuffer, WriteBufferSize: upgradeBuffer,
		},
	}
}

// aside is for sockets beside the connection.
func aside(conn net.Conn) net.Conn { return conn }

var errElsewhere = errors.New("whatsapp: the server leads elsewhere, or to an unencrypted connection")

// watch makes conn the client's socket.
func (cl *client) watch(conn net.Conn) net.Conn {
	w := &watched{Conn: conn, cl: cl, closed: make(chan struct{})}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.sock = w; cl.left.Err() != nil {
		_ = w.cut()
	}
	return w
}

// watched tells when a socket ends. The library's reader is told later: it then reads, and its ways to
// hang up write without a lock, what a socket's end is to call, which is also set only at the end of
// the handshake. So the reader waits for the handshake, and then for as long as the last word of the
// server may lead the library to hang up by itself.
type watched struct {
	net.Conn
	cl     *client
	read   atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err == nil {
		w.read.Store(true)
		return n, nil
	}
	w.cl.ended()
	if w.read.Load() { // before, the WebSocket is not open yet, and nobody else reads
		select {
		case <-w.closed:
			return n, err
		case <-w.cl.shaken:
		}
		late := time.NewTimer(lastWord)
		defer late.Stop()
		select {
		case <-w.closed:
		case <-w.cl.left.Done():
		case <-late.C:
		}
	}
	return n, err
}

func (w *watched) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.cut()
}

// cut ends the socket beneath the library.
func (w *watched) cut() error {
	w.cl.ended()
	return w.Conn.Close()
}

// named puts the application's name, or ours, where the phone reads it.
func (c *Connector) named(p *waWa6.ClientPayload, name string) *waWa6.ClientPayload {
	reg := p.GetDevicePairingData()
	if reg == nil {
		return p
	}
	var props waCompanionReg.DeviceProps
	if err := proto.Unmarshal(reg.GetDeviceProps(), &props); err != nil {
		return p // the library's own name, then
	}
	name = cmp.Or(connector.DeviceName(name), c.cfg.DeviceName)
	props.Os = &name
	if raw, err := proto.Marshal(&props); err == nil {
		reg.DeviceProps = raw
	}
	return p
}

// codeOf says why there is no connection, in a code that end users have words for.
func codeOf(err error) errs.Code {
	var status socket.ErrWithStatusCode
	if errors.As(err, &status) {
		switch {
		case status.StatusCode == http.StatusTooManyRequests:
			return errs.CodeRateLimited
		case status.StatusCode == http.StatusMethodNotAllowed:
			return errs.CodeClientOutdated
		case status.StatusCode >= http.StatusInternalServerError:
			return errs.CodeConnectionClosed
		case status.StatusCode >= http.StatusBadRequest:
			return errs.CodeProtocolError
		}
	}
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Kind != errs.Internal {
		return e.Code
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errs.CodeConnectionTimeout
	case errors.Is(err, errLost), errors.Is(err, socket.ErrDialFailed), errors.Is(err, net.ErrClosed):
		return errs.CodeConnectionClosed
	}
	return errs.CodeProtocolError
}

// quiet passes on what the library has to say, for an operator who debugs: what it says, but not of
// whom, since what it fills in are messages, numbers and keys.
type quiet struct{ log *slog.Logger }

func (q quiet) Warnf(msg string, _ ...any) {
	q.log.Debug("whatsapp library", slog.String("warns", msg))
}

func (q quiet) Errorf(msg string, _ ...any) {
	q.log.Debug("whatsapp library", slog.String("fails", msg))
}
func (q quiet) Infof(string, ...any)    {}
func (q quiet) Debugf(string, ...any)   {}
func (q quiet) Sub(string) waLog.Logger { return q }
