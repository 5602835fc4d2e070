package hosted

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// pollEvery is how soon a page looks again while something is being done.
const pollEvery = 600 * time.Millisecond

// seat is one request's place at a link: the link, and the flow of this browser if it has one.
type seat struct {
	link   latchkey.Link
	app    latchkey.Application
	flow   *latchkey.Flow
	body   *body
	apps   clients
	token  string
	cookie string
	// reason is why the account broke that the link mends.
	reason latchkey.Reason
	now    time.Time
}

// live tells whether this browser's flow is the one that the link is bound to, and still runs.
func (s seat) live() bool {
	return s.flow != nil && s.flow.Status == latchkey.FlowInProgress && s.link.FlowID == s.flow.ID &&
		s.link.Status == latchkey.LinkInProgress && s.now.Before(s.flow.ExpiresAt)
}

// takeable tells whether another browser may continue the link. In the grace after its expiry only
// the browser that has it may go on.
func (s seat) takeable() bool {
	return s.link.StatusAt(s.now) == latchkey.LinkInProgress && s.now.Before(s.link.ExpiresAt)
}

// look reads the link, and this browser's newest flow through it.
func (e *Engine) look(ctx context.Context, token string, cookies func(name string) string) (seat, error) {
	link, err := e.cfg.Store.Links().ByToken(ctx, hashToken(token))
	if err != nil {
		return seat{}, linkError(err)
	}
	if link.Dialect == latchkey.DialectDirect {
		return seat{}, errs.NotFoundf("link") // no page shows it
	}
	app, err := e.application(ctx, link.ApplicationID)
	if err != nil {
		return seat{}, err
	}
	s := seat{link: link, app: app, token: token, cookie: cookies(CookieName(link.ID)), now: e.cfg.Now()}
	if s.apps, err = e.clients(ctx, app, link); err != nil {
		return seat{}, err
	}
	if link.Type == latchkey.LinkReconnect && link.Startable(s.now) {
		acc, err := e.cfg.Store.Accounts().Get(ctx, link.ApplicationID, string(link.Terms.ReconnectAccount))
		if err != nil && !errors.Is(err, store.ErrNotFound) { // the flow says so, once it is started
			return seat{}, err
		}
		s.reason = acc.Reason
	}
	if s.cookie == "" {
		return s, nil
	}
	hash := hashToken(s.cookie)
	flow, err := e.cfg.Store.Flows().ByBrowser(ctx, link.ID, hash)
	if errors.Is(err, store.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return seat{}, err
	}
	if subtle.ConstantTimeCompare(flow.CookieHash, hash) != 1 {
		return s, nil
	}
	b, err := decodeBody(flow)
	if err != nil {
		return seat{}, err
	}
	s.flow, s.body = &flow, &b
	return s, nil
}

// View says what this browser is shown now. It changes nothing.
func (e *Engine) View(ctx context.Context, token string, cookies func(name string) string) (View, error) {
	s, err := e.look(ctx, token, cookies)
	if err != nil {
		return View{}, err
	}
	v := e.render(s)
	if !v.Bound {
		e.opened.add(s.link.ID)
	}
	return v, nil
}

// offered tells whether the link may go to the provider: set up here, allowed by the application,
// wished by the link.
func (e *Engine) offered(app latchkey.Application, l latchkey.Link, p latchkey.Provider, apps clients) bool {
	desc, ok := e.descs[p]
	if !ok || !latchkey.Wished(l.Terms.Providers, p) {
		return false
	}
	if desc.TestOnly && !app.Test || desc.NeedsApp && !forPeople(apps[p]) {
		return false
	}
	return len(app.Providers) == 0 || slices.Contains(app.Providers, p)
}

func (e *Engine) choices(app latchkey.Application, l latchkey.Link, apps clients) []latchkey.Provider {
	var out []latchkey.Provider
	for _, p := range latchkey.Providers() {
		if e.offered(app, l, p, apps) {
			out = append(out, p)
		}
	}
	return out
}

// clients are the OAuth clients that a link can use, by provider.
type clients map[latchkey.Provider]*connector.App

// clients looks up the OAuth clients of the providers that the link wishes for. It must not be
// called inside a transaction: it may read the database.
func (e *Engine) clients(ctx context.Context, app latchkey.Application, l latchkey.Link) (clients, error) {
	var out clients
	for p, desc := range e.descs {
		if !desc.NeedsApp && !desc.AppOptional || e.cfg.Apps == nil || !latchkey.Wished(l.Terms.Providers, p) {
			continue
		}
		c, err := e.cfg.Apps.For(ctx, app.ID, p, wishedApp(l, p))
		if errs.Is(err, errs.CodeNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = clients{}
		}
		out[p] = c
	}
	return out, nil
}

// forPeople tells whether end users can sign in through the client. One that only acts by a service
// account cannot be offered to them.
func forPeople(c *connector.App) bool { return c != nil && c.ClientID != "" }

// wishedApp is the client that the link names, which is of one provider; the other providers of the
// link use their default.
func wishedApp(l latchkey.Link, p latchkey.Provider) string {
	if len(l.Terms.Providers) == 1 && l.Terms.Providers[0] == string(p) {
		return l.Terms.ProviderApp
	}
	return ""
}

