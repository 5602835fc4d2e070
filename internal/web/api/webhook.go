package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
)

// createWebhook answers POST /webhooks.
func (a *API) createWebhook(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec, err := a.wholeWebhook(ctx, c, f, latchkey.Endpoint{Payload: latchkey.PayloadNative})
	if err != nil {
		return answer{}, err
	}
	made, err := a.cfg.Webhooks.CreateEndpoint(ctx, c.app.ID, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, webhookCreated{Object: "WebhookCreated", WebhookID: string(made.ID), Secret: made.Secret}}, nil
}

// listWebhooks answers GET /webhooks, newest first like every list.
func (a *API) listWebhooks(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("whe_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.Webhooks.Endpoints(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	all = slices.DeleteFunc(all, func(e latchkey.Endpoint) bool { return page.Before != "" && string(e.ID) >= page.Before })
	slices.Reverse(all)
	all = all[:min(len(all), page.Limit+1)]
	all, cursor := paged(all, page.Limit, func(e latchkey.Endpoint) string { return string(e.ID) })
	out := webhookList{Object: "WebhookList", Items: make([]webhook, len(all)), Cursor: cursor}
	for i, e := range all {
		if out.Items[i], err = a.showWebhook(ctx, c, e); err != nil {
			return answer{}, err
		}
	}
	return answer{http.StatusOK, out}, nil
}

// webhookOf finds the webhook that the path names.
func (a *API) webhookOf(ctx context.Context, c *call) (latchkey.Endpoint, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "whe_") {
		return latchkey.Endpoint{}, errs.NotFoundf("webhook")
	}
	return a.cfg.Webhooks.Endpoint(ctx, c.app.ID, latchkey.EndpointID(id))
}

// onWebhook is webhookOf for routes that take no fields.
func (a *API) onWebhook(ctx context.Context, c *call) (latchkey.Endpoint, error) {
	e, err := a.webhookOf(ctx, c)
	if err == nil {
		err = c.noFields()
	}
	return e, err
}

func (a *API) answerWebhook(ctx context.Context, c *call, e latchkey.Endpoint, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	out, err := a.showWebhook(ctx, c, e)
	return answer{http.StatusOK, out}, err
}

// getWebhook answers GET /webhooks/{id}.
func (a *API) getWebhook(ctx context.Context, c *call) (answer, error) {
	e, err := a.webhookOf(ctx, c)
	return a.answerWebhook(ctx, c, e, err)
}

// updateWebhook answers PATCH /webhooks/{id}.
func (a *API) updateWebhook(ctx context.Context, c *call) (answer, error) {
	e, err := a.webhookOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	spec, err := a.wholeWebhook(ctx, c, f, e)
	if err != nil {
		return answer{}, err
	}
	// How it is written to was settled when it was made: its receiver reads one dialect.
	spec.Lenient = false
	e, err = a.cfg.Webhooks.UpdateEndpoint(ctx, c.app.ID, e.ID, spec)
	return a.answerWebhook(ctx, c, e, err)
}

// deleteWebhook answers DELETE /webhooks/{id}.
func (a *API) deleteWebhook(ctx context.Context, c *call) (answer, error) {
	e, err := a.webhookOf(ctx, c)
	if err == nil {
		err = a.cfg.Webhooks.DeleteEndpoint(ctx, c.app.ID, e.ID)
	}
	return answer{http.StatusOK, webhookDeleted{Object: "WebhookDeleted"}}, err
}

// rotateWebhookSecret answers POST /webhooks/{id}/rotate-secret.
func (a *API) rotateWebhookSecret(ctx context.Context, c *call) (answer, error) {
	e, err := a.onWebhook(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if e, err = a.cfg.Webhooks.RotateSecret(ctx, c.app.ID, e.ID); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, webhookSecret{Object: "WebhookSecret", WebhookID: string(e.ID), Secret: e.Secret, OldUntil: at(e.OldSecretUntil)}}, nil
}

