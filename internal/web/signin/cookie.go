package signin

import (
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/secret"
)

// cookieName names the browser that began a sign-in. On https its prefix says to the browser that it
// belongs to this very host (RFC 6265bis §4.1.3.2): a sibling domain cannot plant one.
const cookieName = "lk_signin"

// cookieFor outlives every sign-in that can be renewed.
const cookieFor = time.Hour

// familiarName is the cookie of a device's words for addresses that signed in on it. It signs nobody in.
const (
	familiarName = "lk_known"
	familiarFor  = 180 * 24 * time.Hour
	maxWords     = 400
)

func (p *Pages) named(cookie string) string {
	if p.secure {
		return "__Host-" + cookie
	}
	return cookie
}

// familiar reads the device's words.
func (p *Pages) familiar(r *http.Request) string {
	c, err := r.Cookie(p.named(familiarName))
	if err != nil || len(c.Value) > maxWords {
		return ""
	}
	return c.Value
}

// remember gives the device a word for the address that was proved on it.
func (p *Pages) remember(w http.ResponseWriter, r *http.Request, v latchkey.SignIn) {
	p.set(w, familiarName, p.cfg.SignIns.Remember(v, p.familiar(r)), familiarFor)
}

// browser reads the cookie; empty where there is none of ours.
func (p *Pages) browser(r *http.Request) string {
	c, err := r.Cookie(p.named(cookieName))
	if err != nil || len(c.Value) != 43 {
		return ""
	}
	return c.Value
}

// bind gives the browser a cookie. Only the answer to a POST does.
func (p *Pages) bind(w http.ResponseWriter, r *http.Request) string {
	value := p.browser(r)
	if value == "" {
		value, _ = secret.NewToken()
	}
	p.set(w, cookieName, value, cookieFor)
	return value
}

func (p *Pages) set(w http.ResponseWriter, name, value string, keep time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the base URL is https
		Name: p.named(name), Value: value, Path: "/", MaxAge: int(keep / time.Second),
		HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode,
	})
}
