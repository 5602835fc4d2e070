package dovecottest

import (
	"io"
	"log"
	"net"

	"github.com/emersion/go-smtp"
)

// sink takes mail and forgets it.
type sink struct {
	addr   *net.TCPAddr
	server *smtp.Server
}

func startSink() (*sink, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return forget{}, nil }))
	srv.Domain = "localhost"
	srv.ErrorLog = log.New(io.Discard, "", 0)
	addr, _ := ln.Addr().(*net.TCPAddr)
	go func() { _ = srv.Serve(ln) }()
	return &sink{addr: addr, server: srv}, nil
}

func (s *sink) close() { _ = s.server.Close() }

type forget struct{}

func (forget) Mail(string, *smtp.MailOptions) error { return nil }
func (forget) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (forget) Data(r io.Reader) error               { _, err := io.Copy(io.Discard, r); return err }
func (forget) Reset()                               {}
func (forget) Logout() error                        { return nil }
