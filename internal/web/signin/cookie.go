package signin

import (
	"net/http"
	"time"

	"latchkey/internal/secret"
)

// cookieName names the browser that began a sign-in. On https its prefix says to the browser that it
// belongs to this very host (RFC 6265bis §4.1.3.2): a sibling domain cannot plant one.
const cookieName = "lk_signin"

// cookieFor outlives every sign-in that can be renewed.
const cookieFor = time.Hour

func (p *Pages) cookieName() string {
	if p.secure {
		return "__Host-" + cookieName
	}
	return cookieName
}

// browser reads the cookie; empty where there is none of ours.
func (p *Pages) browser(r *http.Request) string {
	c, err := r.Cookie(p.cookieName())
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
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the base URL is https
		Name: p.cookieName(), Value: value, Path: "/", MaxAge: int(cookieFor / time.Second),
		HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode,
	})
	return value
}
