package oauthflow_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"

	"latchkey"
	"latchkey/internal/connector/google"
	"latchkey/internal/connector/imap/dovecottest"
	"latchkey/internal/connector/login"
	"latchkey/internal/connector/oauthflow/idp"
)

// TestDovecot signs in to a mailbox on a real server, which asks the provider about the token.
func TestDovecot(t *testing.T) {
	r := newRig(t, idp.Google, true)
	s := dovecottest.Start(t, dovecottest.Config{Users: map[string]string{"other@demo.test": "x"}, Introspection: r.idp.URL() + "/introspect"})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CAPEM)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	at := func(addr string, e login.Encryption) login.Server {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		return login.Server{Host: "127.0.0.1", Port: n, Encryption: e}
	}
	r.conn = google.New(google.Config{
		HTTP: &http.Client{Transport: transport}, Issuer: r.idp.Issuer(), APIURL: r.idp.URL(), Now: r.now, Log: slog.New(slog.DiscardHandler),
		Dial: login.DialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}),
		TLS: func(name string) *tls.Config {
			return &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS12}
		},
		IMAP: at(s.IMAPS, login.TLS), SMTP: at(s.Submission, login.STARTTLS),
	})
	turn := r.signIn(t, r.start())
	if ends(turn) != "grant anna@gmail.test" {
		t.Fatalf("%s %+v\n%s", ends(turn), turn.Step, s.Log())
	}
	c := r.credential(turn.Grant)
	if h, err := r.check(t, c); err != nil || h.Status != latchkey.AccountOK {
		t.Errorf("check: %+v %v\n%s", h, err, s.Log())
	}
	r.idp.Withdraw("anna@gmail.test")
	if h, err := r.check(t, c); err != nil || h.Status != latchkey.AccountCredentials || h.Reason != latchkey.ReasonConsentRevoked {
		t.Errorf("after the permission was withdrawn: %+v %v\n%s", h, err, s.Log())
	}
}
