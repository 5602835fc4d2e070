package dovecottest

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Inbox reads the mails of a mailbox over IMAP, oldest first.
func (s *Server) Inbox(tb testing.TB, user, password string) [][]byte {
	tb.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CAPEM)
	c, err := imapclient.DialTLS(s.IMAPS, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(user, password).Wait(); err != nil {
		tb.Fatalf("%v\n%s", err, s.Log())
	}
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		tb.Fatal(err)
	}
	if box.NumMessages == 0 {
		return nil
	}
	all := imap.SeqSet{}
	all.AddRange(1, box.NumMessages)
	found, err := c.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil {
		tb.Fatal(err)
	}
	var out [][]byte
	for _, m := range found {
		for _, b := range m.BodySection {
			out = append(out, b.Bytes)
		}
	}
	return out
}
