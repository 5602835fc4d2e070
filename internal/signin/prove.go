package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

func used() error {
	return errs.New(errs.Conflict, errs.CodeSignInUsed, "This sign-in was finished already. Begin another one.")
}

func expired() error {
	return errs.New(errs.Gone, errs.CodeCodeExpired, "The code is too old. Ask for a new one.")
}

func wrongCode(left int) error {
	message := "This is not the right code."
	if left == 1 {
		message += " One more try is left."
	}
	return &errs.Error{
		Kind: errs.Invalid, Code: errs.CodeWrongCode, Detail: "This is not the code of this sign-in's mail.",
		Fields: []errs.FieldError{{Field: "code", Code: errs.CodeWrongCode, Message: message}},
	}
}

func exhausted(v latchkey.SignIn, now time.Time) error {
	return &errs.Error{
		Kind: errs.TooMany, Code: errs.CodeTooManyTries, RetryAfter: max(time.Second, v.SentAt.Add(ResendAfter).Sub(now)),
		Detail: "Too many wrong codes. Ask for a new one.",
	}
}

// Verify looks at a code, and marks the sign-in as proved where it is the right one.
func (s *Service) Verify(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, code string, by By) (latchkey.SignIn, error) {
	v, budgets, err := s.look(ctx, app, id, code, by)
	if err != nil {
		return v, err
	}
	return s.prove(ctx, v, latchkey.SignInByCode, budgets, false)
}

// look counts a look at the codes of a sign-in, commits that, and only then looks.
func (s *Service) look(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, code string, by By) (latchkey.SignIn, []allowance, error) {
	v, err := s.find(ctx, app, id, by)
	if err != nil {
		return v, nil, err
	}
	now := s.now()
	typed, ok := cleanCode(code)
	switch {
	case v.Status != latchkey.SignInPending:
		return v, nil, used()
	case !now.Before(v.ExpiresAt()):
		return v, nil, expired()
	case !ok:
		// No code looks like that: it costs no try.
		return v, nil, wrongCode(MaxTries - v.Current.Tries)
	}
	a, err := address.Parse(v.Email)
	if err != nil {
		return v, nil, err
	}
	set, err := s.Settings(ctx, app)
	if err != nil {
		return v, nil, err
	}
	budgets := s.guesses(v, a.Bucket, set)
	var left, stale bool
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if left, err = spend(ctx, tx, budgets, now); err != nil || !left {
			return err
		}
		var counted latchkey.SignIn
		counted, err = tx.SignIns().CountTry(ctx, app, id, MaxTries)
		if stale = errors.Is(err, store.ErrStale); stale {
			return nil // what was spent stays spent
		}
		if err == nil {
			v = counted
		}
		return err
	})
	switch {
	case err != nil:
		return v, nil, err
	case !left:
		return v, nil, tooMany(now)
	case stale:
		return s.stale(ctx, v, now)
	case !s.matches(v, typed, now) || v.Withheld != "":
		if v.Current.Tries >= MaxTries {
			return v, nil, exhausted(v, now)
		}
		return v, nil, wrongCode(MaxTries - v.Current.Tries)
	}
	return v, budgets, nil
}

// stale says why a look was not counted.
func (s *Service) stale(ctx context.Context, was latchkey.SignIn, now time.Time) (latchkey.SignIn, []allowance, error) {
	v, err := s.cfg.Store.SignIns().Get(ctx, was.ApplicationID, was.ID)
	if err != nil {
		return was, nil, err
	}
	if v.Status != latchkey.SignInPending {
		return v, nil, used()
	}
	return v, nil, exhausted(v, now)
}

// prove moves a sign-in on, and to its end where its application has been told by this very answer.
func (s *Service) prove(ctx context.Context, v latchkey.SignIn, m latchkey.SignInMethod, budgets []allowance, complete bool) (latchkey.SignIn, error) {
	now := s.now()
	proved := v
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		proved = v
		// In the order in which a look takes the rows: nobody waits in a circle.
		if err := forgive(ctx, tx, budgets, now); err != nil {
			return err
		}
		err := tx.SignIns().Prove(ctx, v.ApplicationID, v.ID, m, now)
		if err != nil {
			return err
		}
		proved.Status, proved.Method, proved.ProvedAt = latchkey.SignInProved, m, now
		if !complete {
			return nil
		}
		proved, err = s.complete(ctx, tx, proved, now)
		return err
	})
	if errors.Is(err, store.ErrStale) {
		return v, used()
	}
	return proved, err
}

