package hosted

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// errLost says that a transition came too late: the flow has moved on, or its link has.
var errLost = errors.New("hosted: the flow moved on")

// maxVersion ends flows that go on for ever: nobody answers that often in good faith.
const maxVersion = 1000

// transit is one transition of a flow inside one transaction.
type transit struct {
	now  time.Time
	app  latchkey.Application
	apps clients
	link latchkey.Link
	flow latchkey.Flow
	body body
	// version and fence are what the row must still have; fresh flows have no row.
	version, fence int64
	fresh          bool
	locked         bool
	// launch tells that the flow now has a Work that this process holds and must begin.
	launch bool
	// told is what the transition writes into its link's history.
	told []fact
}

// stop takes the Work away from whoever holds it.
func (t *transit) stop() {
	t.body.Work, t.body.Inbox, t.body.Runs = nil, nil, 0
	t.flow.Fence++
	t.flow.LeaseOwner, t.flow.LeaseUntil, t.flow.WorkDue = "", time.Time{}, time.Time{}
}

func (t *transit) save(ctx context.Context, tx store.Tx) error {
	enc, err := t.body.encode()
	if err != nil {
		return err
	}
	t.flow.Body, t.flow.StepID, t.flow.UpdatedAt = enc, t.body.Step.ID, t.now
	if t.fresh {
		return tx.Flows().Create(ctx, t.flow)
	}
	return tx.Flows().Save(ctx, t.flow, t.version, t.fence)
}

// lockLink re-reads the link under lock, and checks that it is still this flow's.
func (t *transit) lockLink(ctx context.Context, tx store.Tx) error {
	if t.locked {
		return nil
	}
	link, err := tx.Links().ForUpdate(ctx, t.link.ID)
	if err != nil {
		return err
	}
	t.link, t.locked = link, true
	if link.Status != latchkey.LinkInProgress || link.FlowID != t.flow.ID {
		return errLost
	}
	return nil
}

func (e *Engine) emit(ctx context.Context, tx store.Tx, t *transit, typ latchkey.EventType, data map[string]any) (latchkey.Event, error) {
	if latchkey.MatchEvent("link.*", typ) {
		data = linkData(t.link, data)
	}
	enc, err := eventData(data)
	if err != nil {
		return latchkey.Event{}, err
	}
	t.told = append(t.told, factOf(typ, t.flow.Provider, data))
	return e.cfg.Herald.Emit(ctx, tx, latchkey.Event{
		ApplicationID: t.flow.ApplicationID, Type: typ, LinkID: t.flow.LinkID, FlowID: t.flow.ID, Data: enc,
	})
}

// begin starts the provider's connector from its first step.
func (e *Engine) begin(ctx context.Context, tx store.Tx, t *transit, p latchkey.Provider) error {
	conn, ok := e.cfg.Connectors[p]
	if !ok {
		return e.take(ctx, tx, t, connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}})
	}
	t.flow.Provider = p
	if t.body.Start.Lent != "" {
		// The application's server keeps the credential: what somebody typed here would take its place.
		return e.take(ctx, tx, t, connector.Turn{Failure: &connector.Failure{Code: errs.CodeAuthServerAccount}})
	}
	t.body.Start.App = t.apps[p]
	start := t.body.Start
	start.Entropy = entropy()
	turn, err := beginWith(conn, start, t.body.Direct)
	if err != nil {
		return e.broken(ctx, tx, t, err)
	}
	return e.take(ctx, tx, t, turn)
}

// beginWith begins a connector as it was begun: from its first question, or from what the
// application has.
func beginWith(conn connector.Connector, start connector.Start, d *direct) (connector.Turn, error) {
	if c, ok := conn.(connector.DirectConnector); ok && d != nil {
		return c.Direct(start, d.Values)
	}
	return conn.Begin(start)
}

// broken ends a try because of a defect of ours: the log has the cause, the end user our regret.
func (e *Engine) broken(ctx context.Context, tx store.Tx, t *transit, cause error) error {
	e.cfg.Log.ErrorContext(ctx, "connector failed", logFlow(t.flow, cause)...)
	return e.take(ctx, tx, t, connector.Turn{Failure: &connector.Failure{Code: errs.CodeInternal, Retryable: true}})
}

// take applies what a connector said. Every transition of a running flow goes through here.
func (e *Engine) take(ctx context.Context, tx store.Tx, t *transit, turn connector.Turn) error {
	t.stop()
	t.flow.Version++
	t.body.Own, t.body.RedirectState, t.body.AdminState = false, nil, nil
	if t.flow.Version > maxVersion && turn.Grant == nil {
		turn = connector.Turn{Failure: &connector.Failure{Code: errs.CodeTooManyTries}}
	}
	if turn.Unused != nil {
		if err := e.revoke(ctx, tx, t.flow.Provider, t.app.ID, t.body.Start.App, *turn.Unused); err != nil {
			return err
		}
	}
	switch {
	case turn.Step != nil:
		return e.show(ctx, tx, t, *turn.Step, turn.State)
	case turn.Work != nil:
		return e.hold(ctx, tx, t, *turn.Work, turn.State)
	case turn.Grant != nil:
		return e.grant(ctx, tx, t, *turn.Grant)
	case turn.Failure != nil:
		return e.fail(ctx, tx, t, *turn.Failure, latchkey.FlowFailed)
	case turn.Switch != nil:
		return e.switchTo(ctx, tx, t, *turn.Switch)
	default:
		return e.broken(ctx, tx, t, errors.New("hosted: empty turn"))
	}
}