// resumeWebhook answers POST /webhooks/{id}/resume.
func (a *API) resumeWebhook(ctx context.Context, c *call) (answer, error) {
	e, err := a.onWebhook(ctx, c)
	if err != nil {
		return answer{}, err
	}
	e, err = a.cfg.Webhooks.ResumeEndpoint(ctx, c.app.ID, e.ID)
	return a.answerWebhook(ctx, c, e, err)
}

// testWebhook answers POST /webhooks/{id}/test.
func (a *API) testWebhook(ctx context.Context, c *call) (answer, error) {
	e, err := a.onWebhook(ctx, c)
	if err != nil {
		return answer{}, err
	}
	d, err := a.cfg.Webhooks.TestEndpoint(ctx, c.app.ID, e.ID)
	return queued(d), err
}

func queued(d latchkey.Delivery) answer {
	return answer{http.StatusAccepted, deliveryQueued{Object: "DeliveryQueued", DeliveryID: string(d.ID), EventID: orNull(string(d.EventID))}}
}

// listWebhookDeliveries answers GET /webhooks/{id}/deliveries.
func (a *API) listWebhookDeliveries(ctx context.Context, c *call) (answer, error) {
	e, err := a.webhookOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	q := newQuery(c)
	page := q.page("dlv_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, more, err := a.cfg.Webhooks.Deliveries(ctx, c.app.ID, e.ID, oneMore(page))
	if err != nil {
		return answer{}, err
	}
	all, cursor := paged(all, page.Limit, func(d hooks.Logged) string { return string(d.ID) })
	if more && cursor == nil {
		cursor = cursorAfter(string(all[len(all)-1].ID))
	}
	out := deliveryList{Object: "DeliveryList", Items: make([]delivery, len(all)), Cursor: cursor}
	for i, d := range all {
		out.Items[i] = c.showDelivery(d, e)
	}
	return answer{http.StatusOK, out}, nil
}

func (c *call) deliveryID() (latchkey.DeliveryID, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "dlv_") {
		return "", errs.NotFoundf("delivery")
	}
	return latchkey.DeliveryID(id), nil
}

// getDelivery answers GET /deliveries/{id}.
func (a *API) getDelivery(ctx context.Context, c *call) (answer, error) {
	id, err := c.deliveryID()
	if err != nil {
		return answer{}, err
	}
	d, tries, err := a.cfg.Webhooks.Delivery(ctx, c.app.ID, id)
	if err != nil {
		return answer{}, err
	}
	var e latchkey.Endpoint
	if d.EndpointID != "" {
		if e, err = a.cfg.Webhooks.Endpoint(ctx, c.app.ID, d.EndpointID); err != nil && !gone(err) {
			return answer{}, err
		}
	}
	return answer{http.StatusOK, c.showDelivery(hooks.Logged{Delivery: d, Tries: tries}, e)}, nil
}

// replayDelivery answers POST /deliveries/{id}/replay.
func (a *API) replayDelivery(ctx context.Context, c *call) (answer, error) {
	id, err := c.deliveryID()
	if err == nil {
		err = c.noFields()
	}
	if err != nil {
		return answer{}, err
	}
	d, err := a.cfg.Webhooks.Replay(ctx, c.app.ID, id)
	return queued(d), err
}

// keptEvents is how far back events can be read.
const keptEvents = 30 * 24 * time.Hour

// How often all past events of one webhook may be sent again.
const (
	replaysPerSecond = 1.0 / 60
	replaysAtOnce    = 10
)

// replayWebhook answers POST /webhooks/{id}/replay.
func (a *API) replayWebhook(ctx context.Context, c *call) (answer, error) {
	e, err := a.webhookOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	since := readReplay(f, a.now())
	if err := f.done(); err != nil {
		return answer{}, err
	}
	if err := a.replays.Take(string(e.ID)); err != nil {
		return answer{}, err
	}
	if err := a.cfg.Webhooks.ReplaySince(ctx, c.app.ID, e.ID, since); err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, replayStarted{Object: "WebhookReplay", WebhookID: string(e.ID), Since: at(since)}}, nil
}

func readReplay(f *fields, now time.Time) time.Time {
	since, ok := f.instant("since", false)
	switch {
	case !ok && !f.failed("since"):
		f.fail("since", errs.CodeRequired, "This field is required.")
	case ok && (since.After(now) || since.Before(now.Add(-keptEvents))):
		f.fail("since", errs.CodeOutOfRange, "This must lie within the last 30 days.")
	}
	return since
}