// complete ends a sign-in that is proved, and tells of it.
func (s *Service) complete(ctx context.Context, tx store.Tx, v latchkey.SignIn, now time.Time) (latchkey.SignIn, error) {
	if err := tx.SignIns().Complete(ctx, v.ApplicationID, v.ID, now); err != nil {
		return v, err
	}
	v.Status, v.CompletedAt = latchkey.SignInCompleted, now
	if s.cfg.Events == nil || v.ApplicationID == "" {
		return v, nil
	}
	data := map[string]string{"signin_id": string(v.ID), "email": v.Email, "sub": s.Subject(v.ApplicationID, v.Address), "method": string(v.Method)}
	if v.OIDC != nil {
		data["client_id"] = string(v.OIDC.ClientID)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return v, err
	}
	_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{ApplicationID: v.ApplicationID, Type: latchkey.EventSignInCompleted, Data: raw})
	return v, err
}

// Opened is a link, as its page shows it.
type Opened struct {
	SignIn latchkey.SignIn
	// Here tells that the link may be used in this browser: it is the one that asked, or no browser did
	// and the application named where to go on.
	Here bool
	// Code is the mail's code, to be typed where it was asked for.
	Code string
	// Over tells that the link is too old, Used that the sign-in is finished.
	Over, Used bool
}

// Open reads a link. It changes nothing: scanners of mail open links, too.
func (s *Service) Open(ctx context.Context, link, browser string) (Opened, error) {
	id, token, ok := parseBearer(link)
	if !ok {
		return Opened{}, errs.NotFoundf("link")
	}
	v, err := s.cfg.Store.SignIns().ByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Opened{}, errs.NotFoundf("link")
	}
	if err != nil {
		return Opened{}, err
	}
	for _, c := range []latchkey.Challenge{v.Current, v.Before} {
		if !secret.SameToken(token, c.LinkHash) || v.Withheld != "" {
			continue
		}
		return Opened{
			SignIn: v, Code: codeOf(c, token), Over: !s.now().Before(c.ExpiresAt), Used: v.Status != latchkey.SignInPending,
			Here: len(v.BrowserHash) == 0 && v.RedirectURI != "" || len(v.BrowserHash) > 0 && (By{Browser: browser}).owns(v),
		}, nil
	}
	return Opened{}, errs.NotFoundf("link")
}

// Consume uses a link. Only a click may lead here, in the browser that asked. Where a backend asked, a click
// changes nothing: it hands the browser a grant, and only the backend's word that it is the right browser
// ends the sign-in. So programs that press every button in a mail use nothing up.
func (s *Service) Consume(ctx context.Context, link, browser string) (latchkey.SignIn, error) {
	o, err := s.Open(ctx, link, browser)
	switch {
	case err != nil:
		return latchkey.SignIn{}, err
	case o.Used:
		return o.SignIn, used()
	case o.Over:
		return o.SignIn, expired()
	case !o.Here:
		return o.SignIn, otherBrowser("This sign-in was begun in another browser. Type the code there.")
	}
	if len(o.SignIn.BrowserHash) == 0 {
		v := o.SignIn
		v.Status, v.Method, v.ProvedAt = latchkey.SignInProved, latchkey.SignInByLink, s.now().Truncate(clickStep)
		return v, nil
	}
	return s.prove(ctx, o.SignIn, latchkey.SignInByLink, nil, false)
}

// clickStep is what the time of a click is rounded down to: a grant of a click is looked for at each of the
// steps of its life.
const clickStep = 15 * time.Second

// clicked tells whether a token is the grant of a click within the last minutes.
func (s *Service) clicked(v latchkey.SignIn, token string) bool {
	if len(v.BrowserHash) > 0 || v.OIDC != nil || v.Withheld != "" {
		return false
	}
	good, now := false, s.now()
	for at := now.Truncate(clickStep); now.Sub(at) < grantLifetime; at = at.Add(-clickStep) {
		good = secret.SameHash([]byte(token), []byte(s.token(grantPurpose(v), v, at))) || good
	}
	return good
}

// grantPurpose keeps the grants of clicks apart from those of sign-ins that are proved.
func grantPurpose(v latchkey.SignIn) string {
	if len(v.BrowserHash) == 0 {
		return "signin/click/v1"
	}
	return "signin/grant/v1"
}

// Redirect is where the browser goes with a sign-in that is proved: empty where there is nowhere to go, or
// where it has been there. An OpenID Connect client gets code, state and iss (RFC 6749 §4.1.2,
// RFC 9207); an application that asked by itself gets signin_id, code and its state.
func (s *Service) Redirect(v latchkey.SignIn) string {
	if v.Status != latchkey.SignInProved || v.RedirectURI == "" || !s.now().Before(v.ProvedAt.Add(grantLifetime)) {
		return ""
	}
	add := url.Values{"code": {s.grant(v)}}
	if v.OIDC != nil {
		add.Set("iss", s.Issuer(v.ApplicationID))
	} else {
		add.Set("signin_id", string(v.ID))
	}
	if v.State != "" {
		add.Set("state", v.State)
	}
	return WithQuery(v.RedirectURI, add)
}

