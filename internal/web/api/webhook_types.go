package api

import (
	"context"
	"errors"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
)

// webhookRequest describes the body of POST /webhooks; readWebhook reads it.
type webhookRequest struct {
	RequestURL string   `json:"request_url" format:"uri" maxLength:"2048" doc:"Where events are posted to: http or https, without a user name."`
	Events     []string `json:"events,omitempty" maxItems:"50" nullable:"false" doc:"Which events: \"*\", a noun such as \"account.*\", or one type. Required, but for the account_status payload, whose default is \"account.*\"."`
	Source     string   `json:"source,omitempty" enum:"account_status" doc:"The same as payload account_status, for existing clients."`
	WebhookFields
}

// webhookChange describes the body of PATCH /webhooks/{id}.
type webhookChange struct {
	RequestURL string   `json:"request_url,omitempty" format:"uri" maxLength:"2048"`
	Events     []string `json:"events,omitempty" maxItems:"50" nullable:"false"`
	Source     string   `json:"source,omitempty" enum:"account_status"`
	WebhookFields
}

// WebhookFields are what both have. It is exported for the sake of reflection only.
type WebhookFields struct {
	Name       string       `json:"name,omitempty" maxLength:"100" doc:"For your own lists."`
	Headers    []HeaderPair `json:"headers,omitempty" maxItems:"20" nullable:"false" doc:"Headers of your own on every delivery. All of them are replaced. Values are never shown again."`
	Payload    string       `json:"payload,omitempty" enum:"native,account_status" doc:"native: the event. account_status: {\"AccountStatus\":{…}}, for events of accounts alone."`
	AccountIDs []string     `json:"account_ids,omitempty" maxItems:"250" nullable:"false" doc:"Events of these accounts only; an empty list means all."`
	Enabled    *bool        `json:"enabled,omitempty" doc:"false pauses it, true resumes it."`
	Format     string       `json:"format,omitempty" enum:"json" doc:"Deliveries are JSON."`
}

// HeaderPair is exported for the sake of reflection only.
type HeaderPair struct {
	Key   string `json:"key" maxLength:"100"`
	Value string `json:"value" maxLength:"4096"`
}

type webhookCreated struct {
	Object    string `json:"object" enum:"WebhookCreated"`
	WebhookID string `json:"webhook_id"`
	Secret    string `json:"secret" doc:"Deliveries are signed with it, as Standard Webhooks. It is shown here only."`
}

type webhookSecret struct {
	Object    string `json:"object" enum:"WebhookSecret"`
	WebhookID string `json:"webhook_id"`
	Secret    string `json:"secret" doc:"The new secret. It is shown here only."`
	OldUntil  stamp  `json:"old_secret_until" doc:"Until then, deliveries carry signatures of both."`
}

type webhookDeleted struct {
	Object string `json:"object" enum:"WebhookDeleted"`
}

// webhook is an endpoint as it is read. It never holds a secret.
type webhook struct {
	Object       string           `json:"object" enum:"Webhook"`
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	RequestURL   string           `json:"request_url"`
	Events       []string         `json:"events" nullable:"false"`
	AccountIDs   []webhookAccount `json:"account_ids" nullable:"false" doc:"Empty: all accounts."`
	Headers      []HeaderPair     `json:"headers" nullable:"false" doc:"Values are hidden."`
	Payload      string           `json:"payload" enum:"native,account_status"`
	Format       string           `json:"format" enum:"json"`
	Enabled      bool             `json:"enabled"`
	PausedReason *string          `json:"paused_reason" doc:"owner, failing (for three days) or gone (it answered 410); null while it is told."`
	PausedAt     *stamp           `json:"paused_at"`
	FailingSince *stamp           `json:"failing_since" doc:"The first failure since the last success."`
	CreatedAt    stamp            `json:"created_at"`
	UpdatedAt    stamp            `json:"updated_at"`
	Test         bool             `json:"test,omitempty"`
	// What existing client libraries look for.
	Type   string `json:"type,omitempty" doc:"Under /api/v1 only."`
	Source string `json:"source,omitempty" doc:"Under /api/v1 only."`
	Data   *[]any `json:"data,omitempty" doc:"Under /api/v1 only."`
}

type webhookAccount struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

