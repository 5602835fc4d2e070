package settings

import (
	"net"
	"strings"

	"latchkey/internal/connector/login"
)

// Source is who says where mail is served.
type Source string

// The sources.
const (
	FromTable        Source = "table"
	FromSRV          Source = "srv"
	FromMX           Source = "mx"
	FromAutoconfig   Source = "autoconfig"
	FromISPDB        Source = "ispdb"
	FromISPDBByMX    Source = "ispdb_mx"
	FromAutodiscover Source = "autodiscover"
	FromPlainHTTP    Source = "autoconfig_http"
	FromGuess        Source = "guess"
)

// Ranks of the sources: the lower, the better. What a provider is known to say comes first, then what
// the domain's owner says, then what others say of the domain, then what could be forged on the way.
const (
	rankTable = iota * 100
	rankSRV
	rankMX
	rankAutoconfig
	rankISPDB
	rankISPDBByMX
	rankAutodiscover
	rankPlainHTTP
	rankGuess
)

// candidate is one server that a source named.
type candidate struct {
	protocol login.Protocol
	server   login.Server
	user     string // a login with placeholders
	source   Source
	rank     int
	// personal candidates were made for one address, not for the domain.
	personal bool
}

// answer is what one source said.
type answer struct {
	source     Source
	candidates []candidate
	// none: the domain says that it does not offer the protocol (an SRV target of ".").
	none []login.Protocol
	// provider is whose mail it is, where the source tells; name is what a document calls it.
	provider *Provider
	mx       []string
}

// encryptionRank orders the candidates of one source: TLS from the first byte before STARTTLS (RFC 8314 §3.3).
func encryptionRank(e login.Encryption) int {
	switch e {
	case login.TLS:
		return 0
	case login.STARTTLS:
		return 1
	case login.Auto, login.None:
	}
	return 2
}

// expand fills a template's placeholders for an address.
// https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat names them.
func expand(template string, a Address) string {
	return strings.NewReplacer(
		"%EMAILADDRESS%", a.Wire(), "%EMAILLOCALPART%", a.Local, "%EMAILDOMAIN%", a.Domain,
	).Replace(template)
}

// loginTemplate makes a template of a login that a document gave: as it is, if it has placeholders;
// otherwise what of the address it is. A login that is neither belongs to this address alone.
func loginTemplate(user string, a Address) (template string, personal bool) {
	user = strings.TrimSpace(user)
	switch {
	case user == "", strings.EqualFold(user, a.Wire()):
		return "%EMAILADDRESS%", false
	case strings.EqualFold(user, a.Local):
		return "%EMAILLOCALPART%", false
	}
	filled := expand(user, a)
	if strings.Contains(filled, "%") && filled != user || strings.Count(filled, "%") > 1 {
		return "%EMAILADDRESS%", false // a placeholder nobody knows
	}
	return user, filled == user
}

// within tells whether a host lies in a domain.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// usable checks a host and port that a stranger's document named.
func usable(host string, port int) (string, bool) {
	h, err := ParseHost(host)
	if err != nil || port < 1 || port > 65535 || net.ParseIP(h) != nil && strings.Contains(h, "%") {
		return "", false
	}
	return h, true
}
