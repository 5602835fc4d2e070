package hosted

import (
	"context"
	"errors"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// A checkpoint is a flow whose steps the application shows itself: it began with Connect, and is
// answered by API. It is a row like any other flow, so that it outlives restarts and goes on at any
// replica; but no browser is bound to it, and its link's token is known to nobody.

// Checkpoint is how a connection by API stands while it is not at its end.
type Checkpoint struct {
	FlowID latchkey.FlowID
	// AccountID is the account's id once it is connected: the one that is mended, or a new one's.
	AccountID latchkey.AccountID
	Provider  latchkey.Provider
	Version   int64
	Step      connector.Step
	// Busy tells that something is being done: ask again after Step.Poll.
	Busy      bool
	ExpiresAt time.Time
}

// CheckpointAnswer is one answer of an application's backend.
type CheckpointAnswer struct {
	// Account is the account's id, or Flow the checkpoint's.
	Account string
	Flow    latchkey.FlowID
	// Provider, if set, must be the checkpoint's.
	Provider latchkey.Provider
	// Version, if set, must be the step's that was seen.
	Version int64
	// Action is empty where the caller only asks how things stand.
	Action connector.Action
	Values map[string]string
	// Code answers the step's one open field, whatever its name.
	Code string
}

const (
	// checkpointTTL is how long an application has to bring a connection to its end.
	checkpointTTL = 30 * time.Minute
	// checkpointWait is how long an answer waits for something to show: a caller that asked for a
	// QR code wants that code and no second request.
	checkpointWait = 10 * time.Second
	// checkpointLook is how often the row is looked at meanwhile; whoever does the work may be
	// another replica.
	checkpointLook = 50 * time.Millisecond
)

// needsEndUser tells whether a connection by API cannot be brought to its end without somebody who
// answers: a question without an error, or something that goes on until the end user has done it.
func (e *Engine) needsEndUser(p latchkey.Provider, turn connector.Turn) bool {
	if !e.descs[p].Checkpoints {
		return false
	}
	if turn.Work != nil {
		return turn.Work.Live || turn.Work.Repeat > 0
	}
	return turn.Step != nil && len(turn.Step.Errors) == 0 && len(turn.Step.Verdicts) == 0 &&
		turn.Step.Kind != connector.KindRedirect && turn.Step.Kind != connector.KindExtension
}

// open makes a checkpoint of a connection that needs somebody to answer.
func (e *Engine) open(ctx context.Context, tgt target, p latchkey.Provider, d DirectSpec, start connector.Start, turn connector.Turn) (DirectResult, error) {
	now := e.cfg.Now()
	_, tokenHash := newToken()
	_, cookieHash := newToken()
	link := latchkey.Link{
		ID: latchkey.NewLinkID(now), ApplicationID: tgt.app.ID, TokenHash: tokenHash, Type: latchkey.LinkCreate, Dialect: latchkey.DialectDirect,
		Status: latchkey.LinkInProgress, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(checkpointTTL), Test: tgt.app.Test,
		Terms: latchkey.LinkTerms{
			Providers: []string{string(p)}, ReconnectAccount: tgt.reconnect, ExternalID: tgt.externalID, ExpectedIdentity: tgt.expected,
			DisplayName: tgt.name, Metadata: tgt.metadata, ProviderApp: d.ProviderApp, Email: d.Email,
			NotifyEmail: d.NotifyEmail,
		},
	}
	account, err := e.accountOf(ctx, tgt, now)
	if err != nil {
		return DirectResult{}, err
	}
	if tgt.reconnect != "" {
		link.Type = latchkey.LinkReconnect
	} else {
		link.Terms.NewAccount = account
	}
	flow := latchkey.Flow{
		ID: latchkey.NewFlowID(now), LinkID: link.ID, ApplicationID: tgt.app.ID, CookieHash: cookieHash, Status: latchkey.FlowInProgress,
		Provider: p, AccountID: account, CreatedAt: now, UpdatedAt: now, ExpiresAt: link.ExpiresAt,
	}
	link.FlowID = flow.ID
	start.LinkID, start.Entropy = link.ID, nil
	var t *transit
	err = e.inTx(ctx, func(ctx context.Context, tx store.Tx) error {
		t = &transit{
			now: now, app: tgt.app, link: link, flow: flow, fresh: true, locked: true, apps: clients{},
			body: body{Start: start},
		}
		if turn.Work != nil { // nothing was done with the values yet: after a crash it begins with them again
			t.body.Direct = &direct{Values: d.Values}
		}
		if start.App != nil {
			t.apps[p] = start.App
		}
		if err := tx.Links().Create(ctx, link); err != nil {
			return err
		}
		if err := e.take(ctx, tx, t, turn); err != nil {
			return err
		}
		return t.save(ctx, tx)
	})
	return e.settled(ctx, flow.ID, tgt.app, e.launch(ctx, t, err), err)
}

// accountOf is the id that the connected account will have.
func (e *Engine) accountOf(ctx context.Context, tgt target, now time.Time) (latchkey.AccountID, error) {
	if tgt.reconnect != "" {
		return tgt.reconnect, nil
	}
	if tgt.externalID != "" {
		acc, err := e.cfg.Store.Accounts().Get(ctx, tgt.app.ID, tgt.externalID)
		if err == nil {
			return acc.ID, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
	}
	return latchkey.NewAccountID(now), nil
}

// AnswerCheckpoint takes an answer to a checkpoint, or only says how it stands.
func (e *Engine) AnswerCheckpoint(ctx context.Context, app latchkey.Application, a CheckpointAnswer) (DirectResult, error) {
	s, err := e.checkpoint(ctx, app, a)
	if err != nil {
		return DirectResult{}, err
	}
	if !s.live() || a.Action == "" {
		return e.result(ctx, s)
	}
	if a.Version != 0 && a.Version != s.flow.Version {
		return DirectResult{}, stale()
	}
	if a.Action != connector.ActCancel && (!s.body.Step.Offers(a.Action) || a.Action == connector.ActReturn) {
		return DirectResult{}, errs.New(errs.Conflict, errs.CodeActionNotOffered, "The checkpoint does not offer that action now; see checkpoint.actions.")
	}
	if a.Code != "" {
		if a.Values, err = codeValue(s.body.Step, a.Code); err != nil {
			return DirectResult{}, err
		}
	}
	if a.Action == connector.ActSubmit {
		if bad := unknownValues(s.body.Step, a.Values); len(bad) > 0 {
			return DirectResult{}, errs.InvalidFields(bad...)
		}
	}
	if wait := s.body.Step.ResendAt.Sub(s.now); a.Action == connector.ActResend && wait > 0 {
		return DirectResult{}, &errs.Error{Kind: errs.TooEarly, Code: errs.CodeTooEarly, RetryAfter: wait, Detail: "It is too early for another code; see resend_at."}
	}
	done, err := e.resume(ctx, s, a.Action, a.Values)
	return e.settled(ctx, s.flow.ID, app, done, err)
}

// codeValue puts a code into the step's one open field.
func codeValue(s connector.Step, code string) (map[string]string, error) {
	var open []string
	for _, f := range s.Fields {
		if f.Type != connector.FieldReadonly {
			open = append(open, f.Name)
		}
	}
	if len(open) != 1 {
		return nil, errs.InvalidFields(errs.FieldError{Field: "code", Code: errs.CodeUnsupported, Message: "The checkpoint asks for something else; answer with values."})
	}
	return map[string]string{open[0]: code}, nil
}

// checkpoint finds the flow that the application means. A foreign one is unknown.
func (e *Engine) checkpoint(ctx context.Context, app latchkey.Application, a CheckpointAnswer) (seat, error) {
	var f latchkey.Flow
	var err error
	if a.Flow != "" {
		f, err = e.cfg.Store.Flows().Get(ctx, a.Flow)
	} else {
		id := latchkey.AccountID(a.Account)
		acc, lookErr := e.cfg.Store.Accounts().Get(ctx, app.ID, a.Account)
		if lookErr == nil {
			id = acc.ID // the application may call it by its own name
		} else if !errors.Is(lookErr, store.ErrNotFound) {
			return seat{}, lookErr
		}
		f, err = e.cfg.Store.Flows().ByAccount(ctx, app.ID, id)
	}
	if errors.Is(err, store.ErrNotFound) || (err == nil && f.ApplicationID != app.ID) {
		return seat{}, errs.NotFoundf("checkpoint")
	}
	if err != nil {
		return seat{}, err
	}
	s, err := e.seatFor(ctx, app, f)
	switch {
	case err != nil:
		return seat{}, err
	case s.link.Dialect != latchkey.DialectDirect:
		return seat{}, errs.NotFoundf("checkpoint")
	case a.Account != "" && a.Flow != "" && string(f.AccountID) != a.Account, a.Provider != "" && f.Provider != a.Provider:
		return seat{}, errs.NotFoundf("checkpoint")
	}
	return s, nil
}

func (e *Engine) seatFor(ctx context.Context, app latchkey.Application, f latchkey.Flow) (seat, error) {
	link, err := e.cfg.Store.Links().Get(ctx, app.ID, f.LinkID)
	if err != nil {
		return seat{}, err
	}
	if f.Status == latchkey.FlowInProgress && (link.Status != latchkey.LinkInProgress || link.FlowID != f.ID) {
		// It ended between the two reads.
		if f, err = e.cfg.Store.Flows().Get(ctx, f.ID); err != nil {
			return seat{}, err
		}
	}
	b, err := decodeBody(f)
	if err != nil {
		return seat{}, err
	}
	s := seat{link: link, app: app, flow: &f, body: &b, now: e.cfg.Now()}
	s.apps, err = e.clients(ctx, app, link)
	return s, err
}

// settled waits until there is something to show, and says how things stand then.
func (e *Engine) settled(ctx context.Context, id latchkey.FlowID, app latchkey.Application, done <-chan struct{}, err error) (DirectResult, error) {
	switch {
	case errors.Is(err, store.ErrStale) || errors.Is(err, errLost):
		return DirectResult{}, stale()
	case err != nil:
		return DirectResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkpointWait)
	defer cancel()
	look := time.NewTicker(checkpointLook)
	defer look.Stop()
	for {
		f, err := e.cfg.Store.Flows().Get(context.WithoutCancel(ctx), id)
		if err != nil {
			return DirectResult{}, err
		}
		s, err := e.seatFor(context.WithoutCancel(ctx), app, f)
		if err != nil {
			return DirectResult{}, err
		}
		if !s.live() || s.body.Work == nil || s.body.Step.Kind != connector.KindWait || ctx.Err() != nil {
			return e.result(context.WithoutCancel(ctx), s)
		}
		select {
		case <-done:
			done = nil // it may have led to more work
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// result says how a checkpoint stands: connected, at a step, or at a bad end.
func (e *Engine) result(ctx context.Context, s seat) (DirectResult, error) {
	f, b := s.flow, s.body
	reconnect := s.link.Type == latchkey.LinkReconnect
	switch {
	case f.Status == latchkey.FlowCompleted:
		acc, err := e.cfg.Store.Accounts().Get(ctx, s.app.ID, string(f.AccountID))
		if errors.Is(err, store.ErrNotFound) {
			return DirectResult{}, errs.NotFoundf("account")
		}
		return DirectResult{Account: acc, State: f.AccountState, Reconnected: reconnect}, err
	case s.live() && b.Own && b.Step.ID == StepWrongAccount:
		return DirectResult{}, wrongIdentity(b.Step.Args["actual"], b.Step.Args["expected"])
	case s.live():
		cp := &Checkpoint{
			FlowID: f.ID, AccountID: f.AccountID, Provider: f.Provider, Version: f.Version, Step: b.Step, Busy: b.Work != nil, ExpiresAt: f.ExpiresAt,
		}
		if cp.Busy && cp.Step.Poll == 0 {
			cp.Step.Poll = pollEvery
		}
		return DirectResult{Checkpoint: cp, Reconnected: reconnect}, nil
	case b.Failure != nil:
		return DirectResult{}, directProblem(connector.Turn{Failure: &connector.Failure{Code: b.Failure.Code, Args: b.Failure.Args}})
	}
	return DirectResult{}, errs.New(errs.Gone, errs.CodeCodeExpired, "The checkpoint was not brought to its end in time. Begin again.")
}
