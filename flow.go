package latchkey

import "time"

// FlowStatus is where a flow stands. Every state but in_progress is final.
type FlowStatus string

// The states of a flow. "created" is what a link without a flow shows; no row has it.
const (
	FlowCreated    FlowStatus = "created"
	FlowInProgress FlowStatus = "in_progress"
	FlowCompleted  FlowStatus = "completed"
	FlowFailed     FlowStatus = "failed"
	FlowCanceled   FlowStatus = "canceled"
	FlowExpired    FlowStatus = "expired"
	// FlowTakenOver is a flow whose link was continued in another browser.
	FlowTakenOver FlowStatus = "taken_over"
)

// Flow is one browser's run through a link, as a row: any replica can continue it.
type Flow struct {
	ID            FlowID
	LinkID        LinkID
	ApplicationID ApplicationID
	// CookieHash is SHA-256 of the cookie that binds the flow to its browser.
	CookieHash []byte
	// Version counts what the browser was asked. An answer carries the version it saw.
	Version int64
	Status  FlowStatus
	// Provider and StepID are in clear for metrics and for the link's history; the rest of the
	// state is in Body.
	Provider Provider
	StepID   string
	// Body is the engine's state, sealed at rest: the step shown, the connector's state, the work.
	Body []byte
	// Fence numbers the holders of the flow's work: a result is only taken from the last one.
	Fence int64
	// LeaseOwner holds the work until LeaseUntil; WorkDue is when the work may be claimed. A flow
	// without work has a zero WorkDue.
	LeaseOwner string
	LeaseUntil time.Time
	WorkDue    time.Time
	// FailureCode says why a failed flow failed.
	FailureCode string
	// AccountID and AccountState ("new", "existing") are the result of a completed flow. A flow of
	// DialectDirect has its AccountID from the beginning: the application finds it by that.
	AccountID    AccountID
	AccountState string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	ExpiresAt    time.Time
}
