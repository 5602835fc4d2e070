package hosted

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// StepWrongAccount says that a grant is another account's than the link is for. It names both.
const StepWrongAccount = "flow.wrong_account"

// target is the account that a grant is for, as the application asked.
type target struct {
	app        latchkey.Application
	reconnect  latchkey.AccountID
	externalID string
	expected   string
	name       string
	// notify is where its end user is told when it breaks; what is empty stays as it is.
	notify latchkey.Notify
	// made is the id that a new account must have; empty for a fresh one.
	made       latchkey.AccountID
	metadata   map[string]string
	options    json.RawMessage
	authServer bool
	client     *connector.App
	// prior is the OAuth client of the account that is mended.
	prior latchkey.ProviderAppID
}

// stored is what became of a grant.
type stored struct {
	account latchkey.Account
	state   string // "new" or "existing"
	// expected is set instead where the grant is another account's; refused where the account takes none.
	expected string
	refused  errs.Code
}

// grant ends a flow well: account, link, flow, events and notification in one transaction.
func (e *Engine) grant(ctx context.Context, tx store.Tx, t *transit, g connector.Grant) error {
	if err := t.lockLink(ctx, tx); err != nil {
		return err
	}
	tgt, err := linkTarget(t.app, t.link)
	if err != nil {
		return err
	}
	tgt.client = t.body.Start.App
	s, err := e.keep(ctx, tx, tgt, t.flow.Provider, g, t.link.ID)
	if errors.Is(err, store.ErrNotFound) {
		return errors.Join(
			e.revoke(ctx, tx, t.flow.Provider, t.app.ID, t.body.Start.App, g),
			e.fail(ctx, tx, t, connector.Failure{Code: errs.CodeNotFound}, latchkey.FlowFailed),
		)
	}
	if err != nil {
		return err
	}
	if s.refused != "" {
		return errors.Join(
			e.revoke(ctx, tx, t.flow.Provider, t.app.ID, t.body.Start.App, g),
			e.fail(ctx, tx, t, connector.Failure{Code: s.refused}, latchkey.FlowFailed),
		)
	}
	if s.expected != "" {
		return e.wrongAccount(ctx, tx, t, g, s.expected)
	}
	acc := s.account
	t.body.Result = &result{
		AccountID: acc.ID, ExternalID: acc.ExternalID, State: s.state, Identity: acc.Identity, Shown: acc.Shown(), Warnings: g.Warnings,
	}
	t.body.Failure = nil
	t.body.finished(connector.Step{Kind: connector.KindNotice, ID: StepDone, Args: map[string]string{"identity": acc.Identity}})
	t.flow.Status, t.flow.AccountID, t.flow.AccountState = latchkey.FlowCompleted, acc.ID, s.state
	t.link.Status, t.link.AccountID, t.link.LastFailure, t.link.UpdatedAt = latchkey.LinkCompleted, acc.ID, "", t.now
	if err := tx.Links().Update(ctx, t.link); err != nil {
		return err
	}
	ev, err := e.emit(ctx, tx, t, latchkey.EventLinkCompleted, map[string]any{"account_id": acc.ID, "state": s.state, "provider": t.flow.Provider})
	if err != nil || t.link.Terms.NotifyURL == "" {
		return err
	}
	kind := NoticeCreated
	if s.state == stateExisting {
		kind = NoticeReconnected
	}
	return e.cfg.Herald.Notify(ctx, tx, Notice{Kind: kind, Link: t.link, AccountID: acc.ID, EventID: ev.ID})
}

const (
	stateNew      = "new"
	stateExisting = "existing"
)

func linkTarget(app latchkey.Application, l latchkey.Link) (target, error) {
	opts, err := accountOptions(l.Terms)
	return target{
		app: app, reconnect: l.Terms.ReconnectAccount, externalID: l.Terms.ExternalID,
		made: l.Terms.NewAccount, expected: l.Terms.ExpectedIdentity, name: l.Terms.DisplayName, metadata: l.Terms.Metadata, options: opts,
		notify: latchkey.Notify{Email: l.Terms.NotifyEmail, Locale: l.Terms.Locale},
	}, err
}

// accountOptions is what the form dialect stores with an account and shows.
func accountOptions(t latchkey.LinkTerms) (json.RawMessage, error) {
	m := map[string]any{}
	if len(t.Path) > 0 {
		m["path"] = t.Path
	}
	if len(t.Subconnections) > 0 {
		m["subconnections"] = t.Subconnections
	}
	if t.SyncFrom != nil {
		m["sync_from"] = t.SyncFrom
	}
	if t.NotifyFrom != nil {
		m["notify_from"] = t.NotifyFrom
	}
	if t.Delegated {
		m["delegated"] = true
	}
	if len(m) == 0 {
		return nil, nil
	}
	return json.Marshal(m)
}

