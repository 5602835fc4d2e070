package config

import (
	"encoding/hex"
	"net/netip"
)

// WhatsApp is where WhatsApp is, if not where everybody knows it to be: a simulator on this machine.
type WhatsApp struct {
	WhatsAppAddr    string `name:"whatsapp-addr" env:"LATCHKEY_WHATSAPP_ADDR" placeholder:"IP:PORT" help:"A simulator to connect to instead of WhatsApp, on loopback only."`
	WhatsAppRootKey string `name:"whatsapp-root-key" env:"LATCHKEY_WHATSAPP_ROOT_KEY" placeholder:"HEX" help:"Public key of that simulator, 64 hex digits."`
}

func (c *WhatsApp) check(add func(variable, format string, args ...any)) {
	if c.WhatsAppAddr != "" && !loopbackAddress(c.WhatsAppAddr) {
		add("LATCHKEY_WHATSAPP_ADDR", "must be IP:PORT on loopback, such as 127.0.0.1:7070: it is for simulators, and what is sent there is not encrypted")
	}
	if raw, err := hex.DecodeString(c.WhatsAppRootKey); c.WhatsAppRootKey != "" && (err != nil || len(raw) != 32) {
		add("LATCHKEY_WHATSAPP_ROOT_KEY", "must be 64 hex digits")
	}
	switch {
	case c.WhatsAppAddr != "" && c.WhatsAppRootKey == "":
		add("LATCHKEY_WHATSAPP_ROOT_KEY", "must be given with LATCHKEY_WHATSAPP_ADDR: the simulator prints it")
	case c.WhatsAppAddr == "" && c.WhatsAppRootKey != "":
		add("LATCHKEY_WHATSAPP_ADDR", "must be given with LATCHKEY_WHATSAPP_ROOT_KEY: no other key than WhatsApp's own is trusted for WhatsApp itself")
	}
}

// loopbackAddress tells whether s is an address and port of this machine alone, written as a number.
func loopbackAddress(s string) bool {
	a, err := netip.ParseAddrPort(s)
	return err == nil && a.Port() != 0 && a.Addr().Zone() == "" && a.Addr().Unmap().IsLoopback()
}
