package api

import (
	"github.com/danielgtaylor/huma/v2"

	"latchkey"
)

// providerAppRequest describes the body of POST /provider-apps; readProviderApp reads it.
type providerAppRequest struct {
	Provider string `json:"provider" enum:"GOOGLE,MICROSOFT,LINKEDIN,INSTAGRAM,TELEGRAM,GOOGLE_OAUTH,OUTLOOK"`
	ClientID string `json:"client_id,omitempty" maxLength:"512" doc:"As the provider's console shows it. Not needed with a service_account."`
	ProviderAppFields
}

// providerAppChange describes the body of PATCH /provider-apps/{id}.
type providerAppChange struct {
	Provider string `json:"provider,omitempty" enum:"GOOGLE,MICROSOFT,LINKEDIN,INSTAGRAM,TELEGRAM,GOOGLE_OAUTH,OUTLOOK" doc:"Never changes; it may be repeated."`
	ClientID string `json:"client_id,omitempty" maxLength:"512"`
	ProviderAppFields
}

// ProviderAppFields are what both have. It is exported for the sake of reflection only.
type ProviderAppFields struct {
	Name           string         `json:"name,omitempty" maxLength:"100" doc:"For your own lists."`
	ClientSecret   string         `json:"client_secret,omitempty" maxLength:"1024" writeOnly:"true" doc:"The secret's value. It is never shown again."`
	ServiceAccount serviceAccount `json:"service_account,omitempty"`
	Tenant         string         `json:"tenant,omitempty" maxLength:"253" doc:"Microsoft: common (the default), organizations, consumers, a tenant's id or one of its domains."`
	Cloud          string         `json:"cloud,omitempty" enum:"global,gcc_high,dod,china" doc:"Microsoft: which cloud. Default: global."`
	Domain         string         `json:"domain,omitempty" maxLength:"253" doc:"Google: the Workspace domain to which sign-in is limited."`
	ExtraScopes    []string       `json:"extra_scopes,omitempty" maxItems:"50" nullable:"false" doc:"Scopes to ask for besides those that are needed."`
	SkipScopes     []string       `json:"skip_scopes,omitempty" maxItems:"50" nullable:"false" doc:"Scopes not to ask for."`
	Protocol       string         `json:"protocol,omitempty" enum:"imap,api" doc:"How mail is reached. Default: imap for Google and Microsoft."`
	Default        bool           `json:"default,omitempty" doc:"Use it where a link names none. The first of a provider is the default."`
}

// serviceAccount is a key file, as text or as the object that it is.
type serviceAccount struct{}

// Schema implements huma.SchemaProvider.
func (serviceAccount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		OneOf:       []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeObject, AdditionalProperties: true}},
		WriteOnly:   true,
		Description: "Google: the whole JSON key file of a service account with domain-wide delegation. It is never shown again.",
	}
}

// providerApp is a provider app as it is read. It never holds a secret.
type providerApp struct {
	Object         string   `json:"object" enum:"ProviderApp"`
	ID             string   `json:"id"`
	Provider       string   `json:"provider" enum:"LINKEDIN,INSTAGRAM,GOOGLE,MICROSOFT"`
	Name           string   `json:"name"`
	ClientID       string   `json:"client_id"`
	ClientSecret   bool     `json:"client_secret_set" doc:"Whether there is a client secret."`
	ServiceAccount bool     `json:"service_account_set" doc:"Whether there is a service account's key."`
	Tenant         *string  `json:"tenant"`
	Cloud          *string  `json:"cloud"`
	Domain         *string  `json:"domain"`
	ExtraScopes    []string `json:"extra_scopes" nullable:"false"`
	SkipScopes     []string `json:"skip_scopes" nullable:"false"`
	Protocol       string   `json:"protocol" enum:"imap,api"`
	Default        bool     `json:"default"`
	Flag           *string  `json:"flag" doc:"The code of why the provider refuses it, as it said last; null while all is well."`
	RedirectURI    string   `json:"redirect_uri" doc:"Register this at the provider, exactly."`
	CreatedAt      stamp    `json:"created_at"`
	UpdatedAt      stamp    `json:"updated_at"`
	Test           bool     `json:"test,omitempty"`
}

type providerAppList struct {
	Object string        `json:"object" enum:"ProviderAppList"`
	Items  []providerApp `json:"items" nullable:"false"`
	Cursor *string       `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

type providerAppDeleted struct {
	Object string `json:"object" enum:"ProviderAppDeleted"`
}

type providerAppVerification struct {
	Object      string       `json:"object" enum:"ProviderAppVerification"`
	OK          bool         `json:"ok" doc:"Whether everything that was looked at is right."`
	RedirectURI string       `json:"redirect_uri"`
	Findings    []appFinding `json:"findings" nullable:"false"`
}

type appFinding struct {
	Code   string `json:"code" doc:"What was looked at: client_id, client_secret, redirect_uri, permissions and others."`
	OK     bool   `json:"ok"`
	Detail string `json:"detail" doc:"What to do, and where to click."`
}

func (a *API) showProviderApp(c *call, x latchkey.ProviderApp) providerApp {
	return providerApp{
		Object: "ProviderApp", ID: string(x.ID), Provider: c.typeName(x.Provider), Name: x.Name, ClientID: x.ClientID,
		ClientSecret: x.ClientSecret != "", ServiceAccount: x.ServiceAccount != "", Tenant: orNull(x.Tenant), Cloud: orNull(x.Cloud),
		Domain: orNull(x.Domain), ExtraScopes: append([]string{}, x.ExtraScopes...), SkipScopes: append([]string{}, x.SkipScopes...),
		Protocol: x.Protocol, Default: x.Default, Flag: orNull(x.Flag), RedirectURI: a.redirectURI(),
		CreatedAt: at(x.CreatedAt), UpdatedAt: at(x.UpdatedAt), Test: c.app.Test,
	}
}