// keep stores the grant as an account: a new one, or the one that the target names.
func (e *Engine) keep(ctx context.Context, tx store.Tx, tgt target, p latchkey.Provider, g connector.Grant, link latchkey.LinkID) (stored, error) {
	ref := string(tgt.reconnect)
	if ref == "" {
		ref = tgt.externalID
	}
	if ref == "" {
		return e.keepNew(ctx, tx, tgt, p, g, link)
	}
	acc, err := tx.Accounts().ForUpdate(ctx, tgt.app.ID, ref)
	if errors.Is(err, store.ErrNotFound) && tgt.reconnect == "" {
		return e.keepNew(ctx, tx, tgt, p, g, link)
	}
	if err != nil {
		return stored{}, err
	}
	store.AuditOf(ctx).Target(tgt.app.ID, string(acc.ID))
	if !sameHolder(acc, p, g.Identity) {
		return stored{expected: acc.Identity}, nil
	}
	if tgt.expected != "" && !latchkey.SameIdentity(p, tgt.expected, g.Identity) {
		return stored{expected: tgt.expected}, nil
	}
	if acc.AuthServer && link != "" {
		// Only the application's backend takes an account away from the application's server.
		return stored{refused: errs.CodeAuthServerAccount}, nil
	}
	was := acc
	// A connector that was told of the account compares for itself; one that was not (a link that
	// makes an account and met one of its name) is compared here.
	moved := g.ServerChanged || (g.Proof == latchkey.ProofTyped || acc.Proof == latchkey.ProofTyped) && !sameJSON(acc.Params, g.Params)
	acc.Provider = p
	fill(&acc, tgt, g)
	acc.UpdatedAt = e.cfg.Now()
	e.setHealthy(&acc, g)
	if err := tx.Accounts().Update(ctx, acc); err != nil {
		return stored{}, err
	}
	if err := e.wanted(ctx, tx, acc); err != nil {
		return stored{}, err
	}
	if err := writeHistory(ctx, tx, acc, was, link); err != nil {
		return stored{}, err
	}
	err = e.emitAccount(ctx, tx, acc, link, latchkey.EventAccountReconnected, map[string]any{"status": acc.Status, "previous_status": was.Status})
	if err == nil && (was.Status != acc.Status || was.Reason != acc.Reason) {
		err = e.emitAccount(ctx, tx, acc, link, latchkey.EventAccountStatusChanged, map[string]any{
			"account_id": acc.ID, "account_type": acc.Provider, "name": acc.Name, "status": acc.Status, "reason": nil, "action": nil,
			"previous": map[string]any{"status": was.Status, "reason": was.Reason},
		})
	}
	if err == nil && e.cfg.Reminders != nil {
		err = e.cfg.Reminders.Changed(ctx, tx, &acc, was)
	}
	if err == nil && moved {
		err = e.emitAccount(ctx, tx, acc, link, latchkey.EventAccountServerChanged, map[string]any{"connection_params": acc.Params})
	}
	return stored{account: acc, state: stateExisting}, err
}

// writeHistory notes that the account works (again). Without a link the application did it itself.
func writeHistory(ctx context.Context, tx store.Tx, acc, was latchkey.Account, link latchkey.LinkID) error {
	if acc.Status == was.Status && acc.Reason == was.Reason {
		return nil
	}
	c := latchkey.StatusChange{
		ID: latchkey.NewStatusChangeID(acc.UpdatedAt), ApplicationID: acc.ApplicationID, AccountID: acc.ID, From: was.Status, FromReason: was.Reason,
		To: acc.Status, ToReason: acc.Reason, Cause: latchkey.CauseWizard, At: acc.UpdatedAt,
	}
	if link == "" {
		c.Cause = latchkey.CauseAPI
	}
	return tx.StatusChanges().Add(ctx, c, latchkey.HistoryKept)
}

// sameHolder tells whether an account is the one of this identity at this provider. A mailbox may come
// to be opened in another way (with OAuth after a password); the ids of profiles are each provider's own.
func sameHolder(acc latchkey.Account, p latchkey.Provider, identity string) bool {
	moves := acc.Provider.HasMailboxes() && p.HasMailboxes()
	return (acc.Provider == p || moves) && latchkey.SameIdentity(p, acc.Identity, identity)
}

// sameJSON compares two documents whatever their spaces and order.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return len(a) == 0 && len(b) == 0
	}
	return reflect.DeepEqual(x, y)
}

func (e *Engine) keepNew(ctx context.Context, tx store.Tx, tgt target, p latchkey.Provider, g connector.Grant, link latchkey.LinkID) (stored, error) {
	if tgt.expected != "" && !latchkey.SameIdentity(p, tgt.expected, g.Identity) {
		return stored{expected: tgt.expected}, nil
	}
	now := e.cfg.Now()
	acc := latchkey.Account{
		ID: latchkey.NewAccountID(now), ApplicationID: tgt.app.ID, ExternalID: tgt.externalID, Provider: p,
		Test: tgt.app.Test, CreatedAt: now, UpdatedAt: now,
	}
	if tgt.made != "" {
		acc.ID = tgt.made
	}
	fill(&acc, tgt, g)
	e.setHealthy(&acc, g)
	if err := tx.Accounts().Create(ctx, acc); err != nil {
		return stored{}, err
	}
	if err := writeHistory(ctx, tx, acc, latchkey.Account{}, link); err != nil {
		return stored{}, err
	}
	if err := e.wanted(ctx, tx, acc); err != nil {
		return stored{}, err
	}
	err := e.emitAccount(ctx, tx, acc, link, latchkey.EventAccountConnected, map[string]any{"status": acc.Status, "provider": p})
	return stored{account: acc, state: stateNew}, err
}

