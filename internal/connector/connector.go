package connector

import (
	"context"
	"encoding/json"
	"io/fs"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

// Connector connects accounts of one provider.
//
// Begin and Resume must be pure: same arguments, same Turn, no clock, no network, no randomness
// that matters. Do may be called more than once for one Work only if the Work says so (Interrupt).
// Errors are for what should not happen (a state that does not decode); everything that can go
// wrong with an account is a Turn.
type Connector interface {
	Describe() Descriptor
	Begin(start Start) (Turn, error)
	Resume(state []byte, in Input) (Turn, error)
	Do(ctx context.Context, w Work, r Reporter) (Turn, error)
}

// Checker is implemented by connectors whose accounts can be checked without the end user.
type Checker interface {
	// Check tries the credential. It must be cheap, and must tell an outage from a refusal.
	Check(ctx context.Context, a Credential) (Health, error)
}

// Placer is implemented by connectors whose accounts are at many hosts.
type Placer interface {
	// Host names the host that an account with these Params is at, in lower case, so that the accounts
	// of one are not all checked at once; "" where nobody knows. It touches nothing.
	Host(params json.RawMessage) string
}

// Revoker is implemented by connectors that can end a grant at the provider. Grants that lose a
// race, and accounts that are deleted, are revoked through it.
type Revoker interface {
	Revoke(ctx context.Context, a Credential) error
}

// Refresher is implemented by connectors whose credentials expire and can be renewed without the
// end user, or that can be turned into an access token.
type Refresher interface {
	// Refresh renews the credential. What the provider refuses is a Refreshed with Refused set; an
	// error is an outage: nothing is known, and the credential stays as it is. A Refreshed with
	// RefusedApp set blames the operator's client (its secret expired), not the end user.
	Refresh(ctx context.Context, c Credential) (Refreshed, error)
	// Token reads the access token out of the credential, without network.
	Token(c Credential) (AccessToken, error)
}

// AppVerifier is implemented by connectors that can tell whether an App is set up right.
type AppVerifier interface {
	VerifyApp(ctx context.Context, a App, callbackURL string) ([]AppFinding, error)
}

// DirectConnector is implemented by connectors that can connect from fields that the application's
// backend already has (POST /v1/accounts). Direct is pure, like Begin; the Turn is a Work, a Grant,
// a Failure or a Step that shows field errors. Where the Descriptor says Checkpoints, it may be any
// Step, or a Work that repeats or is Live: the application then answers for its end user.
type DirectConnector interface {
	Direct(start Start, values map[string]string) (Turn, error)
}

// Descriptor says what the connector is, without touching anything.
type Descriptor struct {
	// Proxies says that connections can go through a proxy of the account's own (Start.Proxy).
	Proxies  bool
	Provider latchkey.Provider
	// TestOnly connectors are offered in test applications only.
	TestOnly bool
	// Texts holds <lang>.json files with the words of the connector's steps; see package i18n.
	Texts fs.FS
	// Icon is an SVG of 24 by 24, inlined into pages.
	Icon string
	// Capabilities name what the provider's protocol takes (pkce, nonce, id_token, …).
	Capabilities []string
	// NeedsApp says that the provider can only be offered where the application has an App for it.
	NeedsApp bool
	// AppOptional says that the application's App is used where it has one; the connector works
	// without.
	AppOptional bool
	// OwnGrants says that each grant stands by itself at the provider, as a session on a device does:
	// ending one leaves the others of the same person.
	OwnGrants bool
	// Checkpoints says that its steps can be answered by API, by an application with screens of its
	// own: what Direct leads to may be a question, a poll or a Live Work.
	Checkpoints bool
	// Scopes are codes of what the application will be able to do, for the consent text
	// ("mail.read", "mail.send").
	Scopes []string
}

// Mode says why a flow runs.
type Mode string

// The modes.
const (
	ModeCreate    Mode = "create"
	ModeReconnect Mode = "reconnect"
)

// Start is what a connector knows at the beginning of a try.
type Start struct {
	Mode Mode `json:"mode"`
	// ApplicationID scopes what a connector may remember between flows; it is shown to nobody.
	ApplicationID latchkey.ApplicationID `json:"application_id"`
	// ApplicationName is what the person knows the application by: for a list of devices on a phone.
	ApplicationName string `json:"application_name,omitempty"`
	// Handheld says that the page is on a phone, whose own screen it cannot scan.
	Handheld bool `json:"handheld,omitempty"`
	// LinkID counts tries.
	LinkID latchkey.LinkID `json:"link_id"`
	// Email and Name are prefilled; the end user may change them.
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	// ExpectedIdentity pins whose account it has to be. The engine compares it with the Grant's; a
	// connector uses it to ask for less.
	ExpectedIdentity  string `json:"expected_identity,omitempty"`
	AllowServerChange bool   `json:"allow_server_change,omitempty"`
	Locale            string `json:"locale,omitempty"`
	// Lent is what the application's authentication server knows the account by, where it keeps the
	// credential (see Lender); empty where the credential comes along.
	Lent string `json:"lent,omitempty"`
	// Prior is the account to mend, in ModeReconnect.
	Prior *Prior `json:"prior,omitempty"`
	// OAuthOffered lists the OAuth providers that this flow could go to instead, for a mail
	// connector that finds that the domain is theirs.
	OAuthOffered []latchkey.Provider `json:"oauth_offered,omitempty"`
	// CallbackURL is the redirect URI of this host, for connectors with redirect steps.
	CallbackURL string `json:"callback_url,omitempty"`
	// Proxy is what every connection is to go through, where the Descriptor says that it can. Without
	// one a reconnect keeps the account's own.
	Proxy *latchkey.Proxy `json:"proxy,omitempty"`
	// App is the OAuth client to use, for connectors that need one.
	App *App `json:"app,omitempty"`
	// Options are the link's further wishes.
	Options Options `json:"options,omitzero"`
	// Entropy is 32 fresh random bytes, so that Begin stays a function of its arguments even where
	// it needs a nonce or a PKCE verifier.
	Entropy []byte `json:"-"`
}

// Options are wishes that only some connectors understand.
type Options struct {
	ProviderApp string `json:"provider_app,omitempty"`
	Delegated   bool   `json:"delegated,omitempty"`
	// Disabled names methods that must not be offered.
	Disabled []string `json:"disabled,omitempty"`
}

// Prior is what is known of an account that is to be mended.
type Prior struct {
	AccountID latchkey.AccountID     `json:"account_id"`
	Identity  string                 `json:"identity"`
	Name      string                 `json:"name,omitempty"`
	Status    latchkey.AccountStatus `json:"status"`
	Reason    latchkey.Reason        `json:"reason,omitempty"`
	Sources   []latchkey.Source      `json:"sources,omitempty"`
	Params    json.RawMessage        `json:"params,omitempty"`
	Secret    []byte                 `json:"secret,omitempty"`
}

// Input is one answer of the end user.
type Input struct {
	StepID string            `json:"step_id"`
	Action Action            `json:"action"`
	Values map[string]string `json:"values,omitempty"`
	// Entropy is 32 fresh random bytes, as in Start.
	Entropy []byte `json:"-"`
}

// Turn is exactly one of Step, Work, Grant, Failure or Switch, with the state that goes with it.
type Turn struct {
	// State is what Resume will be given if the end user answers the Step (or the Work's Show).
	State   []byte   `json:"state,omitempty"`
	Step    *Step    `json:"step,omitempty"`
	Work    *Work    `json:"work,omitempty"`
	Grant   *Grant   `json:"-"`
	Failure *Failure `json:"failure,omitempty"`
	// Switch hands the flow to another provider's connector (a mailbox that turned out to be
	// Google's), keeping the address typed. The engine checks that the flow may go there.
	Switch *Switch `json:"switch,omitempty"`
	// Unused is a grant that the end user just made and nobody will use, beside a Step. The engine has
	// it revoked, unless an account stands on the same one.
	Unused *Grant `json:"-"`
}

// Switch names the connector that goes on.
type Switch struct {
	Provider latchkey.Provider `json:"provider"`
	Email    string            `json:"email,omitempty"`
}

// Interrupt says what becomes of a Work whose holder died in the middle.
type Interrupt string

// What an interrupted Work becomes.
const (
	// Rerun does it again: for things that may be done twice, such as a lookup.
	Rerun Interrupt = "rerun"
	// Ask shows the last question again, with a word of explanation: for things that must not be
	// done twice without the end user, such as a counted password or a one-time code.
	Ask Interrupt = "ask"
	// Restart begins the connector anew: for things that lived in the holder, such as a socket.
	Restart Interrupt = "restart"
)

// Work is one outside thing to do. The engine commits it before it is begun.
type Work struct {
	Name string `json:"name"`
	// Input is opaque to the engine, and sealed at rest.
	Input []byte `json:"input,omitempty"`
	// Show is what the end user sees meanwhile. Its actions lead to Resume with the Turn's State,
	// which ends the Work: its context is canceled and what it returns is dropped.
	Show Step `json:"show"`
	// Deadline bounds one run. The engine gives a run at least this long, and no more than a
	// little longer.
	Deadline  time.Duration `json:"deadline"`
	Interrupt Interrupt     `json:"interrupt"`
	// Repeat makes the Work a poll: a Do that returns a Work of the same Name is run again after
	// this time, without asking the end user anything anew.
	Repeat time.Duration `json:"repeat,omitempty"`
	// Live marks a Work that holds a socket open for as long as the flow lives. Answers of the
	// actions in LiveActions are handed to Reporter.Next instead of ending the Work.
	Live        bool     `json:"live,omitempty"`
	LiveActions []Action `json:"live_actions,omitempty"`
}

// Reporter is the engine's ear while a Work is done.
type Reporter interface {
	// Show replaces what the end user sees meanwhile. It may be called often: the engine writes no
	// more than a few a second, and always the last. It fails when the Work was lost; Do should
	// then return.
	Show(ctx context.Context, s Step) error
	// Next waits for an answer to a Live Work (its LiveActions).
	Next(ctx context.Context) (Input, error)
}

// Grant is a credential that works, and whose it is. It is only made after a real check.
type Grant struct {
	// Identity is the address, phone number or profile id that tells accounts apart.
	Identity string
	Proof    latchkey.IdentityProof
	Name     string
	// Params is public: it is shown in connection_params.
	Params json.RawMessage
	// Secret is sealed by the engine; only this connector reads it.
	Secret  []byte
	Scopes  []string
	Sources []latchkey.Source
	// Warnings are codes of what works less well than it should.
	Warnings  []string
	ExpiresAt time.Time
	// ServerChanged says that a reconnect went to other servers than before, as the link allowed.
	ServerChanged bool
}

// Failure ends a try. The link stays usable.
type Failure struct {
	Code      errs.Code         `json:"code"`
	Args      map[string]string `json:"args,omitempty"`
	Retryable bool              `json:"retryable"`
	// Detail is what the provider said, for the operator's log only.
	Detail string `json:"-"`
	// RefusedApp is the code of what is wrong with the operator's client, where that ended the try.
	RefusedApp string `json:"-"`
}

// Credential is what Checker and Revoker work on.
type Credential struct {
	AccountID latchkey.AccountID
	Identity  string
	Params    json.RawMessage
	Secret    []byte
	// Lent is what the application's authentication server knows the account by, where it keeps the
	// credential: Secret then says only how it is used.
	ApplicationID latchkey.ApplicationID
	Lent          string
	// App is the OAuth client that the credential belongs to, where there is one.
	App *App
}

// App is an OAuth client registered at a provider: a ProviderApp, as a connector sees it.
type App struct {
	ID           string            `json:"id"`
	Provider     latchkey.Provider `json:"provider"`
	ClientID     string            `json:"client_id"`
	ClientSecret string            `json:"client_secret,omitempty"`
	// Tenant is Microsoft's authority: common, organizations, consumers or a tenant's id. Cloud is
	// one of its clouds: global, gcc_high, dod, china.
	Tenant string `json:"tenant,omitempty"`
	Cloud  string `json:"cloud,omitempty"`
	// Domain is a Google Workspace domain to which sign-in is limited.
	Domain      string   `json:"domain,omitempty"`
	ExtraScopes []string `json:"extra_scopes,omitempty"`
	SkipScopes  []string `json:"skip_scopes,omitempty"`
	// Protocol is how mail is reached: imap or api.
	Protocol string `json:"protocol,omitempty"`
	// ServiceAccount is Google's JSON key, for access without a person.
	ServiceAccount string `json:"service_account,omitempty"`
}

// AppFinding is one thing that verifying an App looked at.
type AppFinding struct {
	Code   string // stable: client_id, client_secret, redirect_uri, permissions …
	OK     bool
	Detail string // what to do, and where to click
}

// Refreshed is what became of a refresh.
type Refreshed struct {
	Secret    []byte
	ExpiresAt time.Time
	// GrantEnds is when even renewing ends, where the provider says so.
	GrantEnds time.Time
	Refused   *Health
	// RefusedApp is the code of what is wrong with the operator's client.
	RefusedApp string
}

// AccessToken is a token with which an application calls the provider itself.
type AccessToken struct {
	Token     string
	Type      string
	ExpiresAt time.Time
	Scopes    []string
}

// Health is what a check found.
type Health struct {
	Status  latchkey.AccountStatus
	Reason  latchkey.Reason
	Sources []latchkey.Source
	// Name is non-empty where the person or profile is now called that.
	Name string
	// Secret is non-nil where the credential changed (a rotated token) and must be stored.
	Secret []byte
	// Detail is for the operator's log.
	Detail string
}
