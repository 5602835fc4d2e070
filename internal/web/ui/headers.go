package ui

import "net/http"

// pagePolicy lets a page load its own stylesheet, script and images, ask its own server, and post
// to it. Nothing else, and nothing inline.
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// PageHeaders sets what every page is served with.
//
// Referrer-Policy is same-origin: other sites learn nothing of a URL that holds a token, just as
// with no-referrer. But no-referrer makes browsers send "Origin: null" with a form (Fetch,
// "serializing a request origin"), and where Sec-Fetch-Site is not sent (plain http that is not
// loopback, older Safari) the check against cross-origin posts has only Origin to go by.
func PageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
}

// FrameHeaders let a page show another of our own in a frame. Call it after PageHeaders.
func FrameHeaders(h http.Header) { h.Set("Content-Security-Policy", pagePolicy+"; frame-src 'self'") }

// MailHeaders are for a mail that is shown in a frame of ours: its inline styles work, it fetches nothing,
// runs nothing, and has an origin of its own, whatever the frame says. Call it after PageHeaders.
func MailHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'")
	h.Set("X-Frame-Options", "SAMEORIGIN")
}
