package connector_test

import (
	"strings"
	"testing"

	"latchkey/internal/connector"
)

func TestDeviceName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Northwind CRM":                    "Northwind CRM",
		"  Two \t\n lines  ":               "Two lines",
		"\u202egnp.exe\u2066x\u2069\x00\a": "gnp.exex",
		"شركة الشمال":                      "شركة الشمال",
		"\xff\xfe":                         "",
		"\u200b\u2060":                     "",
		strings.Repeat("ä", 40):            strings.Repeat("ä", 40),
		strings.Repeat("ä", 41):            strings.Repeat("ä", 39) + "…",
	} {
		if got := connector.DeviceName(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}
