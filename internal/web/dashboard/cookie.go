package dashboard

import (
	"net/http"
	"path"
	"strings"

	"latchkey/internal/operators"
	"latchkey/internal/web"
)

// cookieName is the login's cookie. On https the prefix says to the browser that the cookie belongs to
// this very host and was set securely (RFC 6265bis §4.1.3.2): a sibling domain cannot plant one.
func (d *Dashboard) cookieName() string {
	if d.secure {
		return "__Host-lk_operator"
	}
	return "lk_operator"
}

func (d *Dashboard) cookie(r *http.Request) string {
	c, err := r.Cookie(d.cookieName())
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps a login in the browser, or with an empty token ends it there.
func (d *Dashboard) setCookie(w http.ResponseWriter, token string) {
	age := int(operators.LoginLife.Seconds())
	if token == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the base URL is https
		Name: d.cookieName(), Value: token, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode,
	})
}

// browser is where the request comes from.
func (c *call) browser() operators.Browser {
	b := operators.Browser{UserAgent: c.r.UserAgent(), Before: c.d.cookie(c.r)}
	if a := web.InfoOf(c.ctx).Address; a.IsValid() {
		b.Address = a.String()
	}
	return b
}

// next is where somebody wanted to go before they signed in. It leads to the dashboard and nowhere else.
func next(s string) string {
	if s != path.Clean(s) || s != root && !strings.HasPrefix(s, root+"/") || strings.ContainsAny(s, "\\?#%") {
		return root
	}
	return s
}
