package hosted

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
	"latchkey/internal/tracing"
)

// Limits on what a stranger with a link can repeat.
const (
	startsPerLink  = 60
	startsInWindow = time.Hour
	// A form may be answered that often from one address: many people share one, nobody has that
	// many mailboxes. Connectors bound tries per link and per login far more tightly.
	formsPerAddress = 1200
	formsInWindow   = 10 * time.Minute
	formsRetryAfter = time.Minute
)

// unknownAddress tells whether the address says nothing: a proxy on this machine that does not say
// who its client is. IPv6 clients are counted by their network (web.Bucket).
func unknownAddress(a string) bool { return a == "" || a == "127.0.0.1" || a == "::1" || a == "::/64" }

// maxConflicts bounds how often a transition is tried again after a unique value was taken in the
// same moment (two links that make the same account).
const maxConflicts = 3

// Answer takes one answer of a browser or JSON client, and returns what is asked now. Where the
// answer was not taken, the View comes with an *errs.Error that says why.
func (e *Engine) Answer(ctx context.Context, token string, cookies func(name string) string, a Answer) (View, error) {
	s, err := e.look(ctx, token, cookies)
	if err != nil {
		return View{}, err
	}
	switch a.Action {
	case connector.ActStart:
		return e.start(ctx, s, a)
	case connector.ActTakeOver:
		return e.takeOver(ctx, s, a)
	}
	if !s.live() {
		return e.render(s), refusal(s)
	}
	if a.Version != s.flow.Version {
		return e.render(s), stale()
	}
	if a.Action == connector.ActReturn || !e.acts(s, a.Action) {
		return e.render(s), errs.New(errs.Conflict, errs.CodeActionNotOffered, "This step does not offer that action; see step.actions.")
	}
	if a.Action == connector.ActSubmit {
		if bad := unknownValues(s.body.Step, a.Values); len(bad) > 0 {
			return e.render(s), errs.InvalidFields(bad...)
		}
	}
	if err := e.countForm(ctx, s, a); err != nil {
		return e.render(s), err
	}
	done, err := e.resume(ctx, s, a.Action, a.Values)
	return e.after(ctx, s, done, err)
}

// countForm bounds how many forms one address may send: each can make us call somebody.
func (e *Engine) countForm(ctx context.Context, s seat, a Answer) error {
	if a.Action != connector.ActSubmit || s.body.Step.Kind != connector.KindForm || unknownAddress(a.Address) {
		return nil
	}
	n, err := e.cfg.Store.Tries().Count(ctx, "forms:"+base64.RawURLEncoding.EncodeToString(hashToken(a.Address)), formsInWindow, s.now)
	if err != nil {
		return err
	}
	if n > formsPerAddress {
		return &errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyTries, RetryAfter: formsRetryAfter, Detail: "Too many forms came from your network. Try again in a few minutes."}
	}
	return nil
}

// acts tells whether the action can be taken on what is shown now.
func (e *Engine) acts(s seat, a connector.Action) bool {
	for _, x := range e.render(s).Step.Actions {
		if x == a {
			return true
		}
	}
	return false
}

func stale() error {
	return errs.New(errs.Conflict, errs.CodeStaleVersion, "The flow has moved on since; here is the step that it is at.")
}

func linkExpired() error {
	return errs.New(errs.Gone, errs.CodeLinkExpired, "This link has expired. Ask for a new one where you got it.")
}

// refusal says why a browser without a running flow cannot answer.
func refusal(s seat) error {
	switch s.link.StatusAt(s.now) {
	case latchkey.LinkCompleted:
		return errs.New(errs.Conflict, errs.CodeLinkUsed, "This link was already used.")
	case latchkey.LinkExpired:
		return linkExpired()
	case latchkey.LinkInProgress:
		if !s.takeable() {
			return linkExpired()
		}
		return errs.New(errs.Conflict, errs.CodeLinkBound, "This link is being used in another browser; take_over continues here.")
	}
	return errs.New(errs.Conflict, errs.CodeActionNotOffered, "This link has not been started; start comes first.")
}

