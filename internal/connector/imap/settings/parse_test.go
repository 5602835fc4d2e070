package settings

import (
	"strings"
	"testing"

	"latchkey/internal/connector/login"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"maria@demo.test": "maria@demo.test", " Maria@DEMO.test ": "Maria@demo.test", "mailto:a@b.test": "a@b.test",
		"a+b.c@x.example.org": "a+b.c@x.example.org", `"a b"@demo.test`: `"a b"@demo.test`, `"a\"@b"@demo.test`: `"a\"@b"@demo.test`,
		"jürgen@müller.de": "jürgen@müller.de", "a@MÜLLER.de": "a@müller.de", "用户@例子.测试": "用户@例子.测试", "a@b.test.": "a@b.test",
	} {
		a, err := ParseAddress(in)
		if err != nil || a.String() != want {
			t.Errorf("%q: %q, %v; want %q", in, a.String(), err, want)
		}
	}
	for _, in := range []string{
		"", "@", "a@", "@b.test", "a", "a@b", "a b@c.test", "a@b..test", ".a@b.test", "a.@b.test", "a..b@c.test", `"a"b@c.test`, `"a@b.test`,
		"a@[127.0.0.1]", "a@127.0.0.1", "a@b.test\r\nX: y", "Maria <a@b.test>", "a@b.123", "a@-b.test", "a\x00@b.test", strings.Repeat("a", 65) + "@b.test",
		"a@" + strings.Repeat("b.", 130) + "test", "a@b c.test", "a@b.test/x",
	} {
		if a, err := ParseAddress(in); err == nil {
			t.Errorf("%q was taken for %q", in, a)
		}
	}
	x, _ := ParseAddress("Anna@Müller.DE")
	y, _ := ParseAddress("anna@xn--mller-kva.de")
	if !x.Same(y) || x.Wire() != "Anna@xn--mller-kva.de" {
		t.Errorf("%q and %q", x.Wire(), y.Wire())
	}
}

func TestParseHost(t *testing.T) {
	for in, want := range map[string]string{
		"Mail.Demo.Test.": "mail.demo.test", "müller.de": "xn--mller-kva.de", "127.0.0.1": "127.0.0.1", "[::1]": "::1", "::ffff:10.0.0.1": "::ffff:10.0.0.1", "localhost": "localhost",
	} {
		if got, err := ParseHost(in); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "a b", "a/b", "a@b", "127.1", "0x7f.0.0.0x1", "2130706433", "fe80::1%lo", "a..b", "-a.test", "a-.test", "a:993", strings.Repeat("a", 64) + ".test", "\x00"} {
		if got, err := ParseHost(in); err == nil {
			t.Errorf("%q was taken for %q", in, got)
		}
	}
}

