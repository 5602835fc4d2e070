package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/web"
)

// Whatever is sent, decoding neither panics nor says anything of a value that it refuses.
func FuzzDecode(f *testing.F) {
	for _, e := range []any{linkExamples()["create"], formExamples()["mailbox"], accountExamples()["imap"]} {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Add([]byte(`{"providers":["*",1,null,{}],"metadata":{"":"x","a":null},"expiresOn":"9999-12-31T23:59:59+23:59","name":"\u0000\ud800"}`), false)
	base, err := url.Parse(exampleBase)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2030, 1, 31, 11, 0, 0, 0, time.UTC)
	a := New(Config{BaseURL: base, Now: func() time.Time { return now }})
	app := latchkey.Application{ID: "app_0", Test: true}
	f.Fuzz(func(t *testing.T, body []byte, lenient bool) {
		for _, decode := range []func(*fields){
			func(f *fields) {
				spec, _ := a.linkSpec(f, app)
				if len(f.problem) == 0 {
					checkSpec(t, spec.ExpiresAt.Sub(now), spec.Name, spec.Terms)
				}
			},
			func(f *fields) {
				spec, err := a.formSpec(t.Context(), f, app)
				if err != nil {
					t.Fatal(err)
				}
				if len(f.problem) == 0 {
					checkSpec(t, spec.ExpiresAt.Sub(now), spec.Name, spec.Terms)
				}
			},
			func(f *fields) { readAccount(f, app) },
		} {
			f, err := decodeObject(body, lenient)
			if err != nil {
				if e := errs.As(err); e.Kind != errs.Invalid {
					t.Fatal(err)
				}
				return
			}
			decode(f)
			if err := f.done(); err != nil {
				for _, p := range errs.As(err).Fields {
					if p.Field == "" && len(f.raw[""]) == 0 || p.Code == "" || p.Message == "" {
						t.Errorf("%+v", p)
					}
				}
			}
		}
	})
}

func checkSpec(t *testing.T, ahead time.Duration, name string, terms latchkey.LinkTerms) {
	t.Helper()
	if ahead < minExpiry || ahead > maxExpiry {
		t.Errorf("expires in %s", ahead)
	}
	for _, s := range []string{name, terms.Email, terms.ExternalID, terms.DisplayName, terms.Locale, terms.ExpectedIdentity} {
		if strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("control characters: %q", s)
		}
	}
	for _, s := range []string{terms.SuccessURL, terms.FailureURL, terms.NotifyURL} {
		if s != "" {
			checkURL(t, s)
		}
	}
	if terms.ExternalID != "" && (latchkey.HasPrefixOfID(terms.ExternalID) || !accountShape(terms.ExternalID)) {
		t.Errorf("account id %q", terms.ExternalID)
	}
	for _, p := range terms.Providers {
		if back, ok := latchkey.ParseProviderWish(p); !ok || back != p {
			t.Errorf("provider %q", p)
		}
	}
}

// An URL that is let through leads where it seems to: to its host, over http(s), for every reader.
func FuzzRedirectURL(f *testing.F) {
	for _, s := range []string{
		"https://a.test/x?y=1#z", "http://a.test:8080", "https://[2001:db8::1]:1/", "javascript:alert(1)", "https://a.test\\@b.test/",
		"https://u:p@a.test", "//a.test", "https:a.test", "https:///a.test", "HTTPS://a.test", "https://a.test:99999", "https://a.test:", "https://a%2eb",
		"https://a\tb.test", " https://a.test", "https://a.test/\u2028", "data:text/html,x", "https://xn--bcher-kva.test", "https://bücher.test", "https://[fe80::1%25eth0]/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if web.BadURL(s) == "" {
			checkURL(t, s)
		}
	})
}

func checkURL(t *testing.T, s string) {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Hostname() == "" || len(s) > maxURL {
		t.Fatalf("%q was let through", s)
	}
	low := strings.ToLower(s)
	if !strings.HasPrefix(low, "https://"+strings.ToLower(u.Host)) && !strings.HasPrefix(low, "http://"+strings.ToLower(u.Host)) {
		t.Errorf("%q does not begin with its host %q", s, u.Host)
	}
	if strings.ContainsAny(s, "\\ \t\r\n\x00") || strings.ContainsFunc(s, unicode.IsControl) {
		t.Errorf("%q has characters that readers take differently", s)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{
		"https://a.test/x?y=1#z": true, "http://127.0.0.1:3000/cb": true, "https://myapp/account/settings.php": true, "https://[2001:db8::1]/": true,
		"https://a.test/?q=ü": true, "HTTPS://A.test": true, "javascript:alert(1)": false, "https://a.test\\@b.test/": false, "https://u@a.test": false,
		"https://u:p@a.test": false, "//a.test": false, "/x": false, "https:a.test": false, "https:///x": false, "https://a.test:0": false,
		"https://a.test:99999": false, "https://a.test:": false, "https://a b.test": false, " https://a.test": false, "https://a.test/\x7f": false,
		"https://bücher.test": false, "ftp://a.test": false, "https://": false, "https://[fe80::1%25eth0]/": false, "https://a.test/" + strings.Repeat("x", 2048): false,
	} {
		if why := web.BadURL(s); (why == "") != ok {
			t.Errorf("%q: %q", s, why)
		}
	}
}

func TestExternalIDs(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]errs.Code{
		"ada": "", "ada@x.test": "", "A-b_c.d~e": "", strings.Repeat("x", 256): "", strings.Repeat("x", 257): errs.CodeInvalidValue, "": errs.CodeInvalidValue,
		".": errs.CodeReserved, "..": errs.CodeReserved, "checkpoint": errs.CodeReserved, "NULL": errs.CodeReserved, "acc_x": errs.CodeReserved,
		"lnk_": errs.CodeReserved, "pap_1": errs.CodeReserved, "a/b": errs.CodeInvalidValue, "a b": errs.CodeInvalidValue, "ä": errs.CodeInvalidValue,
		"a%2f": errs.CodeInvalidValue, "a\n": errs.CodeInvalidValue,
	} {
		if code, _ := web.BadExternalID(s); code != want {
			t.Errorf("%q: %q, want %q", s, code, want)
		}
	}
}
