package providerapps

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
)

// Limits of what a provider app may hold.
const (
	MaxName           = 100
	MaxClientID       = 512
	MaxSecret         = 1024
	MaxServiceAccount = 16 << 10
	MaxScopes         = 50
	MaxScope          = 512
	maxTenant         = 253
	maxPerApplication = 50
)

// How mail is reached.
const (
	ProtocolIMAP = "imap"
	ProtocolAPI  = "api"
)

const cloudGlobal = "global"

// Spec is what somebody wants of a provider app. What is nil stays as it is.
type Spec struct {
	Provider       *string
	Name           *string
	ClientID       *string
	ClientSecret   *string
	ServiceAccount *string
	Tenant         *string
	Cloud          *string
	Domain         *string
	Protocol       *string
	ExtraScopes    *[]string
	SkipScopes     *[]string
	Default        *bool
}

// Providers are those whose accounts are reached through a provider app.
func Providers() []latchkey.Provider {
	return []latchkey.Provider{latchkey.Google, latchkey.Microsoft, latchkey.LinkedIn, latchkey.Instagram, latchkey.Telegram}
}

var (
	guid     = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	apiID    = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)
	apiHash  = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
	hostname = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9-]{2,63}$`)
	// scopeToken is RFC 6749 §3.3.
	scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)
)

// checker applies a Spec and gathers everything that is wrong with it. No message holds a value.
type checker struct {
	app      latchkey.ProviderApp
	problems []errs.FieldError
}

func (c *checker) fail(field string, code errs.Code, message string) {
	c.problems = append(c.problems, errs.FieldError{Field: field, Code: code, Message: message})
}

// Apply puts the spec on an app (an empty one to make a new one), and says what is wrong with the
// result, all of it at once.
func Apply(app latchkey.ProviderApp, s Spec) (latchkey.ProviderApp, []errs.FieldError) {
	c := &checker{app: app}
	c.provider(s.Provider)
	set(&c.app.Name, s.Name)
	set(&c.app.ClientID, s.ClientID)
	set(&c.app.Tenant, s.Tenant)
	set(&c.app.Cloud, s.Cloud)
	set(&c.app.Domain, s.Domain)
	set(&c.app.Protocol, s.Protocol)
	if s.ClientSecret != nil {
		// Copied from a console, it often brings a line break along.
		c.app.ClientSecret = strings.TrimSpace(*s.ClientSecret)
	}
	set(&c.app.ServiceAccount, s.ServiceAccount)
	if s.ExtraScopes != nil {
		c.app.ExtraScopes = slices.Clone(*s.ExtraScopes)
	}
	if s.SkipScopes != nil {
		c.app.SkipScopes = slices.Clone(*s.SkipScopes)
	}
	if s.Default != nil {
		c.app.Default = *s.Default
	}
	c.name()
	c.client()
	if slices.Contains(Providers(), c.app.Provider) {
		c.serviceAccount()
		c.microsoft()
		c.domain()
		c.protocol()
	}
	c.scopes("extra_scopes", c.app.ExtraScopes)
	c.scopes("skip_scopes", c.app.SkipScopes)
	return c.app, c.problems
}

func set(field, value *string) {
	if value != nil {
		*field = strings.TrimSpace(*value)
	}
}

func (c *checker) provider(wish *string) {
	if wish == nil {
		if c.app.Provider == "" {
			c.fail("provider", errs.CodeRequired, "This field is required.")
		}
		return
	}
	p, ok := latchkey.ParseProvider(*wish)
	switch {
	case !ok || !slices.Contains(Providers(), p):
		c.fail("provider", errs.CodeInvalidValue, "This must be GOOGLE, MICROSOFT, LINKEDIN, INSTAGRAM or TELEGRAM.")
	case c.app.Provider != "" && c.app.Provider != p:
		c.fail("provider", errs.CodeInvalidValue, "The provider never changes. Make another provider app.")
	default:
		c.app.Provider = p
	}
}

func (c *checker) name() {
	switch {
	case c.app.Name == "":
		c.app.Name = string(c.app.Provider)
	case utf8.RuneCountInString(c.app.Name) > MaxName:
		c.fail("name", errs.CodeTooLong, "This may have "+strconv.Itoa(MaxName)+" characters at most.")
	case !utf8.ValidString(c.app.Name) || strings.ContainsFunc(c.app.Name, unicode.IsControl):
		c.fail("name", errs.CodeInvalidValue, "This must not contain control characters.")
	}
}

// visible tells whether s is one word of visible ASCII (RFC 6749 §A.1, §A.2 allow no more, but for spaces).
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (c *checker) client() {
	switch id := c.app.ClientID; {
	case id == "" && c.app.ServiceAccount != "":
	case id == "":
		c.fail("client_id", errs.CodeRequired, "This field is required.")
	case len(id) > MaxClientID:
		c.fail("client_id", errs.CodeTooLong, "This may have "+strconv.Itoa(MaxClientID)+" characters at most.")
	case !visible(id):
		c.fail("client_id", errs.CodeInvalidValue, "A client id has no spaces and no characters other than ASCII.")
	case c.app.Provider == latchkey.Telegram && !apiID.MatchString(id):
		c.fail("client_id", errs.CodeInvalidValue, "This must be the api_id, a number, that my.telegram.org shows.")
	case c.app.Provider == latchkey.Microsoft && !guid.MatchString(id):
		c.fail("client_id", errs.CodeInvalidValue, "This must be the Application (client) ID of the app registration's overview.")
	}
	switch secret := c.app.ClientSecret; {
	case secret == "" && c.app.ServiceAccount != "":
	case secret == "":
		c.fail("client_secret", errs.CodeRequired, "This field is required.")
	case len(secret) > MaxSecret:
		c.fail("client_secret", errs.CodeTooLong, "This may have "+strconv.Itoa(MaxSecret)+" characters at most.")
	case !visible(secret):
		c.fail("client_secret", errs.CodeInvalidValue, "A client secret has no spaces and no characters other than ASCII.")
	case c.app.Provider == latchkey.Telegram && !apiHash.MatchString(secret):
		c.fail("client_secret", errs.CodeInvalidValue, "This must be the api_hash, 32 hexadecimal digits, that my.telegram.org shows.")
	case c.app.Provider == latchkey.Microsoft && guid.MatchString(secret):
		c.fail("client_secret", errs.CodeInvalidValue, "This looks like the Secret ID. Take the secret's Value, which is shown only when it is made.")
	}
}

func (c *checker) serviceAccount() {
	text := c.app.ServiceAccount
	if text == "" {
		return
	}
	if c.app.Provider != latchkey.Google {
		c.fail("service_account", errs.CodeUnsupported, "Only Google has service accounts.")
		return
	}
	var key struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		PrivateKey string `json:"private_key"`
	}
	switch err := json.Unmarshal([]byte(text), &key); {
	case len(text) > MaxServiceAccount:
		c.fail("service_account", errs.CodeTooLong, "This may have "+strconv.Itoa(MaxServiceAccount)+" characters at most.")
	case err != nil || key.Type != "service_account" || key.Email == "" || !strings.Contains(key.PrivateKey, "PRIVATE KEY"):
		c.fail("service_account", errs.CodeInvalidValue, "This must be the whole JSON key file of a service account.")
	}
}

// microsoft checks what only Microsoft has: which tenant signs in, and on which cloud.
func (c *checker) microsoft() {
	if c.app.Provider != latchkey.Microsoft {
		if c.app.Tenant != "" {
			c.fail("tenant", errs.CodeUnsupported, "Only Microsoft has tenants. Leave this out.")
		}
		if c.app.Cloud != "" {
			c.fail("cloud", errs.CodeUnsupported, "Only Microsoft has clouds. Leave this out.")
		}
		return
	}
	if c.app.Tenant == "" {
		c.app.Tenant = "common"
	}
	if c.app.Cloud == "" {
		c.app.Cloud = cloudGlobal
	}
	switch t := c.app.Tenant; {
	case t == "common" || t == "organizations" || t == "consumers":
	case len(t) > maxTenant || !guid.MatchString(t) && !hostname.MatchString(t):
		c.fail("tenant", errs.CodeInvalidValue, "This must be common, organizations, consumers, a tenant's id or one of its domains.")
	}
	switch c.app.Cloud {
	case cloudGlobal:
	case "gcc_high", "dod", "china":
		if c.app.Tenant == "consumers" {
			c.fail("tenant", errs.CodeInvalidValue, "Personal accounts exist on the global cloud only.")
		}
	default:
		c.fail("cloud", errs.CodeInvalidValue, "This must be global, gcc_high, dod or china.")
	}
}

func (c *checker) domain() {
	d := c.app.Domain
	switch {
	case d == "":
	case c.app.Provider != latchkey.Google:
		c.fail("domain", errs.CodeUnsupported, "Only Google limits sign-in to a Workspace domain. Leave this out.")
	case len(d) > maxTenant || !hostname.MatchString(d):
		c.fail("domain", errs.CodeInvalidValue, "This must be a domain like acme.io.")
	}
}

func (c *checker) protocol() {
	mail := c.app.Provider == latchkey.Google || c.app.Provider == latchkey.Microsoft
	switch p := c.app.Protocol; {
	case p == "" && mail:
		c.app.Protocol = ProtocolIMAP
	case p == "":
		c.app.Protocol = ProtocolAPI
	case p == ProtocolIMAP && !mail:
		c.fail("protocol", errs.CodeUnsupported, "This provider is reached through its API only.")
	case p != ProtocolIMAP && p != ProtocolAPI:
		c.fail("protocol", errs.CodeInvalidValue, "This must be imap or api.")
	}
}

func (c *checker) scopes(field string, scopes []string) {
	if len(scopes) > MaxScopes {
		c.fail(field, errs.CodeTooLong, "This list may have "+strconv.Itoa(MaxScopes)+" entries at most.")
		return
	}
	for i, s := range scopes {
		if len(s) > MaxScope || !scopeToken.MatchString(s) {
			c.fail(field+"["+strconv.Itoa(i)+"]", errs.CodeInvalidValue, "A scope is one word, without spaces, quotes and backslashes.")
		}
	}
}
