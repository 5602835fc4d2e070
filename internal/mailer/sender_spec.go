package mailer

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
)

// Limits of what a sender may hold.
const (
	MaxSenderName     = 100
	MaxSenderEmail    = 254
	MaxHost           = 253
	MaxUsername       = 254
	MaxSenderSecret   = 1024
	MaxServiceAccount = 16 << 10
	MaxClientID       = 512
	maxSenders        = 20
	// maxSecretAhead is far beyond what any provider lets a secret live.
	maxSecretAhead = 20 * 365 * 24 * time.Hour
)

// SenderSpec is what somebody wants of a sender. What is nil stays as it is.
type SenderSpec struct {
	Kind, Email, Name *string

	Host               *string
	Port               *int
	Username, Password *string

	Provider, ClientID, ClientSecret, Tenant, ServiceAccount, Transport *string
	// SecretExpiresAt is when the client secret ends; the zero time takes it away.
	SecretExpiresAt *time.Time
	Fallback        *bool
	// Locale is the language of the mail that asks for the proof.
	Locale string
}

// submissionPorts are where hosts take mail for sending. Others only where the operator lists them.
func submissionPorts() []int { return []int{25, 465, 587, 2465, 2525, 2587} }

var (
	guid     = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	hostname = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)
)

// senderChecker applies a SenderSpec and gathers everything that is wrong with it. No message holds
// a value.
type senderChecker struct {
	s, was   latchkey.Sender
	portOpen func(int) bool
	now      time.Time
	problems []errs.FieldError
}

func (c *senderChecker) fail(field string, code errs.Code, message string) {
	c.problems = append(c.problems, errs.FieldError{Field: field, Code: code, Message: message})
}

// Apply puts the spec on a sender (an empty one to make a new one), and says all that is wrong with
// the result. A secret that would go to another host, or serve another login, is taken away: it has
// to be given again.
func (s *Senders) Apply(was latchkey.Sender, w SenderSpec) (latchkey.Sender, []errs.FieldError) {
	c := &senderChecker{s: was, was: was, portOpen: s.cfg.PortOpen, now: s.m.now()}
	c.kind(w.Kind)
	c.email(w.Email)
	put(&c.s.Name, w.Name)
	c.name()
	if w.Fallback != nil {
		c.s.Fallback = *w.Fallback
	}
	switch c.s.Kind {
	case latchkey.SenderBasic:
		c.basic(w)
		c.foreign("oauth", map[string]bool{
			"provider": w.Provider != nil, "client_id": w.ClientID != nil, "client_secret": w.ClientSecret != nil, "tenant_id": w.Tenant != nil,
			"service_account": w.ServiceAccount != nil, "transport": w.Transport != nil, "secret_expires_at": w.SecretExpiresAt != nil,
		})
	case latchkey.SenderOAuth:
		c.oauth(w)
		c.foreign("basic", map[string]bool{"host": w.Host != nil, "port": w.Port != nil, "username": w.Username != nil, "password": w.Password != nil})
	}
	return c.s, c.problems
}

func put(field, value *string) {
	if value != nil {
		*field = strings.TrimSpace(*value)
	}
}

// required puts a text on a field that must have one.
func (c *senderChecker) required(name string, field, value *string, limit int) bool {
	put(field, value)
	switch {
	case *field == "":
		c.fail(name, errs.CodeRequired, "This field is required.")
	case utf8.RuneCountInString(*field) > limit:
		c.fail(name, errs.CodeTooLong, "This may have "+strconv.Itoa(limit)+" characters at most.")
	case !utf8.ValidString(*field) || strings.ContainsFunc(*field, unicode.IsControl):
		c.fail(name, errs.CodeInvalidValue, "This must not contain control characters.")
	default:
		return true
	}
	return false
}

// foreign refuses fields that belong to the other kind.
func (c *senderChecker) foreign(kind string, given map[string]bool) {
	for _, field := range []string{
		"host", "port", "username", "password", "provider", "client_id", "client_secret", "tenant_id", "service_account", "transport", "secret_expires_at",
	} {
		if given[field] {
			c.fail(field, errs.CodeUnsupported, "Only senders of kind "+kind+" have this. Leave it out.")
		}
	}
}

func (c *senderChecker) kind(wish *string) {
	if wish == nil {
		if c.s.Kind == "" {
			c.fail("kind", errs.CodeRequired, "This must be basic or oauth.")
		}
		return
	}
	switch k := latchkey.SenderKind(strings.ToLower(strings.TrimSpace(*wish))); {
	case k != latchkey.SenderBasic && k != latchkey.SenderOAuth:
		c.fail("kind", errs.CodeInvalidValue, "This must be basic or oauth.")
	case c.s.Kind != "" && c.s.Kind != k:
		c.fail("kind", errs.CodeInvalidValue, "The kind never changes. Make another sender.")
	default:
		c.s.Kind = k
	}
}

