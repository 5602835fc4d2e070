// Package proxytest is a proxy for tests: HTTP CONNECT and SOCKS5 on loopback, with a password where
// one is wanted. It remembers where it was asked to connect to. It knows nothing of the house's own
// side of the protocols.
package proxytest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"latchkey"
)

// Proxy is one that runs until its test ends.
type Proxy struct {
	protocol latchkey.ProxyProtocol
	ln       net.Listener
	wg       sync.WaitGroup

	mu                 sync.Mutex
	username, password string
	refuse             bool
	asked              []string
	tunnels            map[net.Conn]struct{}
	closed             bool
}

// Start listens. An empty user name lets everybody in.
func Start(t testing.TB, protocol latchkey.ProxyProtocol, username, password string) *Proxy {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{protocol: protocol, ln: ln, username: username, password: password, tunnels: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Spec is how the proxy is named.
func (p *Proxy) Spec() *latchkey.Proxy {
	host, port, _ := net.SplitHostPort(p.ln.Addr().String())
	n, _ := strconv.Atoi(port)
	return &latchkey.Proxy{Protocol: p.protocol, Host: host, Port: n, Username: p.username, Password: p.password}
}

// Asked lists where it was asked to connect to, by whoever had the right password.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Refuse has it connect nowhere from now on, or again. What is open is cut.
func (p *Proxy) Refuse(no bool) {
	p.mu.Lock()
	p.refuse = no
	p.mu.Unlock()
	if no {
		p.cut()
	}
}

// Password changes who is let in. What is open is cut.
func (p *Proxy) Password(username, password string) {
	p.mu.Lock()
	p.username, p.password = username, password
	p.mu.Unlock()
	p.cut()
}

// Close ends it, with all that goes through it.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.ln.Close() // a second time, perhaps
	p.cut()
	p.wg.Wait()
}

func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.tunnels {
		_ = c.Close() // that is the point
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.tunnels[c] = struct{}{}
		closed := p.closed
		p.mu.Unlock()
		if closed {
			_ = c.Close()
			return
		}
		p.wg.Go(func() {
			p.serve(c)
			p.mu.Lock()
			delete(p.tunnels, c)
			p.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (p *Proxy) serve(c net.Conn) {
	r := bufio.NewReader(c)
	target, answer, err := p.socks(c, r)
	if p.protocol == latchkey.ProxyHTTP {
		target, answer, err = p.connect(r)
	}
	if err != nil {
		if answer != nil {
			answer(c, false)
		}
		return
	}
	p.mu.Lock()
	refuse := p.refuse
	p.asked = append(p.asked, target)
	p.mu.Unlock()
	if refuse {
		answer(c, false)
		return
	}
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", target)
	if err != nil {
		answer(c, false)
		return
	}
	answer(c, true)
	p.wg.Go(func() {
		_, _ = io.Copy(out, r)
		_ = out.Close()
	})
	_, _ = io.Copy(c, out)
}

type answer func(c net.Conn, ok bool)

var errNo = errors.New("proxytest: not let in")

func (p *Proxy) welcome(username, password string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.username == "" || username == p.username && password == p.password
}

func say(text string) answer {
	return func(c net.Conn, _ bool) { _, _ = io.WriteString(c, text) }
}

func (p *Proxy) connect(r *bufio.Reader) (string, answer, error) {
	req, err := http.ReadRequest(r)
	if err != nil || req.Method != http.MethodConnect {
		return "", say("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"), errNo
	}
	req.Header.Set("Authorization", req.Header.Get("Proxy-Authorization"))
	if user, pass, _ := req.BasicAuth(); !p.welcome(user, pass) {
		return "", say("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno"), errNo
	}
	return req.Host, func(c net.Conn, ok bool) {
		if ok {
			_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
	}, nil
}

// socks is RFC 1928 with RFC 1929, as far as a client of ours goes.
func (p *Proxy) socks(c net.Conn, r *bufio.Reader) (string, answer, error) {
	if p.protocol != latchkey.ProxySOCKS5 {
		return "", nil, errNo
	}
	methods, err := counted(r, 1)
	if err != nil {
		return "", nil, err
	}
	way := byte(2)
	if p.welcome("", "") { // an empty user name is nobody's
		way = 0
	}
	if !slices.Contains(methods, way) {
		return "", say("\x05\xff"), errNo
	}
	_, _ = c.Write([]byte{5, way})
	if way == 2 {
		user, err := counted(r, 1)
		if err != nil {
			return "", nil, err
		}
		pass, err := counted(r, 0)
		if err != nil {
			return "", nil, err
		}
		if !p.welcome(string(user), string(pass)) {
			return "", say("\x01\x01"), errNo
		}
		_, _ = c.Write([]byte{1, 0})
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", nil, err
	}
	var host string
	if head[3] == 3 {
		name, err := counted(r, 0)
		if err != nil {
			return "", nil, err
		}
		host = string(name)
	} else {
		ip := make([]byte, map[byte]int{1: 4, 4: 16}[head[3]])
		if _, err := io.ReadFull(r, ip); err != nil {
			return "", nil, err
		}
		host = net.IP(ip).String()
	}
	port := make([]byte, 2)
	if _, err := io.ReadFull(r, port); err != nil {
		return "", nil, err
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port))))
	return target, func(c net.Conn, ok bool) {
		code := byte(0)
		if !ok {
			code = 2
		}
		_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	}, nil
}

// counted reads skip bytes, a length, and as many bytes.
func counted(r *bufio.Reader, skip int) ([]byte, error) {
	head := make([]byte, skip+1)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	out := make([]byte, head[skip])
	_, err := io.ReadFull(r, out)
	return out, err
}

// Only tells whether all that it was asked for was one of the addresses, and that it was asked at all.
func (p *Proxy) Only(addresses ...string) bool {
	asked := p.Asked()
	return len(asked) > 0 && !slices.ContainsFunc(asked, func(a string) bool {
		return !slices.ContainsFunc(addresses, func(x string) bool { return strings.EqualFold(a, x) })
	})
}