// after waits a moment for a Work that was begun, and shows how things stand then.
func (e *Engine) after(ctx context.Context, s seat, done <-chan struct{}, err error) (View, error) {
	var refused error
	switch {
	case errors.Is(err, store.ErrStale) || errors.Is(err, errLost):
		refused = stale()
	case err != nil:
		return View{}, err
	}
	if done != nil && e.cfg.Wait > 0 {
		timer := time.NewTimer(e.cfg.Wait)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	now, err := e.look(ctx, s.token, func(string) string { return s.cookie })
	if err != nil {
		return View{}, err
	}
	if refused != nil && !now.live() {
		if now.flow != nil && now.flow.Status == latchkey.FlowCompleted {
			return e.render(now), nil // a doubled answer to the last step: it was taken, once
		}
		return e.render(now), refusal(now)
	}
	return e.render(now), refused
}

// start binds a new flow to this browser. A double click finds it bound already.
func (e *Engine) start(ctx context.Context, s seat, a Answer) (View, error) {
	if s.live() {
		return e.render(s), nil
	}
	if !s.link.Startable(s.now) {
		return e.render(s), refusal(s)
	}
	v, err := e.bind(ctx, s, a, nil)
	if v.Bound && errs.Is(err, errs.CodeStaleVersion) {
		return v, nil
	}
	return v, err
}

// takeOver continues a link here that was started in another browser: from the beginning, with
// nothing carried over.
func (e *Engine) takeOver(ctx context.Context, s seat, a Answer) (View, error) {
	if s.live() {
		return e.render(s), nil
	}
	if !s.takeable() {
		return e.render(s), refusal(s)
	}
	old := s.link.FlowID
	s.cookie, s.flow, s.body = "", nil, nil
	return e.bind(ctx, s, Answer{Handheld: a.Handheld}, &old)
}

// bind makes a flow for this browser. With old, it takes the link over from that flow.
func (e *Engine) bind(ctx context.Context, s seat, a Answer, old *latchkey.FlowID) (View, error) {
	choices := e.choices(s.app, s.link, s.apps)
	if len(choices) == 0 {
		return e.render(s), errs.New(errs.Conflict, errs.CodeProviderUnavailable, "None of this link's providers can be connected here.")
	}
	n, err := e.cfg.Store.Tries().Count(ctx, "start:"+string(s.link.ID), startsInWindow, s.now)
	if err != nil {
		return View{}, err
	}
	if n > startsPerLink {
		return e.render(s), &errs.Error{Kind: errs.TooMany, Code: errs.CodeTooManyTries, RetryAfter: startsInWindow, Detail: "This link was started too often. Try again in an hour."}
	}
	var set *Cookie
	if s.cookie == "" {
		value, _ := newToken()
		s.cookie = value
		set = s.newCookie(value)
	}
	var t *transit
	err = e.inTx(ctx, func(ctx context.Context, tx store.Tx) error {
		t = &transit{now: s.now, app: s.app, apps: s.apps, fresh: true}
		if err := e.lockForStart(ctx, tx, s, t, old); err != nil {
			return err
		}
		return e.newFlow(ctx, tx, s, t, choices, a)
	})
	view, err := e.after(ctx, s, e.launch(ctx, t, err), err)
	if view.SetCookie == nil {
		view.SetCookie = set
	}
	return view, err
}

// lockForStart locks the link and, for a take-over, ends the flow that held it.
func (e *Engine) lockForStart(ctx context.Context, tx store.Tx, s seat, t *transit, old *latchkey.FlowID) error {
	link, err := tx.Links().ForUpdate(ctx, s.link.ID)
	if err != nil {
		return err
	}
	t.link, t.locked = link, true
	if old == nil {
		if !link.Startable(t.now) {
			return errLost
		}
		return nil
	}
	if link.Status != latchkey.LinkInProgress || link.FlowID != *old {
		return errLost
	}
	return e.endFlow(ctx, tx, *old, latchkey.FlowTakenOver, notice(StepTakenOver))
}

// newFlow writes the flow, binds the link to it, and begins the connector if there is only one.
func (e *Engine) newFlow(ctx context.Context, tx store.Tx, s seat, t *transit, choices []latchkey.Provider, a Answer) error {
	tookOver := t.link.Status == latchkey.LinkInProgress
	t.flow = latchkey.Flow{
		ID: latchkey.NewFlowID(t.now), LinkID: t.link.ID, ApplicationID: t.link.ApplicationID,
		CookieHash: hashToken(s.cookie), Status: latchkey.FlowInProgress,
		CreatedAt: t.now, UpdatedAt: t.now, ExpiresAt: t.link.ExpiresAt.Add(latchkey.FlowGrace),
	}
	t.link.Status, t.link.FlowID, t.link.UpdatedAt = latchkey.LinkInProgress, t.flow.ID, t.now
	start, err := e.startOf(ctx, tx, e.cfg.AppName(ctx, tx, s.app), t.link, choices, a.Handheld)
	if err != nil {
		return err
	}
	t.body = body{Token: s.token, Start: start, Picker: len(choices) > 1}
	typ := latchkey.EventLinkStarted
	if tookOver {
		typ = latchkey.EventLinkTakenOver
	}
	if _, err := e.emit(ctx, tx, t, typ, nil); err != nil {
		return err
	}
	picked, err := pick(choices, a.Values["provider"])
	if err != nil {
		return err
	}
	if picked == "" {
		err = e.showPicker(ctx, tx, t, choices)
	} else {
		err = e.begin(ctx, tx, t, picked)
	}
	if err != nil {
		return err
	}
	if t.link.Status == latchkey.LinkInProgress { // else fail or grant has written it
		if err := tx.Links().Update(ctx, t.link); err != nil {
			return err
		}
	}
	return t.save(ctx, tx)
}

// pick says which provider to begin with: the only one, or the one that was clicked.
func pick(choices []latchkey.Provider, wish string) (latchkey.Provider, error) {
	if wish != "" {
		for _, p := range choices {
			if string(p) == wish {
				return p, nil
			}
		}
		return "", errs.InvalidFields(errs.FieldError{Field: "provider", Code: errs.CodeInvalidValue, Message: "This provider is not among those that the link offers."})
	}
	if len(choices) == 1 {
		return choices[0], nil
	}
	return "", nil
}

// startOf gathers what a connector is told at its beginning.
func (e *Engine) startOf(ctx context.Context, tx store.Tx, appName string, l latchkey.Link, choices []latchkey.Provider, handheld bool) (connector.Start, error) {
	st := connector.Start{
		Mode: connector.ModeCreate, ApplicationID: l.ApplicationID, LinkID: l.ID, ApplicationName: appName, Handheld: handheld,
		Email: l.Terms.Email, Name: l.Terms.DisplayName, ExpectedIdentity: l.Terms.ExpectedIdentity,
		AllowServerChange: l.Terms.AllowServerChange, Locale: l.Terms.Locale, CallbackURL: e.cfg.CallbackURL,
		Options: connector.Options{ProviderApp: l.Terms.ProviderApp, Delegated: l.Terms.Delegated, Disabled: l.Terms.DisabledOptions},
	}
	for _, p := range choices {
		if p == latchkey.Google || p == latchkey.Microsoft {
			st.OAuthOffered = append(st.OAuthOffered, p)
		}
	}
	if err := withProxy(ctx, tx, l, &st); err != nil {
		return st, err
	}
	if l.Type != latchkey.LinkReconnect {
		return st, nil
	}
	acc, err := tx.Accounts().Get(ctx, l.ApplicationID, string(l.Terms.ReconnectAccount))
	if errors.Is(err, store.ErrNotFound) {
		return st, errs.New(errs.NotFound, errs.CodeNotFound, "The account that this link reconnects no longer exists.")
	}
	if err != nil {
		return st, err
	}
	st.Mode = connector.ModeReconnect
	if acc.AuthServer {
		st.Lent = cmp.Or(acc.ExternalID, string(acc.ID))
	}
	if st.Email == "" {
		st.Email = acc.Identity
	}
	st.Prior = &connector.Prior{
		AccountID: acc.ID, Identity: acc.Identity, Name: acc.Name, Status: acc.Status, Reason: acc.Reason,
		Sources: acc.Sources, Params: acc.Params, Secret: acc.Secret,
	}
	return st, nil
}

func (e *Engine) showPicker(ctx context.Context, tx store.Tx, t *transit, choices []latchkey.Provider) error {
	step := connector.Step{
		Kind: connector.KindChoose, ID: StepPicker, Actions: []connector.Action{connector.ActSubmit},
		Fields: []connector.Field{{Name: "provider", Type: connector.FieldChoice, Required: true}},
	}
	for _, p := range choices {
		step.Options = append(step.Options, connector.Option{ID: string(p)})
	}
	before := t.body.Step
	t.stop()
	t.flow.Version++
	t.flow.Provider = ""
	t.body.Step, t.body.State, t.body.Own, t.body.RedirectState = step, nil, true, nil
	t.body.Asking, t.body.Asked = false, nil
	return e.tellStep(ctx, tx, t, before)
}

// inTx is InTx, tried again where another transaction took the same unique value.
func (e *Engine) inTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	ctx, span := tracing.Start(ctx, "flow commit")
	defer span.End("")
	var err error
	for range maxConflicts {
		if err = e.cfg.Store.InTx(ctx, fn); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return err
}
