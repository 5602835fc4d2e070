package safehttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
)

// get asks and reads the whole answer.
func get(t *testing.T, c *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// lab is an Egress that may reach 127.0.0.1 and nothing else that is private.
func lab(t *testing.T, cfg safehttp.Config) *safehttp.Egress {
	t.Helper()
	cfg.AllowMail, cfg.AllowWebhook, cfg.AllowOAuth = []string{"127.0.0.1"}, []string{"127.0.0.1"}, []string{"127.0.0.1"}
	e, _ := newEgress(t, cfg)
	return e
}

// caFile writes the certificate of a test server, for LATCHKEY_CA_FILE.
func caFile(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClientIsPlain(t *testing.T) {
	// Proxies of the environment would see every credential, and would connect where we may not.
	for _, k := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(k, "http://192.0.2.1:3128")
	}
	var seen atomic.Pointer[http.Request]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r)
		w.Header().Set("Set-Cookie", "a=b; Path=/")
		_, _ = io.WriteString(w, "hello")
	}))
	defer s.Close()
	// By name: the environment's proxies are not used for loopback addresses anyway.
	ns := newNameserver(t, map[string][][]string{"web.example. A": {{"127.0.0.1"}}})
	url := strings.Replace(s.URL, "127.0.0.1", "web.example", 1)
	c := lab(t, safehttp.Config{DNSServer: ns.addr}).Client(safehttp.OAuth, safehttp.ClientOptions{})
	for range 2 {
		if status, body, err := get(t, c, url+"/x"); err != nil || status != 200 || body != "hello" {
			t.Fatalf("%d %q %v", status, body, err)
		}
	}
	h := seen.Load().Header
	if h.Get("User-Agent") != "Latchkey" || h.Get("Cookie") != "" || h.Get("Accept-Encoding") != "" {
		t.Errorf("headers sent: %v", h)
	}
}

func TestClientSpeaksHTTP2WithExtraRoots(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200 + r.ProtoMajor) }))
	quiet := log.New(io.Discard, "", 0)
	s.Config.ErrorLog = quiet
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	with := lab(t, safehttp.Config{CAFile: caFile(t, s)})
	if status, _, err := get(t, with.Client(safehttp.OAuth, safehttp.ClientOptions{}), s.URL); err != nil || status != http.StatusAccepted {
		t.Errorf("with the root: %d %v, want 202 for HTTP/2", status, err)
	}
	without := lab(t, safehttp.Config{})
	_, _, err := get(t, without.Client(safehttp.OAuth, safehttp.ClientOptions{}), s.URL)
	wantCode(t, "without the root", safehttp.Explain(err), errs.CodeCertificateInvalid)

	// The raw way, as mail takes it.
	dial := func(e *safehttp.Egress, srv *httptest.Server, name string) error {
		conn, err := e.DialContext(t.Context(), safehttp.Mail, "tcp", srv.Listener.Addr().String())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return tls.Client(conn, e.TLSConfig(name)).HandshakeContext(t.Context())
	}
	if err := dial(with, s, "example.com"); err != nil {
		t.Errorf("TLS: %v", err)
	}
	wantCode(t, "another name", safehttp.Explain(dial(with, s, "other.example")), errs.CodeCertificateInvalid)
	wantCode(t, "no root", safehttp.Explain(dial(without, s, "example.com")), errs.CodeCertificateInvalid)
	old := httptest.NewUnstartedServer(nil)
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = quiet
	old.StartTLS()
	defer old.Close()
	wantCode(t, "TLS 1.1", safehttp.Explain(dial(with, old, "example.com")), errs.CodeTLSFailed)

	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if _, err := safehttp.New(safehttp.Config{CAFile: bad, Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("CAFile %s is taken", bad)
		}
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	_, port, accepted := listener(t, "127.0.0.2:0")
	var referers atomic.Int64
	mux := http.NewServeMux()
	plain := httptest.NewServer(mux)
	defer plain.Close()
	secure := httptest.NewTLSServer(mux)
	defer secure.Close()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			referers.Add(1)
		}
		_, _ = io.WriteString(w, "arrived")
	})
	mux.HandleFunc("/n/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		to := fmt.Sprintf("/n/%d", n-1)
		if n == 1 {
			to = "/ok"
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	for path, to := range map[string]string{
		"/up": secure.URL + "/ok", "/down": plain.URL + "/ok", "/private": "http://127.0.0.2:" + port + "/", "/metadata": "http://169.254.169.254/latest/",
		"/file": "file:///etc/passwd", "/user": strings.Replace(plain.URL, "//", "//a:b@", 1) + "/ok", "/v6": "http://[::1]:" + port + "/",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusMovedPermanently) })
	}
	e := lab(t, safehttp.Config{CAFile: caFile(t, secure)})
	few := e.Client(safehttp.Discovery, safehttp.ClientOptions{MaxRedirects: 3})
	for _, c := range []struct{ url, want string }{
		{plain.URL + "/n/3", ""},
		{plain.URL + "/n/4", "redirect not followed: more than 3"},
		{plain.URL + "/up", ""},
		{secure.URL + "/n/2", ""},
		{secure.URL + "/down", "from https to http"},
		{plain.URL + "/private", "host_not_allowed"},
		{plain.URL + "/metadata", "host_not_allowed"},
		{plain.URL + "/v6", "host_not_allowed"},
		{plain.URL + "/file", "unsupported protocol scheme"},
		{plain.URL + "/user", "with credentials"},
	} {
		status, body, err := get(t, few, c.url)
		switch {
		case c.want == "" && (err != nil || status != 200 || body != "arrived"):
			t.Errorf("%s: %d %q %v", c.url, status, body, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.url, err, c.want)
		}
	}
	none := e.Client(safehttp.Webhook, safehttp.ClientOptions{})
	if status, _, err := get(t, none, plain.URL+"/private"); err != nil || status != http.StatusMovedPermanently {
		t.Errorf("without redirects: %d %v, want the answer itself", status, err)
	}
	if accepted() != 0 || referers.Load() != 0 {
		t.Errorf("%d connections to the private address, %d referers", accepted(), referers.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		chunk := []byte(strings.Repeat("x", 32<<10))
		for n > 0 {
			m, err := w.Write(chunk[:min(n, len(chunk))])
			if n -= m; err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 200<<10)) })
	e := lab(t, safehttp.Config{})
	c := e.Client(safehttp.Discovery, safehttp.ClientOptions{MaxBody: 1000})
	for _, n := range []int{0, 1, 999, 1000} {
		if _, body, err := get(t, c, fmt.Sprintf("%s/bytes/%d", s.URL, n)); err != nil || len(body) != n {
			t.Errorf("%d bytes: got %d, %v", n, len(body), err)
		}
	}
	for _, n := range []int{1001, 5000, 100 << 20} {
		_, body, err := get(t, c, fmt.Sprintf("%s/bytes/%d", s.URL, n))
		if !errors.Is(err, safehttp.ErrBodyTooLarge) || len(body) != 1000 {
			t.Errorf("%d bytes: got %d, %v, want ErrBodyTooLarge", n, len(body), err)
		}
		wantCode(t, "explained", safehttp.Explain(err), errs.CodeProtocolError)
	}
	if _, _, err := get(t, c, s.URL+"/headers"); err == nil {
		t.Error("200 KiB of headers are taken")
	}
	if _, body, err := get(t, e.Client(safehttp.Discovery, safehttp.ClientOptions{}), s.URL+"/bytes/2000000"); !errors.Is(err, safehttp.ErrBodyTooLarge) || len(body) != 1<<20 {
		t.Errorf("default cap: %d %v", len(body), err)
	}
}

