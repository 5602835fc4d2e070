package latchkey

import (
	"slices"
	"strings"
)

// Provider is a third party at which end users have accounts.
type Provider string

// Providers that the product knows. Which of them can be offered depends on the installation.
const (
	LinkedIn  Provider = "LINKEDIN"
	WhatsApp  Provider = "WHATSAPP"
	Instagram Provider = "INSTAGRAM"
	Telegram  Provider = "TELEGRAM"
	Google    Provider = "GOOGLE"
	Microsoft Provider = "MICROSOFT"
	IMAP      Provider = "IMAP"
	// Mock plays every step and every failure; it exists in test applications only.
	Mock Provider = "MOCK"
)

// Wildcards that may stand where provider names may.
const (
	AllProviders       = "*"
	MailingProviders   = "*:MAILING"
	MessagingProviders = "*:MESSAGING"
)

// HasMailboxes tells whether the provider's accounts are mailboxes, whose identity is an address. MOCK
// plays them.
func (p Provider) HasMailboxes() bool {
	return p == Google || p == Microsoft || p == IMAP || p == Mock
}

// Providers returns every provider in the order in which a picker shows them.
func Providers() []Provider {
	return []Provider{Google, Microsoft, IMAP, LinkedIn, WhatsApp, Instagram, Telegram, Mock}
}

// ParseProvider turns a name or one of the aliases that rivals' clients use into a provider.
func ParseProvider(s string) (Provider, bool) {
	switch p := Provider(strings.ToUpper(s)); p {
	case LinkedIn, WhatsApp, Instagram, Telegram, Google, Microsoft, IMAP, Mock:
		return p, true
	case "OUTLOOK":
		return Microsoft, true
	case "MAIL":
		return IMAP, true
	case "GOOGLE_OAUTH":
		return Google, true
	default:
		return "", false
	}
}

// ParseProviderWish accepts what may stand in a link's list of providers: a name, an alias or a wildcard.
func ParseProviderWish(s string) (string, bool) {
	switch up := strings.ToUpper(s); up {
	case AllProviders, MailingProviders, MessagingProviders:
		return up, true
	}
	p, ok := ParseProvider(s)
	return string(p), ok
}

// Wished tells whether a link's wish list covers the provider. MOCK is covered by "*" and by its
// name; whether it may be offered at all is the application's matter.
func Wished(wishes []string, p Provider) bool {
	return slices.ContainsFunc(wishes, func(w string) bool {
		switch w {
		case AllProviders:
			return true
		case MailingProviders:
			return p == Google || p == Microsoft || p == IMAP
		case MessagingProviders:
			return p == LinkedIn || p == WhatsApp || p == Instagram || p == Telegram
		default:
			return w == string(p)
		}
	})
}
