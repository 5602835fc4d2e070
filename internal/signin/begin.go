package signin

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Bounds of what a request may carry.
const (
	MaxEmail  = 254
	MaxURI    = 2048
	MaxState  = 1024
	MaxLocale = 35 // RFC 5646 §4.4.1
	maxDevice = 80
)

// Request asks for a sign-in.
type Request struct {
	// ApplicationID is the realm; empty means the installation.
	ApplicationID latchkey.ApplicationID
	Email         string
	Locale        string
	// RedirectURI is where the browser goes in the end, with State. Whoever asks has checked it against
	// what the application allows.
	RedirectURI string
	State       string
	OIDC        *latchkey.OIDCRequest
	// Device is the rough kind of browser.
	Device string
	By     By
}

// Begin makes a sign-in and queues its mail, in one transaction. The answer is the same for every
// address that is one.
func (s *Service) Begin(ctx context.Context, r Request) (latchkey.SignIn, error) {
	a, err := address.Parse(r.Email)
	if err != nil {
		return latchkey.SignIn{}, errs.InvalidFields(errs.FieldError{
			Field: "email", Code: errs.CodeInvalidEmail, Message: "This is not an email address. It looks like name@example.com.",
		})
	}
	set, err := s.Settings(ctx, r.ApplicationID)
	if err != nil {
		return latchkey.SignIn{}, err
	}
	now := s.now()
	v := latchkey.SignIn{
		ID: latchkey.NewSignInID(s.cfg.Now()), ApplicationID: r.ApplicationID, Email: a.Typed, Address: a.Canonical, Status: latchkey.SignInPending,
		Locale: cut(r.Locale, MaxLocale), Device: cut(r.Device, maxDevice), RedirectURI: r.RedirectURI, State: r.State, OIDC: r.OIDC,
		Sends: 1, SentAt: now, CreatedAt: now,
	}
	if r.By.Browser != "" {
		v.BrowserHash = secret.HashToken(r.By.Browser)
	}
	if r.By.Network != "" {
		v.Network = s.label("signin/network/v1", r.By.Network)
	}
	v.Familiar = s.familiar(r.ApplicationID, a.Bucket, r.By.Familiar)
	var hidden secrets
	v.Current, hidden = s.challenge(v, now)
	budgets := s.sends(v, a.Bucket, set)
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if left, err := spend(ctx, tx, budgets, now); err != nil || !left {
			return errors.Join(err, unless(left, tooMany(now)))
		}
		var err error
		if v.Withheld, err = s.withheld(ctx, tx, v.ApplicationID, a); err != nil {
			return err
		}
		if err := tx.SignIns().Create(ctx, v); err != nil {
			return err
		}
		return s.cfg.Mail.Queue(ctx, tx, s.mail(v, hidden))
	})
	if err != nil {
		return latchkey.SignIn{}, err
	}
	s.cfg.Mail.Wake()
	return v, nil
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// Resend sends another mail. The code and the link of the mail before stay good until their own end.
func (s *Service) Resend(ctx context.Context, app latchkey.ApplicationID, id latchkey.SignInID, by By) (latchkey.SignIn, error) {
	v, err := s.find(ctx, app, id, by)
	if err != nil {
		return v, err
	}
	now := s.now()
	if err := renewableNow(v, now); err != nil {
		return v, err
	}
	a, err := address.Parse(v.Email)
	if err != nil {
		return v, err
	}
	set, err := s.Settings(ctx, app)
	if err != nil {
		return v, err
	}
	next, hidden := s.challenge(v, now)
	sends := v.Sends
	v.Before, v.Current, v.SentAt, v.Sends = v.Current, next, now, sends+1
	budgets := s.sends(v, a.Bucket, set)
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if left, err := spend(ctx, tx, budgets, now); err != nil || !left {
			return errors.Join(err, unless(left, tooMany(now)))
		}
		var err error
		if v.Withheld, err = s.withheld(ctx, tx, app, a); err != nil {
			return err
		}
		if err := tx.SignIns().Renew(ctx, v, sends); err != nil {
			return err
		}
		return s.cfg.Mail.Queue(ctx, tx, s.mail(v, hidden))
	})
	if errors.Is(err, store.ErrStale) {
		// A double click: the other one has just sent a mail.
		return v, tooEarly(ResendAfter)
	}
	if err != nil {
		return v, err
	}
	s.cfg.Mail.Wake()
	return v, nil
}

func renewableNow(v latchkey.SignIn, now time.Time) error {
	switch {
	case v.Status != latchkey.SignInPending:
		return used()
	case !now.Before(v.CreatedAt.Add(Renewable)):
		return expired()
	case v.Sends >= MaxSends:
		return &errs.Error{
			Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: v.CreatedAt.Add(Renewable).Sub(now),
			Detail: "This sign-in has sent as many mails as it may. Begin another one.",
		}
	case now.Before(v.SentAt.Add(ResendAfter)):
		return tooEarly(v.SentAt.Add(ResendAfter).Sub(now))
	}
	return nil
}

func tooEarly(wait time.Duration) error {
	return &errs.Error{
		Kind: errs.TooEarly, Code: errs.CodeTooEarly, RetryAfter: wait,
		Detail: "A mail was sent just now. Wait as long as Retry-After says before you send another.",
	}
}

// mail is what a challenge wants sent.
func (s *Service) mail(v latchkey.SignIn, hidden secrets) Mail {
	return Mail{
		ApplicationID: v.ApplicationID, To: v.Email, Locale: v.Locale, Code: hidden.code, Link: s.link(v.ID, hidden.token),
		Device: v.Device, ExpiresAt: v.Current.ExpiresAt, Withheld: v.Withheld,
	}
}

// Why a mail is withheld.
const (
	WithheldBlocked    = "blocked"     // on the block list
	WithheldNotAllowed = "not_allowed" // there is an allow list, and it is not on it
	WithheldSender     = "sender"      // mail of the application comes from it
	WithheldUnknown    = "unknown"     // the installation knows nobody of that address
)

// withheld says why an address gets no mail, or nothing. Whatever it says, it has asked the same.
func (s *Service) withheld(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, a address.Address) (string, error) {
	var refused, known bool
	var err error
	if s.cfg.Refused != nil {
		if refused, err = s.cfg.Refused(ctx, tx, app, a.Canonical); err != nil {
			return "", err
		}
	}
	if app == "" {
		if s.cfg.Known != nil {
			if known, err = s.cfg.Known(ctx, tx, a.Canonical); err != nil {
				return "", err
			}
		}
	}
	allowed, blocked, anyAllow, err := tx.SignInRules().Match(ctx, app, patternsOf(a))
	switch {
	case err != nil:
		return "", err
	case app == "" && !known:
		return WithheldUnknown, nil
	case refused:
		return WithheldSender, nil
	case blocked:
		return WithheldBlocked, nil
	case anyAllow && !allowed:
		return WithheldNotAllowed, nil
	}
	return "", nil
}

// cut keeps what strangers send short and on one line.
func cut(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > limit {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
