package config_test

import (
	"strings"
	"testing"

	"latchkey/internal/config"
	"latchkey/internal/secret"
)

func TestRelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, from string
		want      config.Relay
		wrong     string
	}{
		{"", "", config.Relay{}, ""},
		{"smtp+starttls://a%40b:p%3Aw@mail.test:2525", "Acme <x@acme.test>", config.Relay{Host: "mail.test", Port: 2525, Encryption: "starttls", Username: "a@b", Password: "p:w", Email: "x@acme.test", Name: "Acme"}, ""},
		{"smtps://mail.test", "x@acme.test", config.Relay{Host: "mail.test", Port: 465, Encryption: "tls", Email: "x@acme.test"}, ""},
		{"smtp://127.0.0.1:1025", "x@acme.test", config.Relay{Host: "127.0.0.1", Port: 1025, Encryption: "none", Email: "x@acme.test"}, ""},
		{"smtp://mail.test", "x@acme.test", config.Relay{}, "LATCHKEY_SMTP_URL"},
		{"https://CANARY@mail.test", "x@acme.test", config.Relay{}, "LATCHKEY_SMTP_URL"},
		{"smtps://u:CANARY@mail.test:0", "x@acme.test", config.Relay{}, "LATCHKEY_SMTP_URL"},
		{"smtps://mail.test", "Acme", config.Relay{}, "LATCHKEY_SMTP_FROM"},
		{"smtps://mail.test", "", config.Relay{}, "LATCHKEY_SMTP_URL"},
		{"", "x@acme.test", config.Relay{}, "LATCHKEY_SMTP_URL"},
	} {
		cfg := &config.Config{Listen: "127.0.0.1:8080", Mail: config.Mail{SMTPURL: secret.NewText(c.url), SMTPFrom: c.from}}
		cfg.RefreshRate = 1
		err := cfg.Check()
		if c.wrong == "" {
			if err != nil && strings.Contains(err.Error(), "SMTP") || cfg.Relay() != c.want {
				t.Errorf("%s %s: %+v, %v", c.url, c.from, cfg.Relay(), err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s %s: %v", c.url, c.from, err)
		}
	}
}
