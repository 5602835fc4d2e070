package login

import (
	"strings"
	"testing"
)

// TestEchoIsMaskedBeforeItIsCut has servers say back what they were sent, where cleaning their words
// would cut a password in two or tidy it up, so that it would not be known again.
func TestEchoIsMaskedBeforeItIsCut(t *testing.T) {
	for _, password := range []string{
		"canary-Secret-0123456789", "canary  two  spaces", "canary\ttab", "canary\u200bwidth", `canary"and\quotes`,
	} {
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password) + `"`
		tidy := strings.Join(strings.Fields(password), " ")
		for _, text := range []string{
			"no such login: " + password, strings.Repeat("x", maxText-10) + " " + password, "LOGIN u " + quoted, "bad: " + tidy,
		} {
			for _, e := range []*Error{imapRefusal(false, "", text), smtpRefusal(535, text), smtpGreetingError(554, text), imapGreetingError(text)} {
				if got := e.without("u", password); strings.Contains(got.Text, "canary") || got.raw != "" {
					t.Errorf("%q is still in %q", password, got.Text)
				}
			}
		}
	}
}
