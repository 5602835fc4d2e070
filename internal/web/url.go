package web

import (
	"net/url"
	"strconv"
	"strings"
)

// MaxURL is how long an URL of a caller's may be.
const MaxURL = 2048

// BadURL says why an URL will not do; empty if it will. Browsers read some characters in other ways
// than we do ("\" as "/", tabs as nothing), so an URL with any of them could lead elsewhere than
// it seems.
func BadURL(s string) string {
	if len(s) > MaxURL {
		return "This may have " + strconv.Itoa(MaxURL) + " characters at most."
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || (r >= 0x7f && r < 0xa0) }) {
		return "This must not contain spaces, backslashes or control characters; encode them."
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Opaque != "" || u.Host == "" {
		return "This must be a whole address that begins with https:// or http://."
	}
	if u.User != nil {
		return "This must not contain a user name or password."
	}
	if !goodHost(u) {
		return "This has no valid host name. Write international names in their xn-- form."
	}
	return ""
}

func goodHost(u *url.URL) bool {
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return false
	}
	host := u.Hostname()
	if host == "" || len(host) > 253 {
		return false
	}
	if strings.HasPrefix(u.Host, "[") {
		return !strings.Contains(host, "%") // a zone means nothing to anybody else
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	})
}
