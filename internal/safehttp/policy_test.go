package safehttp

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"latchkey/internal/errs"
)

func policyOf(t *testing.T, cfg Config) *policy {
	t.Helper()
	cfg.Now, cfg.Log = time.Now, slog.New(slog.DiscardHandler)
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &e.policy
}

// verdict is the code of a refusal, or "" where the policy lets.
func verdict(t *testing.T, p *policy, purpose Purpose, addr string) errs.Code {
	t.Helper()
	err := p.check(purpose, netip.MustParseAddrPort(addr))
	if err == nil {
		return ""
	}
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		t.Fatalf("%s: %v is no refusal", addr, err)
	}
	return r.code
}

// special returns addresses that are not the public internet, in all their disguises.
func special() []string {
	return []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.1.1",
		"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"[::]", "[::1]", "[::7f00:1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:0:7f00:1]", "[64:ff9b::7f00:1]",
		"[64:ff9b::808:808]", "[64:ff9b:1::a00:1]", "[100::1]", "[2001::1]", "[2001:db8::1]", "[2002:7f00:1::]", "[2002:808:808::1]",
		"[3fff::1]", "[5f00::1]", "[fc00::1]", "[fd12:3456::1]", "[fe80::1]", "[fe80::1%lo]", "[fec0::1]", "[ff02::1]", "[2600::1%eth0]",
	}
}

// metadata returns where clouds keep credentials, and what else is never reached.
func metadata() []string {
	return []string{
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"[fd00:ec2::254]", "[fd00:ec2::23]", "[fd20:ce::254]", "[fe80::a9fe:a9fe]", "[fec0::1]", "0.0.0.0", "[::]", "224.0.0.1",
		"255.255.255.255", "[ff02::1]", "[::ffff:169.254.169.254]", "[::ffff:0:a9fe:a9fe]", "[::a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]",
		"[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[2001:0:1:2:3:4:5601:5601]", "[64:ff9b::6464:64c8]",
	}
}

func TestSpecialAddressesAreRefused(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{})
	for _, purpose := range []Purpose{Mail, Webhook, OAuth, Discovery, Purpose(0), Purpose(99)} {
		for _, a := range append(special(), metadata()...) {
			for _, port := range []string{"25", "80", "443", "993", "8080"} {
				if c := verdict(t, p, purpose, a+":"+port); c != errs.CodeHostNotAllowed {
					t.Errorf("%v %s:%s: %q, want host_not_allowed", purpose, a, port, c)
				}
			}
		}
	}
}

func TestMetadataIsNeverReachedWhateverIsListed(t *testing.T) {
	t.Parallel()
	all := []string{"0.0.0.0/0", "::/0", "169.254.169.254", "169.254.0.0/16", "fd00:ec2::254", "64:ff9b::/96", "100.100.100.200:80"}
	p := policyOf(t, Config{AllowMail: all, AllowWebhook: all, AllowOAuth: all})
	for _, purpose := range []Purpose{Mail, Webhook, OAuth, Discovery} {
		for _, a := range metadata() {
			if c := verdict(t, p, purpose, a+":80"); c != errs.CodeHostNotAllowed {
				t.Errorf("%v %s: %q, want host_not_allowed", purpose, a, c)
			}
		}
		// The lists do work for what may be listed.
		for _, a := range []string{"10.0.0.1", "127.0.0.1", "[::1]", "[fd12::1]", "[::ffff:10.0.0.1]"} {
			if c := verdict(t, p, purpose, a+":4711"); c != "" {
				t.Errorf("%v %s: %q, want it let", purpose, a, c)
			}
		}
	}
}

func TestPublicPorts(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{})
	for _, c := range []struct {
		purpose Purpose
		open    []string
		closed  []string
	}{
		{Mail, []string{"25", "143", "465", "587", "993", "2465", "2525", "2587"}, []string{"0", "22", "80", "110", "443", "3306", "8080", "995"}},
		{Webhook, []string{"80", "443", "1024", "8443", "65535"}, []string{"0", "22", "25", "110", "993"}},
		{OAuth, []string{"80", "443", "8443", "22"}, []string{"0"}},
		{Discovery, []string{"80", "443"}, []string{"0", "25", "993", "8080"}},
		{Purpose(0), nil, []string{"80", "443", "993"}},
	} {
		for _, host := range []string{"8.8.8.8", "[2600::1]"} {
			for _, port := range c.open {
				if got := verdict(t, p, c.purpose, host+":"+port); got != "" {
					t.Errorf("%v %s:%s: %q, want it let", c.purpose, host, port, got)
				}
			}
			for _, port := range c.closed {
				if got := verdict(t, p, c.purpose, host+":"+port); got != errs.CodePortNotAllowed {
					t.Errorf("%v %s:%s: %q, want port_not_allowed", c.purpose, host, port, got)
				}
			}
		}
	}
}

