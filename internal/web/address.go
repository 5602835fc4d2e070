package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// Addresses tells who a request comes from. X-Forwarded-For is believed only as far as trusted
// proxies wrote it: anybody can send the header.
type Addresses struct {
	trusted []netip.Prefix
}

// NewAddresses trusts the proxies given; none means that the direct peer is the client.
func NewAddresses(trusted []netip.Prefix) Addresses { return Addresses{trusted: trusted} }

// Of returns the client's address: the last one in the chain that is not a trusted proxy. It is
// the zero Addr where the peer has no IP address.
func (a Addresses) Of(r *http.Request) netip.Addr {
	peer := parseAddr(r.RemoteAddr)
	if len(a.trusted) == 0 || !a.trusts(peer) {
		return peer
	}
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client := peer
	for i := len(chain) - 1; i >= 0; i-- {
		hop := parseAddr(strings.TrimSpace(chain[i]))
		if !hop.IsValid() {
			// What a trusted proxy passed on unread says nothing, and so does all before it.
			break
		}
		client = hop
		if !a.trusts(hop) {
			break
		}
	}
	return client
}

func (a Addresses) trusts(addr netip.Addr) bool {
	for _, p := range a.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parseAddr takes an address with or without a port.
func parseAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// Bucket is the address as limits count it: one household has a whole /64 of IPv6.
func Bucket(addr netip.Addr) string {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
