package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	"latchkey/internal/web"
)

// maxCode has room for the code of a redirect.
const maxCode = 100

// createSignIn answers POST /signins: alike for every address that is one.
func (a *API) createSignIn(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	r := signin.Request{
		ApplicationID: c.app.ID, Email: f.str("email", text{required: true, max: signin.MaxEmail, trim: true}),
		RedirectURI: f.webURL("redirect_uri", false), Locale: f.locale(),
		Device: web.Device(f.str("user_agent", text{max: maxUserAgent, emptyAbsent: true})),
	}
	r.By.Familiar = f.str("device_token", text{max: maxDeviceToken, emptyAbsent: true})
	if s := f.str("ip", text{max: maxHost, trim: true, emptyAbsent: true}); s != "" {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			f.fail("ip", errs.CodeInvalidValue, "This must be an IP address.")
		} else {
			r.By.Network = web.Bucket(addr.Unmap().WithZone(""))
		}
	}
	if err := f.done(); err != nil {
		return answer{}, err
	}
	v, err := a.cfg.SignIns.Begin(ctx, r)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, showSignIn(c, v)}, nil
}

const (
	maxUserAgent   = 1024
	maxDeviceToken = 400
)

func (c *call) signInID() (latchkey.SignInID, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "sin_") {
		return "", errs.NotFoundf("sign-in")
	}
	return latchkey.SignInID(id), nil
}

// verifySignIn answers POST /signins/{id}/verify.
func (a *API) verifySignIn(ctx context.Context, c *call) (answer, error) {
	id, err := c.signInID()
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	code := f.str("code", text{required: true, max: maxCode, trim: true})
	if err := f.done(); err != nil {
		return answer{}, err
	}
	got, err := a.cfg.SignIns.Exchange(ctx, c.app.ID, id, code, signin.By{})
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, signedIn{
		Object: "SignedIn", IDToken: got.IDToken, Email: got.SignIn.Email, EmailVerified: true, DeviceToken: got.Familiar, Test: c.app.Test,
	}}, nil
}

// resendSignIn answers POST /signins/{id}/resend.
func (a *API) resendSignIn(ctx context.Context, c *call) (answer, error) {
	id, err := c.signInID()
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	v, err := a.cfg.SignIns.Resend(ctx, c.app.ID, id, signin.By{})
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, showSignIn(c, v)}, nil
}

func showSignIn(c *call, v latchkey.SignIn) signIn {
	return signIn{Object: "SignIn", ID: string(v.ID), ExpiresAt: at(v.ExpiresAt()), Test: c.app.Test}
}

// getSignInSettings answers GET /signin-settings.
func (a *API) getSignInSettings(ctx context.Context, c *call) (answer, error) {
	set, err := a.cfg.SignIns.Settings(ctx, c.app.ID)
	return answer{http.StatusOK, a.showSettings(c, set)}, err
}

// putSignInSettings answers PUT /signin-settings.
func (a *API) putSignInSettings(ctx context.Context, c *call) (answer, error) {
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	var set signin.Settings
	set.RedirectURIs = f.list("redirect_uris", maxURIs, signin.MaxURI)
	set.SendsPerHour, _ = f.integer("sends_per_hour", 0, maxPerHour)
	set.GuessesPerHour, _ = f.integer("guesses_per_hour", 0, maxPerHour)
	if err := f.done(); err != nil {
		return answer{}, err
	}
	if err := a.cfg.SignIns.PutSettings(ctx, c.app.ID, set); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showSettings(c, set)}, nil
}

const (
	maxURIs    = 50
	maxPerHour = 10_000_000
)

func (a *API) showSettings(c *call, set signin.Settings) signInSettings {
	return signInSettings{
		Object: "SignInSettings", RedirectURIs: append([]string{}, set.RedirectURIs...), SendsPerHour: set.SendsPerHour, GuessesPerHour: set.GuessesPerHour,
		Issuer: a.cfg.OpenID.Issuer(c.app.ID), Page: a.base + "/signin?application=" + string(c.app.ID),
	}
}

// ruleList reads which list is meant.
func (f *fields) ruleList(s string) latchkey.SignInList {
	switch l := latchkey.SignInList(s); l {
	case latchkey.SignInAllow, latchkey.SignInBlock:
		return l
	}
	f.fail("list", errs.CodeInvalidValue, "This must be allow or block.")
	return ""
}

// changeRules answers POST /signin-rules and /signin-rules/delete.
func (a *API) changeRules(change func(ctx context.Context, app latchkey.ApplicationID, l latchkey.SignInList, patterns []string) (int, error)) func(ctx context.Context, c *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		f, err := c.object()
		if err != nil {
			return answer{}, err
		}
		l := f.ruleList(f.str("list", text{required: true, max: maxNameOf}))
		patterns := f.list("patterns", signin.MaxRulesAtOnce, signin.MaxEmail+2)
		if err := f.done(); err != nil {
			return answer{}, err
		}
		n, err := change(ctx, c.app.ID, l, patterns)
		return answer{http.StatusOK, signInRulesChanged{Object: "SignInRulesChanged", Count: n}}, err
	}
}

// listRules answers GET /signin-rules.
func (a *API) listRules(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	l := q.ruleList(q.param("list"))
	cursor := q.values.Get("cursor")
	q.values.Del("cursor")
	page := q.page("")
	after, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(cursor, " ", "+"))
	if _, ok := signin.Pattern(string(after)); err != nil || cursor != "" && !ok {
		q.fail("cursor", errs.CodeInvalidValue, "This is not a cursor that a list gave out.")
	}
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.SignIns.Rules(ctx, c.app.ID, l, string(after), oneMore(page).Limit)
	if err != nil {
		return answer{}, err
	}
	all, next := paged(all, page.Limit, func(s string) string { return s })
	return answer{http.StatusOK, signInRuleList{Object: "SignInRuleList", Items: append([]string{}, all...), Cursor: next}}, nil
}