type webhookList struct {
	Object string    `json:"object" enum:"WebhookList"`
	Items  []webhook `json:"items" nullable:"false"`
	Cursor *string   `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

// hiddenValue stands for the value of a header.
const hiddenValue = "•••"

func (a *API) showWebhook(ctx context.Context, c *call, e latchkey.Endpoint) (webhook, error) {
	w := webhook{
		Object: "Webhook", ID: string(e.ID), Name: e.Name, RequestURL: e.URL, Events: append([]string{}, e.Events...),
		AccountIDs: []webhookAccount{}, Headers: []HeaderPair{}, Payload: string(e.Payload), Format: "json", Enabled: e.Paused == "",
		PausedReason: orNull(string(e.Paused)), PausedAt: optional(&e.PausedAt), FailingSince: optional(&e.FailingSince),
		CreatedAt: at(e.CreatedAt), UpdatedAt: at(e.UpdatedAt), Test: c.app.Test,
	}
	for _, h := range e.Headers {
		w.Headers = append(w.Headers, HeaderPair{Key: h.Key, Value: hiddenValue})
	}
	for _, id := range e.Accounts {
		acc, err := a.cfg.Accounts.Get(ctx, c.app.ID, string(id))
		if errs.Is(err, errs.CodeNotFound) {
			continue // deleted since
		}
		if err != nil {
			return webhook{}, err
		}
		w.AccountIDs = append(w.AccountIDs, webhookAccount{ID: string(acc.ID), Type: c.typeName(acc.Provider)})
	}
	if c.lenient {
		w.Type, w.Data = "AUTO", &[]any{}
		if e.Payload == latchkey.PayloadAccountStatus {
			w.Source = string(e.Payload)
		}
	}
	return w, nil
}

type delivery struct {
	Object    string            `json:"object" enum:"Delivery"`
	ID        string            `json:"id"`
	WebhookID *string           `json:"webhook_id" doc:"null where it went to a link's notify_url."`
	EventID   *string           `json:"event_id" doc:"The webhook-id of every try."`
	EventType *string           `json:"event_type"`
	LinkID    *string           `json:"link_id"`
	AccountID *string           `json:"account_id"`
	Status    string            `json:"status" enum:"pending,delivered,failed,gone,canceled" doc:"gone: the address answered 410. canceled: the webhook was paused or deleted first."`
	NextTryAt *stamp            `json:"next_try_at" doc:"null before the first try, and where there is none."`
	Request   deliveryRequest   `json:"request"`
	Attempts  []deliveryAttempt `json:"attempts" nullable:"false" doc:"Every try, oldest first."`
	CreatedAt stamp             `json:"created_at"`
	Test      bool              `json:"test,omitempty"`
}

type deliveryRequest struct {
	URL     string `json:"url"`
	Body    object `json:"body" doc:"As it is sent, byte for byte but for spaces."`
	Headers object `json:"headers" doc:"Those that are the same for every try. Values of your own are hidden; signature and timestamp are made for each try."`
}

type deliveryAttempt struct {
	Number     int    `json:"number" minimum:"1"`
	URL        string `json:"url"`
	At         stamp  `json:"at"`
	DurationMS int64  `json:"duration_ms" minimum:"0"`
	HTTPStatus *int   `json:"http_status" doc:"null where no answer came."`
	Error      string `json:"error" doc:"Empty where it was taken; otherwise a code and a sentence."`
	Response   string `json:"response" doc:"The answer's body, cut at 64 KiB."`
}

type deliveryList struct {
	Object string     `json:"object" enum:"DeliveryList"`
	Items  []delivery `json:"items" nullable:"false"`
	Cursor *string    `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

type deliveryQueued struct {
	Object     string  `json:"object" enum:"DeliveryQueued"`
	DeliveryID string  `json:"delivery_id" doc:"Look it up in the webhook's deliveries."`
	EventID    *string `json:"event_id"`
}

type replayRequest struct {
	Since string `json:"since" format:"date-time" doc:"Every event that was written from then on, at most 30 days back."`
}

type replayStarted struct {
	Object    string `json:"object" enum:"WebhookReplay"`
	WebhookID string `json:"webhook_id"`
	Since     stamp  `json:"since"`
}

type listenRequest struct {
	After  string   `json:"after,omitempty" doc:"The after of the answer before. Left out: what happens from now on."`
	Events []string `json:"events,omitempty" maxItems:"50" nullable:"false" doc:"Patterns as for webhooks; left out, all events."`
	Wait   int      `json:"wait,omitempty" minimum:"0" maximum:"20" doc:"Seconds to wait where nothing has happened yet."`
}

type listenAnswer struct {
	Object string  `json:"object" enum:"EventPage"`
	Items  []event `json:"items" nullable:"false"`
	After  string  `json:"after" doc:"Send it with the next request."`
	Test   bool    `json:"test,omitempty"`
}

// showDelivery never shows the value of a header of the application's own.
func (c *call) showDelivery(d hooks.Logged, e latchkey.Endpoint) delivery {
	id := d.EventID
	if id == "" {
		id = latchkey.EventID(d.ID)
	}
	headers := map[string]string{"Content-Type": "application/json", "Webhook-Id": string(id)}
	for _, h := range e.Headers {
		headers[h.Key] = hiddenValue
	}
	enc, err := marshal(headers)
	if err != nil {
		enc = nil // a map of strings always can
	}
	out := delivery{
		Object: "Delivery", ID: string(d.ID), WebhookID: orNull(string(d.EndpointID)), EventID: orNull(string(d.EventID)),
		EventType: orNull(string(d.EventType)), LinkID: orNull(string(d.LinkID)), AccountID: orNull(string(d.AccountID)),
		Status: string(d.Status), NextTryAt: optional(&d.DueAt), CreatedAt: at(d.CreatedAt), Test: c.app.Test,
		Request: deliveryRequest{URL: d.URL, Body: object(d.Payload), Headers: enc}, Attempts: []deliveryAttempt{},
	}
	for _, t := range d.Tries {
		shown := deliveryAttempt{
			Number: t.Number, URL: t.URL, At: at(t.At), DurationMS: t.Duration.Milliseconds(), Error: t.Error, Response: string(t.Response),
		}
		if t.HTTPStatus != 0 {
			shown.HTTPStatus = &t.HTTPStatus
		}
		out.Attempts = append(out.Attempts, shown)
	}
	return out
}

// gone tells whether an endpoint has been deleted since.
func gone(err error) bool {
	return err != nil && errors.As(err, new(*errs.Error)) && errs.Is(err, errs.CodeNotFound)
}
