package api

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/providerapps"
)

const (
	maxSecret = 1024
	maxToken  = 8192
	maxHost   = 253
	maxPort   = 65535
)

// createAccount answers POST /accounts: a connection without the wizard.
func (a *API) createAccount(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec := readAccount(f, c.app)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	res, err := a.cfg.Direct.Connect(ctx, c.app, spec)
	if err != nil {
		return answer{}, err
	}
	return c.connected(res), nil
}

// reconnectAccount answers POST /accounts/{id}: the same account with a new credential.
func (a *API) reconnectAccount(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	// Whose account it is comes before what is wrong with the body: a foreign one is unknown.
	acc, err := a.cfg.Accounts.Get(ctx, c.app.ID, id)
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec := readReconnect(f, acc)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	res, err := a.cfg.Direct.Connect(ctx, c.app, spec)
	if err != nil {
		return answer{}, err
	}
	res.Reconnected = true
	return c.connected(res), nil
}

// readAccount reads the body of POST /accounts; see accountRequest.
func readAccount(f *fields, app latchkey.Application) hosted.DirectSpec {
	spec := hosted.DirectSpec{Provider: directProvider(f, app)}
	spec.ExternalID = f.externalID("account_id", false)
	spec.ExpectedIdentity = f.str("expected_identity", text{max: maxIdentity, trim: true, emptyAbsent: f.lenient})
	spec.Metadata = f.flatMap("metadata", maxMetadata, maxMetadataKey, maxMetadataValue)
	spec.NotifyEmail = f.notifyEmail()
	spec.ProviderApp = f.str("provider_app", text{max: maxNameOf, trim: true, emptyAbsent: f.lenient})
	if spec.ProviderApp != "" && !idShape(spec.ProviderApp, "pap_") {
		f.fail("provider_app", errs.CodeInvalidValue, "This is not the id of a provider app.")
	}
	readCredential(f, &spec)
	return spec
}

// readReconnect reads the body of POST /accounts/{id}; see reconnectRequest.
func readReconnect(f *fields, acc latchkey.Account) hosted.DirectSpec {
	spec := hosted.DirectSpec{Provider: acc.Provider, Reconnect: string(acc.ID)}
	if f.lenient {
		// Client libraries repeat what they already say; it must not say something else.
		if again := f.accountRef("account_id", false); again != "" && again != string(acc.ID) && again != acc.ExternalID {
			f.fail("account_id", errs.CodeInvalidValue, "This is not the account that the address names.")
		}
		if p := f.str("provider", text{max: maxNameOf, emptyAbsent: true}); p != "" {
			if parsed, ok := latchkey.ParseProvider(p); !ok || parsed != acc.Provider {
				f.fail("provider", errs.CodeInvalidValue, "The account is of another provider.")
			}
		}
	}
	readCredential(f, &spec)
	return spec
}

// byOAuth tells whether accounts of the provider are connected with tokens.
func byOAuth(p latchkey.Provider) bool { return slices.Contains(providerapps.Providers(), p) }

// byPhone tells whether accounts of the provider are connected by somebody with a phone in hand.
func byPhone(p latchkey.Provider) bool { return p == latchkey.WhatsApp || p == latchkey.Telegram }

// readPhone reads how the phone is to be linked; see PhoneFields.
func readPhone(f *fields) map[string]string {
	v := map[string]string{}
	if m := f.str("method", text{max: maxNameOf, trim: true, emptyAbsent: true}); m != "" {
		if !slices.Contains([]string{"qr", "phone_code", "pairing_code"}, m) {
			f.fail("method", errs.CodeInvalidValue, "This must be qr, phone_code or pairing_code, as the provider has it.")
		}
		v["method"] = m
	}
	if n := f.str("phone", text{max: maxNameOf, trim: true, emptyAbsent: true}); n != "" {
		v["phone"] = n
	}
	return v
}

// readCredential reads a mailbox's password and servers, or tokens; see MailFields and TokenFields.
// Fields of the other kind are refused: who sends them means something else.
func readCredential(f *fields, spec *hosted.DirectSpec) {
	spec.Proxy = f.proxy(byPhone(spec.Provider))
	if spec.AuthServer = f.boolean("auth_server", nil); spec.AuthServer {
		readLent(f, spec)
		return
	}
	tokens := readTokens(f)
	phone := readPhone(f)
	if byPhone(spec.Provider) {
		f.strangers(tokens, "Accounts of this provider are connected with a phone, not with tokens.")
		f.strangers(mailValues(f, spec), "Accounts of this provider are connected with a phone, not as a mailbox.")
		spec.Values = phone
		return
	}
	f.strangers(phone, "Accounts of this provider are not connected with a phone.")
	if !byOAuth(spec.Provider) {
		spec.Values = mailValues(f, spec)
		if spec.Provider != latchkey.Mock {
			requireMail(f, *spec)
		}
		f.strangers(tokens, "Accounts of this provider are connected with a password, not with tokens.")
		return
	}
	mailbox := mailValues(f, spec)
	for name, value := range mailbox {
		if name == "email" || name == "name" {
			tokens[name] = value
			delete(mailbox, name)
		}
	}
	f.strangers(mailbox, "Accounts of this provider are connected with tokens, not with a password.")
	spec.Values = tokens
}

