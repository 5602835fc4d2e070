package latchkey

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
)

// ProxyProtocol is how a proxy is spoken to.
type ProxyProtocol string

// The protocols: HTTP CONNECT in clear and inside TLS, and SOCKS5 (RFC 1928).
const (
	ProxyHTTP   ProxyProtocol = "http"
	ProxyHTTPS  ProxyProtocol = "https"
	ProxySOCKS5 ProxyProtocol = "socks5"
)

// ParseProxyProtocol accepts the protocols above, and socks5h, which some write where the proxy looks
// names up: ours always does.
func ParseProxyProtocol(s string) (ProxyProtocol, bool) {
	switch p := ProxyProtocol(s); p {
	case ProxyHTTP, ProxyHTTPS, ProxySOCKS5:
		return p, true
	}
	return ProxySOCKS5, s == "socks5h"
}

// Proxy is what all connections of one account go through, from its login on. It holds a password:
// what prints it sees the address only.
type Proxy struct {
	Protocol ProxyProtocol `json:"protocol"`
	Host     string        `json:"host"`
	Port     int           `json:"port"`
	Username string        `json:"username,omitempty"`
	Password string        `json:"password,omitempty"`
}

// Address is where the proxy listens.
func (p Proxy) Address() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// String is the proxy without who may use it.
func (p Proxy) String() string { return string(p.Protocol) + "://" + p.Address() }

// GoString and Format keep %#v and %+v from printing the fields.
func (p Proxy) GoString() string { return p.String() }

// Format implements fmt.Formatter.
func (p Proxy) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) } // nobody could be told

// LogValue implements slog.LogValuer.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.String()) }

// ProxyShown is what is shown of a proxy.
type ProxyShown struct {
	Protocol ProxyProtocol `json:"protocol"`
	Host     string        `json:"host"`
	Port     int           `json:"port"`
}

// Shown is the proxy as callers see it; nil where there is none.
func (p *Proxy) Shown() *ProxyShown {
	if p == nil {
		return nil
	}
	return &ProxyShown{p.Protocol, p.Host, p.Port}
}
