package dovecottest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// passwordTime bounds how long Dovecot may go by the old file: it looks at it now and then only.
const passwordTime = 10 * time.Second

// SetPassword adds a user or changes a password, and returns when the new one works. The server has
// to offer PLAIN.
func (s *Server) SetPassword(tb testing.TB, user, password string) {
	tb.Helper()
	if err := s.rewrite(user, password); err != nil {
		tb.Fatal(err)
	}
	for end := time.Now().Add(passwordTime); ; time.Sleep(20 * time.Millisecond) {
		err := s.login(user, password)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("the new password does not work: %v\n%s", err, s.Log())
		}
	}
}

// rewrite puts another file in the old one's place, so that Dovecot never reads half of one.
func (s *Server) rewrite(user, password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	file := filepath.Join(s.Dir, "passwd")
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(old)) {
		if !strings.HasPrefix(line, user+":") {
			b.WriteString(line)
		}
	}
	b.WriteString(passwdLine(user, password))
	next := file + ".next"
	if err := os.WriteFile(next, []byte(b.String()), 0o644); err != nil {
		return err
	}
	// Dovecot goes by whole seconds to see whether the file is another.
	s.changes++
	at := time.Now().Add(time.Duration(s.changes) * time.Second)
	return errors.Join(os.Chtimes(next, at, at), os.Rename(next, file))
}

func passwdLine(user, password string) string {
	return user + ":{PLAIN.b64}" + base64.StdEncoding.EncodeToString([]byte(password)) + "\n"
}

func (s *Server) login(user, password string) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CAPEM)
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	conn, err := d.Dial("tcp", s.Submissions)
	if err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	return errors.Join(c.Auth(smtp.PlainAuth("", user, password, "localhost")), c.Close())
}
