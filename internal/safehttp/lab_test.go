package safehttp_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
)

// nameserver answers from a table: "name. TYPE" → one list of records for each time it is asked;
// the last one stays. Names that are not in it do not exist.
type nameserver struct {
	addr  string
	mu    sync.Mutex
	zone  map[string][][]string
	asked map[string]int
}

func newNameserver(t *testing.T, zone map[string][][]string) *nameserver {
	t.Helper()
	n := &nameserver{zone: zone, asked: map[string]int{}}
	pc, l := listenBoth(t)
	n.addr = l.Addr().String()
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: dns.HandlerFunc(n.answer)}, {Listener: l, Handler: dns.HandlerFunc(n.answer)}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { _ = s.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return n
}

// listenBoth finds a port that is free for UDP and TCP: another test may have just taken one of the two.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var last error
	for range 20 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", l.Addr().String())
		if err == nil {
			return pc, l
		}
		last = err
		_ = l.Close()
	}
	t.Fatal(last)
	return nil, nil
}

func (n *nameserver) answer(w dns.ResponseWriter, q *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := new(dns.Msg)
	m.SetReply(q)
	name := strings.ToLower(q.Question[0].Name)
	key := name + " " + dns.TypeToString[q.Question[0].Qtype]
	times := n.asked[key]
	n.asked[key]++
	known := false
	for k := range n.zone {
		known = known || strings.HasPrefix(k, name+" ")
	}
	switch answers := n.zone[key]; {
	case n.zone[name+" SERVFAIL"] != nil:
		m.Rcode = dns.RcodeServerFailure
	case n.zone[name+" SILENCE"] != nil:
		return
	case !known:
		m.Rcode = dns.RcodeNameError
	case len(answers) > 0:
		for _, rr := range answers[min(times, len(answers)-1)] {
			r, err := dns.NewRR(name + " 0 IN " + dns.TypeToString[q.Question[0].Qtype] + " " + rr)
			if err != nil {
				m.Rcode = dns.RcodeServerFailure
				break
			}
			m.Answer = append(m.Answer, r)
		}
	}
	if w.RemoteAddr().Network() == "udp" {
		m.Truncate(512)
	}
	_ = w.WriteMsg(m)
}

func (n *nameserver) count(key string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[key]
}

// logbook collects what is logged.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newEgress(t *testing.T, cfg safehttp.Config) (*safehttp.Egress, *logbook) {
	t.Helper()
	book := &logbook{}
	cfg.Now, cfg.Log = time.Now, slog.New(slog.NewJSONHandler(book, nil))
	e, err := safehttp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, book
}

// listener accepts, counts and closes.
func listener(t *testing.T, addr string) (hostport, port string, accepted func() int) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			n++
			mu.Unlock()
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return l.Addr().String(), port, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func wantCode(t *testing.T, what string, err error, want errs.Code) {
	t.Helper()
	if !errs.Is(err, want) {
		t.Errorf("%s: %v, want the code %s", what, err, want)
	}
}