// raw serves each connection with f.
func raw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer func() { _ = c.Close() }(); f(c) }()
		}
	}()
	return l.Addr().String()
}

func TestServersThatMisbehave(t *testing.T) {
	t.Parallel()
	e := lab(t, safehttp.Config{})
	c := e.Client(safehttp.OAuth, safehttp.ClientOptions{Timeout: 300 * time.Millisecond})
	readRequest := func(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) }
	for name, srv := range map[string]struct {
		f    func(net.Conn)
		tls  bool
		want errs.Code
	}{
		"hangs": {func(conn net.Conn) { readRequest(conn); _, _ = conn.Read(make([]byte, 1)) }, false, errs.CodeConnectionTimeout},
		"drips headers": {func(conn net.Conn) {
			readRequest(conn)
			for _, b := range []byte("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 1000)) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, false, errs.CodeConnectionTimeout},
		"drips the body": {func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for {
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, false, errs.CodeConnectionTimeout},
		"closes": {readRequest, false, errs.CodeConnectionClosed},
		"resets": {func(conn net.Conn) {
			readRequest(conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}, false, errs.CodeConnectionClosed},
		"breaks off": {func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
		}, false, errs.CodeConnectionClosed},
		"speaks garbage": {func(conn net.Conn) { readRequest(conn); _, _ = io.WriteString(conn, "* OK IMAP ready\r\n") }, false, errs.CodeProtocolError},
		"has no TLS": {func(conn net.Conn) {
			_, _ = io.WriteString(conn, "* OK IMAP ready\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}, true, errs.CodeTLSFailed},
		"hangs in TLS": {func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, true, errs.CodeConnectionTimeout},
	} {
		scheme := "http://"
		if srv.tls {
			scheme = "https://"
		}
		begun := time.Now()
		_, _, err := get(t, c, scheme+raw(t, srv.f)+"/?secret=canary")
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		x := safehttp.Explain(err)
		wantCode(t, name, x, srv.want)
		if strings.Contains(x.Detail, "canary") || strings.Contains(x.Detail, "127.0.0.1") {
			t.Errorf("%s: the words for the caller repeat the URL: %s", name, x.Detail)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want errs.Code
	}{
		{errs.New(errs.Forbidden, errs.CodePortNotAllowed, "x"), errs.CodePortNotAllowed},
		{fmt.Errorf("deep: %w", &net.DNSError{IsNotFound: true}), errs.CodeHostNotFound},
		{&net.DNSError{IsTimeout: true}, errs.CodeConnectionTimeout},
		{context.DeadlineExceeded, errs.CodeConnectionTimeout},
		{io.EOF, errs.CodeConnectionClosed},
		{net.ErrClosed, errs.CodeConnectionClosed},
		{tls.RecordHeaderError{Msg: "x"}, errs.CodeTLSFailed},
		{tls.AlertError(40), errs.CodeTLSFailed},
		{errors.New("anything"), errs.CodeProtocolError},
	} {
		wantCode(t, fmt.Sprint(c.err), safehttp.Explain(c.err), c.want)
	}
}

func TestKeptConnectionsAreNotSharedBetweenPurposes(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	defer s.Close()
	e, _ := newEgress(t, safehttp.Config{AllowOAuth: []string{"127.0.0.1"}, OwnListeners: func() []netip.AddrPort { return nil }})
	if _, _, err := get(t, e.Client(safehttp.OAuth, safehttp.ClientOptions{}), s.URL); err != nil {
		t.Fatal(err)
	}
	_, _, err := get(t, e.Client(safehttp.Webhook, safehttp.ClientOptions{}), s.URL)
	wantCode(t, "webhook", safehttp.Explain(err), errs.CodeHostNotAllowed)
}
