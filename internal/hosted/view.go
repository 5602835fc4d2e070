package hosted

import (
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// LinkSpec is what an application asks for, parsed and checked for shape by the caller.
type LinkSpec struct {
	Type    latchkey.LinkType
	Dialect latchkey.Dialect
	Name    string
	// ExpiresAt must lie between a minute and thirty days ahead.
	ExpiresAt time.Time
	// Reconnect is the account to mend, by our id or the application's, for LinkReconnect.
	Reconnect string
	// Terms are taken as they are, but for ReconnectAccount, which comes from Reconnect.
	Terms latchkey.LinkTerms
	// Proxy is what every connection of the account is to go through; nil for none of its own.
	Proxy *latchkey.Proxy
	// KeyID is the key that asks for the link.
	KeyID latchkey.KeyID
}

// CreatedLink is a new link. The token exists here and in the end user's hands only.
type CreatedLink struct {
	Link  latchkey.Link
	Token string
}

// View is what one browser (or JSON client) is shown of a link now.
type View struct {
	Link        latchkey.Link
	Application latchkey.Application
	// Bound tells that the request came from the browser that holds (or held) the flow. Without it
	// the View has no version, field, payload or result: only a notice.
	Bound   bool
	FlowID  latchkey.FlowID
	Version int64
	Status  latchkey.FlowStatus
	Step    connector.Step
	// Busy tells that something is being done: the page should look again after Step.Poll.
	Busy bool
	// Choices are the providers that can be offered now; set before start and on the picker.
	Choices []latchkey.Provider
	// Provider is whose connector asks; empty before one was picked.
	Provider latchkey.Provider
	Scopes   []string
	// Reason is why the account broke that the link mends, before start.
	Reason  latchkey.Reason
	Result  *Result
	Failure *Failure
	// SetCookie is what the browser must keep from now on; nil leaves it as it is.
	SetCookie *Cookie
}

// Result is the good end of a flow.
type Result struct {
	AccountID latchkey.AccountID
	// State is "new" or "existing".
	State    string
	Identity string
	// Shown is what the reader knows the account by: its name where the identity is a number.
	Shown    string
	Warnings []string
	// RedirectURL is where the end user goes now, with our parameters added; may be empty.
	RedirectURL string
}

// Failure is the bad end of a try.
type Failure struct {
	Code      errs.Code
	Args      map[string]string
	Retryable bool
	// RedirectURL is the application's failure URL, with our parameters added; may be empty.
	RedirectURL string
}

// Cookie binds a flow to a browser. The page decides its attributes by the scheme it is served under.
type Cookie struct {
	Name   string
	Value  string
	MaxAge time.Duration
}

// Answer is one POST of a browser or JSON client.
type Answer struct {
	Version int64
	Action  connector.Action
	Values  map[string]string
	// Handheld says that the answer came from a phone.
	Handheld bool
	// Address is the client's network address, for limits.
	Address string
}

// The steps that are the engine's own.
const (
	StepStart       = "link.start"       // notice: who asks, for what; action start
	StepBound       = "link.bound"       // notice: started in another browser; action take_over
	StepUsed        = "link.used"        // notice: completed by another browser
	StepExpired     = "link.expired"     // notice
	StepUnavailable = "link.unavailable" // notice: no provider can be offered
	StepPicker      = "flow.provider"    // choose: field provider
	StepDone        = "flow.done"        // notice
	StepFailed      = "flow.failed"      // notice; Failure says why; start begins anew
	StepCanceled    = "flow.canceled"    // notice; start begins anew
	StepTakenOver   = "flow.taken_over"  // notice: this browser's flow was continued elsewhere
)