func TestListsOpenForTheirPurposeOnly(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{
		AllowMail:    []string{"10.0.0.0/8:993,587", "192.168.1.5", "8.8.4.4:110", "64:ff9b::/96"},
		AllowWebhook: []string{"127.0.0.0/8:9000"},
		AllowOAuth:   []string{"[fd00::5]:8443"},
	})
	for _, c := range []struct {
		purpose Purpose
		addr    string
		want    errs.Code
	}{
		{Mail, "10.9.8.7:993", ""},
		{Mail, "10.9.8.7:587", ""},
		{Mail, "[::ffff:10.9.8.7]:587", ""},
		{Mail, "10.9.8.7:25", errs.CodePortNotAllowed},
		{Mail, "11.9.8.7:993", ""}, // public
		{Mail, "192.168.1.5:12345", ""},
		{Mail, "192.168.1.6:993", errs.CodeHostNotAllowed},
		{Mail, "8.8.4.4:110", ""},
		{Mail, "8.8.4.4:993", ""}, // listing adds, it takes nothing away
		{Mail, "8.8.8.8:110", errs.CodePortNotAllowed},
		{Discovery, "10.9.8.7:993", ""},
		{Discovery, "192.168.1.5:80", ""},
		{Discovery, "127.0.0.1:9000", errs.CodeHostNotAllowed},
		{Webhook, "127.0.0.1:9000", ""},
		{Webhook, "127.0.0.1:9001", errs.CodePortNotAllowed},
		{Webhook, "10.9.8.7:993", errs.CodeHostNotAllowed},
		{OAuth, "[fd00::5]:8443", ""},
		{OAuth, "[fd00::6]:8443", errs.CodeHostNotAllowed},
		// A listed gateway does not open what lies behind it.
		{Mail, "[64:ff9b::808:808]:993", ""},
		{Mail, "[64:ff9b::808:808]:110", errs.CodePortNotAllowed},
		{Mail, "[64:ff9b::c0a8:106]:993", errs.CodeHostNotAllowed},
		{Mail, "[64:ff9b::c0a8:105]:993", ""},
	} {
		if got := verdict(t, p, c.purpose, c.addr); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.purpose, c.addr, got, c.want)
		}
	}
}

func TestOwnListenersAreNeverReached(t *testing.T) {
	t.Parallel()
	all := []string{"0.0.0.0/0", "::/0"}
	for _, c := range []struct {
		listener string
		refused  []string
		let      []string
	}{
		{
			"127.0.0.1:8080",
			[]string{"127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", "[64:ff9b::7f00:1]:8080"},
			[]string{"127.0.0.1:8081", "127.0.0.2:8080", "10.0.0.1:8080"},
		},
		{
			"[::]:8080",
			[]string{"127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080", "192.168.7.7:8080", "[fd07::7]:8080"},
			[]string{"127.0.0.1:8081", "192.168.7.8:8080", "8.8.8.8:8080"},
		},
		{"0.0.0.0:8080", []string{"127.0.0.1:8080", "192.168.7.7:8080", "[::1]:8080"}, []string{"192.168.7.8:8080"}},
		{"192.168.7.7:8080", []string{"192.168.7.7:8080"}, []string{"127.0.0.1:8080"}},
	} {
		p := policyOf(t, Config{AllowMail: all, OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(c.listener)} }})
		p.interfaces = func() ([]net.Addr, error) {
			return []net.Addr{
				&net.IPNet{IP: net.ParseIP("192.168.7.7"), Mask: net.CIDRMask(24, 32)},
				&net.IPNet{IP: net.ParseIP("fd07::7"), Mask: net.CIDRMask(64, 128)},
			}, nil
		}
		for _, a := range c.refused {
			if got := verdict(t, p, Mail, a); got != errs.CodeHostNotAllowed {
				t.Errorf("listener %s, destination %s: %q, want host_not_allowed", c.listener, a, got)
			}
		}
		for _, a := range c.let {
			if got := verdict(t, p, Mail, a); got == errs.CodeHostNotAllowed {
				t.Errorf("listener %s, destination %s is refused", c.listener, a)
			}
		}
		p.interfaces = func() ([]net.Addr, error) { return nil, errors.New("no") }
		if netip.MustParseAddrPort(c.listener).Addr().IsUnspecified() && verdict(t, p, Mail, "192.168.7.8:8080") == "" {
			t.Errorf("listener %s: without knowing our own addresses, 192.168.7.8:8080 is let", c.listener)
		}
	}
}
