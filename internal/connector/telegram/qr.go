package telegram

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// holdQR bounds how long one look holds its connection. Tokens last about half a minute
// (core.telegram.org/api/qr-login).
const holdQR = time.Minute

// maxCuts is how often in a row a connection may be lost before the try ends.
const maxCuts = 4

// doQR gets a code and waits until it is scanned, or has to be renewed. The first look comes back at
// once, so that its key is written down before anybody can scan: what happens to this process then,
// the next one finds out whether the code was scanned.
func (c *Connector) doQR(ctx context.Context, s state, r connector.Reporter) (connector.Turn, error) {
	if s.Codes >= codesShown && !c.cfg.Now().Before(s.Expires) {
		return show(qrEnded(), s.fresh()), nil
	}
	first := len(s.Token) == 0
	scanned := make(chan struct{}, 1)
	pushed := func() {
		select {
		case scanned <- struct{}{}:
		default:
		}
	}
	var got tg.AuthLoginTokenClass
	err := c.on(ctx, &s.Session, s.caller(), pushed, func(ctx context.Context, api calls) error {
		ask := func() (err error) {
			got, err = api.AuthExportLoginToken(ctx, &tg.AuthExportLoginTokenRequest{APIID: s.API.ID, APIHash: s.API.Hash})
			return err
		}
		if err := ask(); err != nil {
			return err
		}
		tok, waiting := got.(*tg.AuthLoginToken)
		if !waiting {
			return nil
		}
		s = s.shows(tok)
		if first {
			return nil
		}
		if err := r.Show(ctx, *qrStep(s)); err != nil {
			return err
		}
		timer := time.NewTimer(min(s.Expires.Sub(c.cfg.Now()), holdQR))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-scanned:
			return ask()
		}
	})
	if err != nil {
		return c.refusedQR(ctx, err, s)
	}
	s.Cuts = 0
	return c.tokenAnswer(ctx, got, s)
}

// shows notes the code that is good now.
func (s state) shows(t *tg.AuthLoginToken) state {
	if string(t.Token) != string(s.Token) {
		s.Codes++
	}
	s.Token, s.Expires = t.Token, time.Unix(int64(t.Expires), 0)
	return s
}

// tokenAnswer goes on with what became of a code.
func (c *Connector) tokenAnswer(ctx context.Context, got tg.AuthLoginTokenClass, s state) (connector.Turn, error) {
	switch got := got.(type) {
	case *tg.AuthLoginToken:
		return c.lookQR(s, *qrStep(s)), nil
	case *tg.AuthLoginTokenSuccess:
		return c.authorized(got.Authorization, s)
	case *tg.AuthLoginTokenMigrateTo:
		return c.importToken(ctx, got, s)
	}
	return failure(errs.CodeProtocolError, errNonsense), nil
}

// importToken goes to where the account lives, with a key of its own there.
func (c *Connector) importToken(ctx context.Context, move *tg.AuthLoginTokenMigrateTo, s state) (connector.Turn, error) {
	there := s
	there.Session = session{DC: move.DCID}
	var got tg.AuthLoginTokenClass
	ask := func(ctx context.Context, api calls) (err error) {
		got, err = api.AuthImportLoginToken(ctx, move.Token)
		return err
	}
	err := c.on(ctx, &there.Session, there.caller(), nil, ask)
	if lost(err) && ctx.Err() == nil { // it may have been done, and the answer lost
		return c.unsureToken(ctx, err, s, there, ask, &got)
	}
	if err != nil {
		return c.refusedQR(ctx, err, there)
	}
	if done, ok := got.(*tg.AuthLoginTokenSuccess); ok {
		return c.authorized(done.Authorization, there)
	}
	return failure(errs.CodeProtocolError, errNonsense), nil
}

// unsureToken looks a second time where the connection was lost while a scanned code was taken there.
func (c *Connector) unsureToken(ctx context.Context, cause error, s, there state, ask func(context.Context, calls) error, got *tg.AuthLoginTokenClass) (connector.Turn, error) {
	var self *tg.User
	err := c.on(ctx, &there.Session, there.caller(), nil, func(ctx context.Context, api calls) (err error) {
		if self, err = whoAmI(ctx, api); tgerr.Is(err, "AUTH_KEY_UNREGISTERED") {
			self = nil
			return ask(ctx, api)
		}
		return err
	})
	switch done, ok := (*got).(*tg.AuthLoginTokenSuccess); {
	case err == nil && self != nil:
		return c.grant(self, there), nil
	case err == nil && ok:
		return c.authorized(done.Authorization, there)
	case tgerr.Is(err, "SESSION_PASSWORD_NEEDED"):
		return c.askPassword(ctx, there)
	}
	return c.refusedQR(ctx, cause, s)
}

// refusedQR is refused, but that a lost connection is made again: nothing was typed, and nothing is
// lost with it.
func (c *Connector) refusedQR(ctx context.Context, err error, s state) (connector.Turn, error) {
	switch {
	case tgerr.Is(err, "SESSION_PASSWORD_NEEDED"):
		return c.askPassword(ctx, s)
	case tgerr.Is(err, "AUTH_TOKEN_EXPIRED", "AUTH_TOKEN_INVALID", "AUTH_TOKEN_INVALIDX", "AUTH_TOKEN_ALREADY_ACCEPTED", "AUTH_RESTART", "AUTH_KEY_UNREGISTERED"),
		errors.Is(err, errKeyUnknown):
		codes, cuts := s.Codes, s.Cuts+1
		if s = s.fresh(); cuts > maxCuts {
			return failure(errs.CodeConnectionClosed, err), nil
		}
		s.Codes, s.Cuts = codes, cuts
		return c.lookQR(s, *waitStep(workQR)), nil
	case proxys(lineCode(err)) && len(s.Token) == 0: // nobody has seen a code: whoever set the proxy waits for the answer
	case lost(err) && ctx.Err() == nil && s.Cuts < maxCuts:
		s.Cuts++
		c.log(ctx, "the connection was lost", err)
		step := *waitStep(workQR)
		if len(s.Token) > 0 && c.cfg.Now().Before(s.Expires) {
			step = *qrStep(s)
		}
		t := c.lookQR(s, step)
		t.Work.Repeat = time.Duration(s.Cuts) * time.Second / 2
		return t, nil
	}
	return c.refused(ctx, err, s, workQR)
}

// loginURL is what the code says to the app that scans it.
func loginURL(token []byte) string {
	return "tg://login?token=" + base64.RawURLEncoding.EncodeToString(token)
}
