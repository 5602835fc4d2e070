package latchkey

import (
	"encoding/json"
	"time"
)

// EventType names what happened.
type EventType string

// The types of events, by noun.
const (
	EventLinkCreated   EventType = "link.created"
	EventLinkOpened    EventType = "link.opened"
	EventLinkStarted   EventType = "link.started"
	EventLinkTakenOver EventType = "link.taken_over"
	EventLinkCompleted EventType = "link.completed"
	EventLinkFailed    EventType = "link.failed"
	EventLinkCanceled  EventType = "link.canceled"
	EventLinkExpired   EventType = "link.expired"

	EventFlowStep       EventType = "flow.step_reached"
	EventFlowStepFailed EventType = "flow.step_failed"

	EventAccountConnected     EventType = "account.connected"
	EventAccountReconnected   EventType = "account.reconnected"
	EventAccountStatusChanged EventType = "account.status_changed"
	EventAccountServerChanged EventType = "account.server_changed"
	EventAccountDeleted       EventType = "account.deleted"
	// EventAccountExpiring comes a week before the end of a credential that only the end user can
	// renew, so that they can be asked before it ends.
	EventAccountExpiring EventType = "account.expiring"
	// EventReconnectEmail tells that the end user is asked by mail to reconnect, or why not.
	EventReconnectEmail EventType = "account.reconnect_email"
	// EventAccessTokenIssued tells which key took access tokens, and how many.
	EventAccessTokenIssued EventType = "account.access_token_issued"
	// EventAccountRevoked and EventRevocationFailed tell what came of a deleted account's grant.
	EventAccountRevoked   EventType = "account.revoked"
	EventRevocationFailed EventType = "account.revocation_failed"

	EventProviderAppBroken EventType = "provider_app.broken"
	EventProviderAppMended EventType = "provider_app.mended"

	// EventSenderProved tells that a sender's address agreed; EventSenderBroken that its mail host
	// refuses it, and EventSenderMended that it does not any more.
	EventSenderProved EventType = "sender.proved"
	EventSenderBroken EventType = "sender.broken"
	EventSenderMended EventType = "sender.mended"
	// EventSenderSecretExpiring comes 30 and 7 days before the end of a client secret.
	EventSenderSecretExpiring EventType = "sender.secret_expiring"

	// EventWebhookPaused is told to the application's other endpoints.
	EventWebhookPaused EventType = "webhook.paused"
	// EventWebhookTest goes to the one endpoint that is tested.
	EventWebhookTest EventType = "webhook.test"

	// EventSignInCompleted says that somebody signed in to the application by email.
	EventSignInCompleted EventType = "signin.completed"
)

// EventTypes are all types there are.
func EventTypes() []EventType {
	return []EventType{
		EventLinkCreated, EventLinkOpened, EventLinkStarted, EventLinkTakenOver, EventLinkCompleted, EventLinkFailed,
		EventLinkCanceled, EventLinkExpired, EventFlowStep, EventFlowStepFailed, EventAccountConnected, EventAccountReconnected,
		EventAccountStatusChanged, EventAccountServerChanged, EventAccountDeleted, EventAccountExpiring, EventReconnectEmail, EventAccessTokenIssued,
		EventAccountRevoked, EventRevocationFailed, EventProviderAppBroken, EventProviderAppMended,
		EventSenderProved, EventSenderBroken, EventSenderMended, EventSenderSecretExpiring, EventWebhookPaused, EventWebhookTest,
		EventSignInCompleted,
	}
}

// Scarce tells whether events of the type are written only where somebody listens.
func (t EventType) Scarce() bool { return t == EventLinkCreated || t == EventLinkOpened }

// Event is something that happened, written in the transaction in which it happened.
type Event struct {
	ID            EventID
	ApplicationID ApplicationID
	Type          EventType
	LinkID        LinkID
	FlowID        FlowID
	AccountID     AccountID
	// Sequence counts the events of one account; 0 for events without an account.
	Sequence  int64
	Data      json.RawMessage
	CreatedAt time.Time
}

// DeliveryStatus is where a delivery stands.
type DeliveryStatus string

// The states of a delivery.
const (
	DeliveryPending   DeliveryStatus = "pending"
	DeliveryDelivered DeliveryStatus = "delivered"
	// DeliveryFailed was given up after the last retry.
	DeliveryFailed DeliveryStatus = "failed"
	// DeliveryGone was refused for good by the receiver (410).
	DeliveryGone DeliveryStatus = "gone"
	// DeliveryCanceled was still to be sent when its endpoint was paused or deleted.
	DeliveryCanceled DeliveryStatus = "canceled"
)

// Delivery is one message to one address: its payload is frozen when it is written.
type Delivery struct {
	ID            DeliveryID
	ApplicationID ApplicationID
	// EndpointID is empty for a link's notify_url.
	EndpointID EndpointID
	// EventID is also the webhook-id of every try, so that a receiver can drop repeats.
	EventID   EventID
	LinkID    LinkID
	AccountID AccountID
	EventType EventType
	// URL is where a notify_url lies; an endpoint's is the endpoint's, as it is when it is tried.
	URL      string
	Payload  []byte
	Status   DeliveryStatus
	Attempts int
	// Queue is what the delivery waits in. First tries go by Ordinal and Sequence, and by no clock;
	// DueAt is when the next one is due, zero before the first.
	Queue     string
	Ordinal   time.Time
	Sequence  int64
	DueAt     time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	// Trace is the span in which it was written, as the store found it; empty where nobody traces.
	Trace string
}

// Attempt is one try at a delivery.
type Attempt struct {
	DeliveryID DeliveryID
	Number     int
	URL        string
	At         time.Time
	Duration   time.Duration
	// HTTPStatus is 0 where no answer came; Error then says why, in our words.
	HTTPStatus int
	Error      string
	// Response is the beginning of the answer's body.
	Response []byte
}
