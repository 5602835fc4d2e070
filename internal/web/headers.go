package web

import "net/http"

// SecurityHeaders sets what every answer carries. A page that needs more than nothing replaces
// Content-Security-Policy with its own.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = []string{"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}
		h["X-Content-Type-Options"] = []string{"nosniff"}
		h["X-Frame-Options"] = []string{"DENY"}
		// A link's token stands in its URL: no other site is told of it.
		h["Referrer-Policy"] = []string{"no-referrer"}
		h["Cross-Origin-Opener-Policy"] = []string{"same-origin"}
		h["Cross-Origin-Resource-Policy"] = []string{"same-origin"}
		h["Permissions-Policy"] = []string{"camera=(), geolocation=(), microphone=(), payment=(), usb=()"}
		next.ServeHTTP(w, r)
	})
}

// StrictTransport adds HSTS, for installations whose base URL is https. Subdomains are left alone:
// they are the operator's.
func StrictTransport(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Strict-Transport-Security"] = []string{"max-age=31536000"}
		next.ServeHTTP(w, r)
	})
}
