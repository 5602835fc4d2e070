package api

import (
	"encoding/json"

	"latchkey"
)

// accountRequest describes the body of POST /accounts; readAccount reads it.
type accountRequest struct {
	Provider         string            `json:"provider" enum:"IMAP,MAIL,GOOGLE,GOOGLE_OAUTH,MICROSOFT,OUTLOOK,LINKEDIN,INSTAGRAM,WHATSAPP,TELEGRAM,MOCK" doc:"MOCK exists in test applications."`
	AccountID        string            `json:"account_id,omitempty" maxLength:"256" pattern:"^[A-Za-z0-9._~@-]{1,256}$" doc:"Your own name for the account."`
	ExpectedIdentity string            `json:"expected_identity,omitempty" maxLength:"320" doc:"The only identity that will be accepted."`
	Metadata         map[string]string `json:"metadata,omitempty" maxProperties:"50" doc:"Up to 50 strings of yours."`
	NotifyEmail      string            `json:"notify_email,omitempty" format:"email" doc:"Where its end user is asked to reconnect when it breaks, if the application has that switched on."`
	ProviderApp      string            `json:"provider_app,omitempty" pattern:"^pap_[0-9a-z]{26}$" doc:"The provider app that the tokens were given to. Default: the provider's default."`
	LentFields
	MailFields
	TokenFields
	PhoneFields
	ProxyField
}

// LentFields say where the credential is. It is exported for the sake of reflection only.
type LentFields struct {
	AuthServer bool `json:"auth_server,omitempty" doc:"Your authentication server keeps the credential: send no password and no token. For IMAP, GOOGLE and MICROSOFT; a new account needs account_id."`
}

// reconnectRequest describes the body of POST /accounts/{id}; readReconnect reads it.
type reconnectRequest struct {
	LentFields
	MailFields
	TokenFields
	PhoneFields
	ProxyField
}

// TokenFields are OAuth tokens that the application has already. It is exported for the sake of
// reflection only.
type TokenFields struct {
	AccessToken  string `json:"access_token,omitempty" maxLength:"8192" writeOnly:"true" doc:"Of providers with OAuth."`
	RefreshToken string `json:"refresh_token,omitempty" maxLength:"8192" writeOnly:"true" doc:"Without it, the account works until the access token ends."`
	TokenExpires string `json:"expires_at,omitempty" format:"date-time" doc:"When the access token ends."`
	Scope        string `json:"scope,omitempty" maxLength:"8192" doc:"The scopes that were granted, by spaces."`
}

// PhoneFields say how an account is linked by somebody with a phone in hand. The answer is a
// Checkpoint. It is exported for the sake of reflection only.
type PhoneFields struct {
	Method string `json:"method,omitempty" enum:"qr,phone_code,pairing_code" doc:"Of WHATSAPP and TELEGRAM. Default: qr."`
	Phone  string `json:"phone,omitempty" maxLength:"64" doc:"The phone number with its country code, for phone_code and pairing_code. Without it the checkpoint asks for it."`
}

// MailFields describes a mailbox and its servers. It is exported for the sake of reflection only.
type MailFields struct {
	Email          string `json:"email,omitempty" format:"email" doc:"The mailbox. Default: imap_user, if that is an address."`
	Name           string `json:"name,omitempty" maxLength:"256" doc:"The person's display name."`
	Password       string `json:"password,omitempty" maxLength:"1024" writeOnly:"true" doc:"For both servers, unless they have their own below."`
	IMAPHost       string `json:"imap_host,omitempty" maxLength:"253"`
	IMAPPort       int    `json:"imap_port,omitempty" minimum:"1" maximum:"65535"`
	IMAPEncryption string `json:"imap_encryption,omitempty" enum:"tls,ssl,starttls,none" doc:"ssl is tls. none is refused for hosts that the operator has not allowed it for."`
	IMAPUser       string `json:"imap_user,omitempty" maxLength:"320"`
	IMAPPassword   string `json:"imap_password,omitempty" maxLength:"1024" writeOnly:"true"`
	SMTPHost       string `json:"smtp_host,omitempty" maxLength:"253"`
	SMTPPort       int    `json:"smtp_port,omitempty" minimum:"1" maximum:"65535"`
	SMTPEncryption string `json:"smtp_encryption,omitempty" enum:"tls,ssl,starttls,none"`
	SMTPUser       string `json:"smtp_user,omitempty" maxLength:"320"`
	SMTPPassword   string `json:"smtp_password,omitempty" maxLength:"1024" writeOnly:"true"`
}

