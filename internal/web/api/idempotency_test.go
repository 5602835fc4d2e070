package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/store"
	"latchkey/internal/web/api"
)

const anyLink = `{"providers":"*","name":"user_1"}`

func countLinks(t *testing.T, h *house) int {
	t.Helper()
	links, err := h.store.Links().List(t.Context(), h.app.Application.ID, store.LinkFilter{Now: h.now()}, store.Page{Limit: 250})
	if err != nil {
		t.Fatal(err)
	}
	return len(links)
}

func TestSameKeySameAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, path := range []string{"/v1/links", "/v1/hosted/accounts/link", "/api/v1/links"} {
		first := h.as(h.app, "POST", path, anyLink, "Idempotency-Key: one")
		second := h.as(h.app, "POST", path, anyLink, "Idempotency-Key: one")
		if first.status != 201 || second.status != 201 || string(first.raw) != string(second.raw) {
			t.Errorf("%s, then %s", first.raw, second.raw)
		}
		if first.header.Get("Idempotent-Replayed") != "" || second.header.Get("Idempotent-Replayed") != "true" {
			t.Error("a replay does not say so")
		}
		wantProblem(t, h.as(h.app, "POST", path, `{"providers":"*"}`, "Idempotency-Key: one"), 409, errs.CodeIdempotencyMismatch)
	}
	if n := countLinks(t, h); n != 3 {
		t.Errorf("%d links for 3 routes", n)
	}
	if r := h.as(h.trial, "POST", "/v1/links", `{"providers":"MOCK"}`, "Idempotency-Key: one"); r.status != 201 {
		t.Errorf("another application's key is in the way: %s", r.raw)
	}
	form := h.as(h.app, "POST", "/v1/authentication/form", seedForm, "Idempotency-Key: one")
	if again := h.as(h.app, "POST", "/v1/authentication/form", seedForm, "Idempotency-Key: one"); again.status != 200 || string(again.raw) != string(form.raw) {
		t.Errorf("%s, then %d %s", form.raw, again.status, again.raw)
	}
	h.advance(24 * time.Hour)
	r := h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`, "Idempotency-Key: one")
	if r.status != 201 || r.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("after a day: %d %s", r.status, r.raw)
	}
	for _, bad := range []string{strings.Repeat("x", 256), "ünï", "a\tb"} {
		wantProblem(t, h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: "+bad), 400, errs.CodeInvalidParameters)
	}
	if r := h.as(h.app, "GET", "/v1/links", "", "Idempotency-Key: one"); r.status != 200 {
		t.Errorf("a key on a GET: %s", r.raw)
	}
}

// The same key on two accounts is two requests: the path is part of what was asked for.
func TestKeyIsTiedToThePath(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.mailbox(t)
	if r := h.as(h.app, "POST", "/v1/accounts/box", `{"password":"x"}`, "Idempotency-Key: one"); r.status != 200 {
		t.Fatalf("%s", r.raw)
	}
	b := latchkey.Account{
		ID: latchkey.NewAccountID(h.now()), ApplicationID: h.app.Application.ID, ExternalID: "second", Provider: latchkey.IMAP,
		Identity: "b@x.test", Proof: latchkey.ProofTyped, Status: latchkey.AccountOK, Secret: []byte("x"), CreatedAt: h.now(), UpdatedAt: h.now(),
	}
	if err := h.store.Accounts().Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, h.as(h.app, "POST", "/v1/accounts/second", `{"password":"x"}`, "Idempotency-Key: one"), 409, errs.CodeIdempotencyMismatch)
}

func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	body := `{"type":"reconnect","reconnect_account":"box"}`
	wantProblem(t, h.as(h.app, "POST", "/v1/links", body, "Idempotency-Key: one"), 404, errs.CodeNotFound)
	h.mailbox(t)
	if r := h.as(h.app, "POST", "/v1/links", body, "Idempotency-Key: one"); r.status != 201 || r.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

type engine = api.Links

// slowLinks makes links only when it is let.
type slowLinks struct {
	engine
	entered chan struct{}
	let     chan struct{}
	made    atomic.Int64
	panics  atomic.Bool
}

func (s *slowLinks) CreateLink(ctx context.Context, app latchkey.Application, spec hosted.LinkSpec) (hosted.CreatedLink, error) {
	if s.panics.Load() {
		panic("on purpose")
	}
	s.entered <- struct{}{}
	<-s.let
	n := s.made.Add(1)
	return hosted.CreatedLink{Link: latchkey.Link{ID: latchkey.LinkID(fmt.Sprintf("lnk_%d", n)), ExpiresAt: spec.ExpiresAt}, Token: "t"}, nil
}

func TestTwinInFlight(t *testing.T) {
	t.Parallel()
	slow := &slowLinks{entered: make(chan struct{}, 1), let: make(chan struct{})}
	h := newHouse(t, func(c *api.Config) { slow.engine, c.Links = c.Links, slow })
	done := make(chan reply, 1)
	go func() { done <- h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one") }()
	<-slow.entered
	twin := h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one")
	wantProblem(t, twin, 409, errs.CodeInProgress)
	if twin.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", twin.header.Get("Retry-After"))
	}
	wantProblem(t, h.as(h.app, "POST", "/v1/links", `{"providers":"*"}`, "Idempotency-Key: one"), 409, errs.CodeIdempotencyMismatch)
	close(slow.let)
	first := <-done
	if again := h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one"); string(again.raw) != string(first.raw) || slow.made.Load() != 1 {
		t.Errorf("%s, then %s; made %d", first.raw, again.raw, slow.made.Load())
	}
}

func TestPanicFreesTheKey(t *testing.T) {
	t.Parallel()
	slow := &slowLinks{entered: make(chan struct{}, 1), let: make(chan struct{})}
	h := newHouse(t, func(c *api.Config) { slow.engine, c.Links = c.Links, slow })
	close(slow.let)
	slow.panics.Store(true)
	wantProblem(t, h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one"), 500, errs.CodeInternal)
	slow.panics.Store(false)
	if r := h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one"); r.status != 201 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

func TestManyAtOnceMakeOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	const n = 64
	replies := make([]reply, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { replies[i] = h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: race") })
	}
	wg.Wait()
	var body string
	for _, r := range replies {
		switch {
		case r.status == 409:
			wantProblem(t, r, 409, errs.CodeInProgress)
		case body == "":
			body = string(r.raw)
		case string(r.raw) != body:
			t.Errorf("%d %s, but another got %s", r.status, r.raw, body)
		}
	}
	if made := countLinks(t, h); made != 1 {
		t.Errorf("%d links were made", made)
	}
}

// forgetful loses answers: the caller still gets the truth.
type forgetful struct{ api.Answers }

func (forgetful) Finish(context.Context, store.IdempotentAnswer) error {
	return errors.New("disk full")
}

func TestAnswerNotKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *api.Config) { c.Answers = forgetful{c.Answers} })
	if r := h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one"); r.status != 201 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	wantProblem(t, h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one"), 409, errs.CodeInProgress)
	if n := countLinks(t, h); n != 1 {
		t.Errorf("%d links", n)
	}
	if !strings.Contains(h.logs.String(), "disk full") {
		t.Error("nobody is told")
	}
	// A claim that never answered is given up for dead in the end.
	h.advance(3 * time.Minute)
	if r := h.as(h.app, "POST", "/v1/links", anyLink, "Idempotency-Key: one"); r.status != 201 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}
