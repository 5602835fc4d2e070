package mailhost

import (
	"crypto/tls"
	"net"
	"sync"
)

// backend serves one protocol on connections handed to it. A plain one offers no STARTTLS and takes
// passwords all the same.
type backend interface {
	serve(conn net.Conn, plain bool)
	close()
}

func newBackend(h *Host, s Service) backend {
	switch s {
	case IMAPS, IMAP:
		return newIMAPBackend(h, s)
	default:
		return newSMTPBackend(h, s)
	}
}

// startTLSConfig is the configuration for STARTTLS, which shows the wrong certificate on such days.
func (h *Host) startTLSConfig(s Service) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.fault(s).Kind == WrongCertificate {
				return &h.pki.wrong, nil
			}
			return &h.pki.right, nil
		},
	}
}

// handed is a listener that accepts what it is handed: the protocol servers only take listeners.
type handed struct {
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
	serving chan struct{} // closed at the first Accept
	first   sync.Once
}

func newHanded() *handed {
	return &handed{conns: make(chan net.Conn), done: make(chan struct{}), serving: make(chan struct{})}
}

func (l *handed) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close()
	}
}

func (l *handed) Accept() (net.Conn, error) {
	l.first.Do(func() { close(l.serving) })
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *handed) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *handed) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// quiet takes what the protocol servers would log: everything they meet here is a test's doing.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
