package latchkey

import "time"

// Watch is what checks remember of an account from one to the next. It is the house's own: nobody is
// shown it. Its zero value is that of an account that was well when it was last looked at.
type Watch struct {
	// Failures counts checks in a row that did not find the account well; Since is when the first was.
	Failures int       `json:"failures,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// Doubt is a verdict that waits to be confirmed, with its reason; Doubts is how often it was found,
	// and DoubtSince when first.
	Doubt       AccountStatus `json:"doubt,omitempty"`
	DoubtReason Reason        `json:"doubt_reason,omitempty"`
	Doubts      int           `json:"doubts,omitempty"`
	DoubtSince  time.Time     `json:"doubt_since,omitzero"`
	// Renewals counts renewals in a row that failed; RenewalsSince is when the first did.
	Renewals      int       `json:"renewals,omitempty"`
	RenewalsSince time.Time `json:"renewals_since,omitzero"`
	// Warned is the end of a credential that the application was told of ahead.
	Warned time.Time `json:"warned,omitzero"`
}

// Cause says what found a change of status out.
type Cause string

// The causes.
const (
	// CauseCheck is a scheduled check; CauseAPI something that the application asked for: a check, or a
	// connection without the wizard.
	CauseCheck Cause = "check"
	CauseAPI   Cause = "api"
	// CauseRefresh is the renewal of a credential.
	CauseRefresh Cause = "refresh"
	CauseWizard  Cause = "wizard"
	// CauseConnection is a connection that is held open and ended, or came back.
	CauseConnection Cause = "connection"
)

// StatusChange is one line of an account's history.
type StatusChange struct {
	ID            StatusChangeID
	ApplicationID ApplicationID
	AccountID     AccountID
	// From is empty where the account was made.
	From, To             AccountStatus
	FromReason, ToReason Reason
	Cause                Cause
	At                   time.Time
}

// HistoryKept is how many lines of one account's history are kept.
const HistoryKept = 200
