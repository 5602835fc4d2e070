package mailhost

import (
	"bytes"
	"io"
	"net"
	"time"
)

// FaultKind is a way to do wrong.
type FaultKind int

// The ways to do wrong.
const (
	// Well is no fault.
	Well FaultKind = iota
	// HangAtGreeting accepts connections and never says a word.
	HangAtGreeting
	// HangAtLogin takes the password and never answers.
	HangAtLogin
	// Reset ends connections at once, with a TCP reset.
	Reset
	// Garbage sends bytes that are no protocol.
	Garbage
	// Flood sends a line of 100 MB without an end.
	Flood
	// WrongCertificate shows a certificate of the same authority for another name.
	WrongCertificate
	// PlainOnly speaks without TLS on every port, and offers no STARTTLS.
	PlainOnly
	// NoSTARTTLS offers no STARTTLS.
	NoSTARTTLS
	// Refuse refuses every login with Text (and Code, in SMTP).
	Refuse
	// RefuseAfter lets in and then refuses every command with Text (IMAP only).
	RefuseAfter
	// Slow waits for Delay before each connection is served.
	Slow
	// Inject answers STARTTLS with plain text of its own behind the consent.
	Inject
)

// Fault is what goes wrong on a service.
type Fault struct {
	Kind  FaultKind
	Text  string
	Code  int // SMTP's reply code, 535 if zero
	Delay time.Duration
}

// FloodSize is how much Flood sends.
const FloodSize = 100 << 20

// beforeGreeting does what goes wrong before any protocol is spoken, and tells whether it is.
func (f Fault) beforeGreeting(h *Host, conn net.Conn) bool {
	switch f.Kind {
	case HangAtGreeting:
		_, _ = io.Copy(io.Discard, conn) // until the other side gives up, or Close
	case Reset:
		if t, ok := conn.(*tracked); ok {
			if tcp, ok := t.Conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
		}
	case Garbage:
		_, _ = conn.Write([]byte("\x00\xff\xfeSSH-2.0-not what you asked for\r\n\x01\x02\r\n"))
	case Flood:
		_, _ = io.Copy(conn, io.LimitReader(&endless{}, FloodSize))
	case Inject:
		inject(conn)
	case Slow:
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
			return true
		case <-h.closed:
		}
	default:
		return true
	}
	_ = conn.Close()
	return false
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'A'
	}
	return len(b), nil
}

// inject speaks just enough IMAP to consent to STARTTLS, with an answer to a command of the future in
// the same segment.
func inject(conn net.Conn) {
	if _, err := conn.Write([]byte("* OK ready\r\n")); err != nil {
		return
	}
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	tag, _, _ := bytes.Cut(buf[:n], []byte(" "))
	_, _ = conn.Write(append(append([]byte{}, tag...), " OK begin TLS\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"...))
	_, _ = io.Copy(io.Discard, conn)
}
