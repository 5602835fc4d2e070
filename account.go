package latchkey

import (
	"encoding/json"
	"strings"
	"time"
)

// AccountStatus tells whether an account works, and if not, who has to act.
type AccountStatus string

// The states of an account. An outage is never CREDENTIALS: that word sends the end user to the wizard.
const (
	AccountOK          AccountStatus = "OK"
	AccountConnecting  AccountStatus = "CONNECTING"
	AccountCredentials AccountStatus = "CREDENTIALS"
	AccountPermissions AccountStatus = "PERMISSIONS"
	AccountError       AccountStatus = "ERROR"
	AccountStopped     AccountStatus = "STOPPED"
)

// Reason is the stable code for why an account is not OK.
type Reason string

// Reasons that checks and connectors give. Each is documented in docs/accounts.md, and has words for
// end users in the wizard's texts (reason.<code>).
const (
	ReasonNone              Reason = ""
	ReasonPasswordChanged   Reason = "password_changed"
	ReasonAppPassword       Reason = "app_password_required"
	ReasonConsentRevoked    Reason = "consent_revoked"
	ReasonTokenExpired      Reason = "token_expired"
	ReasonIMAPDisabled      Reason = "imap_disabled"
	ReasonSMTPDisabled      Reason = "smtp_disabled"
	ReasonSessionTerminated Reason = "session_terminated"
	ReasonHostUnreachable   Reason = "host_unreachable"
	ReasonHostNotFound      Reason = "host_not_found"
	ReasonTLS               Reason = "tls_failed"
	ReasonRateLimited       Reason = "rate_limited"
	ReasonBlocked           Reason = "account_blocked"
	ReasonEgressDenied      Reason = "egress_denied"
	ReasonProtocol          Reason = "protocol_error"
	ReasonSealedUnreadable  Reason = "credential_unreadable"
	ReasonAuthServerDown    Reason = "auth_server_unreachable"
	ReasonAuthServerRefused Reason = "auth_server_refused"
	// ReasonProviderApp says that the operator's OAuth client is broken or gone.
	ReasonProviderApp Reason = "provider_app_broken"
	// ReasonProviderTrouble says that the provider refuses so many accounts at once that the fault is
	// probably its own; it is believed only where it goes on for hours.
	ReasonProviderTrouble  Reason = "provider_trouble"
	ReasonSessionReplaced  Reason = "session_replaced"
	ReasonClientOutdated   Reason = "client_outdated"
	ReasonProxyUnreachable Reason = "proxy_unreachable"
	ReasonProxyRefused     Reason = "proxy_refused"
	ReasonTemporaryBan     Reason = "temporarily_blocked"
)

// Action is what helps.
type Action string

// Actions that mend an account.
const (
	ActionNone         Action = ""
	ActionReconnect    Action = "reconnect"
	ActionWait         Action = "wait"
	ActionContactAdmin Action = "contact_admin"
	ActionOpenApp      Action = "open_app"
)

// ActionFor says what helps an account in that status.
func ActionFor(s AccountStatus, r Reason) Action {
	switch s {
	case AccountCredentials, AccountPermissions:
		switch r {
		case ReasonIMAPDisabled, ReasonSMTPDisabled:
			return ActionOpenApp
		case ReasonBlocked: // by the rules of its organisation
			return ActionContactAdmin
		}
		return ActionReconnect
	case AccountConnecting:
		return ActionWait
	case AccountError:
		switch r {
		case ReasonBlocked: // the provider says there what it wants
			return ActionOpenApp
		case ReasonRateLimited:
			return ActionWait
		}
		return ActionContactAdmin
	case AccountStopped:
		if r == ReasonSessionTerminated {
			return ActionReconnect
		}
		return ActionContactAdmin
	}
	return ActionNone
}

// IdentityProof tells how we know whose account it is.
type IdentityProof string

// The proofs: the provider told us, or the end user typed it. A mail server that accepts a
// password does not prove that the typed address is the mailbox's.
const (
	ProofProvider IdentityProof = "provider"
	ProofTyped    IdentityProof = "typed"
)

// Source is one part of an account that works or fails on its own, such as IMAP and SMTP.
type Source struct {
	ID     string        `json:"id"`
	Status AccountStatus `json:"status"`
	Reason Reason        `json:"reason,omitempty"`
	// Until is when the status ends by itself, where the provider says so.
	Until time.Time `json:"until,omitzero"`
}

// Account is a connected mailbox or profile.
type Account struct {
	ID            AccountID
	ApplicationID ApplicationID
	// ExternalID is the application's own name for the account, unique within it; may be empty.
	ExternalID string
	Provider   Provider
	// Name is the display name of the person or profile.
	Name     string
	Identity string
	Proof    IdentityProof
	Status   AccountStatus
	Reason   Reason
	StatusAt time.Time
	Sources  []Source
	// Params is what the connector shows of the account in public: hosts and logins, no secret.
	Params   json.RawMessage
	Metadata map[string]string
	// Options holds what the form dialect stores and shows: path, subconnections, sync dates.
	Options json.RawMessage
	// Secret is the credential, in the connector's own form. Sealed at rest.
	Secret []byte
	// ProviderApp is the OAuth client that the credential belongs to; empty where there is none.
	ProviderApp ProviderAppID
	// AuthServer says that the application's own authentication server keeps the credential: Secret then
	// holds only how it is used.
	AuthServer bool
	// ExpiresAt is when the credential stops working unless it is renewed; RefreshAt is when that is
	// tried next. Zero for credentials that do not expire.
	ExpiresAt time.Time
	RefreshAt time.Time
	// RefreshClaim is the end of the last claim (store.Accounts.ClaimRefresh); see Refreshing.
	RefreshClaim time.Time
	// Warnings are codes of what did not work when the account was connected.
	Warnings []string
	// Sequence numbers the account's events.
	Sequence  int64
	Test      bool
	CreatedAt time.Time
	UpdatedAt time.Time
	CheckedAt time.Time
	// CheckAt is when it is checked next; zero where nobody checks it. Watch is what checks remember.
	CheckAt time.Time
	Watch   Watch
	// Notify is where its end user is told by mail that it broke.
	Notify Notify
}

// Notify says where the end user of an account reads mail, as the application gave it, and what was
// last written there. Its zero value is that of an account whose end user gets none.
type Notify struct {
	Email  string `json:"email,omitempty"`
	Locale string `json:"locale,omitempty"`
	// MailID and URLID are the last mail and the reconnect URL in it; MailedAt is when it was written.
	MailID   MailID         `json:"mail_id,omitempty"`
	URLID    ReconnectURLID `json:"url_id,omitempty"`
	MailedAt time.Time      `json:"mailed_at,omitzero"`
}

// Shown is what a person knows the account by. An address speaks for itself; a provider's number does
// not.
func (a Account) Shown() string {
	if a.Name != "" && !strings.Contains(a.Identity, "@") {
		return a.Name
	}
	return a.Identity
}

// NeedsReconnect tells whether nobody but its end user can mend the account, by the wizard.
func (a Account) NeedsReconnect() bool {
	return (a.Status == AccountCredentials || a.Status == AccountPermissions) && ActionFor(a.Status, a.Reason) == ActionReconnect
}

// SameIdentity compares two identities at one provider. Of a mailbox's address case does not matter, as
// mail systems have it; dots and +tags do, which make different mailboxes at most providers. Any other
// identity is the provider's own id of somebody, in which case matters (OpenID Connect Core 1.0 §2).
func SameIdentity(p Provider, a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if p.HasMailboxes() {
		return strings.EqualFold(a, b)
	}
	return a == b
}
