package dovecottest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os/exec"

	"github.com/emersion/go-smtp"
)

// sink takes mail, and forgets it or gives it to deliver.
type sink struct {
	addr    *net.TCPAddr
	server  *smtp.Server
	deliver func(to string, raw []byte) error
}

func startSink(deliver func(to string, raw []byte) error) (*sink, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr, _ := ln.Addr().(*net.TCPAddr)
	s := &sink{addr: addr, deliver: deliver}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &taken{sink: s}, nil }))
	s.server.Domain = "localhost"
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = s.server.Serve(ln) }()
	return s, nil
}

func (s *sink) close() { _ = s.server.Close() }

type taken struct {
	sink *sink
	to   []string
}

func (m *taken) Mail(string, *smtp.MailOptions) error { return nil }

func (m *taken) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.to = append(m.to, to)
	return nil
}

func (m *taken) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	for _, to := range m.to {
		if err == nil && m.sink.deliver != nil {
			err = m.sink.deliver(to, raw)
		}
	}
	return err
}

func (m *taken) Reset()        { m.to = nil }
func (m *taken) Logout() error { return nil }

// deliver puts a mail into a mailbox of the server's own, with Dovecot's delivery agent.
func (s *Server) deliver(to string, raw []byte) error {
	cmd := exec.Command("/usr/lib/dovecot/dovecot-lda", "-c", s.Dir+"/dovecot.conf", "-d", to, "-e")
	cmd.Stdin = bytes.NewReader(raw)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("dovecot-lda: %w: %s", err, out)
	}
	return nil
}
