package telegram

import (
	"strings"
	"time"
	"unicode"

	"github.com/gotd/td/tg"
)

// readSent reads how a code was sent (core.telegram.org/api/auth). It is false for ways that end in
// nothing that could be typed into a page.
func (c *Connector) readSent(got *tg.AuthSentCode) (sent, bool) {
	out := sent{Hash: got.PhoneCodeHash}
	switch t := got.Type.(type) {
	case *tg.AuthSentCodeTypeApp:
		out.Way, out.Length = "app", t.Length
	case *tg.AuthSentCodeTypeSMS:
		out.Way, out.Length = "sms", t.Length
	case *tg.AuthSentCodeTypeCall:
		out.Way, out.Length = "call", t.Length
	case *tg.AuthSentCodeTypeMissedCall:
		out.Way, out.Length, out.Detail = "missed_call", t.Length, t.Prefix
	case *tg.AuthSentCodeTypeEmailCode:
		out.Way, out.Length, out.Detail = "email", t.Length, t.EmailPattern
	case *tg.AuthSentCodeTypeFragmentSMS:
		out.Way, out.Length = "fragment", t.Length
		if strings.HasPrefix(t.URL, "https://") {
			out.URL = t.URL
		}
	case *tg.AuthSentCodeTypeSMSWord:
		out.Way, out.Detail = "word", t.Beginning
	case *tg.AuthSentCodeTypeSMSPhrase:
		out.Way, out.Detail = "phrase", t.Beginning
	default: // flash calls, Firebase, an address that would have to be set up first
		return out, false
	}
	if _, more := got.GetNextType(); more {
		wait, _ := got.GetTimeout()
		out.More, out.Again = true, c.cfg.Now().Add(time.Duration(wait)*time.Second)
	}
	out.Detail = cleanHint(out.Detail)
	return out, true
}

// maxHint is how much of somebody's words is shown.
const maxHint = 120

// cleanHint makes words from outside fit to be shown: on one line, and not turning the page around.
func cleanHint(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(strings.TrimSpace(s)); len(r) > maxHint {
		return string(r[:maxHint]) + "…"
	}
	return strings.TrimSpace(s)
}
