package i18n_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/i18n"
)

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, data := range files {
		out[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return out
}

func base(t *testing.T) *i18n.Catalog {
	t.Helper()
	c, err := i18n.Load(
		folder(map[string]string{
			"en.json":    `{"hello":"Hello {name}","only":"English only","error.x":"Wrong.","n.one":"one thing","n.other":"{count} things"}`,
			"de.json":    `{"hello":"Hallo {name}","error.x":"Falsch."}`,
			"de-AT.json": `{"hello":"Servus {name}"}`,
			"ar.json":    `{"hello":"مرحبا {name}","n.one":"شيء","n.two":"شيئان","n.few":"{count} أشياء","n.many":"{count} شيئًا","n.other":"{count} شيء"}`,
		}),
		folder(map[string]string{"en.json": `{"late":"from the second folder"}`}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTextFallsBackFromRegionToLanguageToEnglish(t *testing.T) {
	c := base(t)
	args := map[string]string{"name": "Ada"}
	for _, tc := range []struct{ lang, key, want string }{
		{"en", "hello", "Hello Ada"},
		{"de", "hello", "Hallo Ada"},
		{"de-AT", "hello", "Servus Ada"},
		{"de-AT", "error.x", "Falsch."},
		{"de-AT", "only", "English only"},
		{"xx", "hello", "Hello Ada"},
		{"de", "late", "from the second folder"},
	} {
		got, ok := c.Text(tc.lang, tc.key, args)
		if !ok || got != tc.want {
			t.Errorf("Text(%s, %s) = %q, %t; want %q", tc.lang, tc.key, got, ok, tc.want)
		}
	}
	if got, ok := c.Text("en", "nowhere", nil); ok || got != "" {
		t.Errorf("a key that does not exist gave %q, %t", got, ok)
	}
}

func TestDataIsNeverReadAsPlaceholder(t *testing.T) {
	c := base(t)
	got, _ := c.Text("en", "hello", map[string]string{"name": "{name} <b>"})
	if got != "Hello {name} <b>" {
		t.Errorf("got %q", got)
	}
	if got, _ := c.Text("en", "hello", nil); got != "Hello …" {
		t.Errorf("a missing argument gave %q", got)
	}
	parts, _ := c.Parts("en", "hello", map[string]string{"name": "Ada"})
	if diff := cmp.Diff([]i18n.Part{{Text: "Hello "}, {Text: "Ada", Data: true}}, parts); diff != "" {
		t.Error(diff)
	}
}

func TestExtensionWinsInItsLanguageOnly(t *testing.T) {
	c := base(t)
	imap, err := c.Extend(folder(map[string]string{"en.json": `{"error.x":"The mailbox says no."}`, "pt.json": `{"error.x":"Não."}`}))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := imap.Text("en", "error.x", nil); got != "The mailbox says no." {
		t.Errorf("got %q", got)
	}
	if got, _ := imap.Text("de", "error.x", nil); got != "Falsch." {
		t.Errorf("German became %q", got)
	}
	if got, _ := c.Text("en", "error.x", nil); got != "Wrong." {
		t.Errorf("the shared catalog changed: %q", got)
	}
	if got := imap.Negotiate("pt"); got != "en" {
		t.Errorf("one connector's Portuguese became a language of the product: %q", got)
	}
}

func TestPluralFollowsTheLanguage(t *testing.T) {
	c := base(t)
	for _, tc := range []struct {
		lang string
		n    int
		want string
	}{{"en", 1, "one thing"}, {"en", 3, "3 things"}, {"ar", 2, "شيئان"}, {"ar", 3, "3 أشياء"}, {"ar", 11, "11 شيئًا"}, {"de", 2, "2 things"}} {
		if got, _ := c.Plural(tc.lang, "n", tc.n, nil); got != tc.want {
			t.Errorf("%s %d: %q, want %q", tc.lang, tc.n, got, tc.want)
		}
	}
}

func TestNegotiate(t *testing.T) {
	c := base(t)
	for _, tc := range []struct {
		wishes []string
		want   string
	}{
		{nil, "en"},
		{[]string{"", "", "de-CH,de;q=0.9,en;q=0.1"}, "de"},
		{[]string{"ar", "de"}, "ar"},
		{[]string{"qaa", "de"}, "de"},
		{[]string{"zh-TW", "de"}, "de"},
		{[]string{"de_AT"}, "de-AT"},
		{[]string{"", "", "zh-TW"}, "en"},
		{[]string{"../../etc/passwd", "\x00", "ar-EG"}, "ar"},
		{[]string{strings.Repeat("de,", 1000), "ar"}, "ar"},
		{[]string{"fr;q=0, de"}, "de"},
	} {
		if got := c.Negotiate(tc.wishes...); got != tc.want {
			t.Errorf("Negotiate(%.40q) = %q, want %q", tc.wishes, got, tc.want)
		}
	}
	if i18n.Direction("ar") != "rtl" || i18n.Direction("de") != "ltr" || i18n.Direction("he-IL") != "rtl" || i18n.Direction("%") != "ltr" {
		t.Error("directions are wrong")
	}
}

func TestLoadRefusesBrokenTexts(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no English":      {"de.json": `{}`},
		"not JSON":        {"en.json": `{`},
		"nested":          {"en.json": `{"a":{"b":"c"}}`},
		"open brace":      {"en.json": `{"a":"x {y"}`},
		"stray brace":     {"en.json": `{"a":"x } y"}`},
		"bad placeholder": {"en.json": `{"a":"{Name}"}`},
		"not a language":  {"en.json": `{}`, "notalanguage.json": `{}`},
	} {
		if _, err := i18n.Load(folder(files)); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestLintSeesWhatDiffers(t *testing.T) {
	got, err := i18n.Lint(folder(map[string]string{
		"en.json": `{"a":"{x} and {y}","b":"b","n.one":"one","n.other":"{count}"}`,
		"de.json": `{"a":"{x}","c":"c","n.other":"{count}","d.one":""}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"de: a has placeholders {x}, English has {x}{y}",
		"de: b is missing",
		"de: c does not exist in English",
		"de: d.one does not exist in English",
		"de: d.one is empty or has space around it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzText(f *testing.F) {
	f.Add("Hello {name}", "Ada")
	f.Add("{", "}")
	f.Fuzz(func(t *testing.T, text, arg string) {
		data := `{"k":` + quote(text) + `}`
		c, err := i18n.Load(folder(map[string]string{"en.json": data}))
		if err != nil {
			return
		}
		s, ok := c.Text("en", "k", map[string]string{"name": arg})
		if !ok {
			t.Fatal("the key is gone")
		}
		parts, _ := c.Parts("en", "k", map[string]string{"name": arg})
		var joined string
		for _, p := range parts {
			joined += p.Text
		}
		if joined != s {
			t.Fatalf("Parts join to %q, Text is %q", joined, s)
		}
	})
}

func FuzzNegotiate(f *testing.F) {
	f.Add("de-CH,de;q=0.9")
	f.Fuzz(func(t *testing.T, wish string) {
		c, err := i18n.Load(folder(map[string]string{"en.json": `{}`, "de.json": `{}`}))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Negotiate(wish); got != "en" && got != "de" {
			t.Fatalf("Negotiate(%q) = %q", wish, got)
		}
	})
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