// wanted has somebody stay connected for the account, where it needs that.
func (e *Engine) wanted(ctx context.Context, tx store.Tx, acc latchkey.Account) error {
	if e.cfg.Kept == nil {
		return nil
	}
	return e.cfg.Kept.Wanted(ctx, tx, acc)
}

func fill(acc *latchkey.Account, tgt target, g connector.Grant) {
	acc.Identity, acc.Proof = g.Identity, g.Proof
	acc.Params, acc.Secret, acc.Sources, acc.Warnings = g.Params, g.Secret, g.Sources, g.Warnings
	acc.ProviderApp, acc.AuthServer = "", tgt.authServer
	if tgt.client != nil {
		acc.ProviderApp = latchkey.ProviderAppID(tgt.client.ID)
	}
	switch {
	case g.Name != "":
		acc.Name = g.Name
	case tgt.name != "":
		acc.Name = tgt.name
	}
	if tgt.notify.Email != "" {
		acc.Notify.Email = tgt.notify.Email
	}
	if tgt.notify.Locale != "" {
		acc.Notify.Locale = tgt.notify.Locale
	}
	if tgt.metadata != nil {
		acc.Metadata = tgt.metadata
	}
	if tgt.options != nil {
		acc.Options = tgt.options
	}
}

// setHealthy says OK: a Grant is only made after a real check. That one is as old as the account's
// last change, by which accounts.Check tells it from a check that was asked for.
func (e *Engine) setHealthy(acc *latchkey.Account, g connector.Grant) {
	now := acc.UpdatedAt
	if acc.Status != latchkey.AccountOK {
		acc.StatusAt = now
	}
	acc.Status, acc.Reason, acc.CheckedAt = latchkey.AccountOK, latchkey.ReasonNone, now
	acc.ExpiresAt, acc.RefreshAt = g.ExpiresAt, time.Time{}
	acc.Watch, acc.CheckAt = latchkey.Watch{}, time.Time{}
	if e.cfg.FirstCheck != nil {
		acc.CheckAt = e.cfg.FirstCheck(*acc, now)
	}
	if _, ok := e.cfg.Connectors[acc.Provider].(connector.Refresher); ok && !g.ExpiresAt.IsZero() {
		acc.RefreshAt = latchkey.RefreshTime(acc.ID, now, g.ExpiresAt)
	}
}

func (e *Engine) emitAccount(ctx context.Context, tx store.Tx, acc latchkey.Account, link latchkey.LinkID, typ latchkey.EventType, data map[string]any) error {
	if acc.ExternalID != "" {
		data["external_id"] = acc.ExternalID
	}
	enc, err := eventData(data)
	if err != nil {
		return err
	}
	_, err = e.cfg.Herald.Emit(ctx, tx, latchkey.Event{
		ApplicationID: acc.ApplicationID, Type: typ, LinkID: link, AccountID: acc.ID, Data: enc,
	})
	return err
}

// wrongAccount withdraws the grant and asks again, naming both accounts.
func (e *Engine) wrongAccount(ctx context.Context, tx store.Tx, t *transit, g connector.Grant, expected string) error {
	if err := e.revoke(ctx, tx, t.flow.Provider, t.app.ID, t.body.Start.App, g); err != nil {
		return err
	}
	before := t.body.Step
	args := map[string]string{"expected": expected, "actual": g.Identity}
	t.body.Step = connector.Step{
		Kind: connector.KindNotice, ID: StepWrongAccount, Args: args,
		Actions: []connector.Action{connector.ActSubmit},
		Errors:  []connector.FieldIssue{{Code: errs.CodeWrongAccount, Args: args}},
	}
	t.body.Own, t.body.State, t.body.Asking, t.body.Asked = true, nil, false, nil
	return e.tellStep(ctx, tx, t, before)
}

// revoke withdraws a grant that nobody will use, at its provider, by a job.
func (e *Engine) revoke(ctx context.Context, tx store.Tx, p latchkey.Provider, app latchkey.ApplicationID, client *connector.App, g connector.Grant) error {
	if _, ok := e.cfg.Connectors[p].(connector.Revoker); !ok {
		return nil
	}
	return e.cfg.Revocations.Revoke(ctx, tx, p, app, connector.Credential{
		Identity: g.Identity, Params: g.Params, Secret: g.Secret, App: client,
	})
}

func eventData(data map[string]any) (json.RawMessage, error) {
	if len(data) == 0 {
		return nil, nil
	}
	return json.Marshal(data)
}
