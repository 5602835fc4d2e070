package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// JobReplay is the kind of the job that sends an endpoint past events again.
const JobReplay = "replay_endpoint"

// ReplayArgs are the arguments of JobReplay: events after an id, and up to another.
type ReplayArgs struct {
	ApplicationID latchkey.ApplicationID `json:"application_id"`
	EndpointID    latchkey.EndpointID    `json:"endpoint_id"`
	After         latchkey.EventID       `json:"after"`
	Until         latchkey.EventID       `json:"until"`
	// Asked is when it was asked for.
	Asked time.Time `json:"asked"`
}

// replaySettle is when every event that was written before a question can be read: PostgreSQL's newest
// are held back for a second.
const replaySettle = 2 * time.Second

// replayBatch is how many events are looked at in one transaction.
const replayBatch = 200

// TestEndpoint sends the endpoint an event of its own, whatever it listens for.
func (h *Hooks) TestEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Delivery, error) {
	var d latchkey.Delivery
	err := h.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		e, err := h.unpaused(ctx, tx, app, id)
		if err != nil {
			return err
		}
		enc, err := data(map[string]any{"webhook_id": e.ID, "name": e.Name})
		if err != nil {
			return err
		}
		now := h.now().UTC()
		ev := latchkey.Event{
			ID: latchkey.NewEventID(now), ApplicationID: app, Type: latchkey.EventWebhookTest, Data: enc, CreatedAt: now.Truncate(time.Millisecond),
		}
		// Not through Emit: it is for this endpoint alone.
		if err := tx.Events().Add(ctx, ev); err != nil {
			return err
		}
		if d, err = h.again(ctx, tx, e, ev); err != nil {
			return err
		}
		return tx.Deliveries().Create(ctx, d)
	})
	return d, err
}

// again is a delivery of an event to one endpoint; it has no ID where there is nothing left to say.
func (h *Hooks) again(ctx context.Context, tx store.Tx, e latchkey.Endpoint, ev latchkey.Event) (latchkey.Delivery, error) {
	to, err := h.listeners.of(ctx, tx, e.ApplicationID)
	if err != nil {
		return latchkey.Delivery{}, err
	}
	payload, err := h.payload(ctx, tx, to.app.Test, e, ev)
	if errors.Is(err, store.ErrNotFound) {
		return latchkey.Delivery{}, nil // the account is gone, and with it what to say
	}
	if err != nil {
		return latchkey.Delivery{}, fmt.Errorf("hooks: payload: %w", err)
	}
	return h.delivery(e, ev, payload, h.now().UTC().Truncate(time.Millisecond)), nil
}

func (h *Hooks) unpaused(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error) {
	e, err := tx.Endpoints().Get(ctx, app, id)
	if err == nil && e.Paused != "" {
		err = errs.New(errs.Conflict, errs.CodeWebhookPaused, "This webhook is paused. Resume it first.")
	}
	return e, knownEndpoint(err)
}

// Delivery finds a delivery with its tries.
func (h *Hooks) Delivery(ctx context.Context, app latchkey.ApplicationID, id latchkey.DeliveryID) (latchkey.Delivery, []latchkey.Attempt, error) {
	d, err := h.store.Deliveries().Get(ctx, id)
	if err == nil && d.ApplicationID != app {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return latchkey.Delivery{}, nil, errs.NotFoundf("delivery")
	}
	if err != nil {
		return latchkey.Delivery{}, nil, err
	}
	tries, err := h.store.Deliveries().Attempts(ctx, id)
	return d, tries, err
}

// Logged is a delivery with its tries.
type Logged struct {
	latchkey.Delivery
	Tries []latchkey.Attempt
}

// mostAnswers bounds the answers of receivers in one page of the log: a page of hundreds, with a score
// of tries each, could otherwise hold gigabytes.
const mostAnswers = 4 << 20

// loggedAtOnce is of how many deliveries the tries are read together. Where the answers are long, what is
// read and not shown stays within as many.
const loggedAtOnce = 10

// Deliveries lists what an endpoint was sent, newest first. Where the answers are long it ends early:
// more tells that the next page begins after its last.
func (h *Hooks) Deliveries(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, p store.Page) (out []Logged, more bool, err error) {
	if _, err := h.Endpoint(ctx, app, id); err != nil {
		return nil, false, err
	}
	ds, err := h.store.Deliveries().ByEndpoint(ctx, app, id, p)
	if err != nil {
		return nil, false, err
	}
	size := 0
	for some := range slices.Chunk(ds, loggedAtOnce) {
		of, err := h.store.Deliveries().AttemptsOf(ctx, app, id, some[len(some)-1].ID, some[0].ID)
		if err != nil {
			return nil, false, err
		}
		tries := map[latchkey.DeliveryID][]latchkey.Attempt{}
		for _, t := range of {
			tries[t.DeliveryID] = append(tries[t.DeliveryID], t)
		}
		for _, d := range some {
			out = append(out, Logged{Delivery: d, Tries: tries[d.ID]})
			for _, t := range tries[d.ID] {
				size += len(t.Response)
			}
			if size > mostAnswers && len(out) < len(ds) {
				return out, true, nil
			}
		}
	}
	return out, false, nil
}

