// Package dashboard serves the pages of operators under /dashboard. It owns which role each page and
// button needs, the cookie of a login, and the words. It calls the same services as the JSON API and
// knows no rule of theirs: what they refuse it shows beside the fields that were typed.
//
//	request ─▶ other sites refused ─▶ who is it ─▶ which application ─▶ which role ─▶ handler ─▶ page
//
// A page is a list of blocks (blocks.go), so that tables, forms and empty states look and read alike
// everywhere. Every state change is a POST; what cannot be undone asks on a page of its own first.
// Nothing but passkeys needs a script. The texts are in English only so far.
package dashboard
