package hosted

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Returned says which page a browser goes back to after a redirect.
type Returned struct {
	Token   string
	Dialect latchkey.Dialect
}

// bindRedirect puts a fresh state into the URL of a redirect step. The state names the flow and
// holds a secret of which the flow keeps the hash: it is good for this flow, once.
func (t *transit) bindRedirect(url string) string {
	secret, hash := newToken()
	t.body.RedirectState = hash
	return strings.ReplaceAll(url, connector.StatePlaceholder, string(t.flow.ID)+"."+secret)
}

// errBadState answers everything that is wrong with a callback alike.
func errBadState() error {
	return errs.New(errs.Invalid, errs.CodeInvalidParameters,
		"This sign-in does not belong to this browser, or it was already used. Go back to the page you came from and try again.")
}

// Return takes a browser that comes back from a redirect step. The state must be the one that was
// given out last, and the browser the one that the flow is bound to: a forged, replayed or carried
// over callback changes nothing.
func (e *Engine) Return(ctx context.Context, state string, values map[string]string, cookies func(name string) string) (Returned, error) {
	id, secret, ok := strings.Cut(state, ".")
	if !ok || !latchkey.IsFlowID(id) {
		return Returned{}, errBadState()
	}
	flow, err := e.cfg.Store.Flows().Get(ctx, latchkey.FlowID(id))
	if errors.Is(err, store.ErrNotFound) {
		return Returned{}, errBadState()
	}
	if err != nil {
		return Returned{}, err
	}
	cookie := cookies(CookieName(flow.LinkID))
	if cookie == "" || subtle.ConstantTimeCompare(hashToken(cookie), flow.CookieHash) != 1 {
		return Returned{}, errBadState()
	}
	link, err := e.cfg.Store.Links().Get(ctx, flow.ApplicationID, flow.LinkID)
	if err != nil {
		return Returned{}, linkError(err)
	}
	app, err := e.application(ctx, link.ApplicationID)
	if err != nil {
		return Returned{}, err
	}
	b, err := decodeBody(flow)
	if err != nil {
		return Returned{}, err
	}
	back := Returned{Token: b.Token, Dialect: link.Dialect}
	apps, err := e.clients(ctx, app, link)
	if err != nil {
		return Returned{}, err
	}
	s := seat{link: link, app: app, apps: apps, flow: &flow, body: &b, cookie: cookie, now: e.cfg.Now()}
	if !s.live() || len(b.RedirectState) == 0 || subtle.ConstantTimeCompare(hashToken(secret), b.RedirectState) != 1 {
		// The page itself says how things stand; a reload of the callback ends here too.
		if b.Token == "" {
			return Returned{}, errBadState()
		}
		return back, nil
	}
	_, err = e.resume(ctx, s, connector.ActReturn, values)
	if errors.Is(err, store.ErrStale) || errors.Is(err, errLost) {
		err = nil // a doubled callback: the first one counts
	}
	return back, err
}
