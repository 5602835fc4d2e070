package oauthflow_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/connector/google"
	"latchkey/internal/connector/instagram"
	"latchkey/internal/connector/linkedin"
	"latchkey/internal/connector/microsoft"
)

// TestKnownClouds: without the operator's wishes, browsers go to the providers themselves, and Begin
// asks nobody on the way.
func TestKnownClouds(t *testing.T) {
	client, log := &http.Client{}, slog.New(slog.DiscardHandler)
	ms := microsoft.New(microsoft.Config{HTTP: client, Now: time.Now, Log: log})
	for _, c := range []struct {
		conn  connector.Connector
		app   connector.App
		want  string
		query url.Values
	}{
		{
			google.New(google.Config{HTTP: client, Now: time.Now, Log: log}),
			connector.App{Domain: "corp.test"},
			"https://accounts.google.com/o/oauth2/v2/auth",
			url.Values{"access_type": {"offline"}, "prompt": {"consent"}, "hd": {"corp.test"}, "scope": {"openid email profile https://mail.google.com/"}},
		},
		{ms, connector.App{}, "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", url.Values{"prompt": {"select_account"}}},
		{
			ms,
			connector.App{Cloud: "gcc_high", Tenant: "corp.test"},
			"https://login.microsoftonline.us/corp.test/oauth2/v2.0/authorize",
			url.Values{"scope": {"openid profile email offline_access https://outlook.office365.us/IMAP.AccessAsUser.All https://outlook.office365.us/SMTP.Send"}},
		},
		{ms, connector.App{Cloud: "dod"}, "https://login.microsoftonline.us/common/oauth2/v2.0/authorize", nil},
		{ms, connector.App{Cloud: "china"}, "https://login.partner.microsoftonline.cn/common/oauth2/v2.0/authorize", nil},
		{
			ms,
			connector.App{Protocol: "api", SkipScopes: []string{"Mail.Send"}, ExtraScopes: []string{"Calendars.Read"}},
			"https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			url.Values{"scope": {"openid profile email offline_access User.Read Mail.ReadWrite Calendars.Read"}},
		},
		{
			linkedin.New(linkedin.Config{HTTP: client, Now: time.Now, Log: log}),
			connector.App{},
			"https://www.linkedin.com/oauth/v2/authorization",
			url.Values{"scope": {"openid profile email"}},
		},
		{
			instagram.New(instagram.Config{HTTP: client, Now: time.Now, Log: log}),
			connector.App{},
			"https://www.instagram.com/oauth/authorize",
			url.Values{"scope": {"instagram_business_basic,instagram_business_manage_messages"}},
		},
	} {
		c.app.ClientID = "client-1"
		turn, err := c.conn.Begin(connector.Start{App: &c.app, CallbackURL: callback, Entropy: make([]byte, 32)})
		if err != nil || turn.Step == nil {
			t.Fatalf("%s: %+v %v", c.want, turn, err)
		}
		u, err := url.Parse(turn.Step.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Scheme + "://" + u.Host + u.Path; got != c.want {
			t.Errorf("goes to %s, want %s", got, c.want)
		}
		for name := range c.query {
			if got := u.Query().Get(name); got != c.query.Get(name) {
				t.Errorf("%s: %s = %q, want %q", c.want, name, got, c.query.Get(name))
			}
		}
	}
}

// TestNoClient: without a client there is nothing to begin with.
func TestNoClient(t *testing.T) {
	c := google.New(google.Config{HTTP: &http.Client{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	turn, err := c.Begin(connector.Start{CallbackURL: callback, Entropy: make([]byte, 32)})
	if err != nil || ends(turn) != "failure provider_unavailable" {
		t.Errorf("%s %v", ends(turn), err)
	}
}
