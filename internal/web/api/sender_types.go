package api

import (
	"strings"

	"latchkey"
	"latchkey/internal/mailer"
)

// senderRequest describes the body of POST /senders; readSender reads it.
type senderRequest struct {
	Kind        string `json:"kind" enum:"basic,oauth" doc:"basic: a mail host with username and password. oauth: a client at Microsoft, or a service account at Google."`
	SenderEmail string `json:"sender_email" maxLength:"254" doc:"What mail comes from. Nobody signs in to your application with it, and none of your people signs in to the dashboard with it."`
	SenderFields
}

// senderChange describes the body of PATCH /senders/{id}.
type senderChange struct {
	Kind        string `json:"kind,omitempty" enum:"basic,oauth" doc:"Never changes; it may be repeated."`
	SenderEmail string `json:"sender_email,omitempty" maxLength:"254" doc:"Another address has to agree first."`
	SenderFields
}

// SenderFields are what both have. It is exported for the sake of reflection only.
type SenderFields struct {
	SenderName      string         `json:"sender_name,omitempty" maxLength:"100" doc:"What stands beside the address. Default: the address alone."`
	Host            string         `json:"host,omitempty" maxLength:"253" doc:"basic: the name of the mail host."`
	Port            int            `json:"port,omitempty" minimum:"1" maximum:"65535" doc:"basic: 25, 465, 587, 2465, 2525 or 2587. 465 and 2465 speak TLS at once, the others begin with STARTTLS."`
	Username        string         `json:"username,omitempty" maxLength:"254" doc:"basic."`
	Password        string         `json:"password,omitempty" maxLength:"1024" writeOnly:"true" doc:"basic. Never shown again, and cleared when host, port or username changes."`
	Provider        string         `json:"provider,omitempty" enum:"microsoft,google" doc:"oauth."`
	ClientID        string         `json:"client_id,omitempty" maxLength:"512" doc:"oauth, Microsoft: the Application (client) ID."`
	ClientSecret    string         `json:"client_secret,omitempty" maxLength:"1024" writeOnly:"true" doc:"oauth, Microsoft: the secret's Value. Never shown again, and cleared when client_id or tenant_id changes."`
	TenantID        string         `json:"tenant_id,omitempty" maxLength:"253" doc:"oauth, Microsoft: the Directory (tenant) ID, or one of the tenant's domains."`
	ServiceAccount  serviceAccount `json:"service_account,omitempty"`
	Transport       string         `json:"transport,omitempty" enum:"smtp,graph" doc:"oauth, Microsoft: smtp.office365.com (the default), or Microsoft Graph."`
	SecretExpiresAt *stamp         `json:"secret_expires_at,omitempty" doc:"oauth: when the client secret ends. You are told 30 and 7 days before. null takes it away."`
	Fallback        bool           `json:"fallback,omitempty" doc:"Send what this sender cannot through the installation's default sender."`
	Locale          string         `json:"locale,omitempty" maxLength:"64" doc:"The language of the mail that asks the address to agree."`
}

// sender is a sender as it is read. It never holds a secret.
type sender struct {
	Object          string       `json:"object" enum:"Sender"`
	ID              string       `json:"id"`
	Kind            string       `json:"kind" enum:"basic,oauth"`
	SenderEmail     string       `json:"sender_email"`
	SenderName      *string      `json:"sender_name"`
	Host            *string      `json:"host"`
	Port            *int         `json:"port"`
	Username        *string      `json:"username"`
	Password        bool         `json:"password_set" doc:"Whether there is a password."`
	Provider        *string      `json:"provider"`
	ClientID        *string      `json:"client_id"`
	ClientSecret    bool         `json:"client_secret_set" doc:"Whether there is a client secret."`
	TenantID        *string      `json:"tenant_id"`
	ServiceAccount  bool         `json:"service_account_set" doc:"Whether there is a service account's key."`
	Transport       string       `json:"transport" enum:"smtp,graph"`
	SecretExpiresAt *stamp       `json:"secret_expires_at"`
	Fallback        bool         `json:"fallback"`
	Proven          bool         `json:"proven" doc:"Whether the address has agreed. Nothing is sent from it before."`
	ProvenAt        *stamp       `json:"proven_at"`
	Chosen          bool         `json:"chosen" doc:"Whether the application's mail comes from it."`
	CheckedAt       *stamp       `json:"checked_at"`
	Problem         *string      `json:"problem" doc:"The code of what its mail host refused last; null while all is well."`
	Hints           []senderHint `json:"hints" nullable:"false"`
	CreatedAt       stamp        `json:"created_at"`
	UpdatedAt       stamp        `json:"updated_at"`
	Test            bool         `json:"test,omitempty"`
}

