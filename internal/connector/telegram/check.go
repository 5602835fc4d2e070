package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Check implements connector.Checker: it asks Telegram whose session it is.
func (c *Connector) Check(ctx context.Context, a connector.Credential) (connector.Health, error) {
	cr, err := readCredential(a.Secret)
	if err != nil {
		return health(latchkey.AccountCredentials, latchkey.ReasonSealedUnreadable, err), nil
	}
	was := cr.Session.Salt
	var self *tg.User
	err = c.on(ctx, &cr.Session, cr.caller(), nil, func(ctx context.Context, api calls) (err error) {
		self, err = whoAmI(ctx, api)
		return err
	})
	if ctx.Err() != nil {
		return connector.Health{}, ctx.Err()
	}
	if err != nil {
		return unhealthy(err), nil
	}
	if strconv.FormatInt(self.ID, 10) != a.Identity {
		return health(latchkey.AccountCredentials, latchkey.ReasonSessionTerminated, errNonsense), nil
	}
	h := health(latchkey.AccountOK, latchkey.ReasonNone, nil)
	if cr.Session.Salt != was {
		if h.Secret, err = json.Marshal(cr); err != nil {
			return connector.Health{}, err
		}
	}
	return h, nil
}

// Revoke implements connector.Revoker: it logs the session out.
func (c *Connector) Revoke(ctx context.Context, a connector.Credential) error {
	cr, err := readCredential(a.Secret)
	if err != nil {
		return err
	}
	err = c.on(ctx, &cr.Session, cr.caller(), nil, func(ctx context.Context, api calls) error {
		_, err := api.AuthLogOut(ctx)
		return err
	})
	if err == nil || ended(err) {
		return nil
	}
	return fmt.Errorf("telegram: log out: %w", err)
}

func (cr credential) caller() caller { return caller{api: cr.APIID, device: cr.Device, via: cr.Proxy} }

func readCredential(secret []byte) (credential, error) {
	var cr credential
	if err := json.Unmarshal(secret, &cr); err != nil {
		return cr, fmt.Errorf("telegram: credential: %w", err)
	}
	if len(cr.Session.Key) == 0 || cr.APIID == 0 {
		return cr, errors.New("telegram: credential: there is no key in it")
	}
	return cr, nil
}

// ended tells whether the session is over, and nothing is left to end.
func ended(err error) bool {
	told, ok := tgerr.As(err)
	return errors.Is(err, errKeyUnknown) || ok && (told.Code == 401 || told.IsOneOf("AUTH_KEY_DUPLICATED"))
}

// reasonApp is what package accounts calls an account whose provider app is refused.
const reasonApp latchkey.Reason = "provider_app_broken"

// unhealthy says what an error means for a connected account. Only Telegram's own word is one about
// the session; all else is an outage.
func unhealthy(err error) connector.Health {
	told, ok := tgerr.As(err)
	switch {
	case ok && told.IsOneOf("USER_DEACTIVATED", "USER_DEACTIVATED_BAN", "INPUT_USER_DEACTIVATED"):
		return health(latchkey.AccountError, latchkey.ReasonBlocked, err)
	case ended(err):
		return health(latchkey.AccountCredentials, latchkey.ReasonSessionTerminated, err)
	case ok && told.IsOneOf("API_ID_INVALID", "CONNECTION_API_ID_INVALID", "API_ID_PUBLISHED_FLOOD"):
		return health(latchkey.AccountError, reasonApp, err)
	case ok && (told.Code == 420 || told.Code == 429):
		return health(latchkey.AccountConnecting, latchkey.ReasonRateLimited, err)
	case ok && told.Code < 500, errors.Is(err, errNonsense):
		return health(latchkey.AccountConnecting, latchkey.ReasonProtocol, err)
	}
	switch lineCode(err) {
	case errs.CodeProxyUnreachable:
		return health(latchkey.AccountConnecting, latchkey.ReasonProxyUnreachable, err)
	case errs.CodeProxyCredentials, errs.CodeProxyRefused:
		return health(latchkey.AccountError, latchkey.ReasonProxyRefused, err)
	case errs.CodeHostNotAllowed, errs.CodePortNotAllowed, errs.CodeProxyNotAllowed:
		return health(latchkey.AccountError, latchkey.ReasonEgressDenied, err)
	default:
		return health(latchkey.AccountConnecting, latchkey.ReasonHostUnreachable, err)
	}
}

func health(s latchkey.AccountStatus, r latchkey.Reason, err error) connector.Health {
	h := connector.Health{Status: s, Reason: r, Sources: []latchkey.Source{{ID: "TELEGRAM", Status: s, Reason: r}}}
	if err != nil {
		h.Detail = err.Error()
	}
	return h
}
