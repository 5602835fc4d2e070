package safehttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
)

func TestDialConnectsToWhatIsListed(t *testing.T) {
	t.Parallel()
	_, port, accepted := listener(t, "127.0.0.1:0")
	ns := newNameserver(t, map[string][][]string{
		"mail.example.com. A":      {{"127.0.0.1"}},
		"both.example.com. AAAA":   {{"::1"}},
		"both.example.com. A":      {{"127.0.0.1"}},
		"xn--bcher-kva.example. A": {{"127.0.0.1"}},
	})
	e, _ := newEgress(t, safehttp.Config{DNSServer: ns.addr, AllowMail: []string{"127.0.0.0/8:" + port}})
	for _, host := range []string{"mail.example.com", "mail.example.com.", "MAIL.example.COM", "both.example.com", "bücher.example", "127.0.0.1"} {
		before := accepted()
		c, err := e.DialContext(t.Context(), safehttp.Mail, "tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_, _ = c.Read(make([]byte, 1)) // until the listener has counted and closed
		_ = c.Close()
		if accepted() != before+1 {
			t.Errorf("%s: connected to something else", host)
		}
	}
	if n := ns.count("mail.example.com. A"); n < 3 {
		t.Errorf("the configured server was asked %d times", n)
	}
}

func TestDialSaysWhy(t *testing.T) {
	t.Parallel()
	_, port, accepted := listener(t, "127.0.0.1:0")
	ns := newNameserver(t, map[string][][]string{
		"private.example. A":    {{"192.168.3.4"}},
		"metadata.example. A":   {{"169.254.169.254"}},
		"nat64.example. AAAA":   {{"64:ff9b::a9fe:a9fe"}},
		"public.example. A":     {{"8.8.8.8"}},
		"sf.example. SERVFAIL":  {{}},
		"slow.example. SILENCE": {{}},
		"empty.example. TXT":    {{`"x"`}},
		"lab.example. A":        {{"127.0.0.1"}},
	})
	e, _ := newEgress(t, safehttp.Config{DNSServer: ns.addr, AllowMail: []string{"127.0.0.1/32:1," + port}})
	for _, c := range []struct {
		network, dest string
		want          errs.Code
	}{
		{"tcp", "private.example:993", errs.CodeHostNotAllowed},
		{"tcp", "metadata.example:993", errs.CodeHostNotAllowed},
		{"tcp", "nat64.example:993", errs.CodeHostNotAllowed},
		{"tcp", "public.example:22", errs.CodePortNotAllowed},
		{"tcp", "lab.example:2", errs.CodePortNotAllowed},
		{"tcp", "8.8.8.8:80", errs.CodePortNotAllowed},
		{"tcp", "127.0.0.2:" + port, errs.CodeHostNotAllowed},
		{"tcp", "[::1]:" + port, errs.CodeHostNotAllowed},
		{"tcp", "[fe80::1%lo]:993", errs.CodeHostNotAllowed},
		{"tcp", "[::ffff:10.0.0.1]:993", errs.CodeHostNotAllowed},
		{"tcp", "localhost:993", errs.CodePortNotAllowed}, // 127.0.0.1 is listed, with other ports
		{"tcp", "missing.example:993", errs.CodeHostNotFound},
		{"tcp", "empty.example:993", errs.CodeHostNotFound},
		{"tcp", "sf.example:993", errs.CodeHostNotFound},
		{"tcp", "lab.example:1", errs.CodeConnectionRefused},
		// What net.Dial would read in its own way.
		{"tcp", ":" + port, errs.CodeHostNotAllowed},
		{"tcp", "127.0.0.1", errs.CodeHostNotAllowed},
		{"tcp", "127.0.0.1:imap", errs.CodePortNotAllowed},
		{"tcp", "127.0.0.1:0", errs.CodePortNotAllowed},
		{"tcp", "127.0.0.1:65536", errs.CodePortNotAllowed},
		{"tcp", "127.1:" + port, errs.CodeHostNotFound},
		{"tcp", "0x7f000001:" + port, errs.CodeHostNotFound},
		{"tcp", "2130706433:" + port, errs.CodeHostNotFound},
		{"tcp", "0177.0.0.1:" + port, errs.CodeHostNotFound},
		{"tcp", "a b:993", errs.CodeHostNotFound},
		{"tcp", strings.Repeat("a", 300) + ".example:993", errs.CodeHostNotFound},
		{"unix", "/var/run/docker.sock", errs.CodeHostNotAllowed},
		{"udp", "127.0.0.1:" + port, errs.CodeHostNotAllowed},
	} {
		conn, err := e.DialContext(t.Context(), safehttp.Mail, c.network, c.dest)
		wantCode(t, c.network+" "+c.dest, err, c.want)
		if conn != nil {
			_ = conn.Close()
		}
	}
	if accepted() != 0 {
		t.Error("something connected")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := e.DialContext(ctx, safehttp.Mail, "tcp", "slow.example:993")
	wantCode(t, "a silent name server", err, errs.CodeConnectionTimeout)

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := e.DialContext(ctx, safehttp.Mail, "tcp", "lab.example:"+port); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// A name that is public when it is looked at and private when it is used is the attack that
// checking names cannot stop.
func TestRebindingDoesNotPass(t *testing.T) {
	t.Parallel()
	_, port, accepted := listener(t, "127.0.0.1:0")
	ns := newNameserver(t, map[string][][]string{
		"rebind.example. A": {{"93.184.216.34"}, {"127.0.0.1"}},
		"mixed.example. A":  {{"127.0.0.1", "10.0.0.1", "169.254.169.254"}},
	})
	e, book := newEgress(t, safehttp.Config{DNSServer: ns.addr})
	addrs, err := e.LookupHost(t.Context(), "rebind.example")
	if err != nil || len(addrs) != 1 || addrs[0] != netip.MustParseAddr("93.184.216.34") {
		t.Fatalf("first look: %v %v", addrs, err)
	}
	for _, purpose := range []safehttp.Purpose{safehttp.Mail, safehttp.Webhook, safehttp.OAuth, safehttp.Discovery, safehttp.WhatsApp} {
		for _, host := range []string{"rebind.example", "mixed.example"} {
			_, err := e.DialContext(t.Context(), purpose, "tcp", net.JoinHostPort(host, port))
			wantCode(t, fmt.Sprint(purpose, " ", host), err, errs.CodeHostNotAllowed)
			if err != nil && strings.Contains(errs.As(err).Detail, "127.") {
				t.Errorf("the stranger is told what the name resolves to: %v", err)
			}
		}
	}
	if _, err := e.Client(safehttp.Webhook, safehttp.ClientOptions{}).Get("http://rebind.example:" + port + "/"); err == nil {
		t.Error("the HTTP client got through")
	}
	if accepted() != 0 {
		t.Fatalf("%d connections reached the loopback listener", accepted())
	}
	if n := ns.count("rebind.example. A"); n < 5 {
		t.Errorf("the name was looked up %d times: the attack was not played", n)
	}
	var line struct {
		Level, Msg, Purpose, Destination, Address, Rule, Hint string
	}
	first, _, _ := strings.Cut(book.String(), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Fatalf("log %q: %v", book, err)
	}
	if line.Msg != "egress refused" || line.Purpose != "mail" || line.Destination != "rebind.example:"+port ||
		line.Address != "127.0.0.1:"+port || line.Rule == "" || !strings.Contains(line.Hint, "LATCHKEY_ALLOW_MAIL") {
		t.Errorf("the operator is told %s", first)
	}
}

func TestNamesWithManyAddressesDoNotMakeAScanner(t *testing.T) {
	t.Parallel()
	_, port, accepted := listener(t, "127.0.0.100:0")
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("127.0.0.%d", i+1)
	}
	ns := newNameserver(t, map[string][][]string{"many.example. A": {many}, "late.example. A": {{"127.0.0.99", "127.0.0.100"}}})
	e, _ := newEgress(t, safehttp.Config{DNSServer: ns.addr, AllowMail: []string{"127.0.0.0/8"}})
	if c, err := e.DialContext(t.Context(), safehttp.Mail, "tcp", "many.example:"+port); err == nil {
		_ = c.Close()
		t.Error("the hundredth address was tried")
	}
	if n := accepted(); n != 0 {
		t.Errorf("%d connections", n)
	}
	c, err := e.DialContext(t.Context(), safehttp.Mail, "tcp", "late.example:"+port)
	if err != nil {
		t.Fatalf("the second address was not tried: %v", err)
	}
	_ = c.Close()
}

func TestOwnListenerIsNotDialled(t *testing.T) {
	t.Parallel()
	hostport, port, accepted := listener(t, "127.0.0.1:0")
	e, book := newEgress(t, safehttp.Config{
		AllowWebhook: []string{"127.0.0.0/8"},
		OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("[::]:" + port)} },
	})
	for _, dest := range []string{hostport, "127.0.0.9:" + port, "[::1]:" + port, "[::ffff:127.0.0.1]:" + port} {
		_, err := e.DialContext(t.Context(), safehttp.Webhook, "tcp", dest)
		wantCode(t, dest, err, errs.CodeHostNotAllowed)
	}
	if accepted() != 0 || !strings.Contains(book.String(), "own listeners") {
		t.Errorf("%d connections; log %s", accepted(), book)
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	ns := newNameserver(t, map[string][][]string{
		"example.com. MX":              {{"20 b.example.com.", "10 a.example.com."}},
		"null.example. MX":             {{"0 ."}},
		"_imaps._tcp.example.com. SRV": {{"10 1 993 imap.example.com."}},
		"_imap._tcp.example.com. SRV":  {{"0 0 0 ."}},
		"txt.example. TXT":             {{`"one" "two"`, `"three"`}},
		"host.example. A":              {{"192.0.2.7"}},
		"host.example. AAAA":           {{"2001:db8::7"}},
		"sf.example. SERVFAIL":         {{}},
		"slow.example. SILENCE":        {{}},
		"big.example. TXT":             {{`"` + strings.Repeat("x", 250) + `"`, `"` + strings.Repeat("y", 250) + `"`, `"` + strings.Repeat("z", 250) + `"`}},
	})
	e, _ := newEgress(t, safehttp.Config{DNSServer: ns.addr})
	ctx := t.Context()
	mx, err := e.LookupMX(ctx, "example.com")
	if err != nil || len(mx) != 2 || mx[0].Host != "a.example.com." {
		t.Errorf("MX: %v %v", mx, err)
	}
	mx, err = e.LookupMX(ctx, "null.example")
	if err != nil || len(mx) != 1 || mx[0].Host != "." {
		t.Errorf("null MX: %v %v", mx, err)
	}
	srv, err := e.LookupSRV(ctx, "imaps", "tcp", "example.com")
	if err != nil || len(srv) != 1 || srv[0].Target != "imap.example.com." || srv[0].Port != 993 {
		t.Errorf("SRV: %v %v", srv, err)
	}
	srv, err = e.LookupSRV(ctx, "imap", "tcp", "example.com")
	if err != nil || len(srv) != 1 || srv[0].Target != "." {
		t.Errorf("SRV that says no: %v %v", srv, err)
	}
	txt, err := e.LookupTXT(ctx, "txt.example")
	if err != nil || len(txt) != 2 || txt[0] != "onetwo" {
		t.Errorf("TXT: %q %v", txt, err)
	}
	if txt, err = e.LookupTXT(ctx, "big.example"); err != nil || len(txt) != 3 {
		t.Errorf("an answer that only fits TCP: %d %v", len(txt), err)
	}
	addrs, err := e.LookupHost(ctx, "host.example")
	if err != nil || len(addrs) != 2 {
		t.Errorf("host: %v %v", addrs, err)
	}
	_, err = e.LookupMX(ctx, "missing.example")
	wantCode(t, "no such domain", err, errs.CodeHostNotFound)
	_, err = e.LookupSRV(ctx, "imaps", "tcp", "host.example")
	wantCode(t, "no such record", err, errs.CodeHostNotFound)
	_, err = e.LookupTXT(ctx, "sf.example")
	wantCode(t, "server failure", err, errs.CodeHostNotFound)
	if !errs.Is(err, errs.CodeHostNotFound) || errs.As(err).Kind != errs.Unavailable {
		t.Errorf("server failure: kind %v, want Unavailable", errs.As(err).Kind)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = e.LookupHost(short, "slow.example")
	wantCode(t, "silence", err, errs.CodeConnectionTimeout)
}

func TestNewSaysWhatIsWrongWithTheConfiguration(t *testing.T) {
	t.Parallel()
	if _, err := safehttp.New(safehttp.Config{}); err == nil {
		t.Error("without a clock and a log")
	}
}
