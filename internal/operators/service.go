package operators

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// How long things last.
const (
	// URLLife is how long a one-time URL works that was shown; MailedLife is for one that went by mail.
	URLLife    = time.Hour
	MailedLife = 3 * 24 * time.Hour
	// LoginLife is the longest that a login lasts, LoginIdle how long it may rest.
	LoginLife = 7 * 24 * time.Hour
	LoginIdle = 12 * time.Hour
	// touchEvery is how exactly the last use of a login is known.
	touchEvery = time.Minute
	// ceremonyLife is how long somebody may look for their passkey.
	ceremonyLife = 5 * time.Minute
)

const (
	maxName     = 100
	maxPasskeys = 20
	maxAgent    = 200
)

// The kinds of one-time tokens.
const (
	kindFirst    = "first_operator"
	kindInvite   = "invitation"
	kindRegister = "passkey_register"
	kindAssert   = "passkey_assert"
)

// InviteMail is an invitation that goes by mail.
type InviteMail struct {
	To, Inviter, Locale, URL string
	ExpiresAt                time.Time
}

// Mailer sends invitations.
type Mailer interface {
	// CanSend tells whether there is a default sender.
	CanSend() bool
	// QueueInvite writes the mail in the transaction of the invitation; Wake is called after it.
	QueueInvite(ctx context.Context, tx store.Tx, m InviteMail) error
	Wake()
}

// Config is what the service needs.
type Config struct {
	Store store.Store
	Mail  Mailer
	// BaseURL is where operators reach us. Passkeys belong to its host.
	BaseURL string
	Now     func() time.Time
	Log     *slog.Logger
}

// Service looks after operators.
type Service struct {
	cfg Config
	// keys is nil where browsers offer no passkeys: on plain http, and where the host is an IP address.
	keys *webauthn.WebAuthn
}

// New makes the service.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if canHavePasskeys(base) {
		s.keys, err = newWebAuthn(base)
	}
	return s, err
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// Roles are what an operator may do where.
type Roles struct {
	owner bool
	in    map[latchkey.ApplicationID]latchkey.Role
}

// In is the operator's role in an application; empty for none.
func (r Roles) In(app latchkey.ApplicationID) latchkey.Role {
	if r.owner {
		return latchkey.RoleOwner
	}
	return r.in[app]
}

// Installation tells whether the operator owns the installation.
func (r Roles) Installation() bool { return r.owner }

// RolesOf returns an operator's roles.
func (s *Service) RolesOf(ctx context.Context, o latchkey.Operator) (Roles, error) {
	r := Roles{owner: o.Owner, in: map[latchkey.ApplicationID]latchkey.Role{}}
	all, err := s.cfg.Store.Operators().Memberships(ctx, o.ID)
	for _, m := range all {
		r.in[m.ApplicationID] = m.Role
	}
	return r, err
}

// EmailsOf are the canonical addresses of an application's people: they must not be senders of its
// mail. Owners of the installation are people of every application.
func (s *Service) EmailsOf(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) ([]string, error) {
	all, err := tx.Operators().List(ctx)
	if err != nil {
		return nil, err
	}
	members, err := tx.Operators().Members(ctx, app)
	if err != nil {
		return nil, err
	}
	is := map[latchkey.OperatorID]bool{}
	for _, m := range members {
		is[m.OperatorID] = true
	}
	var out []string
	for _, o := range all {
		if o.Owner || is[o.ID] {
			out = append(out, o.Address)
		}
	}
	return out, nil
}

// unknown turns the store's answer into the caller's.
func unknown(err error, what string) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf(what)
	}
	return err
}

func checkName(name string) (string, *errs.FieldError) {
	name = strings.TrimSpace(name)
	switch {
	case utf8.RuneCountInString(name) > maxName:
		return "", &errs.FieldError{Field: "name", Code: errs.CodeTooLong, Message: "A name may have 100 characters at most."}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", &errs.FieldError{Field: "name", Code: errs.CodeInvalidValue, Message: "A name has no control characters."}
	}
	return name, nil
}
