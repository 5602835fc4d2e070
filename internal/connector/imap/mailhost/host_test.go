package mailhost_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"latchkey/internal/connector/imap/mailhost"
)

func start(t *testing.T) (*mailhost.Host, *tls.Config) {
	t.Helper()
	h, err := mailhost.Start(mailhost.Config{Users: map[string]string{"maria": "secret"}, Names: []string{"mail.demo.test"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CAPEM())
	return h, &tls.Config{RootCAs: roots, ServerName: "mail.demo.test", MinVersion: tls.VersionTLS12}
}

// TestOrdinaryClients: the protocol libraries' own clients are at home here.
func TestOrdinaryClients(t *testing.T) {
	h, cfg := start(t)
	c, err := imapclient.DialTLS(h.Addr(mailhost.IMAPS), &imapclient.Options{TLSConfig: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("maria", "wrong").Wait(); err == nil {
		t.Error("a wrong password was taken")
	}
	if err := c.Login("maria", "secret").Wait(); err != nil {
		t.Error(err)
	}
	if box, err := c.Select("INBOX", nil).Wait(); err != nil || box.NumMessages != 0 {
		t.Errorf("%+v, %v", box, err)
	}
	s, err := smtp.DialStartTLS(h.Addr(mailhost.Submission), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Mail("a@b.test", nil); err == nil {
		t.Error("mail was taken from a stranger")
	}
	if err := s.Auth(sasl.NewPlainClient("", "maria", "secret")); err != nil {
		t.Error(err)
	}
	if err := s.SendMail("a@b.test", []string{"c@d.test"}, strings.NewReader("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Error(err)
	}
	if n := h.Counts(); n.IMAPLogins != 1 || n.IMAPRefused != 1 || n.SMTPLogins != 1 || n.Messages != 1 || n.Connections != 2 {
		t.Errorf("%+v", n)
	}
}

func TestSetPassword(t *testing.T) {
	h, cfg := start(t)
	try := func(password string) error {
		c, err := imapclient.DialTLS(h.Addr(mailhost.IMAPS), &imapclient.Options{TLSConfig: cfg})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Login("maria", password).Wait()
	}
	h.SetPassword("maria", "new")
	if try("secret") == nil || try("new") != nil {
		t.Error("the new password does not count")
	}
	h.SetPassword("maria", "")
	if try("new") == nil || try("") == nil {
		t.Error("a removed user was let in")
	}
}

func TestFloodIsAFlood(t *testing.T) {
	h, _ := start(t)
	h.Misbehave(mailhost.IMAP, mailhost.Fault{Kind: mailhost.Flood})
	conn, err := net.Dial("tcp", h.Addr(mailhost.IMAP))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := io.Copy(io.Discard, conn); err != nil || n != mailhost.FloodSize {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestCloseEndsEverybody: also those who wait for a greeting that never comes.
func TestCloseEndsEverybody(t *testing.T) {
	h, _ := start(t)
	for s := range mailhost.Submission + 1 {
		h.Misbehave(s, mailhost.Fault{Kind: mailhost.HangAtGreeting})
	}
	var wg sync.WaitGroup
	for s := range mailhost.Submission + 1 {
		conn, err := net.Dial("tcp", h.Addr(s))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	}
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits")
	}
	wg.Wait()
	if err := h.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestDNS(t *testing.T) {
	h, _ := start(t)
	d, err := mailhost.StartDNS("", h.Zone("demo.test", "mail.demo.test")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, d.Addr())
	}}
	_, srv, err := r.LookupSRV(t.Context(), "imaps", "tcp", "demo.test")
	if err != nil || len(srv) != 1 || int(srv[0].Port) != h.Port(mailhost.IMAPS) {
		t.Errorf("%+v, %v", srv, err)
	}
	if a, err := r.LookupHost(t.Context(), "MAIL.demo.test"); err != nil || len(a) != 1 || a[0] != "127.0.0.1" {
		t.Errorf("%v, %v", a, err)
	}
	_, err = r.LookupHost(t.Context(), "other.test")
	if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsNotFound {
		t.Errorf("%v", err)
	}
	if _, err := mailhost.StartDNS("", "not a record"); err == nil {
		t.Error("a broken zone was served")
	}
}