func (c *senderChecker) email(wish *string) {
	if wish == nil {
		if c.s.Email == "" {
			c.fail("sender_email", errs.CodeRequired, "This field is required.")
		}
		return
	}
	a, err := address.Parse(*wish)
	switch {
	case strings.TrimSpace(*wish) == "":
		c.fail("sender_email", errs.CodeRequired, "This field is required.")
	case err != nil:
		c.fail("sender_email", errs.CodeInvalidEmail, "This must be one email address like login@acme.io, without quotes and names.")
	default:
		c.s.Email, c.s.Address = a.Typed, a.Canonical
	}
}

// name is shown before the address. What turns lines around could make it another's.
func (c *senderChecker) name() {
	switch n := c.s.Name; {
	case utf8.RuneCountInString(n) > MaxSenderName:
		c.fail("sender_name", errs.CodeTooLong, "This may have "+strconv.Itoa(MaxSenderName)+" characters at most.")
	case !utf8.ValidString(n) || strings.ContainsFunc(n, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
	}):
		c.fail("sender_name", errs.CodeInvalidValue, "This must not contain control characters.")
	}
}

func (c *senderChecker) basic(w SenderSpec) {
	c.s.Transport = latchkey.TransportSMTP
	if c.required("host", &c.s.Host, w.Host, MaxHost) {
		c.host()
	}
	if w.Port != nil {
		c.s.Port = *w.Port
	}
	switch p := c.s.Port; {
	case p == 0 && w.Port == nil:
		c.fail("port", errs.CodeRequired, "This field is required; 587 is usual.")
	case p < 1 || p > 65535:
		c.fail("port", errs.CodeOutOfRange, "This must be from 1 to 65535.")
	case !slices.Contains(submissionPorts(), p) && (c.portOpen == nil || !c.portOpen(p)):
		c.fail("port", errs.CodePortNotAllowed, "This must be 25, 465, 587, 2465, 2525 or 2587, unless the operator allows another in LATCHKEY_ALLOW_MAIL.")
	}
	c.required("username", &c.s.Username, w.Username, MaxUsername)
	moved := c.s.Host != c.was.Host || c.s.Port != c.was.Port || c.s.Username != c.was.Username
	c.secret("password", &c.s.Password, w.Password, moved, "host, port or username")
}

// host keeps a name in its ASCII form (RFC 5891 §5), or an address.
func (c *senderChecker) host() {
	h := strings.TrimSuffix(strings.ToLower(c.s.Host), ".")
	if a, err := netip.ParseAddr(strings.Trim(h, "[]")); err == nil && a.Zone() == "" {
		c.s.Host = a.Unmap().String()
		return
	}
	if ascii(h) && hostname.MatchString(h) && len(h) <= MaxHost {
		c.s.Host = h
		return
	}
	name, err := idna.Lookup.ToASCII(h)
	if err != nil || !hostname.MatchString(name) || len(name) > MaxHost {
		c.fail("host", errs.CodeInvalidValue, "This must be the name of a server like smtp.postmarkapp.com, without a scheme and without a port.")
		return
	}
	c.s.Host = name
}

// secret puts a new secret, keeps the old one, or takes it away where it would reach somebody else.
func (c *senderChecker) secret(name string, field, given *string, moved bool, because string) {
	had := *field != ""
	switch {
	case given != nil:
		// Copied from a console, it often brings a line break along.
		*field = strings.Trim(*given, "\r\n")
	case moved && had:
		*field = ""
		c.fail(name, errs.CodeRequired, "Give this again: it is cleared when "+because+" changes, so that nobody can have it sent elsewhere.")
		return
	}
	switch {
	case *field == "":
		c.fail(name, errs.CodeRequired, "This field is required.")
	case utf8.RuneCountInString(*field) > MaxSenderSecret:
		c.fail(name, errs.CodeTooLong, "This may have "+strconv.Itoa(MaxSenderSecret)+" characters at most.")
	case !utf8.ValidString(*field) || strings.ContainsFunc(*field, unicode.IsControl):
		c.fail(name, errs.CodeInvalidValue, "This must not contain control characters.")
	}
}

func (c *senderChecker) oauth(w SenderSpec) {
	c.provider(w.Provider)
	c.transport(w.Transport)
	c.secretEnd(w)
	switch c.s.Provider {
	case latchkey.Google:
		c.google(w)
	case latchkey.Microsoft:
		c.microsoft(w)
	}
}

func (c *senderChecker) provider(wish *string) {
	if wish == nil {
		if c.s.Provider == "" {
			c.fail("provider", errs.CodeRequired, "This must be microsoft or google.")
		}
		return
	}
	p, _ := latchkey.ParseProvider(strings.ToUpper(strings.TrimSpace(*wish)))
	switch {
	case p != latchkey.Microsoft && p != latchkey.Google:
		c.fail("provider", errs.CodeInvalidValue, "This must be microsoft or google.")
	case c.s.Provider != "" && c.s.Provider != p:
		c.fail("provider", errs.CodeInvalidValue, "The provider never changes. Make another sender.")
	default:
		c.s.Provider = p
	}
}

