package safehttp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

// Bounds of what a proxy may take and say before the connection is through it.
const (
	proxyTimeout = 10 * time.Second
	maxProxySays = 16 << 10
)

// DialVia connects to hostport through the proxy, which has to pass the policy of the purpose Proxy.
// The proxy looks the name up: nothing about hostport goes to the network otherwise. hostport itself
// is not checked, so it must be an address of ours and no stranger's.
//
// Its errors are *errs.Error: proxy_not_allowed, proxy_unreachable, proxy_credentials (it wants other
// ones) and proxy_refused (it does not connect there), or ctx's own where the caller gave up.
func (e *Egress) DialVia(ctx context.Context, p latchkey.Proxy, hostport string) (net.Conn, error) {
	conn, err := e.DialContext(ctx, Proxy, "tcp", p.Address())
	if err != nil {
		return nil, viaError(ctx, err)
	}
	limit := time.Now().Add(proxyTimeout) //nolint:forbidigo // deadlines of sockets are the kernel's time
	if d, ok := ctx.Deadline(); ok && d.Before(limit) {
		limit = d
	}
	// Whoever gives up does not wait for the proxy.
	raw := conn
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	through, err := func() (net.Conn, error) {
		if err := conn.SetDeadline(limit); err != nil {
			return nil, err
		}
		if p.Protocol == latchkey.ProxyHTTPS {
			secure := tls.Client(conn, e.TLSConfig(p.Host))
			if err := secure.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			conn = secure
		}
		if p.Protocol == latchkey.ProxySOCKS5 {
			return conn, socks(conn, p, hostport)
		}
		return connectVia(conn, p, hostport)
	}()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(viaError(ctx, err), conn.Close())
	}
	return through, nil
}

// viaError says that it was the proxy, and what was wrong with it.
func viaError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := Explain(err)
	switch e.Code {
	case errs.CodeProxyCredentials, errs.CodeProxyRefused:
		return e
	case errs.CodeHostNotAllowed, errs.CodePortNotAllowed:
		return errs.Wrap(err, errs.Forbidden, errs.CodeProxyNotAllowed, "Connections to this proxy are not allowed here.")
	}
	return errs.Wrap(err, errs.Unavailable, errs.CodeProxyUnreachable, "There was no connection to the proxy.")
}

func proxyRefuses(why string) error {
	return errs.Wrap(errors.New("safehttp: "+why), errs.Unavailable, errs.CodeProxyRefused, "The proxy did not make the connection.")
}

func proxyWantsOthers(why string) error {
	return errs.Wrap(errors.New("safehttp: "+why), errs.Unavailable, errs.CodeProxyCredentials, "The proxy did not accept this user name and password.")
}

// connectVia asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6).
func connectVia(conn net.Conn, p latchkey.Proxy, hostport string) (net.Conn, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", hostport, hostport)
	if p.Username != "" || p.Password != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password)))
	}
	b.WriteString("\r\n")
	if _, err := conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxProxySays}
	r := bufio.NewReader(limited)
	res, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("safehttp: what the proxy says is no HTTP: %w", err)
	}
	_ = res.Body.Close()
	switch {
	case res.StatusCode == http.StatusProxyAuthRequired, res.StatusCode == http.StatusUnauthorized:
		return nil, proxyWantsOthers("the proxy answers " + strconv.Itoa(res.StatusCode))
	case res.StatusCode/100 != 2:
		return nil, proxyRefuses("the proxy answers " + strconv.Itoa(res.StatusCode))
	}
	limited.N = 1<<63 - 1
	if r.Buffered() == 0 {
		return conn, nil
	}
	return &begun{Conn: conn, r: r}, nil
}

// begun is a tunnel of which the first bytes came along with the proxy's answer.
type begun struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) { return b.r.Read(p) }

// RFC 1928, and RFC 1929 for user names.
const (
	socksVersion     = 5
	socksNone        = 0
	socksPassword    = 2
	socksAuthVersion = 1
	socksConnect     = 1
	socksIPv4        = 1
	socksName        = 3
	socksIPv6        = 4
	maxSocksText     = 255
)

// socks asks a SOCKS5 proxy for a connection.
func socks(conn net.Conn, p latchkey.Proxy, hostport string) error {
	hello := []byte{socksVersion, 1, socksNone}
	if p.Username != "" || p.Password != "" {
		hello = []byte{socksVersion, 2, socksNone, socksPassword}
	}
	said, err := ask(conn, hello, 2)
	if err != nil {
		return err
	}
	switch {
	case said[0] != socksVersion:
		return errors.New("safehttp: the proxy does not speak SOCKS5")
	case !bytes.Contains(hello[2:], said[1:2]):
		return proxyWantsOthers("the proxy takes no such way to sign in")
	}
	if said[1] == socksPassword {
		if len(p.Username) > maxSocksText || len(p.Password) > maxSocksText {
			return proxyWantsOthers("user name or password is longer than SOCKS5 allows")
		}
		login := append([]byte{socksAuthVersion, byte(len(p.Username))}, p.Username...) //nolint:gosec // bounded above
		login = append(append(login, byte(len(p.Password))), p.Password...)             //nolint:gosec // as above
		if said, err = ask(conn, login, 2); err != nil {
			return err
		}
		if said[1] != 0 {
			return proxyWantsOthers("the proxy refuses user name and password")
		}
	}
	request, err := socksRequest(hostport)
	if err != nil {
		return err
	}
	if said, err = ask(conn, request, 5); err != nil {
		return err
	}
	switch said[1] {
	case 0:
	case 2: // by its rules
		return proxyRefuses("the proxy's rules do not allow the connection")
	default:
		return proxyRefuses("the proxy answers " + strconv.Itoa(int(said[1])))
	}
	// What address it bound is of no interest, but has to be read: 1 byte of it was.
	rest := map[byte]int{socksIPv4: 4, socksIPv6: 16, socksName: int(said[4]) + 1}[said[3]]
	if rest == 0 {
		return errors.New("safehttp: the proxy's answer makes no sense")
	}
	_, err = io.ReadFull(conn, make([]byte, rest-1+2))
	return err
}

func socksRequest(hostport string) ([]byte, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	out := []byte{socksVersion, socksConnect, 0}
	if ip, err := netip.ParseAddr(host); err == nil {
		kind := byte(socksIPv6)
		if ip = ip.Unmap(); ip.Is4() {
			kind = socksIPv4
		}
		out = append(append(out, kind), ip.AsSlice()...)
	} else {
		if len(host) > maxSocksText {
			return nil, errBadName
		}
		out = append(append(out, socksName, byte(len(host))), host...) //nolint:gosec // bounded above
	}
	return binary.BigEndian.AppendUint16(out, uint16(n)), nil
}

// ask sends and reads exactly as much as is answered.
func ask(conn net.Conn, what []byte, answer int) ([]byte, error) {
	if _, err := conn.Write(what); err != nil {
		return nil, err
	}
	out := make([]byte, answer)
	_, err := io.ReadFull(conn, out)
	return out, err
}
