package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Do implements connector.Connector.
func (c *Connector) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	var in input
	if err := json.Unmarshal(w.Input, &in); err != nil {
		return connector.Turn{}, fmt.Errorf("telegram: work: %w", err)
	}
	s := in.State
	switch w.Name {
	case workQR:
		return c.doQR(ctx, s, r)
	case workSend, workResend:
		if c.cfg.Now().Before(s.Until) {
			return show(floodStep(s, s.Until.Sub(c.cfg.Now())), s), nil
		}
		if over, err := c.countCodes(ctx, s); err != nil || over {
			return show(withError(phoneStep(s.fresh()), "", errs.CodeTooManyTries), s.fresh()), err
		}
		return c.doSend(ctx, w.Name, s)
	case workSignIn:
		return c.doSignIn(ctx, s, in.Answer)
	case workPassword:
		return c.doPassword(ctx, s, in.Answer)
	}
	return connector.Turn{}, fmt.Errorf("telegram: no work %q", w.Name)
}

func (s state) caller() caller { return caller{api: s.API.ID, device: s.Device, via: s.Proxy} }

// at does fn at the session's data centre, and once more at another where Telegram says that the
// account lives there (core.telegram.org/api/errors#303-see-other). A key is good at one only.
func (c *Connector) at(ctx context.Context, s *state, fn func(context.Context, calls) error) error {
	for range maxMoves {
		err := c.on(ctx, &s.Session, s.caller(), nil, fn)
		moved, ok := tgerr.As(err)
		if !ok || !moved.IsOneOf("PHONE_MIGRATE", "NETWORK_MIGRATE", "USER_MIGRATE") {
			return err
		}
		s.Session = session{DC: moved.Argument}
	}
	return fmt.Errorf("%w: sent from data centre to data centre", errLine)
}

const maxMoves = 3

// doSend has a code sent, or sent another way.
func (c *Connector) doSend(ctx context.Context, name string, s state) (connector.Turn, error) {
	s.After, s.Until = "", s.Until.Truncate(0)
	var got tg.AuthSentCodeClass
	err := c.at(ctx, &s, func(ctx context.Context, api calls) (err error) {
		if name == workResend {
			got, err = api.AuthResendCode(ctx, &tg.AuthResendCodeRequest{PhoneNumber: s.Phone, PhoneCodeHash: s.Sent.Hash})
			return err
		}
		got, err = api.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: s.Phone, APIID: s.API.ID, APIHash: s.API.Hash})
		return err
	})
	if err != nil {
		return c.refused(ctx, err, s, name)
	}
	switch got := got.(type) {
	case *tg.AuthSentCode:
		var ok bool
		if s.Sent, ok = c.readSent(got); !ok {
			return show(useQRStep(), s), nil
		}
		return show(codeStep(s), s), nil
	case *tg.AuthSentCodeSuccess: // the phone number alone was enough
		return c.authorized(got.Authorization, s)
	}
	return show(useQRStep(), s), nil // Telegram wants to be paid for the message
}

// doSignIn tries the code.
func (c *Connector) doSignIn(ctx context.Context, s state, code string) (connector.Turn, error) {
	req := &tg.AuthSignInRequest{PhoneNumber: s.Phone, PhoneCodeHash: s.Sent.Hash}
	if s.Sent.Way == "email" {
		req.SetEmailVerification(&tg.EmailVerificationCode{Code: code})
	} else {
		req.SetPhoneCode(code)
	}
	var got tg.AuthAuthorizationClass
	err := c.at(ctx, &s, func(ctx context.Context, api calls) (err error) {
		got, err = api.AuthSignIn(ctx, req)
		return err
	})
	if err != nil {
		return c.unsure(ctx, err, s, workSignIn)
	}
	return c.authorized(got, s)
}

// doPassword tries the two-step password (core.telegram.org/api/srp). Telegram never sees it.
func (c *Connector) doPassword(ctx context.Context, s state, password string) (connector.Turn, error) {
	var got tg.AuthAuthorizationClass
	err := c.at(ctx, &s, func(ctx context.Context, api calls) error {
		p, err := api.AccountGetPassword(ctx)
		if err != nil {
			return err
		}
		answer, err := auth.PasswordHash([]byte(password), p.SRPID, p.SRPB, p.SecureRandom, p.CurrentAlgo)
		if err != nil {
			return fmt.Errorf("%w: %w", errNonsense, err)
		}
		got, err = api.AuthCheckPassword(ctx, answer)
		return err
	})
	if err != nil {
		return c.unsure(ctx, err, s, workPassword)
	}
	return c.authorized(got, s)
}

// errNonsense is an answer that makes no sense.
var errNonsense = errors.New("telegram: the answer makes no sense")

// unsure looks a second time where it is not known what became of a code or password: it may have
// been good, and the answer lost. A good one is used up, and must not be asked for again.
func (c *Connector) unsure(ctx context.Context, cause error, s state, name string) (connector.Turn, error) {
	told, ok := tgerr.As(cause)
	if ok && !told.IsOneOf("PHONE_CODE_EXPIRED", "PHONE_CODE_EMPTY", "AUTH_KEY_UNREGISTERED") || ctx.Err() != nil || len(s.Session.Key) == 0 {
		return c.refused(ctx, cause, s, name)
	}
	var self *tg.User
	err := c.on(ctx, &s.Session, s.caller(), nil, func(ctx context.Context, api calls) (err error) {
		self, err = whoAmI(ctx, api)
		return err
	})
	switch {
	case err == nil:
		return c.grant(self, s), nil
	case name == workSignIn && tgerr.Is(err, "SESSION_PASSWORD_NEEDED"):
		return c.askPassword(ctx, s)
	}
	return c.refused(ctx, cause, s, name)
}

// askPassword asks for the two-step password, with the hint that belongs to it.
func (c *Connector) askPassword(ctx context.Context, s state) (connector.Turn, error) {
	err := c.on(ctx, &s.Session, s.caller(), nil, func(ctx context.Context, api calls) error {
		p, err := api.AccountGetPassword(ctx)
		if err == nil {
			s.Hint = cleanHint(p.Hint)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		c.log(ctx, "the hint of the password was not read", err)
	}
	s.Wrong, s.Locked, s.Token = 0, true, nil
	return show(passwordStep(s), s), nil
}

// authorized is somebody who has logged in, or cannot.
func (c *Connector) authorized(a tg.AuthAuthorizationClass, s state) (connector.Turn, error) {
	if got, ok := a.(*tg.AuthAuthorization); ok {
		if u, ok := got.User.(*tg.User); ok && u.ID != 0 {
			return c.grant(u, s), nil
		}
	}
	if _, ok := a.(*tg.AuthAuthorizationSignUpRequired); ok {
		return show(noAccountStep(s), s), nil
	}
	return failure(errs.CodeProtocolError, errNonsense), nil
}

// whoAmI asks whose session it is.
func whoAmI(ctx context.Context, api calls) (*tg.User, error) {
	users, err := api.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}})
	if err != nil {
		return nil, err
	}
	if len(users) == 1 {
		if u, ok := users[0].(*tg.User); ok && u.ID != 0 {
			return u, nil
		}
	}
	return nil, errNonsense
}