func notice(id string, actions ...connector.Action) connector.Step {
	return connector.Step{Kind: connector.KindNotice, ID: id, Actions: actions}
}

// render turns a seat into a View.
func (e *Engine) render(s seat) View {
	v := View{Link: s.link, Application: s.app, Choices: e.choices(s.app, s.link, s.apps)}
	v.Scopes = e.scopes(v.Choices)
	if s.flow != nil {
		if done := e.renderOwn(s, &v); done {
			return v
		}
	}
	switch st := s.link.StatusAt(s.now); {
	case st == latchkey.LinkCompleted:
		v.Status, v.Step = latchkey.FlowCompleted, notice(StepUsed)
	case st == latchkey.LinkExpired:
		v.Status, v.Step = latchkey.FlowExpired, notice(StepExpired)
	case st == latchkey.LinkInProgress && !s.takeable():
		v.Status, v.Step = latchkey.FlowExpired, notice(StepExpired)
	case st == latchkey.LinkInProgress:
		v.Status, v.Step = latchkey.FlowInProgress, notice(StepBound, connector.ActTakeOver)
	case len(v.Choices) == 0:
		v.Status, v.Step = latchkey.FlowCreated, notice(StepUnavailable)
		v.Failure = &Failure{Code: errs.CodeProviderUnavailable, RedirectURL: failureURL(s.link, string(errs.CodeProviderUnavailable))}
	default:
		v.Status, v.Step, v.Reason = latchkey.FlowCreated, notice(StepStart, connector.ActStart), s.reason
		v.SetCookie = freshCookie(s)
	}
	if v.Step.ID != StepStart {
		v.Choices = nil
	}
	return v
}

// freshCookie gives a browser that has none the cookie with which it may start. Nothing is
// remembered of it until then; but a double click on start then comes twice from one browser.
func freshCookie(s seat) *Cookie {
	if s.cookie != "" {
		return nil
	}
	value, _ := newToken()
	return s.newCookie(value)
}

func (s seat) newCookie(value string) *Cookie {
	return &Cookie{Name: CookieName(s.link.ID), Value: value, MaxAge: s.link.ExpiresAt.Add(latchkey.FlowGrace).Sub(s.now)}
}

// renderOwn fills in what the browser that holds (or held) a flow sees. It returns false where that
// flow says nothing any more and the link does.
func (e *Engine) renderOwn(s seat, v *View) bool {
	f, b := s.flow, s.body
	v.Bound, v.FlowID, v.Version, v.Provider = true, f.ID, f.Version, f.Provider
	switch f.Status {
	case latchkey.FlowInProgress:
		if !s.live() {
			break
		}
		e.renderRunning(s, v)
		return true
	case latchkey.FlowCompleted:
		v.Status, v.Step, v.Choices = f.Status, b.Step, nil
		if b.Result != nil {
			v.Result = &Result{
				AccountID: b.Result.AccountID, State: b.Result.State, Identity: b.Result.Identity, Shown: b.Result.Shown,
				Warnings: b.Result.Warnings, RedirectURL: successURL(s.link, *b.Result),
			}
		}
		return true
	case latchkey.FlowFailed, latchkey.FlowCanceled:
		if !s.link.Startable(s.now) {
			break
		}
		v.Status, v.Step, v.Choices = f.Status, b.Step, nil
		v.Step.Actions = []connector.Action{connector.ActStart}
		if b.Failure != nil {
			v.Failure = &Failure{
				Code: b.Failure.Code, Args: b.Failure.Args, Retryable: b.Failure.Retryable,
				RedirectURL: failureURL(s.link, string(b.Failure.Code)),
			}
		}
		return true
	case latchkey.FlowTakenOver:
		if !s.takeable() {
			break
		}
		v.Bound, v.FlowID, v.Version, v.Provider, v.Choices = false, "", 0, "", nil
		v.Status, v.Step = latchkey.FlowTakenOver, notice(StepTakenOver, connector.ActTakeOver)
		return true
	}
	v.Bound, v.FlowID, v.Version, v.Provider = false, "", 0, ""
	return false
}

func (e *Engine) renderRunning(s seat, v *View) {
	b := s.body
	v.Status, v.Step, v.Busy = latchkey.FlowInProgress, b.Step, b.Work != nil
	v.Step.Actions = slices.Clone(b.Step.Actions)
	if v.Step.ID != StepPicker {
		v.Choices = nil
		if s.flow.Provider != "" {
			v.Scopes = e.scopes([]latchkey.Provider{s.flow.Provider})
		}
	}
	if b.Picker && !v.Step.Offers(connector.ActBack) && v.Step.ID != StepPicker && !v.Busy {
		v.Step.Actions = append(v.Step.Actions, connector.ActBack)
	}
	v.Step.Actions = append(v.Step.Actions, connector.ActCancel)
	if v.Busy && v.Step.Poll == 0 {
		v.Step.Poll = pollEvery
	}
}

// scopes gathers what the application will be able to do with any of the providers.
func (e *Engine) scopes(ps []latchkey.Provider) []string {
	var out []string
	for _, p := range ps {
		for _, sc := range e.descs[p].Scopes {
			if !slices.Contains(out, sc) {
				out = append(out, sc)
			}
		}
	}
	return out
}
