package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/config"
	"latchkey/internal/secret"
)

func TestTelegramIsReplacedOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(keys, []byte("-----BEGIN RSA PUBLIC KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dcs, good := range map[string]bool{
		"2=127.0.0.1:4430":                   true,
		"2=127.0.0.1:4430, 4=[::1]:4431":     true,
		"2=149.154.167.41:443":               false,
		"2=10.0.0.1:4430":                    false,
		"2=0.0.0.0:4430":                     false,
		"2=localhost:4430":                   false,
		"2=127.0.0.1":                        false,
		"127.0.0.1:4430":                     false,
		"x=127.0.0.1:4430":                   false,
		"2=127.0.0.1:4430,2=127.0.0.1:4431":  false,
		"2=127.0.0.1:4430,":                  false,
		"2=127.0.0.1:4430,4=[fd00::1]:4431":  false,
		"2=127.0.0.1:4430,4=169.254.1.1:443": false,
	} {
		c := config.Config{Listen: "127.0.0.1:8080", OAuth: config.OAuth{RefreshRate: 50}, Telegram: config.Telegram{TelegramDCs: dcs, TelegramPublicKeys: keys}}
		err := c.Check()
		if good != (err == nil) {
			t.Errorf("%q: %v", dcs, err)
		}
		if err != nil && !strings.Contains(err.Error(), "LATCHKEY_TELEGRAM_DCS") {
			t.Errorf("%q: the variable is not named: %v", dcs, err)
		}
	}
}

func TestTelegramSettingsBelongTogether(t *testing.T) {
	t.Parallel()
	hash := secret.NewText("0123456789abcdef0123456789abcdef")
	for name, x := range map[string]config.Telegram{
		"LATCHKEY_TELEGRAM_API_ID":      {TelegramAPIHash: hash},
		"LATCHKEY_TELEGRAM_API_HASH":    {TelegramAPIID: 1, TelegramAPIHash: secret.NewText("short")},
		"LATCHKEY_TELEGRAM_DCS":         {TelegramDCs: "2=127.0.0.1:4430"},
		"LATCHKEY_TELEGRAM_PUBLIC_KEYS": {TelegramDCs: "2=127.0.0.1:4430", TelegramPublicKeys: "/nowhere/keys.pem"},
	} {
		c := config.Config{Listen: "127.0.0.1:8080", OAuth: config.OAuth{RefreshRate: 50}, Telegram: x}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := config.Config{Listen: "127.0.0.1:8080", OAuth: config.OAuth{RefreshRate: 50}, Telegram: config.Telegram{TelegramAPIID: 1, TelegramAPIHash: hash}}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}
