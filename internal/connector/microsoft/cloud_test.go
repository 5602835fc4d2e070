package microsoft

import (
	"net/http"
	"net/url"
	"testing"

	"latchkey/internal/connector"
)

// TestAdminConsentStaysWithTheIssuer: whatever an operator named, administrators are led nowhere else.
func TestAdminConsentStaysWithTheIssuer(t *testing.T) {
	for _, c := range []struct{ issuer, authority, cloud, want string }{
		{"", "", "", "login.microsoftonline.com"},
		{"", "", "gcc_high", "login.microsoftonline.us"},
		{"", "https://id.corp.test", "", "id.corp.test"},
		{"https://a.test/x", "https://id.corp.test", "", "id.corp.test"},
		{"https://a.test/common/v2.0", "", "", "a.test"},
		{"https://a.test/11111111-2222-3333-4444-555555555555/v2.0", "", "china", "a.test"},
		{"https://a.test", "", "", ""},
		{"https://a.test/realms/corp", "", "", ""},
	} {
		conn := New(Config{HTTP: &http.Client{}, Issuer: c.issuer, Authority: c.authority})
		link := conn.adminConsentURL(connector.App{ClientID: "c", Cloud: c.cloud}, []string{"openid", "Mail.Read"}, "https://us.test/oauth/callback")
		u, err := url.Parse(link)
		if err != nil || u.Host != c.want {
			t.Errorf("%+v: %s", c, link)
		}
		if link != "" && u.Path != "/organizations/v2.0/adminconsent" {
			t.Errorf("%+v: %s", c, link)
		}
	}
}
