package app

import (
	"encoding/json"
	"testing"
)

// TestNothingFromElsewhereReachesTheTerminal escapes what a terminal would obey.
func TestNothingFromElsewhereReachesTheTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"account.connected":      "account.connected",
		"Zoë 日本 العربية 😀":       "Zoë 日本 العربية 😀",
		"\x1b]0;owned\x07":       `\u001b]0;owned\u0007`,
		"a\r\nb\t":               `a\u000d\u000ab\u0009`,
		"\u009b31m\u202etxt.exe": `\u009b31m\u202etxt.exe`,
		"\U000E0041":             `\udb40\udc41`,
		"\xff":                   `\ufffd`,
	} {
		if got := visible(in); got != want {
			t.Errorf("%q is shown as %q, not %q", in, got, want)
		}
	}
	var back string
	if err := json.Unmarshal([]byte(visible("\"a\u009b\U000E0041\"")), &back); err != nil || back != "a\u009b\U000E0041" {
		t.Errorf("JSON did not stay JSON: %q, %v", back, err)
	}
}
