package login_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"testing"

	"latchkey/internal/connector/imap/dovecottest"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// TestDovecot logs in on a real server: every port, good, wrong and non-ASCII passwords, by PLAIN and
// where there is LOGIN alone.
func TestDovecot(t *testing.T) {
	users := map[string]string{user: password, "emil@demo.test": "pässwörd-пароль-密码-😀", "colon@demo.test": `a:b{c}"d\e`}
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		t.Run(mechanism, func(t *testing.T) {
			s := dovecottest.Start(t, dovecottest.Config{Users: users, Mechanisms: []string{mechanism}})
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(s.CAPEM)
			c := &login.Client{Dial: &plainDialer{}, TLS: func(name string) *tls.Config {
				return &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS12}
			}}
			for _, port := range []struct {
				p  login.Protocol
				at string
				e  login.Encryption
			}{
				{login.IMAP, s.IMAPS, login.TLS},
				{login.IMAP, s.IMAP, login.STARTTLS},
				{login.SMTP, s.Submissions, login.TLS},
				{login.SMTP, s.Submission, login.STARTTLS},
			} {
				server := serverAt(t, port.at, port.e)
				if err := c.Probe(t.Context(), port.p, server); err != nil {
					t.Errorf("%s %s: probe: %v", port.p, port.e, err)
				}
				for who, word := range users {
					if _, err := c.Verify(t.Context(), port.p, server, who, word); err != nil {
						t.Errorf("%s %s as %s: %v\n%s", port.p, port.e, who, err, s.Log())
					}
				}
				// Dovecot takes half a second to say no.
				if _, err := c.Verify(t.Context(), port.p, server, user, "wörng"); code(err) != errs.CodeWrongPassword {
					t.Errorf("%s %s with a wrong password: %v", port.p, port.e, err)
				}
			}
			// The other encryption repairs itself here too.
			if got, err := c.Verify(t.Context(), login.IMAP, serverAt(t, s.IMAP, login.TLS), user, password); err != nil || got.Encryption != login.STARTTLS {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func serverAt(t *testing.T, at string, e login.Encryption) login.Server {
	t.Helper()
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return login.Server{Host: host, Port: n, Encryption: e}
}
