package wizard_test

import (
	"testing"

	"latchkey/internal/web/wizard"
	"latchkey/internal/web/wizard/wizardtest"
)

// TestDisplaySaysWhatHelps: how to scan a code is not said when there is none, and a code that is to
// be compared has no button that copies it.
func TestDisplaySaysWhatHelps(t *testing.T) {
	states := wizardtest.PhoneStates("en")
	h := newHouse(t, func(c *wizard.Config) {
		c.Engine, c.Connectors = wizardtest.NewEngine(states), wizardtest.PhoneConnectors()
	})
	want := map[string]struct{ leads, copies int }{
		"telegram-qr-en": {1, 0}, "telegram-new-code-en": {0, 0}, "whatsapp-new-code-en": {0, 0},
		"whatsapp-code-en": {1, 1}, "whatsapp-code-limited-en": {0, 0}, "whatsapp-confirm-en": {1, 0}, "whatsapp-passkey-en": {1, 1},
	}
	for _, s := range states {
		w, ok := want[s.Name]
		if !ok {
			continue
		}
		delete(want, s.Name)
		p := h.get(s.Path() + "?locale=en")
		if n := len(p.all("p.lead")); n != w.leads {
			t.Errorf("%s: %d leads, want %d", s.Name, n, w.leads)
		}
		if n := len(p.all("button[data-copy]")); n != w.copies {
			t.Errorf("%s: %d buttons that copy, want %d", s.Name, n, w.copies)
		}
	}
	for name := range want {
		t.Errorf("there is no state %s", name)
	}
}