// WithQuery adds parameters to a URI and leaves every other byte of it as it is.
func WithQuery(uri string, add url.Values) string {
	base, fragment, hasFragment := strings.Cut(uri, "#")
	sep := "?"
	if i := strings.IndexByte(base, '?'); i >= 0 {
		sep = "&"
		if i == len(base)-1 {
			sep = ""
		}
	}
	base += sep + add.Encode()
	if hasFragment {
		base += "#" + fragment
	}
	return base
}

// granted finds the proved sign-in that a grant is of. A grant that was used before comes back as
// errReplayed, with its sign-in.
func (s *Service) granted(ctx context.Context, app latchkey.ApplicationID, grant string) (latchkey.SignIn, error) {
	id, token, ok := parseBearer(grant)
	if !ok {
		return latchkey.SignIn{}, errNoGrant
	}
	v, err := s.cfg.Store.SignIns().Get(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) {
		return v, errNoGrant
	}
	if err != nil {
		return v, err
	}
	clicked := s.clicked(v, token)
	if !clicked && (v.ProvedAt.IsZero() || len(v.BrowserHash) == 0 || !secret.SameHash([]byte(token), []byte(s.token(grantPurpose(v), v, v.ProvedAt)))) {
		return latchkey.SignIn{}, errNoGrant
	}
	switch {
	case v.Status == latchkey.SignInCompleted:
		return v, errReplayed
	case clicked:
		return v, nil
	case !s.now().Before(v.ProvedAt.Add(grantLifetime)):
		return latchkey.SignIn{}, errNoGrant
	}
	return v, nil
}

var (
	errNoGrant  = errors.New("signin: not a grant")
	errReplayed = errors.New("signin: a grant was used twice")
)

// Redeem exchanges what the browser carried for the sign-in, once. It is for realm "", where the browser has
// to be the one that began, and for those who need no id token.
func (s *Service) Redeem(ctx context.Context, app latchkey.ApplicationID, grant string, by By) (latchkey.SignIn, error) {
	v, err := s.granted(ctx, app, grant)
	if errors.Is(err, errNoGrant) || err == nil && v.OIDC != nil {
		return latchkey.SignIn{}, wrongCode(MaxTries)
	}
	if errors.Is(err, errReplayed) {
		return latchkey.SignIn{}, used()
	}
	switch {
	case err != nil:
		return latchkey.SignIn{}, err
	case app == "" && !by.owns(v):
		return latchkey.SignIn{}, otherBrowser("This sign-in was begun in another browser. Begin it here.")
	case v.Status == latchkey.SignInPending:
		return s.prove(ctx, v, latchkey.SignInByLink, nil, true)
	}
	return s.finish(ctx, v)
}

func otherBrowser(detail string) error {
	return errs.New(errs.Forbidden, errs.CodeOtherBrowser, detail)
}

func (s *Service) finish(ctx context.Context, v latchkey.SignIn) (done latchkey.SignIn, err error) {
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		done, err = s.complete(ctx, tx, v, s.now())
		return err
	})
	if errors.Is(err, store.ErrStale) {
		return v, used()
	}
	return done, err
}

// SignedIn is somebody who has proved an address.
type SignedIn struct {
	SignIn latchkey.SignIn
	// Familiar are words for the end user's device, see Remember.
	Familiar string
	// IDToken is signed for the application (OpenID Connect Core 1.0 §2), with the application's id as aud.
	IDToken string
}

// Exchange ends a sign-in for an application's backend: with the code of a mail, where the backend began
// it, or with the code that the browser came back with.
func (s *Service) Exchange(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, code string, by By) (SignedIn, error) {
	var v latchkey.SignIn
	var err error
	if own, _, ok := parseBearer(code); ok {
		if own != id {
			return SignedIn{}, wrongCode(MaxTries)
		}
		v, err = s.Redeem(ctx, app, code, by)
	} else {
		var budgets []allowance
		if v, budgets, err = s.look(ctx, app, id, code, by); err == nil {
			v, err = s.prove(ctx, v, latchkey.SignInByCode, budgets, true)
		}
	}
	if err != nil {
		return SignedIn{}, err
	}
	token, err := s.idToken(ctx, v, claims{Audience: string(app)}, AlgES256)
	return SignedIn{SignIn: v, IDToken: token, Familiar: s.Remember(v, "")}, err
}
