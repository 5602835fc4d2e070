package config

import (
	"net/netip"
	"os"
	"strconv"
	"strings"

	"latchkey/internal/secret"
)

// Telegram is how Telegram is reached. Its servers and keys are those of Telegram, unless a simulated
// one takes their place: on loopback only, since whoever names other keys can read along.
type Telegram struct {
	TelegramAPIID      int         `name:"telegram-api-id" env:"LATCHKEY_TELEGRAM_API_ID" placeholder:"N" help:"api_id from my.telegram.org, for applications without a provider app of their own."`
	TelegramAPIHash    secret.Text `name:"telegram-api-hash" env:"LATCHKEY_TELEGRAM_API_HASH" placeholder:"HEX" help:"api_hash that belongs to it."`
	TelegramDCs        string      `name:"telegram-dcs" env:"LATCHKEY_TELEGRAM_DCS" placeholder:"N=IP:PORT,…" help:"Data centres of a simulated Telegram, on loopback: 2=127.0.0.1:4430."`
	TelegramPublicKeys string      `name:"telegram-public-keys" env:"LATCHKEY_TELEGRAM_PUBLIC_KEYS" type:"path" placeholder:"FILE" help:"PEM file (PKCS #1) with the keys of a simulated Telegram."`
}

// apiHashLength is how long an api_hash is: 32 hexadecimal digits.
const apiHashLength = 32

func (c *Telegram) check(add func(variable, format string, args ...any)) {
	hash := c.TelegramAPIHash.Reveal()
	switch {
	case c.TelegramAPIID < 0:
		add("LATCHKEY_TELEGRAM_API_ID", "must be the number that my.telegram.org shows")
	case (c.TelegramAPIID == 0) != (hash == ""):
		add("LATCHKEY_TELEGRAM_API_ID", "and LATCHKEY_TELEGRAM_API_HASH must be given together")
	case hash != "" && !isHex(hash, apiHashLength):
		add("LATCHKEY_TELEGRAM_API_HASH", "must be the %d hexadecimal digits that my.telegram.org shows", apiHashLength)
	}
	if _, ok := c.DCs(); !ok {
		add("LATCHKEY_TELEGRAM_DCS", "must list data centres on loopback only, such as 2=127.0.0.1:4430,4=127.0.0.1:4431; leave it out for Telegram itself")
	}
	switch {
	case (c.TelegramDCs == "") != (c.TelegramPublicKeys == ""):
		add("LATCHKEY_TELEGRAM_DCS", "and LATCHKEY_TELEGRAM_PUBLIC_KEYS must be given together: a simulated Telegram has keys of its own, and Telegram's servers must have Telegram's")
	case c.TelegramPublicKeys != "":
		raw, err := os.ReadFile(c.TelegramPublicKeys)
		if err != nil {
			add("LATCHKEY_TELEGRAM_PUBLIC_KEYS", "cannot be read")
		} else if !strings.Contains(string(raw), "BEGIN RSA PUBLIC KEY") {
			add("LATCHKEY_TELEGRAM_PUBLIC_KEYS", "must be a PEM file with an RSA PUBLIC KEY (PKCS #1)")
		}
	}
}

// DCs are the data centres of a simulated Telegram, by number. It is false for what is none, and for
// what is not on loopback.
func (c *Telegram) DCs() (map[int]string, bool) {
	if c.TelegramDCs == "" {
		return nil, true
	}
	out := map[int]string{}
	for _, part := range strings.Split(c.TelegramDCs, ",") {
		number, address, _ := strings.Cut(strings.TrimSpace(part), "=")
		dc, err := strconv.Atoi(number)
		ap, apErr := netip.ParseAddrPort(address)
		if err != nil || dc < 1 || dc > 1000 || apErr != nil || !loopbackAddress(address) || out[dc] != "" {
			return nil, false
		}
		out[dc] = ap.String()
	}
	return out, true
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, r := range s {
		if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F') {
			return false
		}
	}
	return true
}
