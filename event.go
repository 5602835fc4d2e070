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
)

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
)

// Delivery is one message to one URL: its payload is frozen when it is enqueued.
type Delivery struct {
	ID            DeliveryID
	ApplicationID ApplicationID
	// EventID is also the webhook-id of every try, so that a receiver can drop repeats.
	EventID   EventID
	LinkID    LinkID
	AccountID AccountID
	URL       string
	Payload   []byte
	Status    DeliveryStatus
	Attempts  int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Attempt is one try at a delivery.
type Attempt struct {
	DeliveryID DeliveryID
	Number     int
	At         time.Time
	Duration   time.Duration
	// HTTPStatus is 0 where no answer came; Error then says why, in our words.
	HTTPStatus int
	Error      string
	// Response is the beginning of the answer's body.
	Response []byte
}
