package safehttp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// allowed is one entry of an operator's list.
type allowed struct {
	prefix netip.Prefix
	// ports is empty where every port is meant.
	ports []uint16
}

func (a allowed) hasPort(p uint16) bool { return len(a.ports) == 0 || slices.Contains(a.ports, p) }

// parseAllow reads a list. Entries are separated by commas, and so are the ports of one entry: a
// bare number belongs to the entry before it. So it does not matter whether a list came as one
// string or was split at its commas before.
func parseAllow(list []string) ([]allowed, error) {
	var out []allowed
	for _, word := range strings.FieldsFunc(strings.Join(list, ","), isSeparator) {
		if port, err := parsePort(word); err == nil && len(out) > 0 && len(out[len(out)-1].ports) > 0 {
			last := &out[len(out)-1]
			last.ports = append(last.ports, port)
			continue
		}
		a, err := parseEntry(word)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func isSeparator(r rune) bool {
	return r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' || r == '\r'
}

// parseEntry reads "10.0.0.0/8", "10.0.0.0/8:993", "192.168.1.5", "192.168.1.5:993", "fd00::/8:993",
// "fd00::5" and "[fd00::5]:993".
func parseEntry(s string) (allowed, error) {
	addr, port := s, ""
	switch slash, bracket := strings.IndexByte(s, '/'), strings.IndexByte(s, ']'); {
	case slash >= 0:
		bits, rest, found := strings.Cut(s[slash:], ":")
		addr, port = s[:slash]+bits, rest
		if found && rest == "" {
			return allowed{}, badEntry(s)
		}
	case bracket >= 0:
		addr, port = s[:bracket+1], s[bracket+1:]
		if port != "" && (port[0] != ':' || len(port) == 1) {
			return allowed{}, badEntry(s)
		}
		port = strings.TrimPrefix(port, ":")
	case strings.Count(s, ":") == 1:
		addr, port, _ = strings.Cut(s, ":")
		if port == "" {
			return allowed{}, badEntry(s)
		}
	}
	addr = strings.NewReplacer("[", "", "]", "").Replace(addr)
	prefix, err := parsePrefix(addr)
	if err != nil {
		return allowed{}, badEntry(s)
	}
	a := allowed{prefix: prefix}
	if port != "" {
		p, err := parsePort(port)
		if err != nil {
			return allowed{}, badEntry(s)
		}
		a.ports = []uint16{p}
	}
	return a, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		if a.Zone() != "" {
			return netip.Prefix{}, errors.New("address with a zone")
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	// Addresses are compared in their IPv4 form; a prefix of mapped ones would never match.
	if p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("IPv4-mapped prefix")
	}
	return p.Masked(), nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("not a port: %q", s)
	}
	return uint16(n), nil
}

func badEntry(s string) error {
	return fmt.Errorf("%q is not an address or a network; write 10.1.2.3, 10.0.0.0/8 or 10.0.0.0/8:993,587 (names cannot be listed: what they mean may change)", s)
}

// Lists tells whether the operator's list for a purpose opens a port, of whichever address.
func (e *Egress) Lists(p Purpose, port int) bool {
	return slices.ContainsFunc(e.policy.allow[p], func(a allowed) bool { return port > 0 && port < 1<<16 && a.hasPort(uint16(port)) })
}