// show asks something.
func (e *Engine) show(ctx context.Context, tx store.Tx, t *transit, s connector.Step, state []byte) error {
	if s.Kind == connector.KindRedirect {
		s.URL = t.bindRedirect(s.URL)
	}
	if strings.Contains(s.Payload, connector.AdminStatePlaceholder) {
		s.Payload = t.bindAdmin(s.Payload)
		s.Poll = adminPoll
	}
	s.Payload = strings.ReplaceAll(s.Payload, connector.LinkPlaceholder, e.linkAddress(t))
	before := t.body.Step
	t.body.Step, t.body.State = s, state
	t.body.Asking, t.body.Asked = true, nil
	return e.tellStep(ctx, tx, t, before)
}

// tellStep writes the step into the link's history: when it is reached, and when an answer to it failed.
func (e *Engine) tellStep(ctx context.Context, tx store.Tx, t *transit, before connector.Step) error {
	s := t.body.Step
	if s.ID != before.ID {
		t.body.tell(s.ID)
		if _, err := e.emit(ctx, tx, t, latchkey.EventFlowStep, map[string]any{"step": s.ID, "provider": t.flow.Provider}); err != nil {
			return err
		}
	}
	if len(s.Errors) == 0 {
		return nil
	}
	_, err := e.emit(ctx, tx, t, latchkey.EventFlowStepFailed, map[string]any{
		"step": s.ID, "provider": t.flow.Provider, "code": s.Errors[0].Code,
	})
	return err
}

// maxTold bounds how many steps of one flow are remembered as told.
const maxTold = 64

// tell remembers that the step is in the link's history, and tells whether it was not before.
func (b *body) tell(step string) bool {
	if slices.Contains(b.Told, step) || len(b.Told) >= maxTold {
		return false
	}
	b.Told = append(b.Told, step)
	return true
}

// tellShown writes what a Work shows into the link's history, the first time in a flow: a code that is
// replaced every half minute, or a poll that comes back to the same step, is told once.
func (e *Engine) tellShown(ctx context.Context, tx store.Tx, t *transit) error {
	if s := t.body.Step; s.ID != "" && t.body.tell(s.ID) {
		_, err := e.emit(ctx, tx, t, latchkey.EventFlowStep, map[string]any{"step": s.ID, "provider": t.flow.Provider})
		return err
	}
	return nil
}

// hold writes a Work down, held by this process, which begins it right after the commit.
func (e *Engine) hold(ctx context.Context, tx store.Tx, t *transit, w connector.Work, state []byte) error {
	before := t.body.Step
	if t.body.Asking {
		t.body.Asking, t.body.Asked = false, &question{Step: before, State: t.body.State}
	}
	t.body.Work, t.body.Step, t.body.State = &w, w.Show, state
	t.flow.LeaseOwner = e.cfg.Owner
	t.flow.LeaseUntil = t.now.Add(e.cfg.Lease)
	t.flow.WorkDue = t.flow.LeaseUntil
	t.launch = true
	return e.tellStep(ctx, tx, t, before)
}

// switchTo goes on with another provider's connector, where the link allows that provider.
func (e *Engine) switchTo(ctx context.Context, tx store.Tx, t *transit, s connector.Switch) error {
	if !e.offered(t.app, t.link, s.Provider, t.apps) {
		return e.take(ctx, tx, t, connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable, Retryable: true}})
	}
	if s.Email != "" {
		t.body.Start.Email = s.Email
	}
	return e.begin(ctx, tx, t, s.Provider)
}

// fail ends a try: the link is free again until it expires.
func (e *Engine) fail(ctx context.Context, tx store.Tx, t *transit, f connector.Failure, st latchkey.FlowStatus) error {
	if err := t.lockLink(ctx, tx); err != nil {
		return err
	}
	if f.Detail != "" {
		e.cfg.Log.InfoContext(ctx, "try failed", logFailure(t.flow, f)...)
	}
	step, event, linkStatus := StepFailed, latchkey.EventLinkFailed, latchkey.LinkFailed
	if st == latchkey.FlowCanceled {
		step, event, linkStatus = StepCanceled, latchkey.EventLinkCanceled, latchkey.LinkCanceled
	}
	at := t.body.Step.ID
	t.body.Failure = &failure{Code: f.Code, Args: f.Args, Retryable: f.Retryable}
	t.body.finished(connector.Step{Kind: connector.KindNotice, ID: step, Args: f.Args})
	t.flow.Status, t.flow.FailureCode = st, string(f.Code)
	t.link.Status, t.link.FlowID, t.link.LastFailure, t.link.UpdatedAt = linkStatus, "", string(f.Code), t.now
	if err := tx.Links().Update(ctx, t.link); err != nil {
		return err
	}
	ev, err := e.emit(ctx, tx, t, event, map[string]any{"code": f.Code, "step": at, "provider": t.flow.Provider})
	if err != nil || !tellsExpiry(t.link) {
		return err
	}
	return e.cfg.Herald.Notify(ctx, tx, Notice{Kind: NoticeFailed, Link: t.link, EventID: ev.ID, Code: f.Code})
}
