package web

import "strings"

// Device is the rough kind of browser that a User-Agent says it is, such as "Firefox on Windows": enough
// for people to know their own again. Only words of ours come of it, whatever a stranger sends; empty
// means unknown.
func Device(userAgent string) string {
	browser, system := firstOf(userAgent, browsers()), firstOf(userAgent, systems())
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + " (" + system + ")"
}

// mark is what a kind of browser or system is known by.
type mark struct{ in, name string }

func firstOf(userAgent string, marks []mark) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.in) {
			return m.name
		}
	}
	return ""
}

// Most browsers name others as well: the order matters.
func browsers() []mark {
	return []mark{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser", "Samsung Internet"},
		{"Vivaldi", "Vivaldi"},
		{"FxiOS", "Firefox"},
		{"Firefox/", "Firefox"},
		{"CriOS", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
}

func systems() []mark {
	return []mark{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Mac OS X", "Mac"},
		{"Macintosh", "Mac"},
		{"Linux", "Linux"},
	}
}
