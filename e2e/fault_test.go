package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"latchkey/internal/connector/imap/mailhost"
)

// bad is a way of a host to do wrong, and what the page may say of it.
type bad struct {
	name       string
	fault      mailhost.Fault
	encryption string
	codes      []string
}

func badDays() []bad {
	return []bad{
		{"hang", mailhost.Fault{Kind: mailhost.HangAtGreeting}, "tls", []string{"connection_timeout"}},
		{"hangplain", mailhost.Fault{Kind: mailhost.HangAtGreeting}, "starttls", []string{"connection_timeout"}},
		{"hanglogin", mailhost.Fault{Kind: mailhost.HangAtLogin}, "tls", []string{"connection_timeout"}},
		{"reset", mailhost.Fault{Kind: mailhost.Reset}, "tls", []string{"connection_closed"}},
		{"garbage", mailhost.Fault{Kind: mailhost.Garbage}, "tls", []string{"tls_failed", "not_imap", "not_smtp"}},
		{"garbageplain", mailhost.Fault{Kind: mailhost.Garbage}, "starttls", []string{"not_imap", "not_smtp", "protocol_error"}},
		{"flood", mailhost.Fault{Kind: mailhost.Flood}, "tls", []string{"tls_failed", "not_imap", "not_smtp"}},
		{"floodplain", mailhost.Fault{Kind: mailhost.Flood}, "starttls", []string{"not_imap", "not_smtp", "protocol_error"}},
		{"certificate", mailhost.Fault{Kind: mailhost.WrongCertificate}, "tls", []string{"certificate_invalid"}},
		{"certificatelater", mailhost.Fault{Kind: mailhost.WrongCertificate}, "starttls", []string{"certificate_invalid"}},
		{"nostarttls", mailhost.Fault{Kind: mailhost.NoSTARTTLS}, "starttls", []string{"starttls_unavailable"}},
		{"inject", mailhost.Fault{Kind: mailhost.Inject}, "starttls", []string{"tls_failed", "protocol_error", "connection_closed", "not_smtp", "not_imap"}},
	}
}

var allServices = []mailhost.Service{mailhost.IMAPS, mailhost.IMAP, mailhost.SMTPS, mailhost.Submission} //nolint:gochecknoglobals // a constant

// maxMemory bounds the server's memory while every host of the bad days misbehaves at once.
const maxMemory = 300 << 20

// TestMailHostsOfBadDays lets hosts misbehave under the whole wizard: the page says what is wrong,
// the server stays well, and the mailbox is connected once the host is well again.
func TestMailHostsOfBadDays(t *testing.T) {
	t.Parallel()
	var domains []string
	for _, b := range badDays() {
		domains = append(domains, b.name+".test")
	}
	mail := newMail(t, domains...)
	s := run(t, mail.env)
	t.Run("hosts", func(t *testing.T) {
		for _, b := range badDays() {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				s.badDay(t, mail, b)
			})
		}
	})
	if peak := peakMemory(t, s.pid); peak > maxMemory {
		t.Errorf("the server took %d MB", peak>>20)
	} else {
		t.Logf("the server took %d MB at most", peak>>20)
	}
	s.healthy(t)
}

func (s *server) badDay(t *testing.T, mail *mailWorld, b bad) {
	t.Helper()
	host := mail.hosts[b.name+".test"]
	email, password := mail.user(s.install, "maria@"+b.name+".test")
	for _, svc := range allServices {
		host.Misbehave(svc, b.fault)
	}
	v := s.visit(s.api.link(t))
	// Where nothing answers in time, the servers are asked for; where something does, the password.
	f, err := v.until(t.Context(), answers{"imap.email": {"email": email}}, func(f flow) bool {
		return f.Step.ID == "imap.settings" || f.Step.ID == "imap.password"
	})
	if err != nil {
		t.Fatal(err)
	}
	imapPort, smtpPort := host.Port(mailhost.IMAPS), host.Port(mailhost.SMTPS)
	if b.encryption == "starttls" {
		imapPort, smtpPort = host.Port(mailhost.IMAP), host.Port(mailhost.Submission)
	}
	values := fields{
		"password": password, "imap_host": "mail." + b.name + ".test", "imap_port": imapPort, "imap_encryption": b.encryption,
		"smtp_host": "mail." + b.name + ".test", "smtp_port": smtpPort, "smtp_encryption": b.encryption,
	}
	began := time.Now()
	f = v.submit(t, f, values)
	if took := time.Since(began); took > 60*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	if len(f.Step.Errors) == 0 {
		t.Fatalf("nothing is said to be wrong: %s", f.raw)
	}
	for _, e := range f.Step.Errors {
		if !slices.Contains(b.codes, e.Code) {
			t.Errorf("%s: %s (%s), not one of %v", e.Field, e.Code, e.Message, b.codes)
		}
		if !strings.Contains(e.Message, "mail."+b.name+".test") {
			t.Errorf("%q does not name the server", e.Message)
		}
	}
	for _, name := range []string{"imap_host", "imap_port"} {
		if got, there := f.field(name); !there || got != fmt.Sprint(values[name]) {
			t.Errorf("%s is %q, not as it was typed", name, got)
		}
	}
	for _, svc := range allServices {
		host.Misbehave(svc, mailhost.Fault{})
	}
	if f = v.submit(t, f, values); !completed(f) {
		t.Errorf("the host is well again, and still: %s", f.raw)
	}
}

