package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
)

// maxProxyText bounds user name and password: SOCKS5 has one byte for each length (RFC 1929 §2).
const maxProxyText = 255

// ProxyField is how the account's own proxy is given. It is exported for the sake of reflection only.
type ProxyField struct {
	Proxy *proxyObject `json:"proxy,omitempty" doc:"What every connection of the account goes through, from its login on. Of WHATSAPP and TELEGRAM. A text such as socks5://user:password@proxy.example.com:1080 is taken as well. A reconnect without it keeps the account's own."`
}

type proxyObject struct {
	Protocol string `json:"protocol" enum:"http,https,socks5" doc:"http and https ask for a tunnel with CONNECT; https speaks TLS to the proxy."`
	Host     string `json:"host" maxLength:"253" doc:"Private addresses only where the operator allows them (LATCHKEY_ALLOW_PROXY)."`
	Port     int    `json:"port,omitempty" minimum:"1" maximum:"65535" doc:"Default: 80, 443 or 1080, by protocol."`
	Username string `json:"username,omitempty" maxLength:"255" writeOnly:"true"`
	Password string `json:"password,omitempty" maxLength:"255" writeOnly:"true"`
}

// proxy reads the account's own proxy, an object or a URL, where its provider can have one.
func (f *fields) proxy(can bool) *latchkey.Proxy {
	v := f.get("proxy")
	switch string(v) {
	case "", "false", `""`, "{}":
		return nil
	}
	if !can {
		f.fail("proxy", errs.CodeUnsupported, "Only accounts of WHATSAPP and TELEGRAM have a proxy of their own, and it is not ignored elsewhere. Leave it out, or offer these providers only.")
		return nil
	}
	if v[0] == '{' {
		return f.proxyObject(v)
	}
	s, ok := unquote(v)
	if !ok {
		f.fail("proxy", errs.CodeInvalidType, "This must be an object or a URL.")
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || hasControl(s) {
		f.fail("proxy", errs.CodeInvalidURL, "This must be a URL such as socks5://user:password@proxy.example.com:1080.")
		return nil
	}
	parts := map[string]any{"protocol": u.Scheme, "host": u.Hostname(), "username": u.User.Username()}
	parts["password"], _ = u.User.Password()
	if port := u.Port(); port != "" {
		parts["port"] = json.Number(port) // digits: url.Parse has seen to that
	}
	raw, err := json.Marshal(parts)
	if err != nil {
		f.fail("proxy", errs.CodeInvalidURL, "This cannot be read.")
		return nil
	}
	return f.proxyObject(raw)
}

func (f *fields) proxyObject(v json.RawMessage) *latchkey.Proxy {
	in := &fields{lenient: f.lenient}
	if json.Unmarshal(v, &in.raw) != nil {
		f.fail("proxy", errs.CodeInvalidType, "This must be an object or a URL.")
		return nil
	}
	protocol := in.str("protocol", text{required: true, max: maxNameOf, trim: true})
	out := latchkey.Proxy{
		Host:     in.str("host", text{required: true, max: maxHost, trim: true}),
		Username: in.str("username", text{max: maxProxyText, emptyAbsent: true}),
		Password: in.str("password", text{max: maxProxyText, emptyAbsent: true}),
	}
	var ok bool
	if out.Protocol, ok = latchkey.ParseProxyProtocol(strings.ToLower(protocol)); !ok && protocol != "" {
		in.fail("protocol", errs.CodeInvalidValue, "This must be http, https or socks5.")
	}
	if strings.ContainsAny(out.Host, "/@?#% ") {
		in.fail("host", errs.CodeInvalidValue, "This must be a host name or an address.")
	}
	out.Host = strings.Trim(out.Host, "[]")
	if strings.Contains(out.Username, ":") && out.Protocol != latchkey.ProxySOCKS5 {
		in.fail("username", errs.CodeInvalidValue, "HTTP proxies take no colon in a user name.")
	}
	var given bool
	if out.Port, given = in.integer("port", 1, maxPort); !given {
		out.Port = map[latchkey.ProxyProtocol]int{latchkey.ProxyHTTP: 80, latchkey.ProxyHTTPS: 443, latchkey.ProxySOCKS5: 1080}[out.Protocol]
	}
	err := in.done()
	for _, p := range in.problem {
		f.fail("proxy."+p.Field, p.Code, p.Message)
	}
	if err != nil {
		return nil
	}
	return &out
}

// proxied tells whether every provider that a link offers can have a proxy.
func proxied(wishes []string) bool {
	return len(wishes) > 0 && !slices.ContainsFunc(latchkey.Providers(), func(p latchkey.Provider) bool {
		return latchkey.Wished(wishes, p) && !byPhone(p)
	})
}
