package hosted

import (
	"net/url"
	"strings"

	"latchkey"
)

// param is one query parameter that we add to a URL of the application.
type param struct{ name, value string }

// withParams adds parameters to the query of a URL. Parameters of those names that were there
// before give way; every other byte of the URL, fragment included, stays as the application wrote it.
func withParams(raw string, add ...param) string {
	base, fragment, hasFragment := strings.Cut(raw, "#")
	path, query, _ := strings.Cut(base, "?")
	var parts []string
	for _, p := range strings.Split(query, "&") {
		if p == "" && query == "" {
			continue
		}
		name, _, _ := strings.Cut(p, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && ours(decoded, add) {
			continue
		}
		parts = append(parts, p)
	}
	for _, p := range add {
		parts = append(parts, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
	}
	out := path + "?" + strings.Join(parts, "&")
	if hasFragment {
		out += "#" + fragment
	}
	return out
}

func ours(name string, add []param) bool {
	for _, p := range add {
		if p.name == name {
			return true
		}
	}
	return false
}

// successURL is where the end user of a completed link goes; empty if the application named no URL.
func successURL(l latchkey.Link, r result) string {
	if l.Terms.SuccessURL == "" {
		return ""
	}
	if l.Dialect == latchkey.DialectForm {
		account := r.ExternalID
		if account == "" {
			account = string(r.AccountID)
		}
		return withParams(l.Terms.SuccessURL, param{"account", account}, param{"state", r.State})
	}
	return withParams(l.Terms.SuccessURL, param{"account_id", string(r.AccountID)}, param{"link_id", string(l.ID)})
}

// failureURL is where the end user of a failed or canceled try goes; empty if there is no such URL.
func failureURL(l latchkey.Link, code string) string {
	if l.Terms.FailureURL == "" {
		return ""
	}
	return withParams(l.Terms.FailureURL, param{"error", code}, param{"link_id", string(l.ID)})
}
