package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/config"
)

func checked(o config.OAuth) (config.Config, error) {
	if o.RefreshRate == 0 {
		o.RefreshRate = 50
	}
	c := config.Config{Listen: "127.0.0.1:8080", OAuth: o}
	err := c.Check()
	return c, err
}

func TestEndpointsAreSafe(t *testing.T) {
	t.Parallel()
	for value, good := range map[string]bool{
		"":                              true,
		"https://accounts.example":      true,
		"https://accounts.example:8443": true,
		"https://accounts.example/a/b":  true,
		"http://127.0.0.1:9000":         true,
		"http://localhost:9000/tenant":  true,
		"http://[::1]:9000":             true,
		"http://accounts.example":       false,
		"http://10.0.0.1":               false,
		"http://localhost.evil.example": false,
		"https://user:pw@a.example":     false,
		"https://a.example?x=1":         false,
		"https://a.example?":            false,
		"https://a.example#f":           false,
		"https://a.example#":            false,
		"ftp://a.example":               false,
		"https://":                      false,
		"accounts.example":              false,
		"https://a.example/%zz":         false,
	} {
		o := config.OAuth{
			GoogleIssuer: value, GoogleAPIURL: value, MicrosoftIssuer: value, MicrosoftAuthority: value, MicrosoftGraphURL: value,
			LinkedInIssuer: value, LinkedInURL: value, InstagramURL: value,
		}
		_, err := checked(o)
		if good != (err == nil) {
			t.Errorf("%q: %v", value, err)
		}
		if err != nil {
			for _, name := range []string{"GOOGLE_ISSUER", "GOOGLE_API_URL", "MICROSOFT_ISSUER", "MICROSOFT_AUTHORITY", "MICROSOFT_GRAPH_URL", "LINKEDIN_ISSUER", "LINKEDIN_URL", "INSTAGRAM_URL"} {
				if !strings.Contains(err.Error(), "LATCHKEY_"+name+" ") {
					t.Errorf("%q: %s is not named: %v", value, name, err)
				}
			}
			if strings.Contains(err.Error(), "pw") {
				t.Errorf("the error shows the password: %v", err)
			}
		}
	}
	c, err := checked(config.OAuth{GoogleIssuer: "https://a.example/", InstagramURL: "https://a.example/"})
	if err != nil || c.GoogleIssuer != "https://a.example/" || c.InstagramURL != "https://a.example" {
		t.Errorf("%q %q %v", c.GoogleIssuer, c.InstagramURL, err)
	}
	if _, err := checked(config.OAuth{RefreshRate: -1}); err == nil {
		t.Error("a negative rate was taken")
	}
}

func TestMailServers(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]config.MailServer{
		"imaps://mail.example:993":       {Host: "mail.example", Port: 993, TLS: true},
		"imap+starttls://127.0.0.1:1143": {Host: "127.0.0.1", Port: 1143},
		"imap+starttls://[fd00::1]:143":  {Host: "fd00::1", Port: 143},
		"imaps://mail.example:993/":      {Host: "mail.example", Port: 993, TLS: true},
		"":                               {},
	} {
		got, ok := config.ParseMailServer(value, "imap")
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%q: %v %s", value, ok, diff)
		}
	}
	for _, value := range []string{"imap://h:143", "smtps://h:465", "imaps://h", "imaps://h:0", "imaps://h:65536", "imaps://:993", "imaps://u@h:993", "imaps://h:993?x", "h:993"} {
		if got, ok := config.ParseMailServer(value, "imap"); ok {
			t.Errorf("%q was taken: %+v", value, got)
		}
		if _, err := checked(config.OAuth{GoogleIMAP: value}); err == nil || !strings.Contains(err.Error(), "LATCHKEY_GOOGLE_IMAP") {
			t.Errorf("%q: %v", value, err)
		}
	}
}
