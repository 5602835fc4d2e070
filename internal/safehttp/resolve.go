package safehttp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"latchkey/internal/errs"
)

// lookupTimeout bounds one look-up, with its repeats.
const lookupTimeout = 5 * time.Second

// newResolver asks the server given, or the system's.
func newResolver(server string) *net.Resolver {
	// PreferGo keeps one behaviour on all systems: in particular, "127.1" and "0x7f000001" are
	// names like any other, and not addresses.
	r := &net.Resolver{PreferGo: true}
	if server != "" {
		var d net.Dialer
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.DialContext(ctx, network, server)
		}
	}
	return r
}

// rooted keeps our search domains off names with a dot. A single label is left alone: it cannot
// be meant for the public, and inside a lab it may need the search list.
func rooted(name string) string {
	if strings.Contains(name, ".") && !strings.HasSuffix(name, ".") {
		return name + "."
	}
	return name
}

// LookupMX returns the MX records of a domain by preference. A single one with host "." says that
// the domain takes no mail (RFC 7505 §3).
func (e *Egress) LookupMX(ctx context.Context, domain string) ([]*net.MX, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	mx, err := e.resolver.LookupMX(ctx, rooted(domain))
	if len(mx) > 0 {
		// The resolver also returns an error where it left out records with unusable names.
		return mx, nil
	}
	return nil, explainLookup(ctx, err)
}

// LookupSRV returns the records of _service._proto.domain, by priority and weight. A single one
// with target "." says that the service is not offered (RFC 2782).
func (e *Egress) LookupSRV(ctx context.Context, service, proto, domain string) ([]*net.SRV, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	_, srv, err := e.resolver.LookupSRV(ctx, service, proto, rooted(domain))
	if len(srv) > 0 {
		return srv, nil
	}
	return nil, explainLookup(ctx, err)
}

// LookupTXT returns the TXT records of a name.
func (e *Egress) LookupTXT(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	txt, err := e.resolver.LookupTXT(ctx, rooted(name))
	return txt, explainLookup(ctx, err)
}

// LookupHost returns the addresses of a name. That an address is returned does not say that it
// may be reached; only DialContext does.
func (e *Egress) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := e.resolver.LookupNetIP(ctx, "ip", rooted(name))
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, explainLookup(ctx, err)
}

// explainLookup turns a resolver's error into one of ours.
func explainLookup(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return explainDNS(err)
}

func explainDNS(err error) error {
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return errs.Wrap(err, errs.Invalid, errs.CodeHostNotFound, "There is no server of this name.")
	}
	if isTimeout(err) {
		return errs.Wrap(err, errs.Unavailable, errs.CodeConnectionTimeout, "Looking up the name of the server took too long.")
	}
	return errs.Wrap(err, errs.Unavailable, errs.CodeHostNotFound, "The name of the server could not be looked up.")
}
