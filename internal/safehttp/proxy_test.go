package safehttp_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
	"latchkey/internal/safehttp/proxytest"
)

// echo answers with what it is told, in capitals, after a greeting.
func echo(t *testing.T) string {
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
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, "hello ")
				b := make([]byte, 5)
				if _, err := io.ReadFull(c, b); err == nil {
					_, _ = io.WriteString(c, strings.ToUpper(string(b)))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestDialVia(t *testing.T) {
	t.Parallel()
	e, book := newEgress(t, safehttp.Config{AllowProxy: []string{"127.0.0.1"}})
	strict, _ := newEgress(t, safehttp.Config{})
	for _, protocol := range []latchkey.ProxyProtocol{latchkey.ProxyHTTP, latchkey.ProxySOCKS5} {
		t.Run(string(protocol), func(t *testing.T) {
			target := echo(t)
			p := proxytest.Start(t, protocol, "northwind", "hunter2")
			fails := func(e *safehttp.Egress, spec latchkey.Proxy, want errs.Code) {
				t.Helper()
				_, err := e.DialVia(t.Context(), spec, target)
				if !errs.Is(err, want) {
					t.Errorf("%v, not %s", err, want)
				}
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error tells the password: %v", err)
				}
			}
			conn, err := e.DialVia(t.Context(), *p.Spec(), target)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "world"); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != "hello WORLD" {
				t.Errorf("%q, %v", got, err)
			}
			if !p.Only(target) {
				t.Errorf("asked for %q", p.Asked())
			}

			wrong := *p.Spec()
			wrong.Password = "hunter3"
			fails(e, wrong, errs.CodeProxyCredentials)
			wrong.Username, wrong.Password = "", ""
			fails(e, wrong, errs.CodeProxyCredentials)
			fails(strict, *p.Spec(), errs.CodeProxyNotAllowed)
			p.Refuse(true)
			fails(e, *p.Spec(), errs.CodeProxyRefused)
			p.Refuse(false)
			if protocol == latchkey.ProxySOCKS5 {
				other := *p.Spec()
				other.Protocol = latchkey.ProxyHTTP
				fails(e, other, errs.CodeProxyUnreachable)
			}
			gone := *p.Spec()
			p.Close()
			fails(e, gone, errs.CodeProxyUnreachable)
		})
	}
	if strings.Contains(book.String(), "hunter") || strings.Contains(book.String(), "northwind") {
		t.Errorf("the log tells who uses the proxy: %s", book.String())
	}
}

// TestDialViaSilentProxy: who gives up does not wait for a proxy that says nothing.
func TestDialViaSilentProxy(t *testing.T) {
	t.Parallel()
	e, _ := newEgress(t, safehttp.Config{AllowProxy: []string{"127.0.0.1"}})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 1)) // it has begun to ask
		cancel()
	}()
	began := time.Now()
	port := l.Addr().(*net.TCPAddr).Port
	if _, err := e.DialVia(ctx, latchkey.Proxy{Protocol: latchkey.ProxyHTTP, Host: "127.0.0.1", Port: port}, "web.example:443"); err == nil || ctx.Err() == nil {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
