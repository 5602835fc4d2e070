package api

import (
	"maps"
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// readLent reads an account whose credential the application's authentication server keeps: whose it
// is and where, and no secret.
func readLent(f *fields, spec *hosted.DirectSpec) {
	switch spec.Provider {
	case latchkey.IMAP, latchkey.Google, latchkey.Microsoft, "":
	default:
		f.fail("auth_server", errs.CodeUnsupported, "Only mailboxes have an authentication server: IMAP, GOOGLE and MICROSOFT.")
	}
	if spec.Reconnect == "" && spec.ExternalID == "" && !f.failed("account_id") {
		f.fail("account_id", errs.CodeRequired, "Your authentication server is asked for the account by this name.")
	}
	const message = "Your authentication server gives this. Leave it out."
	f.strangers(readTokens(f), message)
	spec.Values = mailValues(f, spec)
	for _, name := range slices.Sorted(maps.Keys(spec.Values)) {
		switch {
		case name == "password", strings.HasSuffix(name, "_password"), strings.HasSuffix(name, "_user"):
			f.fail(name, errs.CodeUnsupported, message)
		case byOAuth(spec.Provider) && name != "email" && name != "name":
			f.fail(name, errs.CodeUnsupported, "The servers of this provider are known. Leave this out.")
		}
	}
	if spec.Provider == latchkey.IMAP && spec.Reconnect == "" && spec.Email == "" && !f.failed("email") {
		f.fail("email", errs.CodeRequired, "Say which mailbox it is.")
	}
}
