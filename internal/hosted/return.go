package hosted

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Returned says which page a browser goes back to after a redirect.
type Returned struct {
	Token   string
	Dialect latchkey.Dialect
	// Admin is set for an administrator who came back from the consent of an organisation: that
	// browser has no flow, and is only told how it went.
	Admin AdminAnswer
}

// AdminAnswer is what an administrator's browser is told.
type AdminAnswer string

// The answers. Refused also stands for a link that is not good any more: it tells a stranger nothing.
const (
	AdminConsented AdminAnswer = "consented"
	AdminRefused   AdminAnswer = "refused"
)

// adminPrefix marks the second kind of state.
const adminPrefix = "adm."

// adminPoll is how soon the page of the end user looks whether the administrator has consented.
const adminPoll = 3 * time.Second

// bindAdmin puts a state of the second kind into a link for an administrator. It needs no cookie,
// since it can do one thing only: say that the organisation consented, which lets the flow go on
// from where it asked.
func (t *transit) bindAdmin(link string) string {
	secret, hash := newToken()
	t.body.AdminState = hash
	return strings.ReplaceAll(link, connector.AdminStatePlaceholder, adminPrefix+string(t.flow.ID)+"."+secret)
}

// returnAdmin takes an administrator's browser. Whatever else it brings is not looked at.
func (e *Engine) returnAdmin(ctx context.Context, state string, values map[string]string) (Returned, error) {
	refused := Returned{Admin: AdminRefused}
	id, secret, ok := strings.Cut(state, ".")
	if !ok || !latchkey.IsFlowID(id) || values["error"] != "" || !strings.EqualFold(values["admin_consent"], "true") {
		return refused, nil
	}
	s, err := e.seatOf(ctx, latchkey.FlowID(id))
	if errors.Is(err, store.ErrNotFound) {
		return refused, nil
	}
	if err != nil {
		return Returned{}, err
	}
	if !s.live() || len(s.body.AdminState) == 0 || subtle.ConstantTimeCompare(hashToken(secret), s.body.AdminState) != 1 {
		return refused, nil
	}
	// As if the end user had pressed "try again" on the page that waits.
	if _, err = e.resume(ctx, s, connector.ActSubmit, nil); errors.Is(err, store.ErrStale) || errors.Is(err, errLost) {
		err = nil
	}
	return Returned{Admin: AdminConsented}, err
}

// seatOf is the seat of a flow, without asking for its cookie.
func (e *Engine) seatOf(ctx context.Context, id latchkey.FlowID) (seat, error) {
	flow, err := e.cfg.Store.Flows().Get(ctx, id)
	if err != nil {
		return seat{}, err
	}
	link, err := e.cfg.Store.Links().Get(ctx, flow.ApplicationID, flow.LinkID)
	if err != nil {
		return seat{}, err
	}
	app, err := e.application(ctx, link.ApplicationID)
	if err != nil {
		return seat{}, err
	}
	b, err := decodeBody(flow)
	if err != nil {
		return seat{}, err
	}
	apps, err := e.clients(ctx, app, link)
	return seat{link: link, app: app, apps: apps, flow: &flow, body: &b, now: e.cfg.Now()}, err
}

// bindRedirect puts a fresh state into the URL of a redirect step. The state names the flow and
// holds a secret of which the flow keeps the hash: it is good for this flow, once.
func (t *transit) bindRedirect(address string) string {
	secret, hash := newToken()
	t.body.RedirectState = hash
	return strings.ReplaceAll(address, connector.StatePlaceholder, string(t.flow.ID)+"."+secret)
}

// linkAddress is where the end user's link opens: beside the callback, on the base host.
func (e *Engine) linkAddress(t *transit) string {
	u, err := url.Parse(e.cfg.CallbackURL)
	if err != nil || t.body.Token == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/c/" + url.PathEscape(t.body.Token)
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
	if rest, ok := strings.CutPrefix(state, adminPrefix); ok {
		return e.returnAdmin(ctx, rest, values)
	}
	id, secret, ok := strings.Cut(state, ".")
	if !ok || !latchkey.IsFlowID(id) {
		return Returned{}, errBadState()
	}
	s, err := e.seatOf(ctx, latchkey.FlowID(id))
	if errors.Is(err, store.ErrNotFound) {
		return Returned{}, errBadState()
	}
	if err != nil {
		return Returned{}, err
	}
	s.cookie = cookies(CookieName(s.link.ID))
	if s.cookie == "" || subtle.ConstantTimeCompare(hashToken(s.cookie), s.flow.CookieHash) != 1 {
		return Returned{}, errBadState()
	}
	b := s.body
	back := Returned{Token: b.Token, Dialect: s.link.Dialect}
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
