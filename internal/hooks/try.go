package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
	"latchkey/internal/tracing"
)

// Bounds of one try.
const (
	maxTryTime  = 30 * time.Second
	maxResponse = 64 << 10
	// bodyTime is how long an answer's body may take after its status, which is what counts.
	bodyTime   = 2 * time.Second
	recordTime = 5 * time.Second
)

// target is where a delivery goes, and how.
type target struct {
	url     string
	secrets []string
	headers []latchkey.Header
	// endpoint is the endpoint as it is; its ID is empty for a notify_url.
	endpoint latchkey.Endpoint
	// off tells that nothing is to be sent: the endpoint is paused or gone.
	off bool
}

// targetOf looks up where the delivery goes now.
func (h *Hooks) targetOf(ctx context.Context, d latchkey.Delivery) (target, error) {
	to, err := h.listeners.of(ctx, h.store, d.ApplicationID)
	if err != nil {
		return target{}, fmt.Errorf("hooks: loading the receiver of a delivery: %w", err)
	}
	if d.EndpointID == "" {
		return target{url: d.URL, secrets: to.app.SigningSecrets(h.now())}, nil
	}
	e, ok := to.endpoint(d.EndpointID)
	if !ok || e.Paused != "" {
		return target{off: true}, nil
	}
	t := target{url: e.URL, secrets: []string{e.Secret}, headers: e.Headers, endpoint: e}
	if e.OldSecret != "" && h.now().Before(e.OldSecretUntil) {
		t.secrets = append(t.secrets, e.OldSecret)
	}
	return t, nil
}

// result is what one try found.
type result struct {
	latchkey.Attempt
	retryAfter time.Duration
	hopeless   bool
}

// try POSTs the payload once. It returns an error only for what is our own fault (a secret that does
// not open, a shutdown in the middle): no try is counted then.
func (h *Hooks) try(ctx context.Context, d latchkey.Delivery, t target) (r result, err error) {
	begun := h.now()
	r = result{Attempt: latchkey.Attempt{DeliveryID: d.ID, Number: d.Attempts + 1, URL: t.url, At: begun.UTC().Truncate(time.Millisecond)}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A trace of its own that points at the one of the event: it may be sent days later.
	ctx, span := tracing.StartLinked(ctx, d.Trace, "delivery", "latchkey.event_type", string(d.EventType), "latchkey.attempt", strconv.Itoa(d.Attempts+1))
	defer func() { span.End(codeOf(r.Error)) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(d.Payload))
	if err != nil {
		r.Error, r.hopeless = "invalid_url: The address is not one that can be called.", true
		return r, nil
	}
	for _, x := range t.headers {
		req.Header.Set(x.Key, x.Value)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := sign(req.Header, t.secrets, webhookID(d), begun, d.Payload); err != nil {
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
	// The status is the answer; a body that breaks off or drips changes nothing about it.
	late := time.AfterFunc(bodyTime, cancel)
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	late.Stop()
	r.Duration, r.HTTPStatus, r.Response = h.now().Sub(begun), res.StatusCode, h.answers.cut(receiverName(d), body, h.now())
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

// codeOf is the code that an attempt's error begins with.
func codeOf(text string) string {
	code, _, _ := strings.Cut(text, ":")
	return code
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

// judge decides what the try makes of the delivery.
func (h *Hooks) judge(d latchkey.Delivery, r result) latchkey.Delivery {
	now := h.now().UTC().Truncate(time.Millisecond)
	d.Attempts, d.UpdatedAt, d.DueAt = r.Number, now, time.Time{}
	switch {
	case r.Error == "":
		d.Status = latchkey.DeliveryDelivered
	case r.HTTPStatus == http.StatusGone:
		d.Status = latchkey.DeliveryGone
	case r.hopeless:
		d.Status = latchkey.DeliveryFailed
	default:
		if again, ok := nextDelay(d.Attempts, now.Sub(d.CreatedAt), r.retryAfter, h.jitter()); ok {
			d.DueAt = now.Add(again)
		} else {
			d.Status = latchkey.DeliveryFailed
		}
	}
	return d
}

// Deliver does one try at a delivery, whoever else is at work on it, and records it. It returns the
// delivery as it then is. Run does not need it.
func (h *Hooks) Deliver(ctx context.Context, id latchkey.DeliveryID) (latchkey.Delivery, error) {
	d, err := h.store.Deliveries().Get(ctx, id)
	if err != nil {
		return d, fmt.Errorf("hooks: loading a delivery: %w", err)
	}
	if d.Status != latchkey.DeliveryPending {
		return d, nil
	}
	t, err := h.targetOf(ctx, d)
	if err != nil || t.off {
		return d, err
	}
	r, err := h.try(ctx, d, t)
	if err != nil {
		return d, err
	}
	ended := h.judge(d, r)
	// A shutdown must not forget a try that the receiver has seen.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if err := h.store.Deliveries().Record(ctx, store.Tried{Delivery: ended, Attempt: r.Attempt}); err != nil {
		return d, fmt.Errorf("hooks: recording a try: %w", err)
	}
	h.noted(ctx, tried{was: d, now: ended, attempt: r.Attempt, target: t})
	return ended, nil
}

// tried is a try on its way to the record.
type tried struct {
	was, now latchkey.Delivery
	attempt  latchkey.Attempt
	target   target
}

// noted tells of a try that was recorded, and looks what it means for the endpoint.
func (h *Hooks) noted(ctx context.Context, t tried) {
	h.tell(ctx, t)
	h.count(t)
	h.watchEndpoint(ctx, t)
}

// count tells the observer of a try that is on record.
func (h *Hooks) count(t tried) {
	if h.observe == nil {
		return
	}
	queued, outcome := time.Duration(-1), string(t.now.Status)
	if t.attempt.Number == 1 {
		queued = max(t.attempt.At.Sub(t.was.CreatedAt), 0)
	}
	if t.now.Status == latchkey.DeliveryPending {
		outcome = "retried"
	}
	h.observe.Delivery(outcome, queued, t.attempt.Duration)
}

// tell logs a try that failed. The URL's path and query are the application's secrets, so only the
// host is named.
func (h *Hooks) tell(ctx context.Context, t tried) {
	if t.attempt.Error == "" {
		return
	}
	attrs := []slog.Attr{
		slog.String("delivery_id", string(t.now.ID)),
		slog.String("application_id", string(t.now.ApplicationID)),
		slog.String("endpoint_id", string(t.now.EndpointID)),
		slog.String("link_id", string(t.now.LinkID)),
		slog.String("host", hostOf(t.attempt.URL)),
		slog.Int("attempt", t.attempt.Number),
		slog.Int("http_status", t.attempt.HTTPStatus),
		slog.String("reason", t.attempt.Error),
		slog.String("delivery_status", string(t.now.Status)),
	}
	if !t.now.DueAt.IsZero() {
		attrs = append(attrs, slog.Time("again_at", t.now.DueAt))
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

// isOurs tells whether an error is only that somebody else was quicker, or the row is gone.
func isOurs(err error) bool {
	return err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrStale)
}