func (f *fields) strangers(values map[string]string, message string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f.fail(name, errs.CodeUnsupported, message)
	}
}

// readTokens reads what an application has of an OAuth account.
func readTokens(f *fields) map[string]string {
	v := map[string]string{}
	put := func(name, value string) {
		if value != "" {
			v[name] = value
		}
	}
	put("access_token", f.str("access_token", text{max: maxToken, trim: true, emptyAbsent: true}))
	put("refresh_token", f.str("refresh_token", text{max: maxToken, trim: true, emptyAbsent: true}))
	put("scope", f.str("scope", text{max: maxToken, trim: true, emptyAbsent: true}))
	if t, ok := f.instant("expires_at", false); ok {
		put("expires_at", t.Format(time.RFC3339))
	}
	return v
}

func directProvider(f *fields, app latchkey.Application) latchkey.Provider {
	s := f.str("provider", text{required: true, max: maxNameOf})
	if s == "" {
		return ""
	}
	p, ok := latchkey.ParseProvider(s)
	if !ok || (p == latchkey.Mock && !app.Test) {
		f.fail("provider", errs.CodeInvalidValue, "This is not a provider that can be connected here.")
		return ""
	}
	return p
}

// mailValues reads what describes a mailbox; see MailFields. The values go to the connector by name.
func mailValues(f *fields, spec *hosted.DirectSpec) map[string]string {
	v := map[string]string{}
	put := func(name, value string) {
		if value != "" {
			v[name] = value
		}
	}
	spec.Email = f.email("email")
	spec.Name = f.str("name", text{max: maxDisplayName, trim: true, emptyAbsent: true})
	for _, side := range []string{"imap", "smtp"} {
		put(side+"_host", f.str(side+"_host", text{max: maxHost, trim: true, emptyAbsent: true}))
		if n, ok := f.integer(side+"_port", 1, maxPort); ok {
			put(side+"_port", strconv.Itoa(n))
		}
		put(side+"_encryption", f.encryption(side+"_encryption"))
		put(side+"_user", f.str(side+"_user", text{max: maxIdentity, trim: true, emptyAbsent: true}))
		put(side+"_password", f.secret(side+"_password"))
	}
	put("password", f.secret("password"))
	if spec.Provider == latchkey.Mock {
		put("username", f.str("username", text{max: maxIdentity, trim: true, emptyAbsent: true}))
	}
	f.unsupported("country", "ip")
	if spec.Email == "" && strings.Contains(v["imap_user"], "@") {
		spec.Email = v["imap_user"]
	}
	put("email", spec.Email)
	put("name", spec.Name)
	return v
}

// requireMail says what a mailbox cannot be connected without.
func requireMail(f *fields, spec hosted.DirectSpec) {
	v := spec.Values
	if spec.Reconnect == "" && spec.Email == "" && !f.failed("email") {
		f.fail("email", errs.CodeRequired, "Say which mailbox it is, by email or by an imap_user that is an address.")
	}
	if v["password"] == "" && v["imap_password"] == "" && v["smtp_password"] == "" && !f.failed("password") {
		f.fail("password", errs.CodeRequired, "Send password, or imap_password and smtp_password.")
	}
}

// failed tells whether something is wrong with the field already.
func (f *fields) failed(name string) bool {
	for _, p := range f.problem {
		if p.Field == name {
			return true
		}
	}
	return false
}

// encryption reads how a server is spoken to. Client libraries send "default" for no opinion.
func (f *fields) encryption(name string) string {
	s := f.str(name, text{max: maxNameOf, emptyAbsent: true})
	switch strings.ToLower(s) {
	case "":
		return ""
	case "tls", "ssl":
		return "tls"
	case "starttls", "none":
		return strings.ToLower(s)
	case "default":
		if f.lenient {
			return ""
		}
	}
	f.fail(name, errs.CodeInvalidValue, "This must be tls, starttls or none.")
	return ""
}

// secret reads a password, exactly as it is: spaces at its ends may be part of it.
func (f *fields) secret(name string) string {
	v := f.get(name)
	if v == nil {
		return ""
	}
	s, ok := unquote(v)
	switch {
	case !ok:
		f.fail(name, errs.CodeInvalidType, "This must be a string.")
	case utf8.RuneCountInString(s) > maxSecret:
		f.fail(name, errs.CodeTooLong, "This may have "+strconv.Itoa(maxSecret)+" characters at most.")
	case strings.ContainsAny(s, "\x00\r\n"):
		f.fail(name, errs.CodeInvalidValue, "This must not contain line breaks.")
	default:
		return s
	}
	return ""
}
