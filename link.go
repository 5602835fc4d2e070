package latchkey

import (
	"time"
)

// LinkStatus is where a link stands.
//
//	created ──start──▶ in_progress ──grant──▶ completed
//	   ▲                 │   │
//	   │  start          │   └─ failure, cancel ─▶ failed | canceled ─ start ─▶ in_progress
//	   └── (unbound) ────┘
//	any but completed ── time, or the application ──▶ expired
type LinkStatus string

// The states of a link. failed and canceled say how the last try ended: the link can be started again.
const (
	LinkCreated    LinkStatus = "created"
	LinkInProgress LinkStatus = "in_progress"
	LinkCompleted  LinkStatus = "completed"
	LinkFailed     LinkStatus = "failed"
	LinkCanceled   LinkStatus = "canceled"
	LinkExpired    LinkStatus = "expired"
)

// ParseLinkStatus accepts the states above.
func ParseLinkStatus(s string) (LinkStatus, bool) {
	switch st := LinkStatus(s); st {
	case LinkCreated, LinkInProgress, LinkCompleted, LinkFailed, LinkCanceled, LinkExpired:
		return st, true
	}
	return "", false
}

// FlowGrace is how long a flow that was bound before its link expired may go on after it.
const FlowGrace = 15 * time.Minute

// LinkType says whether a link makes an account or mends one.
type LinkType string

// The types of a link.
const (
	LinkCreate    LinkType = "create"
	LinkReconnect LinkType = "reconnect"
)

// Dialect is the family of callers that a link speaks to at its end: which query parameters the
// end user returns with, and which names the caller used.
type Dialect string

// The dialects: the link API, the authentication form, and a connection by API whose steps the
// application shows itself. The last is on no page and in no list: its token is known to nobody.
const (
	DialectLink   Dialect = "link"
	DialectForm   Dialect = "form"
	DialectDirect Dialect = "direct"
)

// Link is a one-time URL. Its token is known to its holder only; we keep the hash.
type Link struct {
	ID            LinkID
	ApplicationID ApplicationID
	TokenHash     []byte
	Type          LinkType
	Dialect       Dialect
	Status        LinkStatus
	// Name is the application's own id for its user: echoed, never shown.
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
	ExpiresAt time.Time
	// FlowID is the flow that the link is bound to; empty while nobody has started it, and again
	// after a try that failed or was canceled.
	FlowID FlowID
	// AccountID is the account that the link made or mended.
	AccountID AccountID
	// LastFailure is the code with which the last try ended.
	LastFailure string
	// OpenedCount is a best effort: it is written behind the page.
	OpenedCount int64
	// TellExpiry is when somebody is to be told that it has expired; zero where nobody is.
	TellExpiry time.Time
	Test       bool
	// KeyID is the key that made the link; empty where no key did.
	KeyID KeyID
	Terms LinkTerms
	// Proxy is what every connection of the account is to go through. It is sealed, and only read where
	// it is used (store.Links.Proxy): links that were read do not have it.
	Proxy *Proxy
}

// LinkTerms is the rest of what the application asked for when it made the link.
type LinkTerms struct {
	// Providers are names and wildcards, as ParseProviderWish returns them.
	Providers        []string  `json:"providers,omitempty"`
	SuccessURL       string    `json:"success_url,omitempty"`
	FailureURL       string    `json:"failure_url,omitempty"`
	NotifyURL        string    `json:"notify_url,omitempty"`
	NotifyFailures   bool      `json:"notify_failures,omitempty"`
	ReconnectAccount AccountID `json:"reconnect_account,omitempty"`
	// NewAccount is the id that a new account will have, where the application was told it before.
	NewAccount        AccountID         `json:"new_account,omitempty"`
	ExternalID        string            `json:"external_id,omitempty"`
	DisplayName       string            `json:"display_name,omitempty"`
	Email             string            `json:"email,omitempty"`
	ExpectedIdentity  string            `json:"expected_identity,omitempty"`
	AllowServerChange bool              `json:"allow_server_change,omitempty"`
	Locale            string            `json:"locale,omitempty"`
	BypassSuccess     bool              `json:"bypass_success,omitempty"`
	Metadata          map[string]string `json:"metadata,omitempty"`
	ProviderApp       string            `json:"provider_app,omitempty"`
	Delegated         bool              `json:"delegated,omitempty"`
	Path              []string          `json:"path,omitempty"`
	Subconnections    []string          `json:"subconnections,omitempty"`
	NotifyEmail       string            `json:"notify_email,omitempty"`
	SyncFrom          *time.Time        `json:"sync_from,omitempty"`
	NotifyFrom        *time.Time        `json:"notify_from,omitempty"`
	DisabledOptions   []string          `json:"disabled_options,omitempty"`
	// Proxied says that the link has a Proxy.
	Proxied bool `json:"proxied,omitempty"`
}

// Startable tells whether a browser may bind a new flow to the link at now.
func (l Link) Startable(now time.Time) bool {
	switch l.Status {
	case LinkCreated, LinkFailed, LinkCanceled:
		return now.Before(l.ExpiresAt)
	}
	return false
}

// StatusAt is the status that a reader is told at now: a link whose time has come is expired, even
// before the job that writes it down has run, unless a bound flow still has its grace.
func (l Link) StatusAt(now time.Time) LinkStatus {
	switch l.Status {
	case LinkCompleted, LinkExpired:
		return l.Status
	case LinkInProgress:
		if !now.Before(l.ExpiresAt.Add(FlowGrace)) {
			return LinkExpired
		}
		return l.Status
	}
	if !now.Before(l.ExpiresAt) {
		return LinkExpired
	}
	return l.Status
}