// wholeWebhook reads a body and adds what is wrong with the webhook as a whole.
func (a *API) wholeWebhook(ctx context.Context, c *call, f *fields, was latchkey.Endpoint) (hooks.EndpointSpec, error) {
	spec, accounts := readWebhook(f)
	if accounts != nil {
		ids := []latchkey.AccountID{}
		for i, ref := range *accounts {
			acc, err := a.cfg.Accounts.Get(ctx, c.app.ID, ref)
			switch {
			case errs.Is(err, errs.CodeNotFound):
				f.fail("account_ids["+strconv.Itoa(i)+"]", errs.CodeNotFound, "There is no such account.")
			case err != nil:
				return spec, err
			default:
				ids = append(ids, acc.ID)
			}
		}
		spec.Accounts = &ids
	}
	_, problems := spec.Apply(was, a.now())
	for _, p := range problems {
		if !f.failed(p.Field) {
			f.problem = append(f.problem, p)
		}
	}
	return spec, f.done()
}

// readWebhook reads the body of POST and PATCH; see webhookRequest. Accounts are still to be found.
func readWebhook(f *fields) (spec hooks.EndpointSpec, accounts *[]string) {
	spec = hooks.EndpointSpec{Name: f.optional("name", hooks.MaxEndpointName), Payload: f.optional("payload", maxNameOf), Lenient: f.lenient}
	if u := f.webURL("request_url", false); u != "" {
		spec.URL = &u
	}
	if v := f.get("events"); v != nil {
		list := f.list("events", hooks.MaxPatterns, hooks.MaxPattern)
		spec.Events = &list
	}
	if s := f.optional("source", maxNameOf); s != nil {
		if *s == string(latchkey.PayloadAccountStatus) {
			spec.Payload = s
		} else {
			f.fail("source", errs.CodeUnsupported, "This server has webhooks for account_status only; leave source out for its own events.")
		}
	}
	if s := f.optional("format", maxNameOf); s != nil && *s != "json" {
		f.fail("format", errs.CodeUnsupported, "Deliveries are JSON.")
	}
	if v := f.get("enabled"); v != nil {
		yes := f.boolean("enabled", nil)
		spec.Enabled = &yes
	}
	if v := f.get("account_ids"); v != nil {
		list := f.list("account_ids", hooks.MaxEndpointAccounts, maxExternalID)
		accounts = &list
	}
	spec.Headers = f.headers("headers")
	f.unsupported("data")
	return spec, accounts
}

// headers reads [{"key","value"}]. What may stand in them is for hooks to say.
func (f *fields) headers(name string) *[]latchkey.Header {
	v := f.get(name)
	if v == nil {
		return nil
	}
	var items []json.RawMessage
	if v[0] != '[' || json.Unmarshal(v, &items) != nil {
		f.fail(name, errs.CodeInvalidType, `This must be a list of {"key","value"}.`)
		return nil
	}
	if len(items) > hooks.MaxHeaders {
		f.fail(name, errs.CodeTooLong, "This list may have "+strconv.Itoa(hooks.MaxHeaders)+" entries at most.")
		return nil
	}
	out := []latchkey.Header{}
	for i, item := range items {
		at := name + "[" + strconv.Itoa(i) + "]"
		one := fields{lenient: f.lenient}
		if isNull(item) || json.Unmarshal(item, &one.raw) != nil {
			f.fail(at, errs.CodeInvalidType, `This must be an object with "key" and "value".`)
			continue
		}
		h := latchkey.Header{
			Key:   one.str("key", text{required: true, max: hooks.MaxHeaderKey}),
			Value: one.str("value", text{max: hooks.MaxHeaderValue, emptyAbsent: true}),
		}
		if err := one.done(); err != nil {
			for _, p := range errs.As(err).Fields {
				f.fail(at+"."+p.Field, p.Code, p.Message)
			}
			continue
		}
		out = append(out, h)
	}
	return &out
}
