package login_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"strings"
	"testing"

	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// TestToken logs in with tokens: good, wrong, for a mailbox that is closed, and on a server that says
// back what it was sent.
func TestToken(t *testing.T) {
	const who, token = "anna@demo.test", "canary-token"
	host, err := mailhost.Start(mailhost.Config{Tokens: func(u, tok string) bool { return u == who && tok == token }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(host.CAPEM())
	c := &login.Client{
		Dial: login.DialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}),
		TLS: func(name string) *tls.Config {
			return &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS12}
		},
	}
	sent := base64.StdEncoding.EncodeToString([]byte("user=" + who + "\x01auth=Bearer " + token + "\x01\x01"))
	for _, door := range []struct {
		p login.Protocol
		s mailhost.Service
		e login.Encryption
	}{
		{login.IMAP, mailhost.IMAPS, login.TLS},
		{login.IMAP, mailhost.IMAP, login.STARTTLS},
		{login.SMTP, mailhost.SMTPS, login.TLS},
		{login.SMTP, mailhost.Submission, login.STARTTLS},
	} {
		server := login.Server{Host: "127.0.0.1", Port: host.Port(door.s), Encryption: door.e}
		try := func(token string) *login.Error {
			t.Helper()
			return login.AsError(c.VerifyToken(t.Context(), door.p, server, who, token))
		}
		if err := try(token); err != nil {
			t.Errorf("%s %s: %v", door.p, door.e, err)
		}
		if err := try("another"); err == nil || err.Code != errs.CodeCredentialRejected {
			t.Errorf("%s %s with a wrong token: %v", door.p, door.e, err)
		}
		host.Misbehave(door.s, mailhost.Fault{Kind: mailhost.Refuse, Text: "no " + token + " and no " + sent})
		if err := try(token); err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), sent[:40]) {
			t.Errorf("%s %s: the token comes back: %v", door.p, door.e, err)
		}
		host.Misbehave(door.s, mailhost.Fault{Kind: mailhost.PlainOnly})
		before := host.Counts()
		err := try(token)
		if after := host.Counts(); err == nil || after.IMAPLogins+after.SMTPLogins != before.IMAPLogins+before.SMTPLogins {
			t.Errorf("%s %s: a token never goes without encryption: %v", door.p, door.e, err)
		}
		host.Misbehave(door.s, mailhost.Fault{})
	}
	host.Misbehave(mailhost.IMAPS, mailhost.Fault{Kind: mailhost.RefuseAfter, Text: "User is authenticated but not connected."})
	if err := login.AsError(c.VerifyToken(t.Context(), login.IMAP, login.Server{Host: "127.0.0.1", Port: host.Port(mailhost.IMAPS), Encryption: login.TLS}, who, token)); err == nil || err.Code != errs.CodeIMAPDisabled {
		t.Errorf("let in and not served: %v", err)
	}
}