// account is an account as it is read. It never holds a secret.
type account struct {
	Object           string            `json:"object" enum:"Account"`
	ID               string            `json:"id"`
	ExternalID       *string           `json:"external_id" doc:"Your own name for it."`
	Type             string            `json:"type" enum:"LINKEDIN,WHATSAPP,INSTAGRAM,TELEGRAM,GOOGLE,MICROSOFT,IMAP,MOCK" doc:"The provider."`
	Name             string            `json:"name" doc:"The display name of the person or profile."`
	CreatedAt        stamp             `json:"created_at"`
	Status           string            `json:"status" enum:"OK,CONNECTING,CREDENTIALS,PERMISSIONS,ERROR,STOPPED" doc:"CREDENTIALS and PERMISSIONS: the end user must reconnect. CONNECTING: an outage; it passes."`
	Reason           *string           `json:"reason" doc:"Why it is not OK, as a stable code."`
	Action           *string           `json:"action" doc:"What helps: reconnect, wait, contact_admin or open_app."`
	Identity         string            `json:"identity" doc:"The address, phone number or profile id."`
	IdentityProof    string            `json:"identity_proof" enum:"provider,typed" doc:"Whether the provider said whose account it is, or the end user typed it."`
	ConnectionParams object            `json:"connection_params" doc:"Hosts and logins; never a secret."`
	Sources          []source          `json:"sources" nullable:"false" doc:"Parts that work or fail on their own, such as IMAP and SMTP."`
	Groups           []string          `json:"groups" nullable:"false"`
	Metadata         map[string]string `json:"metadata"`
	Options          object            `json:"options,omitempty" doc:"What the form endpoint was given to keep."`
	Warnings         []string          `json:"warnings,omitempty" nullable:"false" doc:"Codes of what did not work when it was connected."`
	CheckedAt        *stamp            `json:"checked_at" doc:"When it was last checked."`
	AuthServer       bool              `json:"auth_server,omitempty" doc:"Your authentication server keeps the credential."`
	NotifyEmail      *string           `json:"notify_email" doc:"Where its end user is asked by mail to reconnect, if the application has that switched on."`
	NotifyLocale     *string           `json:"notify_locale" doc:"The language of that mail."`
	Test             bool              `json:"test,omitempty"`
}

// accountChange describes the body of PATCH /accounts/{id}; changeAccount reads it.
type accountChange struct {
	NotifyEmail  *string `json:"notify_email,omitempty" format:"email" doc:"Where its end user is asked by mail to reconnect when it breaks. null: nowhere."`
	NotifyLocale *string `json:"notify_locale,omitempty" doc:"The language of that mail, such as de or pt-BR. null: unknown."`
}

type source struct {
	ID     string  `json:"id"`
	Status string  `json:"status"`
	Reason *string `json:"reason,omitempty" nullable:"false"`
	Until  *stamp  `json:"until,omitempty" nullable:"false" doc:"When this status ends by itself, where the provider says so."`
}

type accountList struct {
	Object string    `json:"object" enum:"AccountList"`
	Items  []account `json:"items" nullable:"false"`
	Cursor *string   `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

type accountCreated struct {
	Object    string `json:"object" enum:"AccountCreated"`
	AccountID string `json:"account_id"`
	State     string `json:"state" enum:"new,existing" doc:"existing: the account was there already, and has the new credential."`
	Test      bool   `json:"test,omitempty"`
}

type accountReconnected struct {
	Object    string `json:"object" enum:"AccountReconnected"`
	AccountID string `json:"account_id"`
	Test      bool   `json:"test,omitempty"`
}

// accountConnected is AccountCreated or AccountReconnected, for an answer that can be either.
type accountConnected struct {
	Object    string `json:"object" enum:"AccountCreated,AccountReconnected"`
	AccountID string `json:"account_id"`
	State     string `json:"state,omitempty" enum:"new,existing"`
	Test      bool   `json:"test,omitempty"`
}

type accountDeleted struct {
	Object string `json:"object" enum:"AccountDeleted"`
}

func (c *call) account(a latchkey.Account) (account, error) {
	params, err := c.connectionParams(a)
	if err != nil {
		return account{}, err
	}
	out := account{
		Object: "Account", ID: string(a.ID), ExternalID: orNull(a.ExternalID), Type: c.typeName(a.Provider), Name: a.Name,
		CreatedAt: at(a.CreatedAt), Status: string(a.Status), Reason: orNull(string(a.Reason)),
		Action: orNull(string(latchkey.ActionFor(a.Status, a.Reason))), Identity: a.Identity, IdentityProof: string(a.Proof),
		ConnectionParams: params, Sources: make([]source, len(a.Sources)), Groups: []string{}, Metadata: orEmpty(a.Metadata),
		Warnings: a.Warnings, CheckedAt: optional(&a.CheckedAt), AuthServer: a.AuthServer, Test: a.Test,
		NotifyEmail: orNull(a.Notify.Email), NotifyLocale: orNull(a.Notify.Locale),
	}
	if len(a.Options) > 0 && json.Valid(a.Options) {
		out.Options = object(a.Options)
	}
	for i, s := range a.Sources {
		out.Sources[i] = source{ID: s.ID, Status: string(s.Status), Reason: orNull(string(s.Reason))}
		if !s.Until.IsZero() {
			out.Sources[i].Until = optional(&s.Until)
		}
	}
	return out, nil
}
