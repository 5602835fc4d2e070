package telegram

import (
	"strings"
)

// Lengths of a number with its country code (ITU-T E.164 §6.2.1). No country has less than seven.
const (
	minDigits = 7
	maxDigits = 15
)

// normalPhone is a number as Telegram takes it: + and digits. It is false for what is no number with
// a country code. Digits of other scripts are digits.
func normalPhone(typed string) (string, bool) {
	s := strings.TrimSpace(typed)
	s = strings.ReplaceAll(s, "(0)", "") // +49 (0) 30: dialled at home only
	var b strings.Builder
	plus := false
	for i, r := range s {
		switch {
		case r == '+' || r == '＋':
			if b.Len() > 0 || plus {
				return "", false
			}
			plus = true
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '٠' && r <= '٩':
			b.WriteRune('0' + r - '٠')
		case r >= '۰' && r <= '۹':
			b.WriteRune('0' + r - '۰')
		case strings.ContainsRune(" \u00a0\u202f\t-‐‑–.()/", r), r == '\u200e' || r == '\u200f' || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069'):
			_ = i // spaces, dashes, and the marks that a phone's contacts copy along
		default:
			return "", false
		}
	}
	digits := b.String()
	if !plus {
		rest, ok := strings.CutPrefix(digits, "00")
		if !ok {
			return "", false
		}
		digits = rest
	}
	if len(digits) < minDigits || len(digits) > maxDigits || digits[0] == '0' {
		return "", false
	}
	return "+" + digits, true
}

// masked shows enough of a number for its owner to know it.
func masked(phone string) string {
	const head, tail = 3, 2
	if len(phone) <= head+tail {
		return phone
	}
	return phone[:head] + strings.Repeat("•", len(phone)-head-tail) + phone[len(phone)-tail:]
}
