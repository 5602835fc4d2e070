package safehttp

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAllow(t *testing.T) {
	t.Parallel()
	entry := func(prefix string, ports ...uint16) allowed {
		return allowed{prefix: netip.MustParsePrefix(prefix), ports: ports}
	}
	for _, c := range []struct {
		in   []string
		want []allowed
	}{
		{nil, nil},
		{[]string{"", " , "}, nil},
		{[]string{"127.0.0.0/8"}, []allowed{entry("127.0.0.0/8")}},
		{[]string{"10.0.0.0/8:993,587"}, []allowed{entry("10.0.0.0/8", 993, 587)}},
		{[]string{"10.0.0.0/8:993", "587", "127.0.0.1"}, []allowed{entry("10.0.0.0/8", 993, 587), entry("127.0.0.1/32")}},
		{[]string{"10.0.0.0/8:993,587, 192.168.1.5:25 ; fd00::/8"}, []allowed{entry("10.0.0.0/8", 993, 587), entry("192.168.1.5/32", 25), entry("fd00::/8")}},
		{[]string{"fd00::/8:993,587"}, []allowed{entry("fd00::/8", 993, 587)}},
		{[]string{"::1", "[::1]", "[::1]:993", "[fd00::]/8:25"}, []allowed{entry("::1/128"), entry("::1/128"), entry("::1/128", 993), entry("fd00::/8", 25)}},
		{[]string{"10.1.2.3/8"}, []allowed{entry("10.0.0.0/8")}},
		{[]string{"::ffff:10.1.2.3"}, []allowed{entry("10.1.2.3/32")}},
	} {
		got, err := parseAllow(c.in)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(allowed{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Errorf("%q: %s", c.in, d)
		}
	}
	for _, bad := range []string{
		"localhost", "mail.example.com", "10.0.0.0/33", "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:65536", "10.0.0.0/8:imap", "10.0.0.1:",
		"[::1]:", "[::1]x", "993", "127.0.0.1,993", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.0/8:993,x", "*", "10.0.0", "/8", "127.1",
	} {
		if got, err := parseAllow([]string{bad}); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		} else if !strings.Contains(err.Error(), "is not an address or a network") {
			t.Errorf("%q: %v does not say what is wrong", bad, err)
		}
	}
}

func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8:993,587", "[::1]:993", "fd00::/8", "1.2.3.4", "]/:,", "[]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parseAllow([]string{s})
		if err != nil {
			return
		}
		for _, a := range list {
			if !a.prefix.IsValid() || a.prefix != a.prefix.Masked() || a.prefix.Addr().Is4In6() || a.prefix.Addr().Zone() != "" {
				t.Errorf("%q gave the prefix %v", s, a.prefix)
			}
			for _, p := range a.ports {
				if p == 0 {
					t.Errorf("%q gave port 0", s)
				}
			}
		}
	})
}
