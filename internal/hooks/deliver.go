package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"latchkey"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
)

// Bounds of one try.
const (
	maxTryTime  = 30 * time.Second
	maxResponse = 64 << 10
	recordTime  = 5 * time.Second
)

// Outcome tells the job runner what becomes of the job: it is done with, or it is to run again
// after some time. A delivery that was given up is done with, too.
type Outcome struct {
	Done  bool
	Again time.Duration
	// Wait means that nothing was tried: the receiver has as many tries under way as it may have.
	Wait time.Duration
}

// errAgain is the reason that the job runner sees for a try that failed; the try itself says more.
var errAgain = errors.New("hooks: not delivered yet")

// Run is Deliver as a store.Handler.
func (h *Hooks) Run(ctx context.Context, j store.RunningJob) error {
	out, err := h.Deliver(ctx, j.Args)
	if err != nil || out.Done {
		return err
	}
	if out.Wait > 0 {
		return store.SnoozeJob(out.Wait)
	}
	return store.RetryJobAfter(out.Again, errAgain)
}

// Deliver does one try at the delivery that a job of JobKind names, and records it. It returns an
// error only for what is our own fault (the database, a secret that does not open, a shutdown in
// the middle): the runner then retries in its own way, and no try is counted.
func (h *Hooks) Deliver(ctx context.Context, args json.RawMessage) (Outcome, error) {
	var a jobArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return Outcome{}, fmt.Errorf("hooks: job arguments: %w", err)
	}
	d, err := h.store.Deliveries().Get(ctx, a.DeliveryID)
	if errors.Is(err, store.ErrNotFound) {
		// Cleaned away, or its application is: there is nothing left to tell.
		return Outcome{Done: true}, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("hooks: loading a delivery: %w", err)
	}
	if d.Status != latchkey.DeliveryPending {
		return Outcome{Done: true}, nil
	}
	app, err := h.store.Applications().Get(ctx, d.ApplicationID)
	if err != nil {
		return Outcome{}, fmt.Errorf("hooks: loading the application of a delivery: %w", err)
	}
	leave, ok := h.receivers.enter(ctx, d.URL)
	if !ok {
		return Outcome{Wait: h.shortWait()}, nil
	}
	defer leave()
	t, err := h.try(ctx, d, app.WebhookSecret)
	if err != nil {
		return Outcome{}, err
	}
	return h.settle(ctx, d, t)
}

// result is what one try found.
type result struct {
	latchkey.Attempt
	retryAfter time.Duration
	hopeless   bool
}

// try POSTs the payload once.
func (h *Hooks) try(ctx context.Context, d latchkey.Delivery, secret string) (result, error) {
	begun := h.now()
	r := result{Attempt: latchkey.Attempt{DeliveryID: d.ID, Number: d.Attempts + 1, At: begun.UTC().Truncate(time.Millisecond)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Payload))
	if err != nil {
		r.Error, r.hopeless = "invalid_url: The address is not one that can be called.", true
		return r, nil
	}
	req.Header.Set("Content-Type", "application/json")
	if err := sign(req.Header, secret, webhookID(d), begun, d.Payload); err != nil {
		return r, err
	}
	res, err := h.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return r, fmt.Errorf("hooks: a try was interrupted: %w", ctx.Err())
		}
		r.Duration = h.now().Sub(begun)
		r.Error = inOurWords(err)
		return r, nil
	}
	defer func() { _ = res.Body.Close() }() // the answer has been read as far as it is wanted
	// The status is the answer; a body that breaks off changes nothing about it.
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	r.Duration, r.HTTPStatus, r.Response = h.now().Sub(begun), res.StatusCode, body
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
	case res.StatusCode >= 300 && res.StatusCode < 400:
		r.Error = "redirected: The address answered with a redirect; notifications are not redirected. Use the final address."
	default:
		r.Error = fmt.Sprintf("http_status: The address answered with status %d.", res.StatusCode)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		r.retryAfter = parseRetryAfter(res.Header, h.now())
	}
	return r, nil
}

// webhookID stays the same over all tries.
func webhookID(d latchkey.Delivery) string {
	if d.EventID != "" {
		return string(d.EventID)
	}
	return string(d.ID)
}

// inOurWords says why no answer came. The client's own text would hold the whole URL.
func inOurWords(err error) string {
	e := safehttp.Explain(err)
	return string(e.Code) + ": " + e.Detail
}

// settle records the try and decides what follows.
func (h *Hooks) settle(ctx context.Context, d latchkey.Delivery, r result) (Outcome, error) {
	now := h.now().UTC().Truncate(time.Millisecond)
	d.Attempts, d.UpdatedAt = r.Number, now
	out := Outcome{Done: true}
	switch {
	case r.Error == "":
		d.Status = latchkey.DeliveryDelivered
	case r.HTTPStatus == http.StatusGone:
		d.Status = latchkey.DeliveryGone
	case r.hopeless:
		d.Status = latchkey.DeliveryFailed
	default:
		if again, ok := nextDelay(d.Attempts, now.Sub(d.CreatedAt), r.retryAfter, h.jitter()); ok {
			out = Outcome{Again: again}
		} else {
			d.Status = latchkey.DeliveryFailed
		}
	}
	// A shutdown must not forget a try that the receiver has seen.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	err := h.store.Deliveries().Record(ctx, d, r.Attempt)
	if errors.Is(err, store.ErrNotFound) {
		return Outcome{Done: true}, nil // cleaned away meanwhile
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("hooks: recording a try: %w", err)
	}
	h.tell(ctx, d, r, out)
	h.count(d, r, out)
	return out, nil
}

// count tells the observer of a try that is on record.
func (h *Hooks) count(d latchkey.Delivery, r result, out Outcome) {
	if h.observe == nil {
		return
	}
	queued, outcome := time.Duration(-1), string(d.Status)
	if r.Number == 1 {
		queued = max(r.At.Sub(d.CreatedAt), 0)
	}
	if !out.Done {
		outcome = "retried"
	}
	h.observe.Delivery(outcome, queued, r.Duration)
}

// tell logs a try that failed. The URL's path and query are the application's secrets, so only the
// host is named.
func (h *Hooks) tell(ctx context.Context, d latchkey.Delivery, r result, out Outcome) {
	if r.Error == "" {
		return
	}
	attrs := []slog.Attr{
		slog.String("delivery_id", string(d.ID)),
		slog.String("application_id", string(d.ApplicationID)),
		slog.String("link_id", string(d.LinkID)),
		slog.String("host", hostOf(d.URL)),
		slog.Int("attempt", r.Number),
		slog.Int("http_status", r.HTTPStatus),
		slog.String("reason", r.Error),
		slog.String("delivery_status", string(d.Status)),
	}
	if !out.Done {
		attrs = append(attrs, slog.Duration("again_in", out.Again))
	}
	h.log.LogAttrs(ctx, slog.LevelWarn, "delivery failed", attrs...)
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}
