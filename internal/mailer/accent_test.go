package mailer_test

import (
	"context"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/mailer"
	"latchkey/internal/store"
)

// TestMailsTakeTheAccent paints our own mail in the application's colour, and fetches nothing for it.
func TestMailsTakeTheAccent(t *testing.T) {
	t.Parallel()
	painted := func(accent, ink string) string {
		l := newLab(t, newHost(t, users()), func(c *mailer.Config) {
			c.Accent = func(context.Context, store.Tx, latchkey.ApplicationID) (string, string) { return accent, ink }
		})
		l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Locale: "en", Values: map[string]string{
			mailer.ValueCode: "493021", mailer.ValueLink: "https://connect.test/signin/link/x",
		}}), latchkey.MailAccepted)
		return body(t, l.host.Messages()[0])
	}
	got := painted("#0a7a45", "#ffffff")
	if !strings.Contains(got, "border:2px solid #0a7a45;background:#0a7a45;color:#ffffff") {
		t.Errorf("the button has no accent:\n%s", got)
	}
	for _, bad := range []string{"<img", "src=", "url(", "ZgotmplZ"} {
		if strings.Contains(got, bad) {
			t.Errorf("the mail has %s", bad)
		}
	}
	if plain := painted("", ""); !strings.Contains(plain, "border:2px solid;color:inherit") {
		t.Errorf("without an accent:\n%s", plain)
	}
}
