package latchkey

import (
	"slices"
	"strings"
	"time"
)

// PayloadKind is the shape in which an endpoint is told.
type PayloadKind string

// The payloads: our own event, or the account-status message of existing client libraries.
const (
	PayloadNative        PayloadKind = "native"
	PayloadAccountStatus PayloadKind = "account_status"
)

// PauseReason says why an endpoint is told nothing; empty while it is told.
type PauseReason string

// The reasons of a pause.
const (
	PausedByOwner PauseReason = "owner"
	// PausedFailing failed for days.
	PausedFailing PauseReason = "failing"
	// PausedGone answered 410.
	PausedGone PauseReason = "gone"
)

// Header is a header of the application's own on every delivery. Its value is a secret.
type Header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Endpoint is an address at which an application wants to be told of events.
type Endpoint struct {
	ID            EndpointID
	ApplicationID ApplicationID
	Name          string
	URL           string
	// Events are patterns; see MatchEvent.
	Events []string
	// Accounts narrows it to events of these; empty means all events.
	Accounts []AccountID
	Headers  []Header
	Payload  PayloadKind
	// Lenient has account types named as existing client libraries know them.
	Lenient bool
	Secret  string
	// OldSecret signs beside Secret until OldSecretUntil.
	OldSecret      string
	OldSecretUntil time.Time
	Paused         PauseReason
	PausedAt       time.Time
	// FailingSince is the first failure since the last success; zero while all is well.
	FailingSince time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Wants tells whether the endpoint, where it is not paused, is to be told of the event.
func (e Endpoint) Wants(ev Event) bool {
	if len(e.Accounts) > 0 && !slices.Contains(e.Accounts, ev.AccountID) {
		return false
	}
	if e.Payload == PayloadAccountStatus && !slices.Contains(accountStatusEvents, ev.Type) {
		return false
	}
	return slices.ContainsFunc(e.Events, func(p string) bool { return MatchEvent(p, ev.Type) })
}

// MayWant tells whether the endpoint could be told of any event of the type.
func (e Endpoint) MayWant(t EventType) bool {
	if e.Payload == PayloadAccountStatus && !slices.Contains(accountStatusEvents, t) {
		return false
	}
	return slices.ContainsFunc(e.Events, func(p string) bool { return MatchEvent(p, t) })
}

// accountStatusEvents are what the account-status payload has messages for.
var accountStatusEvents = []EventType{ //nolint:gochecknoglobals // constant
	EventAccountConnected, EventAccountReconnected, EventAccountStatusChanged, EventAccountDeleted,
}

// AllEvents is the pattern of all events, and eventsOf the end of one noun's.
const (
	AllEvents = "*"
	eventsOf  = ".*"
)

// MatchEvent tells whether a pattern ("*", "account.*", "account.connected") names the type.
func MatchEvent(pattern string, t EventType) bool {
	if noun, ok := strings.CutSuffix(pattern, eventsOf); ok {
		return strings.HasPrefix(string(t), noun+".")
	}
	return pattern == AllEvents || pattern == string(t)
}

// KnownPattern tells whether any type matches the pattern.
func KnownPattern(pattern string) bool {
	return slices.ContainsFunc(EventTypes(), func(t EventType) bool { return MatchEvent(pattern, t) })
}
