package settings_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
)

// lab is a little internet on loopback: a name server, a mail host, and web servers for every name.
type lab struct {
	t      *testing.T
	host   *mailhost.Host
	dns    *mailhost.DNS
	roots  *x509.CertPool
	finder *settings.Finder
	now    atomic.Int64

	mu      sync.Mutex
	pages   map[string]http.HandlerFunc // scheme://host/path
	fetched []string
	dialed  []string
}

// newLab makes a lab with a zone, and a finder in it with the budget.
func newLab(t *testing.T, budget time.Duration, ispdb string, zone func(h *mailhost.Host) []string) *lab {
	t.Helper()
	h, err := mailhost.Start(mailhost.Config{Names: []string{"demo.test", "*.demo.test", "*.hoster.test", "mail.maria.demo.test"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	dns, err := mailhost.StartDNS("", zone(h)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	l := &lab{t: t, host: h, dns: dns, roots: x509.NewCertPool(), pages: map[string]http.HandlerFunc{}}
	l.roots.AppendCertsFromPEM(h.CAPEM())
	l.now.Store(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, dns.Addr())
	}}
	l.finder = settings.NewFinder(settings.Config{
		Resolve: resolver, Fetch: l.web(resolver), ISPDBURL: ispdb, Budget: budget,
		Probe: &login.Client{Dial: l.mail(resolver), TLS: l.tls, PhaseTimeout: 2 * time.Second},
		Now:   func() time.Time { return time.Unix(0, l.now.Load()) }, Log: slog.New(slog.DiscardHandler),
	})
	return l
}

func (l *lab) tls(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: l.roots, MinVersion: tls.VersionTLS12}
}

// mail dials the host's ports in place of the well-known ones, for names that the name server knows.
func (l *lab) mail(r *net.Resolver) login.Dialer {
	ports := map[string]mailhost.Service{"993": mailhost.IMAPS, "143": mailhost.IMAP, "465": mailhost.SMTPS, "587": mailhost.Submission}
	return login.DialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		l.mu.Lock()
		l.dialed = append(l.dialed, address)
		l.mu.Unlock()
		name, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		addrs, err := r.LookupHost(ctx, name+".")
		if err != nil {
			return nil, err
		}
		if s, ok := ports[port]; ok {
			return new(net.Dialer).DialContext(ctx, network, l.host.Addr(s))
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(addrs[0], port))
	})
}

// web fetches from two real servers, one with TLS, which know pages by their whole address.
func (l *lab) web(r *net.Resolver) *http.Client {
	serve := func(scheme string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			at := scheme + "://" + req.Host + req.URL.Path
			l.mu.Lock()
			l.fetched = append(l.fetched, scheme+"://"+req.Host+req.URL.RequestURI())
			page := l.pages[at]
			l.mu.Unlock()
			if page == nil {
				http.NotFound(w, req)
				return
			}
			page(w, req)
		})
	}
	plain := httptest.NewServer(serve("http"))
	l.t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(serve("https"))
	secure.TLS = l.host.ServerTLS()
	secure.StartTLS()
	l.t.Cleanup(secure.Close)
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: l.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			name, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if _, err := r.LookupHost(ctx, name+"."); err != nil {
				return nil, err
			}
			to := plain.Listener.Addr().String()
			if port == "443" {
				to = secure.Listener.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	}
	l.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (l *lab) page(at, doc string) {
	l.pages[at] = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, doc) }
}

func (l *lab) find(email string) settings.Result {
	l.t.Helper()
	r, err := l.finder.Find(l.t.Context(), address(l.t, email), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lab) saw(list *[]string, part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range *list {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

func address(t *testing.T, s string) settings.Address {
	t.Helper()
	a, err := settings.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// names makes A records for names of the lab.
func names(list ...string) []string {
	var out []string
	for _, n := range list {
		out = append(out, n+". 60 IN A 127.0.0.1")
	}
	return out
}

// server writes one server of an autoconfiguration document.
func server(kind, host, port, socket, user string) string {
	tag := "incomingServer"
	if kind == "smtp" {
		tag = "outgoingServer"
	}
	return "<" + tag + ` type="` + kind + `"><hostname>` + host + "</hostname><port>" + port + "</port><socketType>" + socket +
		"</socketType><username>" + user + "</username><authentication>password-cleartext</authentication></" + tag + ">"
}

func document(servers ...string) string {
	return `<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="x">` + strings.Join(servers, "") + `</emailProvider></clientConfig>`
}
