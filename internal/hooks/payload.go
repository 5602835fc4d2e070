package hooks

import (
	"latchkey"
	"latchkey/internal/errs"
)

// NotifyStatus is what a notify_url is told.
type NotifyStatus string

// The statuses. The last two are only sent where the link asked for them (notify_failures).
const (
	CreationSuccess NotifyStatus = "CREATION_SUCCESS"
	Reconnected     NotifyStatus = "RECONNECTED"
	CreationFailed  NotifyStatus = "CREATION_FAILED"
	LinkExpired     NotifyStatus = "LINK_EXPIRED"
)

// NotifyPayload is the body of a notification. Nothing in it is ever null.
type NotifyPayload struct {
	Status    NotifyStatus       `json:"status"`
	AccountID latchkey.AccountID `json:"account_id,omitempty"`
	// Name is the application's own id for its user, exactly as the link was given it.
	Name   string          `json:"name,omitempty"`
	LinkID latchkey.LinkID `json:"link_id"`
	Error  errs.Code       `json:"error,omitempty"`
	// Test marks what comes from a test application.
	Test bool `json:"test,omitempty"`
}

// SuccessPayload says that the link connected an account, or mended one.
func SuccessPayload(l latchkey.Link, account latchkey.AccountID) NotifyPayload {
	p := payloadFor(l, CreationSuccess)
	if l.Type == latchkey.LinkReconnect {
		p.Status = Reconnected
	}
	p.AccountID = account
	return p
}

// FailedPayload says with which code a try ended. The link may still succeed.
func FailedPayload(l latchkey.Link, code errs.Code) NotifyPayload {
	p := payloadFor(l, CreationFailed)
	p.Error = code
	return p
}

// ExpiredPayload says that the link's time is over.
func ExpiredPayload(l latchkey.Link) NotifyPayload { return payloadFor(l, LinkExpired) }

func payloadFor(l latchkey.Link, s NotifyStatus) NotifyPayload {
	return NotifyPayload{Status: s, Name: l.Name, LinkID: l.ID, Test: l.Test}
}