func TestHostileDocuments(t *testing.T) {
	a, _ := ParseAddress("maria@demo.test")
	bomb := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><clientConfig><emailProvider><incomingServer type="imap"><hostname>&b;.demo.test</hostname><port>993</port><socketType>SSL</socketType></incomingServer></emailProvider></clientConfig>`
	for name, doc := range map[string]string{
		"entities": bomb, "external": `<!DOCTYPE x SYSTEM "file:///etc/passwd"><clientConfig>&x;</clientConfig>`, "deep": strings.Repeat("<a>", 5000),
		"wide": "<clientConfig>" + strings.Repeat("<a/>", 10000) + "</clientConfig>", "html": "<html><body>hello</body></html>", "huge": strings.Repeat(" ", maxDocument+1),
		"charset": `<?xml version="1.0" encoding="utf-7"?><clientConfig/>`, "empty": "",
	} {
		if got, err := parseAutoconfig([]byte(doc), a, FromAutoconfig, 0); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	latin := "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><clientConfig><emailProvider><displayName>M\xfcller</displayName><incomingServer type=\"imap\"><hostname>m.demo.test</hostname><port>993</port><socketType>SSL</socketType></incomingServer></emailProvider></clientConfig>"
	if got, err := parseAutoconfig([]byte(latin), a, FromAutoconfig, 0); err != nil || len(got) != 1 {
		t.Errorf("latin 1: %+v, %v", got, err)
	}
}

func TestOAuthOnlyServersAreNotOffered(t *testing.T) {
	a, _ := ParseAddress("maria@demo.test")
	doc := `<clientConfig><emailProvider><incomingServer type="imap"><hostname>m.demo.test</hostname><port>993</port><socketType>SSL</socketType><authentication>OAuth2</authentication></incomingServer></emailProvider></clientConfig>`
	if got, err := parseAutoconfig([]byte(doc), a, FromAutoconfig, 0); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTable holds the facts together.
func TestTable(t *testing.T) {
	table := NewTable()
	if n := len(table.All()); n < 60 {
		t.Errorf("%d providers", n)
	}
	ids, domains := map[string]bool{}, map[string]string{}
	for _, p := range table.All() {
		if ids[p.ID] || p.Name == "" || (len(p.Domains) == 0 && len(p.MX) == 0) {
			t.Errorf("%s: twice, without a name, or never found", p.ID)
		}
		ids[p.ID] = true
		for _, d := range p.Domains {
			if other, ok := domains[d]; ok {
				t.Errorf("%s belongs to %s and %s", d, other, p.ID)
			}
			domains[d] = p.ID
			if _, err := ParseAddress("a@" + d); err != nil {
				t.Errorf("%s: %q", p.ID, d)
			}
		}
		for proto, list := range map[login.Protocol][]login.Server{login.IMAP: p.IMAP, login.SMTP: p.SMTP} {
			for _, s := range list {
				if _, err := ParseHost(s.Host); err != nil || login.UsualEncryption(s.Port) != s.Encryption {
					t.Errorf("%s: %+v", p.ID, s)
				}
				if proto == login.IMAP && s.Port != 993 {
					t.Errorf("%s: IMAP on %d", p.ID, s.Port)
				}
			}
		}
		for _, u := range []string{p.AppHelpURL, p.SwitchOnURL} {
			if u != "" && !strings.HasPrefix(u, "https://") {
				t.Errorf("%s: %q", p.ID, u)
			}
		}
	}
}

func FuzzAutoconfig(f *testing.F) {
	f.Add(`<clientConfig><emailProvider><incomingServer type="imap"><hostname>%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer></emailProvider></clientConfig>`)
	f.Fuzz(func(t *testing.T, doc string) {
		a, _ := ParseAddress("maria@demo.test")
		got, err := parseAutoconfig([]byte(doc), a, FromAutoconfig, rankAutoconfig)
		check(t, got, err)
	})
}

func FuzzAutodiscover(f *testing.F) {
	f.Add(`<Autodiscover><Response><Account><Protocol><Type>IMAP</Type><Server>a.test</Server><Port>993</Port></Protocol></Account></Response></Autodiscover>`)
	f.Fuzz(func(t *testing.T, doc string) {
		a, _ := ParseAddress("maria@demo.test")
		got, err := parseAutodiscover([]byte(doc), a)
		check(t, got, err)
	})
}

func check(t *testing.T, got []candidate, err error) {
	t.Helper()
	if err != nil && len(got) > 0 {
		t.Errorf("an error and candidates: %v", err)
	}
	if len(got) > 2*maxPerSource {
		t.Errorf("%d candidates", len(got))
	}
	for _, c := range got {
		h, err := ParseHost(c.server.Host)
		if err != nil || h != c.server.Host || c.server.Port < 1 || c.server.Port > 65535 || c.server.Encryption == login.None || c.server.Encryption == login.Auto {
			t.Errorf("%+v", c)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"maria@demo.test", `"a b"@x.test`, "ü@ü.de", "a@b", "@", "mailto:a@b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.String()+a.Wire(), "\r\n\x00") || a.Domain == "" || a.Local == "" {
			t.Errorf("%q: %+v", s, a)
		}
		if b, err := ParseAddress(a.String()); err != nil || !b.Same(a) {
			t.Errorf("%q: %q is not stable: %v", s, a, err)
		}
	})
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"demo.test", "127.0.0.1", "[::1]", "ü.de", "127.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if err != nil {
			return
		}
		if again, err := ParseHost(h); err != nil || again != h || strings.ContainsAny(h, " /@%\r\n\x00") {
			t.Errorf("%q: %q, then %q, %v", s, h, again, err)
		}
	})
}
