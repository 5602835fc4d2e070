package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"latchkey/internal/errs"
	"latchkey/internal/store"
	"latchkey/internal/web"
)

const (
	// answerKept is how long an answer is kept for the same key.
	answerKept = 24 * time.Hour
	// claimStale is when a request that never answered is given up for dead. It is longer than the
	// server lets any answer take.
	claimStale = 2 * time.Minute
	// macPurpose separates the codes of bodies from others under the same keyring.
	macPurpose = "idempotency"
)

// once does a creating request at most once for its Idempotency-Key. Only good answers are kept:
// a request that failed changed nothing, and may be sent again.
func (a *API) once(w http.ResponseWriter, rt route, c *call) {
	claim, err := a.claim(rt, c)
	if err != nil {
		web.WriteProblem(w, c.r, err)
		return
	}
	ctx := c.r.Context()
	row, mine, err := a.cfg.Answers.Claim(ctx, claim, claim.CreatedAt.Add(-claimStale))
	switch {
	case err != nil:
		web.WriteProblem(w, c.r, err)
	case mine:
		a.first(w, rt, c, claim)
	case subtle.ConstantTimeCompare(row.BodyMAC, claim.BodyMAC) != 1:
		web.WriteProblem(w, c.r, errs.New(errs.Conflict, errs.CodeIdempotencyMismatch,
			"This Idempotency-Key was used with another body within the last 24 hours. Use a new key for a new request."))
	case row.Status == 0:
		web.WriteProblem(w, c.r, &errs.Error{
			Kind: errs.Conflict, Code: errs.CodeInProgress, RetryAfter: time.Second,
			Detail: "The same request is being worked on. Send it again in a moment to get its answer.",
		})
	default:
		w.Header().Set("Idempotent-Replayed", "true")
		web.WriteBody(w, c.r, row.Status, row.Body)
	}
}

// first runs the request that got the claim, and keeps or forgets it. It answers only after the
// answer is kept: a caller that has an answer gets the same one again.
func (a *API) first(w http.ResponseWriter, rt route, c *call, claim store.IdempotentAnswer) {
	// A caller that hangs up must not leave the claim hanging.
	keep := context.WithoutCancel(c.r.Context())
	finished := false
	defer func() {
		if finished {
			return
		}
		if err := a.cfg.Answers.Release(keep, claim); err != nil {
			a.cfg.Log.ErrorContext(keep, "idempotency claim not released", slog.Any("error", err))
		}
	}()
	status, body, err := a.run(rt, c)
	if err != nil {
		web.WriteProblem(w, c.r, err)
		return
	}
	finished = true
	claim.Status, claim.Body = status, body
	if err := a.cfg.Answers.Finish(keep, claim); err != nil {
		// What was asked for is done, and saying so is worth more than a 500. The claim stays, so
		// a repetition is refused as in progress rather than done twice at once.
		a.cfg.Log.ErrorContext(keep, "idempotent answer not kept", slog.Any("error", err))
	}
	web.WriteBody(w, c.r, status, body)
}

func (a *API) claim(rt route, c *call) (store.IdempotentAnswer, error) {
	values := c.r.Header.Values("Idempotency-Key")
	key := values[0]
	printable := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' })
	if len(values) != 1 || len(key) < 1 || len(key) > 255 || !printable {
		return store.IdempotentAnswer{}, errs.InvalidFields(errs.FieldError{
			Field: "Idempotency-Key", Code: errs.CodeInvalidValue, Message: "This header must have 1 to 255 printable ASCII characters, and be sent once.",
		})
	}
	prefix := web.StrictPrefix
	if c.lenient {
		// The two dialects may answer differently, so their keys are apart.
		prefix = web.LenientPrefix
	}
	hash := sha256.Sum256([]byte(key))
	now := a.now()
	// What the path names is part of what is asked for.
	signed := append([]byte(c.r.URL.Path+"\n"), c.body...)
	return store.IdempotentAnswer{
		ApplicationID: c.app.ID,
		Route:         rt.method + " " + prefix + rt.path,
		KeyHash:       hash[:],
		BodyMAC:       a.cfg.MAC.MAC(macPurpose, signed),
		CreatedAt:     now,
		ExpiresAt:     now.Add(answerKept),
	}, nil
}