type senderHint struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	URL     *string `json:"url"`
}

type senderList struct {
	Object string   `json:"object" enum:"SenderList"`
	Items  []sender `json:"items" nullable:"false"`
	Cursor *string  `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

type senderDeleted struct {
	Object string `json:"object" enum:"SenderDeleted"`
}

type senderCheck struct {
	Object   string          `json:"object" enum:"SenderCheck"`
	OK       bool            `json:"ok"`
	Findings []senderFinding `json:"findings" nullable:"false" doc:"One for each stage that was reached, in order."`
}

type senderFinding struct {
	Stage   string  `json:"stage" enum:"token,resolve,connect,tls,auth,mail_from,rcpt_to,mailbox"`
	OK      bool    `json:"ok"`
	Code    *string `json:"code"`
	Message string  `json:"message" doc:"What to do."`
	Detail  *string `json:"detail" doc:"What the host said."`
}

type senderTestRequest struct {
	To     string `json:"to,omitempty" maxLength:"254" doc:"Default: the sender's own address."`
	Locale string `json:"locale,omitempty" maxLength:"64"`
}

type senderProofRequest struct {
	Locale string `json:"locale,omitempty" maxLength:"64"`
}

type senderSetup struct {
	Object string       `json:"object" enum:"SenderSetup"`
	Steps  []senderStep `json:"steps" nullable:"false"`
}

type senderStep struct {
	Title    string   `json:"title"`
	Text     string   `json:"text"`
	URL      *string  `json:"url"`
	Commands []string `json:"commands" nullable:"false" doc:"For PowerShell, with this sender's values filled in."`
}

type senderDNS struct {
	Object   string             `json:"object" enum:"SenderDNS"`
	Domain   string             `json:"domain"`
	Service  *string            `json:"service" doc:"Who sends, as far as the host tells."`
	Findings []senderDNSFinding `json:"findings" nullable:"false"`
}

type senderDNSFinding struct {
	Record  string   `json:"record" enum:"spf,dkim,dmarc,mx"`
	Name    string   `json:"name" doc:"Where it was looked for."`
	OK      bool     `json:"ok"`
	Code    *string  `json:"code" enum:"missing,several,invalid,too_many_lookups,not_included,weak,revoked,unknown,unavailable"`
	Found   []string `json:"found" nullable:"false"`
	Suggest *string  `json:"suggest" doc:"A record to set at name, as far as it can be known."`
	Message string   `json:"message"`
}

func (a *API) showSender(c *call, v latchkey.Sender) sender {
	out := sender{
		Object: "Sender", ID: string(v.ID), Kind: string(v.Kind), SenderEmail: v.Email, SenderName: orNull(v.Name), Host: orNull(v.Host),
		Username: orNull(v.Username), Password: v.Password != "", Provider: orNull(strings.ToLower(string(v.Provider))), ClientID: orNull(v.ClientID),
		ClientSecret: v.ClientSecret != "", TenantID: orNull(v.Tenant), ServiceAccount: v.ServiceAccount != "", Transport: string(v.Transport),
		SecretExpiresAt: optional(&v.SecretExpiresAt), Fallback: v.Fallback, Proven: !v.OwnedAt.IsZero(), ProvenAt: optional(&v.OwnedAt),
		Chosen: c.app.Sender == v.ID, CheckedAt: optional(&v.CheckedAt), Problem: orNull(v.Problem), Hints: []senderHint{},
		CreatedAt: at(v.CreatedAt), UpdatedAt: at(v.UpdatedAt), Test: c.app.Test,
	}
	if v.Port != 0 {
		out.Port = &v.Port
	}
	for _, h := range a.cfg.Senders.Hints(v) {
		out.Hints = append(out.Hints, senderHint{Code: h.Code, Message: h.Message, URL: orNull(h.URL)})
	}
	return out
}

func showCheck(c mailer.Check) senderCheck {
	out := senderCheck{Object: "SenderCheck", OK: c.OK, Findings: []senderFinding{}}
	for _, f := range c.Findings {
		out.Findings = append(out.Findings, senderFinding{Stage: f.Stage, OK: f.OK, Code: orNull(string(f.Code)), Message: f.Message, Detail: orNull(f.Detail)})
	}
	return out
}
