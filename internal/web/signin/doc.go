// Package signin serves what people see of a sign-in (the page that asks for an address, the one that
// asks for the code, the one that a mail's link opens) and what an OpenID Connect client speaks to. It
// owns words, cookies and HTTP; who may sign in, what is counted and what a token holds is decided by
// internal/signin.
//
//	/signin, /oidc/{app}/authorize   ask for an address; POST begins
//	/signin/{id}                     the code, and in the end the way back; the cookie's browser only
//	/signin/link/{token}             GET shows, POST uses
//
// GET and HEAD change nothing. What a POST did is shown by the GET that it redirects to; the way to
// another site is a page, since browsers hold redirects after a form to form-action.
package signin