func (c *senderChecker) transport(wish *string) {
	if wish != nil {
		c.s.Transport = latchkey.Transport(strings.ToLower(strings.TrimSpace(*wish)))
	}
	switch t := c.s.Transport; {
	case t == "":
		c.s.Transport = latchkey.TransportSMTP
	case t != latchkey.TransportSMTP && t != latchkey.TransportGraph:
		c.fail("transport", errs.CodeInvalidValue, "This must be smtp or graph.")
	case t == latchkey.TransportGraph && c.s.Provider == latchkey.Google:
		c.fail("transport", errs.CodeUnsupported, "Microsoft Graph sends for Microsoft only. Leave this out.")
	}
}

func (c *senderChecker) secretEnd(w SenderSpec) {
	switch {
	case w.SecretExpiresAt != nil:
		c.s.SecretExpiresAt = w.SecretExpiresAt.UTC().Truncate(time.Millisecond)
		if w.SecretExpiresAt.IsZero() {
			c.s.SecretExpiresAt = time.Time{}
		} else if c.s.SecretExpiresAt.Year() < 2000 || c.s.SecretExpiresAt.After(c.now.Add(maxSecretAhead)) {
			c.fail("secret_expires_at", errs.CodeOutOfRange, "This must be the day on which the client secret ends, within 20 years.")
		}
	case w.ClientSecret != nil && strings.Trim(*w.ClientSecret, "\r\n") != c.was.ClientSecret:
		c.s.SecretExpiresAt = time.Time{} // another secret ends at another time
	}
	if !c.s.SecretExpiresAt.Equal(c.was.SecretExpiresAt) {
		c.s.SecretTold = 0
	}
}

func (c *senderChecker) microsoft(w SenderSpec) {
	if w.ServiceAccount != nil && *w.ServiceAccount != "" {
		c.fail("service_account", errs.CodeUnsupported, "Only Google has service accounts. Leave this out.")
	}
	if c.required("client_id", &c.s.ClientID, w.ClientID, MaxClientID) && !guid.MatchString(c.s.ClientID) {
		c.fail("client_id", errs.CodeInvalidValue, "This must be the Application (client) ID of the app registration's overview.")
	}
	c.required("tenant_id", &c.s.Tenant, w.Tenant, MaxHost)
	c.s.Tenant = strings.ToLower(c.s.Tenant)
	switch t := c.s.Tenant; {
	case t == "", guid.MatchString(t):
	case t == "common", t == "organizations", t == "consumers", !hostname.MatchString(t), !strings.Contains(t, "."):
		c.fail("tenant_id", errs.CodeInvalidValue, "This must be the Directory (tenant) ID of the app registration's overview, or one of the tenant's domains.")
	}
	moved := c.s.ClientID != c.was.ClientID || c.s.Tenant != c.was.Tenant
	c.secret("client_secret", &c.s.ClientSecret, w.ClientSecret, moved, "client_id or tenant_id")
	if guid.MatchString(c.s.ClientSecret) {
		c.fail("client_secret", errs.CodeInvalidValue, "This looks like the Secret ID. Take the secret's Value, which is shown only when it is made.")
	}
}

// google wants the key of a service account; whose mailbox it may use follows from domain-wide delegation.
func (c *senderChecker) google(w SenderSpec) {
	for field, given := range map[string]*string{"client_id": w.ClientID, "client_secret": w.ClientSecret, "tenant_id": w.Tenant} {
		if given != nil && *given != "" {
			c.fail(field, errs.CodeUnsupported, "Google sends with a service account: give service_account, and leave this out.")
		}
	}
	put(&c.s.ServiceAccount, w.ServiceAccount)
	switch _, err := readServiceAccount(c.s.ServiceAccount); {
	case c.s.ServiceAccount == "":
		c.fail("service_account", errs.CodeRequired, "This field is required.")
	case len(c.s.ServiceAccount) > MaxServiceAccount:
		c.fail("service_account", errs.CodeTooLong, "This may have "+strconv.Itoa(MaxServiceAccount)+" characters at most.")
	case err != nil || !strings.Contains(c.s.ServiceAccount, "PRIVATE KEY"):
		c.fail("service_account", errs.CodeInvalidValue, "This must be the whole JSON key file of a service account.")
	}
}

// sends tells whether a change touches how mail is sent, so that it has to be tried again.
func sends(was, now latchkey.Sender) bool {
	return was.Email != now.Email || was.Host != now.Host || was.Port != now.Port || was.Username != now.Username || was.Password != now.Password ||
		was.ClientID != now.ClientID || was.ClientSecret != now.ClientSecret || was.Tenant != now.Tenant || was.ServiceAccount != now.ServiceAccount ||
		was.Transport != now.Transport
}

// consents tells whether a change touches what the owner of the address agreed to: the address, or
// who handles the mail that comes from it.
func consents(was, now latchkey.Sender) bool {
	return was.Address != now.Address || was.Host != now.Host || was.Username != now.Username || was.ClientID != now.ClientID ||
		was.Tenant != now.Tenant || was.ServiceAccount != now.ServiceAccount
}
