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

// JobKind is the kind of the jobs that versions before the dispatcher enqueued for each delivery.
// Their deliveries are found in the table; the jobs have nothing left to do.
const JobKind = "deliver"

// Config is what hooks needs.
type Config struct {
	Store store.Store
	// Watch tells of deliveries that were committed; Run looks now and then where it is nil.
	Watch store.Watcher
	// Client goes out under the egress policy for webhooks. Its redirect policy is overridden:
	// none is followed.
	Client *http.Client
	Now    func() time.Time
	Log    *slog.Logger
	// Prepared tells that the configuration names the secret of application "default".
	Prepared bool
	// Owner names this process among the replicas.
	Owner string
	// Sole tells that no other process serves this database: shares are taken without waiting for
	// their last owner to be dead, and changes of endpoints without waiting for others to see them.
	Sole bool
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
	watch  store.Watcher
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	owner  string
	// prepared is Config.Prepared.
	prepared bool
	sole     bool
	jitter   func() float64
	// observe may be nil.
	observe   Observer
	listeners *listeners
	answers   answers
	// pace of Run; tests have less patience.
	beatEvery, deadAfter, lookEvery time.Duration
}

// New returns Hooks; Store, Client, Now and Log must be given.
func New(cfg Config) *Hooks {
	client := *cfg.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout <= 0 || client.Timeout > maxTryTime {
		client.Timeout = maxTryTime
	}
	h := &Hooks{
		store: cfg.Store, watch: cfg.Watch, client: &client, now: cfg.Now, log: cfg.Log, owner: cfg.Owner, prepared: cfg.Prepared, sole: cfg.Sole,
		jitter: cfg.Jitter, observe: cfg.Observe, listeners: newListeners(cfg.Now),
		beatEvery: beatEvery, deadAfter: deadAfter, lookEvery: lookEvery,
	}
	if h.jitter == nil {
		h.jitter = rand.Float64
	}
	return h
}

// Emit writes an event, in the transaction of what it reports, and what its listeners are to be told.
// It fills in the ID, CreatedAt and, for an event of an account that still exists, the Sequence, and
// returns the event as written. A scarce event that nobody listens for is not written: its ID stays
// empty.
func (h *Hooks) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	to, err := h.listeners.of(ctx, tx, ev.ApplicationID)
	if err != nil {
		return latchkey.Event{}, fmt.Errorf("hooks: who listens: %w", err)
	}
	// Rows keep milliseconds; so does what the caller sees.
	now := h.now().UTC()
	if ev.Type.Scarce() && !to.listen(ev.Type, now) {
		return ev, nil
	}
	at := now.Truncate(time.Millisecond)
	if ev.AccountID != "" && ev.Sequence == 0 {
		seq, when, err := tx.Accounts().NextSequence(ctx, ev.AccountID, now)
		switch {
		case err == nil:
			ev.Sequence, at = seq, when
		case !errors.Is(err, store.ErrNotFound):
			return latchkey.Event{}, fmt.Errorf("hooks: numbering an event: %w", err)
		}
	}
	if ev.CreatedAt.IsZero() {
		ev.CreatedAt = at
	}
	if ev.ID == "" {
		ev.ID = latchkey.NewEventID(now)
	}
	if len(ev.Data) == 0 {
		ev.Data = json.RawMessage(`{}`)
	}
	if err := tx.Events().Add(ctx, ev); err != nil {
		return latchkey.Event{}, fmt.Errorf("hooks: writing an event: %w", err)
	}
	return ev, h.tellEndpoints(ctx, tx, to, ev, at)
}

// tellEndpoints writes a delivery for each endpoint that wants the event.
func (h *Hooks) tellEndpoints(ctx context.Context, tx store.Tx, to audience, ev latchkey.Event, at time.Time) error {
	var ds []latchkey.Delivery
	for _, e := range to.endpoints {
		if e.Paused != "" || !e.Wants(ev) {
			continue
		}
		payload, err := h.payload(ctx, tx, to.app.Test, e, ev)
		if err != nil {
			return fmt.Errorf("hooks: payload: %w", err)
		}
		ds = append(ds, h.delivery(e, ev, payload, at))
	}
	if len(ds) == 0 {
		return nil
	}
	if err := tx.Deliveries().Create(ctx, ds...); err != nil {
		return fmt.Errorf("hooks: writing deliveries: %w", err)
	}
	return nil
}

// lastInLane is the sequence of what comes after everything that an account has numbered.
const lastInLane = 1 << 62

// delivery is what an endpoint is to be told; at decides its place among first tries.
func (h *Hooks) delivery(e latchkey.Endpoint, ev latchkey.Event, payload []byte, at time.Time) latchkey.Delivery {
	now := h.now().UTC()
	d := latchkey.Delivery{
		ID: latchkey.NewDeliveryID(now), ApplicationID: ev.ApplicationID, EndpointID: e.ID, EventID: ev.ID, EventType: ev.Type,
		LinkID: ev.LinkID, AccountID: ev.AccountID, Payload: payload, Status: latchkey.DeliveryPending, URL: e.URL,
		Ordinal: at, Sequence: ev.Sequence, CreatedAt: now.Truncate(time.Millisecond), UpdatedAt: now.Truncate(time.Millisecond),
	}
	if d.AccountID != "" && d.Sequence == 0 {
		d.Sequence = lastInLane // the account is gone
	}
	d.Queue = queueOf(string(e.ID), laneOf(d))
	return d
}

// Listened tells whether somebody listens for events of the type: an endpoint, or a follower.
func (h *Hooks) Listened(ctx context.Context, app latchkey.ApplicationID, t latchkey.EventType) (bool, error) {
	to, err := h.listeners.of(ctx, h.store, app)
	return err == nil && to.listen(t, h.now()), err
}

// Notification is one message to one URL.
type Notification struct {
	ApplicationID latchkey.ApplicationID
	LinkID        latchkey.LinkID
	AccountID     latchkey.AccountID
	// EventID becomes the webhook-id; where it is empty, the delivery's own id does.
	EventID latchkey.EventID
	URL     string
	// Payload is marshalled when it is written, and never changes afterwards.
	Payload any
}

// Notify writes a notification in the transaction of what it reports. Without a URL there is nobody
// to tell, and nothing is done.
func (h *Hooks) Notify(ctx context.Context, tx store.Tx, n Notification) error {
	if n.URL == "" {
		return nil
	}
	payload, err := json.Marshal(n.Payload)
	if err != nil {
		return fmt.Errorf("hooks: payload: %w", err)
	}
	now := h.now().UTC()
	d := latchkey.Delivery{
		ID: latchkey.NewDeliveryID(now), ApplicationID: n.ApplicationID, EventID: n.EventID,
		LinkID: n.LinkID, AccountID: n.AccountID, URL: n.URL, Payload: payload, Status: latchkey.DeliveryPending,
		Ordinal: now.Truncate(time.Millisecond), CreatedAt: now.Truncate(time.Millisecond), UpdatedAt: now.Truncate(time.Millisecond),
	}
	d.Queue = queueOf(receiverOf(n.ApplicationID, n.URL), laneOf(d))
	if err := tx.Deliveries().Create(ctx, d); err != nil {
		return fmt.Errorf("hooks: writing a delivery: %w", err)
	}
	return nil
}
