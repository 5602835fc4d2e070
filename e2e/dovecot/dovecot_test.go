package dovecot_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/smtp"
	"strconv"
	"testing"

	"latchkey/e2e/dovecot"
)

// TestHost logs in with a password that is not ASCII, and is refused with the old one.
func TestHost(t *testing.T) {
	t.Parallel()
	h := dovecot.Start(t, "mail.house.test")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CAPEM)
	login := func(password string) error {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(h.Submissions))
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "mail.house.test", MinVersion: tls.VersionTLS12})
		if err != nil {
			return err
		}
		c, err := smtp.NewClient(conn, "mail.house.test")
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Auth(smtp.PlainAuth("", "maria@house.test", password, "mail.house.test"))
	}
	h.SetPassword(t, "maria@house.test", "früher: \"alt\"")
	if err := login("früher: \"alt\""); err != nil {
		t.Fatalf("%v\n%s", err, h.Log())
	}
	h.SetPassword(t, "maria@house.test", "später €")
	if err := login("früher: \"alt\""); err == nil {
		t.Error("the old password still works")
	}
	if err := login("später €"); err != nil {
		t.Errorf("%v\n%s", err, h.Log())
	}
}
