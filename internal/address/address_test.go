package address_test

import (
	"strings"
	"testing"

	"latchkey/internal/address"
)

func TestParse(t *testing.T) {
	t.Parallel()
	if a, err := address.Parse("Ada@Bücher.Example"); err != nil || a.Typed != "Ada@xn--bcher-kva.example" || a.Domain() != "xn--bcher-kva.example" || !a.ASCII() {
		t.Errorf("%+v, %v", a, err)
	}
	for _, c := range []struct{ in, canonical, bucket string }{
		{"ada@example.com", "ada@example.com", "ada@example.com"},
		{"  Ada.Lovelace+News@Example.COM ", "ada.lovelace+news@example.com", "ada.lovelace@example.com"},
		{"a.d.a+x@GoogleMail.com", "a.d.a+x@googlemail.com", "ada@gmail.com"},
		{"ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"},
		{"ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"},
		{"jose\u0301@example.com", "jos\u00e9@example.com", "jos\u00e9@example.com"},
		{"+tag@example.com", "+tag@example.com", "+tag@example.com"},
		{"o'brien@a-b.example", "o'brien@a-b.example", "o'brien@a-b.example"},
	} {
		a, err := address.Parse(c.in)
		if err != nil || a.Canonical != c.canonical || a.Bucket != c.bucket {
			t.Errorf("Parse(%q) = %+v, %v", c.in, a, err)
		}
		again, err := address.Parse(a.Canonical)
		if err != nil || again.Canonical != a.Canonical {
			t.Errorf("the canonical form of %q is not its own: %+v, %v", c.in, again, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "@", "ada", "ada@", "@example.com", "ada@localhost", "ada@127.0.0.1", "ada@[127.0.0.1]", "a@b@c.example", "Ada <ada@example.com>",
		`"ada"@example.com`, "ada lovelace@example.com", "ada@exa mple.com", "ada@example..com", ".ada@example.com", "ada.@example.com",
		"a..da@example.com", "ada@-example.com", "ada@example.com\r\nBcc: eve@example.com", "ada\x00@example.com", "ada@example.com,eve@example.com",
		"ada(comment)@example.com", "\xff@example.com", "ada@exa_mple.com", strings.Repeat("a", 65) + "@example.com",
		"a@" + strings.Repeat("a", 64) + ".example", "a@" + strings.Repeat("abcdefg.", 32) + "example", "m\u0130ke@example.com", "ada\u202e@example.com", "ada\u200b@example.com",
	} {
		if a, err := address.Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v", s, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Ada+x@Bücher.example")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := address.Parse(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.Typed+a.Canonical, "\r\n\x00 <>\"(),:;[]\\") {
			t.Errorf("%q would break a header: %+v", s, a)
		}
		if b, err := address.Parse(a.Canonical); err != nil || b.Canonical != a.Canonical {
			t.Errorf("%q: the canonical form is not its own: %+v, %v", s, b, err)
		}
	})
}
