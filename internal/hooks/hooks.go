package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// JobKind is the kind of the jobs that Notify enqueues and Deliver handles.
const JobKind = "deliver"

// maxJobAttempts is only a backstop: the schedule of retries ends long before, but the runner also
// counts what was not the receiver's fault.
const maxJobAttempts = 100

// Config is what hooks needs.
type Config struct {
	Store store.Store
	// Client goes out under the egress policy for webhooks. Its redirect policy is overridden:
	// none is followed.
	Client *http.Client
	Now    func() time.Time
	Log    *slog.Logger
	// Jitter returns a number in [0,1) that spreads retries; nil means a random one.
	Jitter func() float64
	// Observe may be nil.
	Observe Observer
}

// Observer counts tries: delivered, retried, failed or gone. Queued is the time from the event to the
// first try, and negative for later ones.
type Observer interface {
	Delivery(outcome string, queued, took time.Duration)
}

// Hooks writes events and delivers notifications. It is safe for concurrent use.
type Hooks struct {
	store  store.Store
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	jitter func() float64
	// observe may be nil.
	observe Observer
	// receivers bounds what one slow host can hold up.
	receivers receivers
}

// New returns Hooks; Store, Client, Now and Log must be given.
func New(cfg Config) *Hooks {
	client := *cfg.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout <= 0 || client.Timeout > maxTryTime {
		client.Timeout = maxTryTime
	}
	h := &Hooks{store: cfg.Store, client: &client, now: cfg.Now, log: cfg.Log, jitter: cfg.Jitter, observe: cfg.Observe, receivers: receivers{hosts: map[string]*receiver{}}}
	if h.jitter == nil {
		h.jitter = rand.Float64
	}
	return h
}

// Emit writes an event, in the transaction of what it reports. It fills in the ID, CreatedAt and,
// for an event of an account that still exists, the Sequence, and returns the event as written.
func (h *Hooks) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	// Rows keep milliseconds; so does what the caller sees.
	now := h.now().UTC()
	if ev.CreatedAt.IsZero() {
		ev.CreatedAt = now.Truncate(time.Millisecond)
	}
	if ev.ID == "" {
		ev.ID = latchkey.NewEventID(now)
	}
	if len(ev.Data) == 0 {
		ev.Data = json.RawMessage(`{}`)
	}
	if ev.AccountID != "" && ev.Sequence == 0 {
		seq, err := tx.Accounts().NextSequence(ctx, ev.AccountID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return latchkey.Event{}, fmt.Errorf("hooks: numbering an event: %w", err)
		}
		ev.Sequence = seq
	}
	if err := tx.Events().Add(ctx, ev); err != nil {
		return latchkey.Event{}, fmt.Errorf("hooks: writing an event: %w", err)
	}
	return ev, nil
}

// Notification is one message to one URL.
type Notification struct {
	ApplicationID latchkey.ApplicationID
	LinkID        latchkey.LinkID
	AccountID     latchkey.AccountID
	// EventID becomes the webhook-id; where it is empty, the delivery's own id does.
	EventID latchkey.EventID
	URL     string
	// Payload is marshalled when it is enqueued, and never changes afterwards.
	Payload any
}

// Notify enqueues a notification in the transaction of what it reports. Without a URL there is
// nobody to tell, and nothing is done.
func (h *Hooks) Notify(ctx context.Context, tx store.Tx, n Notification) error {
	if n.URL == "" {
		return nil
	}
	payload, err := json.Marshal(n.Payload)
	if err != nil {
		return fmt.Errorf("hooks: payload: %w", err)
	}
	now := h.now().UTC().Truncate(time.Millisecond)
	d := latchkey.Delivery{
		ID: latchkey.NewDeliveryID(now), ApplicationID: n.ApplicationID, EventID: n.EventID,
		LinkID: n.LinkID, AccountID: n.AccountID, URL: n.URL, Payload: payload,
		Status: latchkey.DeliveryPending, CreatedAt: now, UpdatedAt: now,
	}
	if err := tx.Deliveries().Create(ctx, d); err != nil {
		return fmt.Errorf("hooks: writing a delivery: %w", err)
	}
	args, err := json.Marshal(jobArgs{DeliveryID: d.ID})
	if err != nil {
		return fmt.Errorf("hooks: job: %w", err)
	}
	if err := tx.Enqueue(ctx, store.Job{Kind: JobKind, Args: args, MaxAttempts: maxJobAttempts}); err != nil {
		return fmt.Errorf("hooks: enqueueing a delivery: %w", err)
	}
	return nil
}

type jobArgs struct {
	DeliveryID latchkey.DeliveryID `json:"delivery_id"`
}
