package connector

import (
	"strings"
	"unicode"
)

// maxDevice is what a phone shows of a device's name in one line, or a little more.
const maxDevice = 40

// DeviceName is an application's name as a phone lists it among its devices: one line, without signs
// that are not seen or that turn others around, and not too long. It is empty where nothing is left.
func DeviceName(application string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1 // control and format characters, the ones for direction among them
	}, strings.ToValidUTF8(application, ""))
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxDevice {
		name = strings.TrimSpace(string(runes[:maxDevice-1])) + "…"
	}
	return name
}