// Replay sends a delivery again, as it was, with the same webhook-id: to its endpoint as that is now,
// or to the same notify_url.
func (h *Hooks) Replay(ctx context.Context, app latchkey.ApplicationID, id latchkey.DeliveryID) (latchkey.Delivery, error) {
	was, _, err := h.Delivery(ctx, app, id)
	if err != nil {
		return latchkey.Delivery{}, err
	}
	now := h.now().UTC()
	d := was
	d.ID, d.Status, d.Attempts, d.DueAt = latchkey.NewDeliveryID(now), latchkey.DeliveryPending, 0, time.Time{}
	if d.EventID == "" {
		d.EventID = latchkey.EventID(was.ID) // the webhook-id that it had
	}
	d.Ordinal, d.CreatedAt, d.UpdatedAt = now.Truncate(time.Millisecond), now.Truncate(time.Millisecond), now.Truncate(time.Millisecond)
	receiver := string(d.EndpointID)
	if receiver == "" {
		receiver = receiverOf(app, d.URL)
	}
	d.Queue = queueOf(receiver, laneOf(d))
	err = h.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if d.EndpointID != "" {
			e, err := h.unpaused(ctx, tx, app, d.EndpointID)
			if err != nil {
				return err
			}
			d.URL = e.URL
		}
		return tx.Deliveries().Create(ctx, d)
	})
	return d, err
}

// ReplaySince sends the endpoint every event again that it wants and that was written since, in the
// order in which they happened. It returns at once.
func (h *Hooks) ReplaySince(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, since time.Time) error {
	return h.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := h.unpaused(ctx, tx, app, id); err != nil {
			return err
		}
		now := h.now()
		return enqueue(ctx, tx, JobReplay, ReplayArgs{
			ApplicationID: app, EndpointID: id, After: latchkey.EventIDAt(since), Until: latchkey.EventIDAt(now.Add(time.Millisecond)),
			Asked: now.UTC(),
		})
	})
}

// HandleReplay is the handler of JobReplay: it does one batch, and enqueues the next with it.
func (h *Hooks) HandleReplay(ctx context.Context, args ReplayArgs) error {
	err := h.store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		e, err := h.unpaused(ctx, tx, args.ApplicationID, args.EndpointID)
		if err != nil {
			return err
		}
		events, err := tx.Events().List(ctx, args.ApplicationID, store.EventFilter{}, args.After, replayBatch)
		if err != nil {
			return err
		}
		over := len(events) < replayBatch
		var ds []latchkey.Delivery
		for _, ev := range events {
			if over = over || ev.ID >= args.Until; ev.ID >= args.Until {
				break
			}
			args.After = ev.ID
			if ev.Type == latchkey.EventWebhookTest || !e.Wants(ev) {
				continue
			}
			d, err := h.again(ctx, tx, e, ev)
			if err != nil {
				return err
			}
			if d.ID != "" {
				ds = append(ds, d)
			}
		}
		if err := tx.Deliveries().Create(ctx, ds...); err != nil {
			return err
		}
		if !over {
			return enqueue(ctx, tx, JobReplay, args)
		}
		// Events of just before the question may still be held back from readers: it looks once more.
		if again := args.Asked.Add(replaySettle); h.now().Before(again) {
			return enqueueAt(ctx, tx, JobReplay, args, again)
		}
		return nil
	})
	if errs.Is(err, errs.CodeWebhookPaused) || errs.Is(err, errs.CodeNotFound) {
		return nil // paused or deleted meanwhile: there is nobody to tell
	}
	return err
}

func enqueue(ctx context.Context, tx store.Tx, kind string, args any) error {
	return enqueueAt(ctx, tx, kind, args, time.Time{})
}

func enqueueAt(ctx context.Context, tx store.Tx, kind string, args any, at time.Time) error {
	enc, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("hooks: job: %w", err)
	}
	return tx.Enqueue(ctx, store.Job{Kind: kind, Args: enc, RunAt: at})
}

// Handlers are the jobs that hooks needs done.
func (h *Hooks) Handlers() map[string]store.Handler {
	return map[string]store.Handler{
		// What an earlier version enqueued: the deliveries are found without.
		JobKind:       func(context.Context, store.RunningJob) error { return nil },
		JobReplay:     handler(h.HandleReplay),
		JobWatchLinks: handler(h.WatchLinks),
	}
}

func handler[T any](do func(ctx context.Context, args T) error) store.Handler {
	return func(ctx context.Context, j store.RunningJob) error {
		var args T
		if err := json.Unmarshal(j.Args, &args); err != nil {
			return store.CancelJob(err)
		}
		return do(ctx, args)
	}
}
