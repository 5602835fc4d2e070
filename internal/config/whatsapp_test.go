package config_test

import (
	"strings"
	"testing"

	"latchkey/internal/config"
)

func TestWhatsAppSimulatorIsOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("0a", 32)
	for name, x := range map[string]struct {
		addr, key string
		want      string
	}{
		"nothing":         {"", "", ""},
		"both":            {"127.0.0.1:7070", key, ""},
		"IPv6":            {"[::1]:7070", key, ""},
		"no key":          {"127.0.0.1:7070", "", "LATCHKEY_WHATSAPP_ROOT_KEY"},
		"no address":      {"", key, "LATCHKEY_WHATSAPP_ADDR"},
		"a name":          {"localhost:7070", key, "LATCHKEY_WHATSAPP_ADDR"},
		"another machine": {"10.0.0.1:7070", key, "LATCHKEY_WHATSAPP_ADDR"},
		"the internet":    {"web.whatsapp.com:443", key, "LATCHKEY_WHATSAPP_ADDR"},
		"every address":   {"0.0.0.0:7070", key, "LATCHKEY_WHATSAPP_ADDR"},
		"no port":         {"127.0.0.1", key, "LATCHKEY_WHATSAPP_ADDR"},
		"a zone":          {"[::1%lo]:7070", key, "LATCHKEY_WHATSAPP_ADDR"},
		"a short key":     {"127.0.0.1:7070", "0a0a", "LATCHKEY_WHATSAPP_ROOT_KEY"},
		"not hex":         {"127.0.0.1:7070", strings.Repeat("xy", 32), "LATCHKEY_WHATSAPP_ROOT_KEY"},
	} {
		c := config.Config{Listen: "127.0.0.1:8080", OAuth: config.OAuth{RefreshRate: 50}, WhatsApp: config.WhatsApp{WhatsAppAddr: x.addr, WhatsAppRootKey: x.key}}
		err := c.Check()
		if (err == nil) != (x.want == "") || (err != nil && !strings.Contains(err.Error(), x.want+" must")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
