package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// OAuth is where providers are, if not where everybody knows them to be. It is for tests, and for
// clouds of one's own: applications cannot set any of it.
type OAuth struct {
	GoogleIssuer       string `env:"LATCHKEY_GOOGLE_ISSUER" placeholder:"URL" help:"Issuer to use instead of Google's: exactly this discovery document and iss."`
	GoogleAPIURL       string `env:"LATCHKEY_GOOGLE_API_URL" name:"google-api-url" placeholder:"URL" help:"Where the Gmail API is, instead of Google's own."`
	GoogleIMAP         string `env:"LATCHKEY_GOOGLE_IMAP" name:"google-imap" placeholder:"URL" help:"IMAP server of Google's mailboxes: imaps://host:993 or imap+starttls://host:143."`
	GoogleSMTP         string `env:"LATCHKEY_GOOGLE_SMTP" name:"google-smtp" placeholder:"URL" help:"SMTP server of Google's mailboxes: smtps://host:465 or smtp+starttls://host:587."`
	MicrosoftIssuer    string `env:"LATCHKEY_MICROSOFT_ISSUER" placeholder:"URL" help:"Issuer to use instead of Microsoft's: exactly this discovery document and iss."`
	MicrosoftAuthority string `env:"LATCHKEY_MICROSOFT_AUTHORITY" placeholder:"URL" help:"Sign-in host of every Microsoft cloud, instead of Microsoft's own."`
	MicrosoftGraphURL  string `env:"LATCHKEY_MICROSOFT_GRAPH_URL" name:"microsoft-graph-url" placeholder:"URL" help:"Where Microsoft Graph is, instead of Microsoft's own."`
	MicrosoftIMAP      string `env:"LATCHKEY_MICROSOFT_IMAP" name:"microsoft-imap" placeholder:"URL" help:"IMAP server of Microsoft's mailboxes."`
	MicrosoftSMTP      string `env:"LATCHKEY_MICROSOFT_SMTP" name:"microsoft-smtp" placeholder:"URL" help:"SMTP server of Microsoft's mailboxes."`
	LinkedInIssuer     string `env:"LATCHKEY_LINKEDIN_ISSUER" name:"linkedin-issuer" placeholder:"URL" help:"Issuer to use instead of LinkedIn's: exactly this discovery document and iss."`
	LinkedInURL        string `env:"LATCHKEY_LINKEDIN_URL" name:"linkedin-url" placeholder:"URL" help:"Replaces both of LinkedIn's hosts."`
	InstagramURL       string `env:"LATCHKEY_INSTAGRAM_URL" placeholder:"URL" help:"Replaces all of Instagram's hosts."`

	RefreshRate float64 `env:"LATCHKEY_REFRESH_RATE" default:"50" placeholder:"N" help:"How many credentials of one provider all servers together renew in a second."`
}

// MailServer is a mail server as the configuration names it.
type MailServer struct {
	Host string
	Port int
	// TLS says that it speaks TLS from the first byte; otherwise STARTTLS comes first.
	TLS bool
}

func (c *OAuth) check(add func(variable, format string, args ...any)) {
	for variable, value := range map[string]*string{
		"LATCHKEY_GOOGLE_ISSUER": &c.GoogleIssuer, "LATCHKEY_GOOGLE_API_URL": &c.GoogleAPIURL,
		"LATCHKEY_MICROSOFT_ISSUER": &c.MicrosoftIssuer, "LATCHKEY_MICROSOFT_AUTHORITY": &c.MicrosoftAuthority,
		"LATCHKEY_MICROSOFT_GRAPH_URL": &c.MicrosoftGraphURL, "LATCHKEY_LINKEDIN_ISSUER": &c.LinkedInIssuer,
		"LATCHKEY_LINKEDIN_URL": &c.LinkedInURL, "LATCHKEY_INSTAGRAM_URL": &c.InstagramURL,
	} {
		if !goodEndpoint(*value) {
			add(variable, "must be a URL that begins with https://, without user, query and fragment; http:// is for loopback only")
			continue
		}
		// An issuer is compared byte by byte: its slash, or none, is part of it (OpenID Connect Discovery 1.0 §4.3).
		if !strings.HasSuffix(variable, "_ISSUER") {
			*value = strings.TrimRight(*value, "/")
		}
	}
	for variable, m := range map[string]struct{ value, protocol string }{
		"LATCHKEY_GOOGLE_IMAP": {c.GoogleIMAP, "imap"}, "LATCHKEY_GOOGLE_SMTP": {c.GoogleSMTP, "smtp"},
		"LATCHKEY_MICROSOFT_IMAP": {c.MicrosoftIMAP, "imap"}, "LATCHKEY_MICROSOFT_SMTP": {c.MicrosoftSMTP, "smtp"},
	} {
		if _, ok := ParseMailServer(m.value, m.protocol); !ok {
			add(variable, "must be %ss://host:port, or %s+starttls://host:port", m.protocol, m.protocol)
		}
	}
	if !(c.RefreshRate > 0) {
		add("LATCHKEY_REFRESH_RATE", "must be a number of credentials per second, above 0")
	}
}

// goodEndpoint tells whether secrets may be sent to the address; an empty one is none.
func goodEndpoint(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// ParseMailServer reads imaps://h:993, imap+starttls://h:143 and the same with smtp. An empty address
// is the zero MailServer.
func ParseMailServer(s, protocol string) (MailServer, bool) {
	if s == "" {
		return MailServer{}, true
	}
	scheme, hostport, ok := strings.Cut(s, "://")
	if !ok || scheme != protocol+"s" && scheme != protocol+"+starttls" {
		return MailServer{}, false
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(hostport, "/"))
	if err != nil || host == "" || strings.ContainsAny(host, "/@?# ") {
		return MailServer{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return MailServer{}, false
	}
	return MailServer{Host: host, Port: int(n), TLS: scheme == protocol+"s"}, true
}
