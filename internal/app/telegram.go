package app

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/connector/telegram"
	"latchkey/internal/safehttp"
)

// telegramConnector reaches Telegram itself, or the simulated one that the configuration names.
func (in *installation) telegramConnector() (connector.Connector, error) {
	dcs, _ := in.cfg.DCs() // Check has seen that they can be read
	cfg := telegram.Config{
		Dial: telegramDialer{in}, Tries: in.store.Tries(), APIID: in.cfg.TelegramAPIID, APIHash: in.cfg.TelegramAPIHash.Reveal(),
		DCs: dcs, Version: Version, Now: in.now, Log: in.log,
	}
	if in.cfg.TelegramPublicKeys != "" {
		raw, err := os.ReadFile(in.cfg.TelegramPublicKeys)
		if err != nil {
			return nil, fmt.Errorf("read the keys of Telegram's servers: %w", err)
		}
		if cfg.PublicKeys = telegram.ParseKeys(raw); len(cfg.PublicKeys) == 0 {
			return nil, fmt.Errorf("LATCHKEY_TELEGRAM_PUBLIC_KEYS: there is no RSA PUBLIC KEY (PKCS #1) in %s", in.cfg.TelegramPublicKeys)
		}
	}
	return telegram.New(cfg), nil
}

// telegramDialer goes out to Telegram only.
type telegramDialer struct{ in *installation }

// DialVia implements telegram.Dialer.
func (d telegramDialer) DialVia(ctx context.Context, via *latchkey.Proxy, hostport string) (net.Conn, error) {
	return d.in.dialVia(ctx, safehttp.Telegram, via, hostport)
}

// simulated lists the data centres of a simulated Telegram, for the egress policy.
func simulated(cfg *config.Config) []string {
	dcs, _ := cfg.DCs()
	return slices.Sorted(maps.Values(dcs))
}