func (s *server) healthy(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		res, err := send(s.api.http, request(t, http.MethodGet, s.base+path))
		if err != nil || res.status != http.StatusOK {
			t.Errorf("%s: %v %d %s", path, err, res.status, res.body)
		}
	}
}

// peakMemory is the largest resident size that a process ever had.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the kernel does not tell the peak of memory")
	return 0
}

// trap is a listener on loopback to which nobody must connect.
type trap struct {
	port string
	hits atomic.Int64
}

func setTrap(t *testing.T) *trap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	x := &trap{}
	_, x.port, _ = net.SplitHostPort(ln.Addr().String())
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			x.hits.Add(1)
			_ = c.Close()
		}
	}()
	return x
}

// try types servers by hand and returns what is said of them.
func (s *server) try(t *testing.T, email string, values fields) flow {
	t.Helper()
	v := s.visit(s.api.link(t))
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.settings")
	values["password"] = s.seen.password("")
	return v.submit(t, f, values)
}

// TestPrivateHosts holds that the form reaches no private address, by whatever name, when nobody
// allowed it to, and is no port scanner.
func TestPrivateHosts(t *testing.T) {
	t.Parallel()
	x := setTrap(t)
	zone := []string{"inside.private.test. 60 IN A 127.0.0.1", "meta.private.test. 60 IN A 169.254.169.254"}
	names, err := mailhost.StartDNS("", zone...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	s := run(t, map[string]string{"LATCHKEY_DNS_SERVER": names.Addr()})
	for _, c := range []struct{ host, port, want string }{
		{"inside.private.test", "993", "host_not_allowed"},
		{"inside.private.test", x.port, ""},
		{"meta.private.test", "993", "host_not_allowed"},
		{"127.0.0.1", "993", "host_not_allowed"},
		{"169.254.169.254", "993", "host_not_allowed"},
		{"[::1]", "993", "host_not_allowed"},
		{"[::ffff:127.0.0.1]", "993", "host_not_allowed"},
		{"localhost", "993", ""},
		{"2130706433", "993", ""},
		{"0x7f000001", "993", ""},
		{"10.0.0.1", "22", ""},
	} {
		f := s.try(t, "maria@private.test", fields{"imap_host": c.host, "imap_port": c.port, "imap_encryption": "tls", "smtp_host": ""})
		if len(f.Step.Errors) == 0 || completed(f) {
			t.Errorf("%s:%s: nothing is said to be wrong: %s", c.host, c.port, f.raw)
			continue
		}
		if got := f.Step.Errors[0].Code; c.want != "" && got != c.want {
			t.Errorf("%s:%s: %s, not %s", c.host, c.port, got, c.want)
		}
		if strings.Contains(f.Step.Errors[0].Message, "169.254") && !strings.Contains(c.host, "169.254") {
			t.Errorf("%s: the page tells what the name resolves to: %s", c.host, f.Step.Errors[0].Message)
		}
	}
	if n := x.hits.Load(); n > 0 {
		t.Errorf("a private address was connected to %d times", n)
	}
}

// turncoat answers with one address first, and with another ever after.
type turncoat struct {
	name        string
	first, then string
	asked       atomic.Int64
}

func (x *turncoat) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	for _, question := range q.Question {
		switch {
		case !strings.EqualFold(question.Name, dns.Fqdn(x.name)):
			m.Rcode = dns.RcodeNameError
		case question.Qtype == dns.TypeA:
			addr := x.then
			if x.asked.Add(1) == 1 {
				addr = x.first
			}
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(addr)})
		}
	}
	_ = w.WriteMsg(m)
}

// TestRebinding holds that the address that is checked is the one that is connected to: a name that
// is public when it is looked up and private a moment later reaches nothing.
func TestRebinding(t *testing.T) {
	t.Parallel()
	x := setTrap(t)
	names := &turncoat{name: "rebind.turncoat.test", first: "127.0.0.2", then: "127.0.0.1"}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: pc, Handler: names, NotifyStartedFunc: func() { close(started) }}
	go func() { _ = srv.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = srv.Shutdown() })
	// 127.0.0.2 plays the public address: it is allowed, and nothing listens there.
	s := run(t, map[string]string{"LATCHKEY_DNS_SERVER": pc.LocalAddr().String(), "LATCHKEY_ALLOW_MAIL": "127.0.0.2:" + x.port})
	for range 3 {
		f := s.try(t, "maria@turncoat.test", fields{"imap_host": names.name, "imap_port": x.port, "imap_encryption": "tls", "smtp_host": ""})
		if len(f.Step.Errors) == 0 || completed(f) {
			t.Errorf("nothing is said to be wrong: %s", f.raw)
		}
	}
	if names.asked.Load() < 2 {
		t.Error("the name was not looked up twice: it had no chance to turn")
	}
	if n := x.hits.Load(); n > 0 {
		t.Errorf("the private address was connected to %d times", n)
	}
}
