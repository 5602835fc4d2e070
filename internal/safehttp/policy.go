package safehttp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"

	"latchkey/internal/errs"
)

// What a refusal is told as.
const (
	codeHost = errs.CodeHostNotAllowed
	codePort = errs.CodePortNotAllowed
)

// refusal is a destination that the policy does not let. Rule and hint are for the operator.
type refusal struct {
	addr netip.AddrPort
	rule string
	hint string
	code errs.Code
}

// Error is for logs.
func (r *refusal) Error() string { return "egress refused: " + r.rule }

// explain is the refusal as callers see it: it does not tell a stranger what a name of ours
// resolves to, nor which rule it met.
func (r *refusal) explain() error {
	if r.code == codePort {
		return errs.Wrap(r, errs.Forbidden, codePort, "Connections to this port are not allowed here.")
	}
	return errs.Wrap(r, errs.Forbidden, codeHost, "Connections to this host are not allowed here.")
}

// policy decides over addresses.
type policy struct {
	allow map[Purpose][]allowed
	own   func() []netip.AddrPort
	// public holds the tables of special-purpose addresses.
	public *ssrf.Guardian
	never  []netip.Prefix
	// interfaces lists this machine's addresses.
	interfaces func() ([]net.Addr, error)
}

func newPolicy(cfg Config) (policy, error) {
	p := policy{
		allow:      map[Purpose][]allowed{},
		own:        cfg.OwnListeners,
		public:     ssrf.New(ssrf.WithAnyPort()),
		never:      neverReached(),
		interfaces: net.InterfaceAddrs,
	}
	var bad []error
	for _, l := range []struct {
		name     string
		list     []string
		purposes []Purpose
	}{
		{"LATCHKEY_ALLOW_MAIL", cfg.AllowMail, []Purpose{Mail, Discovery}},
		{"LATCHKEY_ALLOW_WEBHOOK", cfg.AllowWebhook, []Purpose{Webhook}},
		{"LATCHKEY_ALLOW_OAUTH", cfg.AllowOAuth, []Purpose{OAuth}},
		{"LATCHKEY_ALLOW_PROXY", cfg.AllowProxy, []Purpose{Proxy}},
		{"LATCHKEY_TELEGRAM_DCS", cfg.AllowTelegram, []Purpose{Telegram}},
		{"LATCHKEY_WHATSAPP_ADDR", cfg.AllowWhatsApp, []Purpose{WhatsApp}},
	} {
		entries, err := parseAllow(l.list)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", l.name, err))
			continue
		}
		for _, purpose := range l.purposes {
			p.allow[purpose] = entries
		}
	}
	if len(bad) > 0 {
		return policy{}, errors.Join(bad...)
	}
	return p, nil
}

// neverReached returns what no list opens: where clouds keep the credentials of machines, and
// addresses that mean "here" or "everybody".
func neverReached() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),          // this host; Linux connects it to loopback
		netip.MustParsePrefix("::/128"),             // the same
		netip.MustParsePrefix("169.254.0.0/16"),     // link-local; AWS, Azure, GCP, Oracle, ECS and EKS metadata
		netip.MustParsePrefix("fe80::/10"),          // link-local; OpenStack metadata
		netip.MustParsePrefix("fec0::/10"),          // site-local, withdrawn by RFC 3879
		netip.MustParsePrefix("fd00:ec2::/32"),      // AWS metadata and instance services
		netip.MustParsePrefix("fd20:ce::254/128"),   // GCP metadata
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba metadata
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure's host agent, a public address
		netip.MustParsePrefix("192.0.0.192/32"),     // Oracle classic metadata
		netip.MustParsePrefix("224.0.0.0/4"),        // multicast
		netip.MustParsePrefix("ff00::/8"),           // multicast
		netip.MustParsePrefix("255.255.255.255/32"), // broadcast
	}
}

