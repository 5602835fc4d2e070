package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config says how to begin. Everything may be left out.
type Config struct {
	// Listen is a loopback address for companion devices; "127.0.0.1:0" if empty.
	Listen string
	// Root is the seed of the key that vouches for the server; random if zero. What clients are told is
	// RootKey.
	Root [32]byte
	// FirstRef and NextRef are how long the first and each further code lasts, as at the real service:
	// 60 and 20 s if zero. The socket closes after the last.
	FirstRef, NextRef time.Duration
	Now               func() time.Time
	Log               *slog.Logger
}

// refs is how many codes a companion is given.
const refs = 6

// Edges are the places of a connection at which Faults can strike.
const (
	EdgeUpgrade = "upgrade"      // the WebSocket is open
	EdgeHello   = "hello"        // in the handshake
	EdgeRefs    = "refs"         // before the codes are sent
	EdgeCode    = "code"         // a pairing code was asked for
	EdgeFinish  = "finish"       // the companion has answered a typed code
	EdgeScan    = "scan"         // a code was scanned, before pair-success
	EdgePair    = "pair_success" // pair-success was sent
	EdgeSign    = "sign"         // the companion has signed: it is linked
	EdgeLogin   = "login"        // a linked device is there, before success
	EdgeSuccess = "success"      // success was sent
)

// Edges lists them all, in the order of a pairing.
func Edges() []string {
	return []string{EdgeUpgrade, EdgeHello, EdgeRefs, EdgeCode, EdgeFinish, EdgeScan, EdgePair, EdgeSign, EdgeLogin, EdgeSuccess}
}

// Faults is what the server does wrong from now on. The zero value is a good server.
type Faults struct {
	// CutAt cuts the socket, and GarbageAt sends noise, at that edge.
	CutAt     string `json:"cut_at,omitempty"`
	GarbageAt string `json:"garbage_at,omitempty"`
	// HTTPStatus refuses the WebSocket with that status.
	HTTPStatus int `json:"http_status,omitempty"`
	// Failure refuses linked devices, and RegisterFailure new ones, with a <failure> of that reason.
	Failure         int `json:"failure,omitempty"`
	RegisterFailure int `json:"register_failure,omitempty"`
	// CodeError refuses to make pairing codes, with that code (429, 400 …).
	CodeError int `json:"code_error,omitempty"`
	// Silent accepts sockets and says nothing.
	Silent bool `json:"silent,omitempty"`
	// Mute leaves everything unanswered once a device is logged in, pings too.
	Mute bool `json:"mute,omitempty"`
	// Expired shows a certificate that is no longer valid, WrongRoot one of somebody else.
	Expired   bool `json:"expired,omitempty"`
	WrongRoot bool `json:"wrong_root,omitempty"`
}

// Sim is the server with its phones. It is safe for concurrent use.
type Sim struct {
	cfg          Config
	root, static keyPair
	ln           net.Listener
	srv          *http.Server
	ctx          context.Context //nolint:containedctx // the simulator's own life
	stop         context.CancelFunc
	wg           sync.WaitGroup

	mu     sync.Mutex
	fault  Faults
	phones map[string]*phone
	conns  map[*conn]struct{}
	logins []time.Time
}

// Start listens and serves until Close.
func Start(cfg Config) (*Sim, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.FirstRef == 0 {
		cfg.FirstRef = 60 * time.Second
	}
	if cfg.NextRef == 0 {
		cfg.NextRef = 20 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // a program of its own: nobody injects a clock
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sim{cfg: cfg, static: newKeyPair(), phones: map[string]*phone{}, conns: map[*conn]struct{}{}}
	s.root = newKeyPair()
	if cfg.Root != [32]byte{} {
		s.root = keyPairFrom(cfg.Root)
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, errors.New("sim: listens on loopback only")
	}
	if s.ln, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.srv = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.srv.Serve(s.ln) })
	return s, nil
}

// Addr is where companions connect.
func (s *Sim) Addr() string { return s.ln.Addr().String() }

// RootKey is the public key that vouches for the server, in hex: what clients have to trust.
func (s *Sim) RootKey() string { return hex.EncodeToString(s.root.pub[:]) }

// Close hangs up on everybody.
func (s *Sim) Close() error {
	s.stop()
	err := s.srv.Close()
	s.Drop()
	s.wg.Wait()
	return err
}

// Drop cuts every open socket.
func (s *Sim) Drop() {
	for _, c := range s.open() {
		c.cut()
	}
}

// SetFaults replaces what the server does wrong.
func (s *Sim) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *Sim) faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

func (s *Sim) open() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// Connected is how many linked devices are logged in now, Waiting how many companions show codes.
func (s *Sim) Connected() int { return s.count(func(c *conn) bool { return c.device != nil }) }

// Waiting is how many companions wait to be linked.
func (s *Sim) Waiting() int { return s.count(func(c *conn) bool { return len(c.refs) > 0 }) }

func (s *Sim) count(is func(*conn) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c := range s.conns {
		if is(c) {
			n++
		}
	}
	return n
}

// Logins lists when linked devices logged in.
func (s *Sim) Logins() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}
