package mailhost

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Service is one of the four ports of a host.
type Service int

// The services, with the ports on which others run them.
const (
	IMAPS      Service = iota // 993: IMAP, TLS from the first byte
	IMAP                      // 143: IMAP with STARTTLS
	SMTPS                     // 465: submission, TLS from the first byte
	Submission                // 587: submission with STARTTLS
	services
)

// Config is what a host needs. The zero value is a host without users on free ports of 127.0.0.1.
type Config struct {
	// Users maps logins to passwords.
	Users map[string]string
	// Tokens tells whether an access token opens a user's mailbox; nil means no XOAUTH2.
	Tokens func(user, token string) bool
	// Listen is the address each service listens on, "127.0.0.1:0" if empty; Addrs overrides it.
	Listen string
	Addrs  map[Service]string
	// Names are the host's names in its certificate, besides localhost and 127.0.0.1.
	Names []string
	// Now dates the certificate; time.Now if nil.
	Now func() time.Time
}

// Counts are what happened on a host so far.
type Counts struct {
	Connections, IMAPLogins, IMAPRefused, SMTPLogins, SMTPRefused, Messages int64
}

// Host is a running mail host.
type Host struct {
	pki       *pki
	listeners [services]net.Listener
	backends  [services]backend
	faults    [services]atomic.Pointer[Fault]

	tokens func(user, token string) bool

	mu    sync.Mutex
	users map[string]string
	conns map[net.Conn]struct{}

	connections, imapLogins, imapRefused, smtpLogins, smtpRefused, messages atomic.Int64

	closed chan struct{}
	wg     sync.WaitGroup
}

// Start starts a host. It runs until Close.
func Start(cfg Config) (*Host, error) {
	now := cfg.Now
	if now == nil {
		now = time.Now //nolint:forbidigo // a sample host is a composition root of its own
	}
	p, err := newPKI(now(), cfg.Names)
	if err != nil {
		return nil, err
	}
	h := &Host{pki: p, tokens: cfg.Tokens, users: map[string]string{}, conns: map[net.Conn]struct{}{}, closed: make(chan struct{})}
	for user, password := range cfg.Users {
		h.users[user] = password
	}
	listen := cfg.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	for s := range services {
		addr := listen
		if a, ok := cfg.Addrs[s]; ok {
			addr = a
		}
		ln, err := net.Listen("tcp", addr) //nolint:noctx // there is no context to end: Close ends it
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mailhost: %w", err), h.Close())
		}
		h.listeners[s] = ln
		h.backends[s] = newBackend(h, s)
		h.wg.Go(func() { h.accept(s, ln) })
	}
	return h, nil
}

// Close ends the host and every connection to it.
func (h *Host) Close() error {
	select {
	case <-h.closed:
		return nil
	default:
		close(h.closed)
	}
	var err error
	for _, ln := range h.listeners {
		if ln != nil {
			err = errors.Join(err, ln.Close())
		}
	}
	h.mu.Lock()
	for c := range h.conns {
		_ = c.Close()
	}
	h.mu.Unlock()
	for _, b := range h.backends {
		if b != nil {
			b.close()
		}
	}
	h.wg.Wait()
	return err
}

// Addr is host:port of a service.
func (h *Host) Addr(s Service) string { return h.listeners[s].Addr().String() }

// Port is the port of a service.
func (h *Host) Port(s Service) int {
	_, port, _ := net.SplitHostPort(h.Addr(s))
	n, _ := strconv.Atoi(port)
	return n
}

// CAPEM is the certificate of the authority that the host's certificate comes from.
func (h *Host) CAPEM() []byte { return h.pki.caPEM }

// Counts tells what happened so far.
func (h *Host) Counts() Counts {
	return Counts{
		Connections: h.connections.Load(), IMAPLogins: h.imapLogins.Load(), IMAPRefused: h.imapRefused.Load(),
		SMTPLogins: h.smtpLogins.Load(), SMTPRefused: h.smtpRefused.Load(), Messages: h.messages.Load(),
	}
}

// SetPassword adds a user, or changes a user's password; an empty password removes the user.
func (h *Host) SetPassword(user, password string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if password == "" {
		delete(h.users, user)
		return
	}
	h.users[user] = password
}

func (h *Host) allows(user, password string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	want, ok := h.users[user]
	return ok && subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1
}

// Misbehave makes a service do wrong from the next connection on; the zero Fault makes it well again.
func (h *Host) Misbehave(s Service, f Fault) { h.faults[s].Store(&f) }

func (h *Host) fault(s Service) Fault {
	if f := h.faults[s].Load(); f != nil {
		return *f
	}
	return Fault{}
}

func (h *Host) accept(s Service, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return // only Close makes a loopback listener fail
		}
		h.connections.Add(1)
		if !h.track(conn) {
			_ = conn.Close()
			return
		}
		h.wg.Go(func() { h.serve(s, conn) })
	}
}

func (h *Host) track(c net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return false
	default:
		h.conns[c] = struct{}{}
		return true
	}
}

func (h *Host) forget(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// serve hands a connection to the protocol's server, if the fault of the day lets it.
func (h *Host) serve(s Service, raw net.Conn) {
	conn := &tracked{Conn: raw, host: h}
	f := h.fault(s)
	if !f.beforeGreeting(h, conn) {
		return
	}
	implicit := (s == IMAPS || s == SMTPS) && f.Kind != PlainOnly
	if !implicit {
		h.backends[s].serve(conn, f.Kind == NoSTARTTLS || f.Kind == PlainOnly)
		return
	}
	// The protocol servers make the handshake, and know from the type that there was one.
	h.backends[s].serve(tls.Server(conn, h.pki.config(f.Kind == WrongCertificate)), false)
}

// tracked is a connection that the host forgets when it is closed.
type tracked struct {
	net.Conn
	host *Host
	once sync.Once
}

func (t *tracked) Close() error {
	t.once.Do(func() { t.host.forget(t.Conn) })
	return t.Conn.Close()
}
