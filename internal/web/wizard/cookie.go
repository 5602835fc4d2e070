package wizard

import (
	"fmt"
	"net/http"
	"time"

	"latchkey/internal/hosted"
)

// On https a cookie's name says to the browser that it belongs to this very host, whole, and was
// set securely (RFC 6265bis §4.1.3.2): a sibling domain cannot plant one.
const hostPrefix = "__Host-"

// wentCookie remembers which version of a flow this browser was last sent away from, so that coming
// back does not send it away again. It is a convenience and proves nothing.
const (
	wentCookie = "lk_went"
	wentFor    = 30 * time.Minute
)

func (z *Wizard) cookieName(name string) string {
	if z.secure {
		return hostPrefix + name
	}
	return name
}

// cookies reads the request's cookies by the names that the engine knows.
func (z *Wizard) cookies(r *http.Request) func(string) string {
	return func(name string) string {
		c, err := r.Cookie(z.cookieName(name))
		if err != nil {
			return ""
		}
		return c.Value
	}
}

func (z *Wizard) setCookie(w http.ResponseWriter, c *hosted.Cookie) {
	if c == nil {
		return
	}
	age := int(c.MaxAge / time.Second)
	if c.Value == "" || age <= 0 {
		age = -1
	}
	z.writeCookie(w, c.Name, c.Value, age)
}

func (z *Wizard) writeCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the base URL is https
		Name: z.cookieName(name), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: z.secure, SameSite: http.SameSiteLaxMode,
	})
}

// sendOnce tells whether the browser should be sent away by itself now: once for each version of a
// flow. Whoever comes back finds a button, and the way out.
func (z *Wizard) sendOnce(w http.ResponseWriter, r *http.Request, v hosted.View) bool {
	mark := fmt.Sprintf("%s.%d", v.FlowID, v.Version)
	if c, err := r.Cookie(z.cookieName(wentCookie)); err == nil && c.Value == mark {
		return false
	}
	z.writeCookie(w, wentCookie, mark, int(wentFor/time.Second))
	return true
}
