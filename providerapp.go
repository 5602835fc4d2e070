package latchkey

import "time"

// ProviderApp is an OAuth client that the operator registered at a provider, for one application.
// An application may have several of one provider; one of them is the default.
type ProviderApp struct {
	ID            ProviderAppID
	ApplicationID ApplicationID
	Provider      Provider
	Name          string
	ClientID      string
	// ClientSecret and ServiceAccount are sealed at rest and never shown.
	ClientSecret   string
	ServiceAccount string
	Tenant         string
	Cloud          string
	Domain         string
	ExtraScopes    []string
	SkipScopes     []string
	// Protocol is "imap" or "api".
	Protocol string
	Default  bool
	// Flag is the code of what is wrong with the client, as the provider said last; empty while all
	// is well.
	Flag string
	// Declared is the key of the entry in the operator's configuration that the app comes from; empty
	// for apps that were made otherwise.
	Declared  string
	CreatedAt time.Time
	UpdatedAt time.Time
}
