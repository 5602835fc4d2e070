package web

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"latchkey/internal/errs"
)

// Prefixes of the API: the strict one, and the one that speaks the dialect of existing client libraries.
const (
	StrictPrefix  = "/v1"
	LenientPrefix = "/api/v1"
)

// HostRule keeps the API and the dashboard on the host of the base URL. Links also open on their
// application's own domains; a key or an operator's cookie must never be wanted there.
type HostRule struct {
	base   string
	host   string
	scheme string
}

// NewHostRule takes the base URL of the configuration.
func NewHostRule(base *url.URL) HostRule {
	return HostRule{base: base.Scheme + "://" + base.Host, host: canonicalHost(base.Host, base.Scheme), scheme: base.Scheme}
}

// Wrap refuses requests for base-host paths that came for another host (RFC 9110 §15.5.20).
func (h HostRule) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if onBaseHostOnly(r.URL.Path) && r.Host != h.host && canonicalHost(r.Host, h.scheme) != h.host {
			WriteProblem(w, r, errs.New(errs.NotFound, errs.CodeMisdirected,
				"This address answers at "+h.base+" only. If a proxy stands in front, it must pass the Host header on."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func onBaseHostOnly(path string) bool {
	for _, p := range []string{StrictPrefix, LenientPrefix, "/openapi.json", "/docs", "/dashboard"} {
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// canonicalHost is in lower case, without a final dot and without the scheme's own port.
func canonicalHost(host, scheme string) string {
	host = strings.ToLower(host)
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.TrimSuffix(host, ".")
	}
	name = strings.TrimSuffix(name, ".")
	if (scheme == "https" && port == "443") || (scheme == "http" && port == "80") {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return net.JoinHostPort(name, port)
}
