package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
)

// mailWorld is the mail hosts of some domains, and a name server that leads to them.
type mailWorld struct {
	hosts map[string]*mailhost.Host // by domain
	env   map[string]string
}

// newMail starts a host for each domain, all with certificates of authorities that the installation
// trusts, on ports of their own.
func newMail(t *testing.T, domains ...string) *mailWorld {
	t.Helper()
	return newMailAt(t, 0, domains...)
}

// newMailAt has the certificates issued at another time, for servers whose clock is wrong.
func newMailAt(t *testing.T, ahead time.Duration, domains ...string) *mailWorld {
	t.Helper()
	w := &mailWorld{hosts: map[string]*mailhost.Host{}}
	var zone, ports []string
	var roots []byte
	for _, d := range domains {
		h, err := mailhost.Start(mailhost.Config{Names: []string{"mail." + d}, Now: func() time.Time { return time.Now().Add(ahead) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		w.hosts[d] = h
		zone = append(zone, h.Zone(d, "mail."+d)...)
		roots = append(roots, h.CAPEM()...)
		for _, s := range []mailhost.Service{mailhost.IMAPS, mailhost.IMAP, mailhost.SMTPS, mailhost.Submission} {
			ports = append(ports, fmt.Sprint(h.Port(s)))
		}
	}
	w.env = mailEnv(t, zone, ports, roots)
	return w
}

// mailEnv lets an installation find and reach hosts on loopback.
func mailEnv(t *testing.T, zone, ports []string, roots []byte) map[string]string {
	t.Helper()
	names, err := mailhost.StartDNS("", zone...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	ca := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(ca, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"LATCHKEY_DNS_SERVER": names.Addr(), "LATCHKEY_CA_FILE": ca,
		"LATCHKEY_ALLOW_MAIL": "127.0.0.0/8:" + strings.Join(ports, ","),
	}
}

// user makes a mailbox whose password the installation's witness knows.
func (w *mailWorld) user(in *install, email string) (address, password string) {
	_, domain, _ := strings.Cut(email, "@")
	password = in.seen.password("")
	w.hosts[domain].SetPassword(email, password)
	return email, password
}
