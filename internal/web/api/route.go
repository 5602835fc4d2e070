package api

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/web"
)

// maxRequest is the most a request to the API may hold. The largest allowed link is well below.
const maxRequest = 256 << 10

// route is one route: what it does, and what the description says of it.
type route struct {
	method string
	// path is without prefix, as http.ServeMux takes it.
	path string
	// permission that the key needs; empty for any key.
	permission latchkey.Permission
	// creating routes honour Idempotency-Key.
	creating bool
	// audited says how the audit trail hears of it, and action what it is called there; empty: after
	// the description's id.
	audited audited
	action  string
	// upload routes take pictures: larger bodies, and other kinds than JSON.
	upload bool
	handle func(ctx context.Context, c *call) (answer, error)
	doc    doc
}

// call is one request, after everything that all routes have in common.
type call struct {
	r       *http.Request
	app     latchkey.Application
	key     latchkey.APIKey
	body    []byte
	lenient bool
}

// answer is what a handler answers with.
type answer struct {
	status int
	body   any
}

// object reads the request's body.
func (c *call) object() (*fields, error) { return decodeObject(c.body, c.lenient) }

// serve is the way of every request to its handler.
func (a *API) serve(rt route, lenient bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{r: r, lenient: lenient}
		// A webhook that a proxy leads back here would make events, and with them webhooks, for ever. Its
		// owner cannot take these headers away.
		if r.Header.Get("Webhook-Id") != "" && r.Header.Get("Webhook-Signature") != "" {
			web.WriteProblem(w, r, errs.New(errs.Forbidden, errs.CodeWebhookLoop, "This is a webhook, and not a request: webhooks do not lead to an API."))
			return
		}
		if err := a.admit(rt, c); err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		if rt.method == http.MethodPost || rt.method == http.MethodPatch || rt.method == http.MethodPut {
			read := readJSON
			if rt.upload {
				read = readUpload
			}
			body, err := read(r)
			if err != nil {
				web.WriteProblem(w, r, err)
				return
			}
			c.body = body
		}
		if rt.creating && len(r.Header["Idempotency-Key"]) > 0 {
			a.once(w, rt, c)
			return
		}
		status, body, err := a.run(rt, c)
		if err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		web.WriteBody(w, r, status, body)
	})
}

func run(ctx context.Context, rt route, c *call) (status int, body []byte, err error) {
	ans, err := rt.handle(ctx, c)
	if err != nil {
		return 0, nil, err
	}
	body, err = marshal(ans.body)
	return ans.status, body, err
}

// marshaler lets the answer of the hottest route write itself.
type appender interface{ appendJSON(b []byte) []byte }

func marshal(v any) ([]byte, error) {
	if m, ok := v.(appender); ok {
		return m.appendJSON(make([]byte, 0, 512)), nil
	}
	return json.Marshal(v)
}

// admit finds out whose key it is and whether it may.
func (a *API) admit(rt route, c *call) error {
	info := web.InfoOf(c.r.Context())
	text, err := presentedKey(c.r)
	if err != nil {
		return err
	}
	c.app, c.key, err = a.cfg.Keys.Authenticate(c.r.Context(), text)
	if err != nil {
		if errs.Is(err, errs.CodeInvalidKey) {
			// Right keys are never held up by a neighbour's wrong ones: only the wrong pay.
			if limited := a.wrongKeys.Take(web.Bucket(info.Address)); limited != nil {
				return limited
			}
		}
		return err
	}
	info.KeyID, info.ApplicationID = c.key.ID, c.app.ID
	if err := a.keyLimit.Take(string(c.key.ID)); err != nil {
		return err
	}
	if rt.permission != "" && !c.key.May(rt.permission) {
		if a.cfg.Trail != nil {
			e := entry(rt, c)
			e.Outcome = string(errs.CodePermission)
			a.cfg.Trail.Count(e)
		}
		return errs.New(errs.Forbidden, errs.CodePermission,
			"This API key lacks the permission \""+string(rt.permission)+"\". Use a key that has it.")
	}
	return nil
}

// Vouches tells whether the request has a key that was valid a moment ago. It is for the edge: a
// backend that is known is not held up as a stranger. It never asks the database, or a flood of
// made-up keys would.
func (a *API) Vouches(r *http.Request) bool {
	if len(r.Header["X-Api-Key"]) == 0 && len(r.Header["Authorization"]) == 0 {
		return false
	}
	text, err := presentedKey(r)
	if err != nil {
		return false
	}
	return a.cfg.Keys.Known(text)
}

// presentedKey takes the key from X-API-KEY or Authorization: Bearer (RFC 6750 §2.1). Both may be
// sent where they agree. It is not taken from the query: URLs end up in logs.
func presentedKey(r *http.Request) (string, error) {
	key := strings.TrimSpace(r.Header.Get("X-Api-Key"))
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "bearer") {
		token = ""
	}
	switch {
	case key == "" && token == "":
		return "", errs.New(errs.Unauthenticated, errs.CodeMissingCredentials,
			"This request has no API key. Send it as \"X-API-KEY: <key>\" or \"Authorization: Bearer <key>\", from your backend only.")
	case key == "":
		return token, nil
	case token != "" && token != key:
		return "", errs.New(errs.Unauthenticated, errs.CodeInvalidKey, "X-API-KEY and Authorization hold different keys. Send one.")
	}
	return key, nil
}

// readJSON reads the body of a POST, PATCH or PUT, which is JSON or nothing.
func readJSON(r *http.Request) ([]byte, error) {
	body, err := web.ReadBody(r, maxRequest)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	switch ct := r.Header.Get("Content-Type"); ct {
	case "application/json", "":
	default:
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || (media != "application/json" && !strings.HasSuffix(media, "+json")) {
			return nil, errs.New(errs.Invalid, errs.CodeUnsupportedMedia, "Send the body as JSON, with \"Content-Type: application/json\".")
		}
	}
	return body, nil
}
