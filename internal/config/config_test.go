package config_test

import (
	"testing"

	"latchkey/internal/config"
)

// TestBaseURLFollowsListen: every URL that is handed out begins with it, and the API answers under
// it only, so it has to be one that somebody can ask for.
func TestBaseURLFollowsListen(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://localhost:8080", "0.0.0.0:8080": "http://localhost:8080",
		"[::]:8080": "http://localhost:8080", "[::1]:8080": "http://[::1]:8080", "latchkey.lan:80": "http://latchkey.lan:80",
	} {
		c := config.Config{OAuth: config.OAuth{RefreshRate: 50}, Listen: listen}
		if err := c.Check(); err != nil || c.BaseURL != want {
			t.Errorf("%s: %q, %v", listen, c.BaseURL, err)
		}
	}
	for _, base := range []string{"http://:8080", "https://", "ftp://example.org", "https://a@example.org", "https://example.org/path", "example.org"} {
		c := config.Config{OAuth: config.OAuth{RefreshRate: 50}, Listen: "127.0.0.1:8080", BaseURL: base}
		if c.Check() == nil {
			t.Errorf("%s is taken for a base URL", base)
		}
	}
}

func TestISPDBURL(t *testing.T) {
	for value, want := range map[string]bool{"": true, "off": true, "https://ispdb.example/v1.1/": true, "ispdb.example": false, "ftp://ispdb.example": false, "https://": false} {
		c := config.Config{OAuth: config.OAuth{RefreshRate: 50}, Listen: "127.0.0.1:8080", ISPDBURL: value}
		if err := c.Check(); (err == nil) != want {
			t.Errorf("%q: %v", value, err)
		}
	}
}
