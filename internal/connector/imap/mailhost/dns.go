package mailhost

import (
	"fmt"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// DNS is a name server on loopback that knows one zone file.
type DNS struct {
	addr    string
	servers []*dns.Server
}

// StartDNS serves the records, written as in a zone file ("demo.test. 60 IN MX 10 mail.demo.test."),
// over UDP and TCP on listen ("127.0.0.1:0" if empty). Every other name does not exist.
func StartDNS(listen string, records ...string) (*DNS, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	zone, err := parseZone(records)
	if err != nil {
		return nil, err
	}
	pc, ln, err := listenBoth(listen)
	if err != nil {
		return nil, err
	}
	d := &DNS{addr: pc.LocalAddr().String(), servers: []*dns.Server{
		{PacketConn: pc, Handler: zone}, {Listener: ln, Handler: zone},
	}}
	for _, s := range d.servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
	}
	return d, nil
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth(listen string) (net.PacketConn, net.Listener, error) {
	var last error
	for range 20 {
		ln, err := net.Listen("tcp", listen) //nolint:noctx // Close ends it
		if err != nil {
			return nil, nil, fmt.Errorf("mailhost: %w", err)
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String()) //nolint:noctx // Close ends it
		if err == nil {
			return pc, ln, nil
		}
		last = err
		_ = ln.Close()
	}
	return nil, nil, fmt.Errorf("mailhost: no port for UDP and TCP: %w", last)
}

// Addr is host:port of the name server.
func (d *DNS) Addr() string { return d.addr }

// Close ends the name server.
func (d *DNS) Close() {
	for _, s := range d.servers {
		_ = s.Shutdown()
	}
}

// Zone returns records with which a mail client finds the host for a domain: its name's address, MX,
// and SRV for all four services (RFC 6186, RFC 8314).
func (h *Host) Zone(domain, name string) []string {
	d, n := dns.Fqdn(domain), dns.Fqdn(name)
	return []string{
		fmt.Sprintf("%s 60 IN A 127.0.0.1", n),
		fmt.Sprintf("%s 60 IN MX 10 %s", d, n),
		fmt.Sprintf("_imaps._tcp.%s 60 IN SRV 0 1 %d %s", d, h.Port(IMAPS), n),
		fmt.Sprintf("_imap._tcp.%s 60 IN SRV 10 1 %d %s", d, h.Port(IMAP), n),
		fmt.Sprintf("_submissions._tcp.%s 60 IN SRV 0 1 %d %s", d, h.Port(SMTPS), n),
		fmt.Sprintf("_submission._tcp.%s 60 IN SRV 10 1 %d %s", d, h.Port(Submission), n),
	}
}

type zone map[string][]dns.RR // by lower-case name

func parseZone(records []string) (zone, error) {
	z := zone{}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			return nil, fmt.Errorf("mailhost: %w", err)
		}
		if rr == nil {
			continue
		}
		name := strings.ToLower(rr.Header().Name)
		z[name] = append(z[name], rr)
	}
	return z, nil
}

// ServeDNS answers one question.
func (z zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative = true
	for _, question := range q.Question {
		records, known := z[strings.ToLower(question.Name)]
		if !known {
			m.Rcode = dns.RcodeNameError
		}
		for _, rr := range records {
			if rr.Header().Rrtype == question.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	_ = w.WriteMsg(m) // who asked and left does not want it
}
