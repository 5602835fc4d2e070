package mailer_test

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/store"
)

func TestTemplatesRefused(t *testing.T) {
	t.Parallel()
	good := mailer.Template{Subject: "{{app.name}}", Text: "{{ code }}", HTML: `<a href="{{link}}">in</a> {{code}}`}
	if bad := good.Check(); len(bad) != 0 {
		t.Errorf("%+v", bad)
	}
	for _, c := range []struct {
		field string
		t     mailer.Template
	}{
		{"subject", mailer.Template{Text: "{{code}}"}},
		{"subject", mailer.Template{Subject: "a\r\nBcc: b", Text: "{{code}}"}},
		{"subject", mailer.Template{Subject: "{{password}}", Text: "{{code}}"}},
		{"text", mailer.Template{Subject: "s", Text: "hello"}},
		{"text", mailer.Template{Subject: "s", Text: "{{code}} {{"}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: "hello"}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<script>x</script>`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<p ONCLICK="x">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<img src="https://t.test/p.gif">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<a href="javascript:x">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<a href="https://x.test/{{device}}">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<p style="color:{{device}}">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<p style="background:url(https://t.test)">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<style>p{background:URL(https://t.test)}</style>`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<style>p{background:u\72l(https://t.test)}</style>`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<!-- {{device}} -->`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: `{{code}}<form action="https://t.test">`}},
		{"html", mailer.Template{Subject: "s", Text: "{{code}}", HTML: strings.Repeat("a", 70_000) + "{{code}}"}},
	} {
		bad := c.t.Check()
		if len(bad) != 1 || bad[0].Field != c.field {
			t.Errorf("%+v: %+v", c.t, bad)
		}
	}
}

// TestOwnTemplate uses the application's words, and lets no value become markup.
func TestOwnTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	set := func(locale string, tpl mailer.Template) {
		raw, err := json.Marshal(tpl)
		must(t, err)
		must(t, l.store.Settings().Put(t.Context(), store.Setting{ApplicationID: l.app.ID, Kind: "template/" + locale, Body: raw, UpdatedAt: time.Now()}))
	}
	set("any", mailer.Template{Subject: "Hi from {{app.name}}", Text: "{{code}} {{device}}", HTML: "<p>{{code}} {{device}}</p>"})
	set("fr", mailer.Template{Subject: "Bonjour", Text: "{{code}} {{locale}}"})
	send := func(locale string) string {
		t.Helper()
		n := len(l.host.Messages())
		l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Locale: locale, Values: map[string]string{
			mailer.ValueCode: "493021", mailer.ValueDevice: "<img src=x> {{code}}\r\nX",
		}}), latchkey.MailAccepted)
		m := l.host.Messages()[n]
		return header(t, m, "Subject") + "\n" + body(t, m)
	}
	if got := send("de"); !strings.Contains(got, "Hi from Acme & Söhne") || !strings.Contains(got, "<p>493021 &lt;img src=x&gt; {{code}} X</p>") {
		t.Error(got)
	}
	if got := send("fr-CA"); !strings.Contains(got, "Bonjour") || !strings.Contains(got, "493021 fr") || strings.Contains(got, "text/html") {
		t.Error(got)
	}
}

// TestOurTemplates: our words of each language can be kept as a template, and fill to what they were.
func TestOurTemplates(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	for _, locale := range l.mailer.Locales() {
		ours, err := l.mailer.OurTemplate(locale)
		must(t, err)
		if bad := ours.Check(); len(bad) > 0 {
			t.Errorf("%s: %+v", locale, bad)
		}
		want, err := l.mailer.Preview(t.Context(), l.app, locale, nil, "https://connect.test/x")
		must(t, err)
		got, err := l.mailer.Preview(t.Context(), l.app, locale, &ours, "https://connect.test/x")
		must(t, err)
		if got.Subject != want.Subject || got.Text != strings.ReplaceAll(want.Text, "\r\n", "\n") || html.UnescapeString(got.HTML) != html.UnescapeString(strings.ReplaceAll(want.HTML, "\r\n", "\n")) {
			t.Errorf("%s:\n%+v\nwant\n%+v", locale, got, want)
		}
	}
	if _, err := l.mailer.OurTemplate("xx"); !errs.Is(err, errs.CodeNotFound) {
		t.Errorf("%v", err)
	}
}