// check decides over one address. It is called when the socket is about to connect.
func (p *policy) check(purpose Purpose, ap netip.AddrPort) error {
	if ap.Addr().Zone() != "" {
		return &refusal{addr: ap, rule: "address with a zone", code: codeHost}
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if err := p.checkNever(ap); err != nil {
		return err
	}
	if purpose == Relay {
		return nil
	}
	ports := false
	for _, a := range p.allow[purpose] {
		switch {
		case !a.prefix.Contains(ap.Addr()):
		case a.hasPort(ap.Port()):
			// A listed gateway (NAT64) opens the gateway; what lies behind it has to pass on its own.
			if v4 := embedded(ap.Addr()); v4.IsValid() {
				return p.check(purpose, netip.AddrPortFrom(v4, ap.Port()))
			}
			return nil
		default:
			ports = true
		}
	}
	if err := p.public.SafeAddr(ap.Addr()); err != nil {
		if ports {
			return &refusal{addr: ap, rule: "port not listed for this address", hint: hintFor(purpose, ap), code: codePort}
		}
		return &refusal{addr: ap, rule: "not a public address", hint: hintFor(purpose, ap), code: codeHost}
	}
	if !publicPort(purpose, ap.Port()) {
		return &refusal{addr: ap, rule: "port not open for this purpose", hint: hintFor(purpose, ap), code: codePort}
	}
	return nil
}

// checkNever holds whatever is listed, for the address and for the IPv4 address hidden in it.
func (p *policy) checkNever(ap netip.AddrPort) error {
	forms := []netip.Addr{ap.Addr()}
	if v4 := embedded(ap.Addr()); v4.IsValid() {
		forms = append(forms, v4)
	}
	for _, a := range forms {
		for _, n := range p.never {
			if n.Contains(a) {
				return &refusal{addr: ap, rule: "never reached: " + n.String(), code: codeHost}
			}
		}
		if p.isOwn(netip.AddrPortFrom(a, ap.Port())) {
			return &refusal{addr: ap, rule: "one of our own listeners", code: codeHost}
		}
	}
	return nil
}

// isOwn tells whether ap is one of our listeners: the very address, or any address of this
// machine where the listener takes them all.
func (p *policy) isOwn(ap netip.AddrPort) bool {
	if p.own == nil {
		return false
	}
	for _, l := range p.own() {
		if l.Port() != ap.Port() {
			continue
		}
		la := l.Addr().Unmap().WithZone("")
		if la == ap.Addr() || (la.IsUnspecified() && p.isLocal(ap.Addr())) {
			return true
		}
	}
	return false
}

// isLocal tells whether the address is this machine's. Where the system does not say, the answer
// is yes: it only matters for the port of a listener of ours.
func (p *policy) isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	addrs, err := p.interfaces()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(addrs, func(x net.Addr) bool {
		n, ok := x.(*net.IPNet)
		if !ok {
			return false
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		return ok && ip.Unmap() == a
	})
}

// embedded returns the IPv4 address that a gateway on the way could turn an IPv6 address into.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() || a.IsLoopback() || a.IsUnspecified() {
		return netip.Addr{}
	}
	b := a.As16()
	if netip.MustParsePrefix("2001::/32").Contains(a) { // Teredo, RFC 4380 §4: the bits are inverted
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	}
	for _, f := range []struct {
		prefix string
		at     int
	}{
		{"64:ff9b::/96", 12},    // NAT64, RFC 6052 §2.1
		{"64:ff9b:1::/48", 12},  // local NAT64, RFC 8215
		{"2002::/16", 2},        // 6to4, RFC 3056 §2
		{"::ffff:0:0:0/96", 12}, // IPv4-translated, RFC 7915
		{"::/96", 12},           // IPv4-compatible, RFC 4291 §2.5.5.1
	} {
		if netip.MustParsePrefix(f.prefix).Contains(a) {
			return netip.AddrFrom4([4]byte(b[f.at : f.at+4]))
		}
	}
	return netip.Addr{}
}

// publicPort tells which ports of public addresses a purpose needs.
func publicPort(p Purpose, port uint16) bool {
	switch p {
	case Mail:
		return slices.Contains([]uint16{25, 143, 465, 587, 993, 2465, 2525, 2587}, port)
	case Webhook, Proxy:
		// Other low ports belong to protocols that an HTTP request could be mistaken for.
		return port == 80 || port == 443 || port >= 1024
	case OAuth:
		return port != 0
	case Discovery:
		return port == 80 || port == 443
	case Telegram:
		return port == 443
	case WhatsApp:
		return port == 443
	}
	return false
}

// hintFor says what to list if the destination was meant.
func hintFor(p Purpose, ap netip.AddrPort) string {
	name := ""
	switch p {
	case Mail, Discovery:
		name = "LATCHKEY_ALLOW_MAIL"
	case Webhook:
		name = "LATCHKEY_ALLOW_WEBHOOK"
	case OAuth:
		name = "LATCHKEY_ALLOW_OAUTH"
	case Proxy:
		name = "LATCHKEY_ALLOW_PROXY"
	case Telegram:
		name = "LATCHKEY_TELEGRAM_DCS"
	case WhatsApp:
		name = "LATCHKEY_WHATSAPP_ADDR"
	}
	return "to allow it, add " + ap.String() + " to " + name
}
