package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"latchkey/internal/connector/imap/mailhost"
)

// perDomain is how many people of one mail domain make a journey. The connector lets so many
// different logins be tried on one host; the benchmark has many domains rather than other limits.
const perDomain = 50

// stage is what stands around the servers: a mail host, a name server and a backend that is notified.
type stage struct {
	dir     string
	mail    *mailhost.Host
	names   *mailhost.DNS
	inbox   *inbox
	ca      string
	apiKey  string
	hookKey string
	domains int
}

const mailPassword = "correct horse battery staple"

func domain(i int) string      { return fmt.Sprintf("d%d.bench.test", i) }
func person(i int) string      { return fmt.Sprintf("u%d@%s", i, domain(i/perDomain)) }
func firstPerson(d int) string { return "first@" + domain(d) }
func mailName(d string) string { return "mail." + d }
func nDomains(people int) int  { return (people + perDomain - 1) / perDomain }
func (s *stage) people() int   { return s.domains * perDomain }

func newStage(dir string, people int) (*stage, error) {
	s := &stage{dir: dir, domains: nDomains(people), ca: filepath.Join(dir, "ca.pem"), apiKey: hex.EncodeToString(random(24))}
	s.hookKey = "whsec_" + base64.StdEncoding.EncodeToString(random(32))
	users, names := map[string]string{}, []string{}
	for d := range s.domains {
		names = append(names, mailName(domain(d)))
		users[firstPerson(d)] = mailPassword
	}
	for i := range s.people() {
		users[person(i)] = mailPassword
	}
	var err error
	if s.mail, err = mailhost.Start(mailhost.Config{Users: users, Names: names}); err != nil {
		return nil, err
	}
	var zone []string
	for d := range s.domains {
		zone = append(zone, s.mail.Zone(domain(d), mailName(domain(d)))...)
	}
	if s.names, err = mailhost.StartDNS("", zone...); err != nil {
		return nil, errors.Join(err, s.mail.Close())
	}
	s.inbox, err = newInbox(s.hookKey)
	if err == nil {
		err = os.WriteFile(s.ca, s.mail.CAPEM(), 0o600)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	_ = s.mail.Close()
	s.names.Close()
	if s.inbox != nil {
		s.inbox.close()
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// environment configures a server for this stage. Everything that is not about reaching the stage
// stays as it comes, but for the limit by address: all load comes from one.
func (s *stage) environment(listen, data, database string) []string {
	env := []string{
		"LATCHKEY_LISTEN=" + listen, "LATCHKEY_DATA=" + data,
		"LATCHKEY_API_KEY=" + s.apiKey, "LATCHKEY_WEBHOOK_SECRET=" + s.hookKey,
		"LATCHKEY_CA_FILE=" + s.ca, "LATCHKEY_DNS_SERVER=" + s.names.Addr(), "LATCHKEY_ISPDB_URL=off",
		fmt.Sprintf("LATCHKEY_ALLOW_MAIL=127.0.0.0/8:%d,%d,%d,%d", s.mail.Port(mailhost.IMAPS), s.mail.Port(mailhost.IMAP),
			s.mail.Port(mailhost.SMTPS), s.mail.Port(mailhost.Submission)),
		"LATCHKEY_ALLOW_WEBHOOK=127.0.0.0/8", "LATCHKEY_ADDRESS_RATE=0",
	}
	if database != "" {
		env = append(env, "LATCHKEY_DATABASE_URL="+database, "LATCHKEY_MASTER_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	}
	return env
}

// serve starts a server and waits until it is healthy.
func (s *stage) serve(ctx context.Context, name, program string, args []string, data, database string, env ...string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := start(s.dir, name, addr, append(s.environment(addr, data, database), env...), program, append(args, "serve")...)
	if err != nil {
		return nil, err
	}
	if err := p.healthy(ctx, "/healthz"); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), p.stop())
	}
	return p, nil
}

// mailCost asks role:mail.
func (s *stage) mailCost(ctx context.Context) (r mailReport, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, self, "role:mail",
		"-imap", strconv.Itoa(s.mail.Port(mailhost.IMAPS)), "-smtp", strconv.Itoa(s.mail.Port(mailhost.SMTPS)),
		"-ca", s.ca, "-host", mailName(domain(0)), "-user", firstPerson(0), "-password", mailPassword)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("mail logins: %w", err)
	}
	return r, json.Unmarshal(out, &r)
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// expiry is a date for a link, in a request.
func expiry() string { return time.Now().Add(2 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z") }
