package operators

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Invitation is what came of inviting somebody.
type Invitation struct {
	Operator latchkey.Operator
	// URL signs its holder in as the operator, once. It is empty where it went by mail, and where the
	// operator was in already.
	URL       secret.Text
	Mailed    bool
	ExpiresAt time.Time
}

// Invite is who is wanted as what.
type Invite struct {
	Email, Name string
	// ApplicationID and Role name a membership; Owner asks for an owner of the installation instead.
	ApplicationID latchkey.ApplicationID
	Role          latchkey.Role
	Owner         bool
	// By is who invites; zero on the command line.
	By     latchkey.Operator
	Locale string
	// Again has a URL made for somebody who is in already: the way back for who lost their passkey.
	Again bool
}

// trusted tells whether who invites could do everything anyway.
func (i Invite) trusted() bool { return i.By.ID == "" || i.By.Owner }

// Invite adds a role, and makes an operator where there is none.
func (s *Service) Invite(ctx context.Context, i Invite) (Invitation, error) {
	who, name, err := i.check()
	if err != nil {
		return Invitation{}, err
	}
	if !i.trusted() && (i.Owner || i.Again) {
		return Invitation{}, errs.New(errs.Forbidden, errs.CodePermission, "Only an owner of the installation may do this.")
	}
	now := s.now()
	var out Invitation
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		out = Invitation{}
		if err := noSender(ctx, tx, i, who); err != nil {
			return err
		}
		o, fresh, err := s.findOrMake(ctx, tx, i, who, name)
		if err != nil {
			return err
		}
		store.AuditOf(ctx).Target(i.ApplicationID, string(o.ID))
		if i.Owner && !o.Owner {
			o.Owner, o.UpdatedAt = true, now
			if err := tx.Operators().Update(ctx, o); err != nil {
				return err
			}
		}
		if !i.Owner && i.ApplicationID != "" {
			m := latchkey.Membership{OperatorID: o.ID, ApplicationID: i.ApplicationID, Role: i.Role, CreatedAt: now}
			if err := tx.Operators().PutMember(ctx, m); err != nil {
				return err
			}
		}
		out.Operator = o
		if !fresh && !i.Again {
			return nil
		}
		return s.openDoor(ctx, tx, i, &out)
	})
	if err != nil {
		return Invitation{}, err
	}
	if out.Mailed {
		s.cfg.Mail.Wake()
	}
	s.cfg.Log.InfoContext(ctx, "operator invited", slog.String("operator_id", string(out.Operator.ID)),
		slog.String("application_id", string(i.ApplicationID)), slog.String("role", string(i.Role)), slog.Bool("owner", i.Owner), slog.String("by", string(i.By.ID)))
	return out, nil
}

func (i Invite) check() (address.Address, string, error) {
	var problems []errs.FieldError
	who, err := address.Parse(i.Email)
	if err != nil {
		problems = append(problems, errs.FieldError{Field: "email", Code: errs.CodeInvalidEmail, Message: "This is not an email address."})
	}
	name, bad := checkName(i.Name)
	if bad != nil {
		problems = append(problems, *bad)
	}
	if _, ok := latchkey.ParseRole(string(i.Role)); !ok && !i.Owner && i.ApplicationID != "" {
		problems = append(problems, errs.FieldError{Field: "role", Code: errs.CodeInvalidValue, Message: "This must be owner, developer or viewer."})
	}
	if problems != nil {
		return who, name, errs.InvalidFields(problems...)
	}
	return who, name, nil
}

// noSender refuses a sender's address: who reads its mail would sign in to what it sends for. An owner of
// the installation is one of every application's people; only what its mailbox has agreed to counts then,
// or any application could keep an owner out.
func noSender(ctx context.Context, tx store.Tx, i Invite, who address.Address) error {
	if i.Owner {
		sends, err := tx.Senders().ProvedWith(ctx, who.Canonical)
		if err != nil || !sends {
			return err
		}
		return errs.InvalidFields(errs.FieldError{
			Field: "email", Code: errs.CodeReserved, Message: "An application sends its emails from this address, so nobody signs in with it.",
		})
	}
	if i.ApplicationID == "" {
		return nil
	}
	senders, err := tx.Senders().List(ctx, i.ApplicationID)
	if err != nil {
		return err
	}
	for _, x := range senders {
		if address.SameMailbox(x.Address, who.Canonical) {
			return errs.InvalidFields(errs.FieldError{
				Field: "email", Code: errs.CodeReserved, Message: "This application sends its emails from this address, so nobody signs in with it.",
			})
		}
	}
	return nil
}

// findOrMake returns the operator, and whether they have never been in.
func (s *Service) findOrMake(ctx context.Context, tx store.Tx, i Invite, who address.Address, name string) (latchkey.Operator, bool, error) {
	now := s.now()
	o, err := tx.Operators().ByAddress(ctx, who.Canonical)
	if err == nil {
		return o, o.AcceptedAt.IsZero(), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return o, false, err
	}
	o = latchkey.Operator{ID: latchkey.NewOperatorID(s.cfg.Now()), Email: who.Typed, Address: who.Canonical, Name: name, CreatedAt: now, UpdatedAt: now}
	if i.Owner {
		o.Owner = true
	}
	return o, true, tx.Operators().Create(ctx, o)
}

// openDoor makes the one-time URL, and shows it or sends it. The URL before it ends: one invitation,
// one door.
func (s *Service) openDoor(ctx context.Context, tx store.Tx, i Invite, out *Invitation) error {
	if _, err := tx.OneTimes().DeleteOf(ctx, kindInvite, out.Operator.ID); err != nil {
		return err
	}
	mail := i.By.ID != "" && s.cfg.Mail != nil && s.cfg.Mail.CanSend()
	if !mail && !i.trusted() {
		return errs.New(errs.Conflict, errs.CodeNoSender,
			"This installation sends no mail, and an invitation shows who they are by their mailbox. Ask an owner of the installation to invite them.")
	}
	life := URLLife
	if mail {
		life = MailedLife
	}
	out.ExpiresAt = s.now().Add(life)
	token, hash := secret.NewToken()
	err := tx.OneTimes().Create(ctx, store.OneTime{
		TokenHash: hash, Kind: kindInvite, OperatorID: out.Operator.ID, CreatedAt: s.now(), ExpiresAt: out.ExpiresAt,
	})
	if err != nil {
		return err
	}
	door := s.doorURL(token)
	if !mail {
		out.URL = secret.NewText(door)
		return nil
	}
	out.Mailed = true
	return s.cfg.Mail.QueueInvite(ctx, tx, InviteMail{
		To: out.Operator.Email, Inviter: i.By.Shown(), Locale: i.Locale, URL: door, ExpiresAt: out.ExpiresAt,
	})
}

func (s *Service) doorURL(token string) string {
	return strings.TrimSuffix(s.cfg.BaseURL, "/") + "/dashboard/enter/" + token
}

// First makes a one-time URL for the first operator, where nobody has come in yet. It is empty where
// somebody has.
func (s *Service) First(ctx context.Context) (secret.Text, error) {
	all, err := s.cfg.Store.Operators().List(ctx)
	if err != nil || anybody(all) {
		return secret.Text{}, err
	}
	token, hash := secret.NewToken()
	now := s.now()
	err = s.cfg.Store.OneTimes().Create(ctx, store.OneTime{TokenHash: hash, Kind: kindFirst, CreatedAt: now, ExpiresAt: now.Add(URLLife)})
	if err != nil {
		return secret.Text{}, err
	}
	return secret.NewText(s.doorURL(token)), nil
}

// anybody tells whether an operator has ever come in.
func anybody(all []latchkey.Operator) bool {
	for _, o := range all {
		if !o.AcceptedAt.IsZero() {
			return true
		}
	}
	return false
}

// Door is what a one-time URL opens, before anybody goes through.
type Door struct {
	// First asks who the first operator is; else Operator is who is invited.
	First     bool
	Operator  latchkey.Operator
	ExpiresAt time.Time
}

// Look reads a one-time URL's token and changes nothing.
func (s *Service) Look(ctx context.Context, token string) (Door, error) {
	for _, kind := range []string{kindInvite, kindFirst} {
		o, err := s.cfg.Store.OneTimes().Get(ctx, kind, secret.HashToken(token))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return Door{}, err
		}
		if !s.now().Before(o.ExpiresAt) {
			break
		}
		d := Door{First: kind == kindFirst, ExpiresAt: o.ExpiresAt}
		if !d.First {
			d.Operator, err = s.cfg.Store.Operators().Get(ctx, o.OperatorID)
		}
		return d, unknown(err, "invitation")
	}
	return Door{}, doorClosed()
}

func doorClosed() error {
	return errs.New(errs.Gone, errs.CodeLinkExpired,
		"This link has been used, or its time is over. Ask who sent it for a new one, or make one with latchkey operator invite.")
}

// Enter takes a one-time URL's token, and signs this browser in. Email and name are the first
// operator's; somebody who was invited may say their name only.
func (s *Service) Enter(ctx context.Context, token, email, name string, b Browser) (SignedIn, error) {
	door, err := s.Look(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	if door.First {
		return s.enterFirst(ctx, token, email, name, b)
	}
	name, bad := checkName(name)
	if bad != nil {
		return SignedIn{}, errs.InvalidFields(*bad)
	}
	var in SignedIn
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		taken, err := s.takeDoor(ctx, tx, kindInvite, token)
		if err != nil {
			return err
		}
		o, err := tx.Operators().ForUpdate(ctx, taken.OperatorID)
		if errors.Is(err, store.ErrNotFound) {
			return doorClosed()
		}
		if err != nil {
			return err
		}
		if name != "" {
			o.Name = name
		}
		if o.AcceptedAt.IsZero() {
			o.AcceptedAt = s.now()
		}
		o.UpdatedAt = s.now()
		if err := tx.Operators().Update(ctx, o); err != nil {
			return err
		}
		in, err = s.signIn(ctx, tx, o, latchkey.LoginByURL, b)
		return err
	})
	return s.told(ctx, in, err)
}

// takeDoor takes the token, which works once.
func (s *Service) takeDoor(ctx context.Context, tx store.Tx, kind, token string) (store.OneTime, error) {
	taken, err := tx.OneTimes().Take(ctx, kind, secret.HashToken(token))
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.now().Before(taken.ExpiresAt) {
		return taken, doorClosed()
	}
	return taken, err
}

// firstLock is the row that keeps two browsers from both becoming the first operator.
const firstLock = "first_operator"

func (s *Service) enterFirst(ctx context.Context, token, email, name string, b Browser) (SignedIn, error) {
	who, name, err := Invite{Email: email, Name: name, Owner: true}.check()
	if err != nil {
		return SignedIn{}, err
	}
	var in SignedIn
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		now := s.now()
		if err := tx.Settings().Put(ctx, store.Setting{Kind: firstLock, Body: []byte("{}"), UpdatedAt: now}); err != nil {
			return err
		}
		if _, err := s.takeDoor(ctx, tx, kindFirst, token); err != nil {
			return err
		}
		all, err := tx.Operators().List(ctx)
		if err != nil {
			return err
		}
		if anybody(all) {
			return doorClosed()
		}
		if _, err := tx.OneTimes().DeleteOf(ctx, kindFirst, ""); err != nil {
			return err
		}
		o, _, err := s.findOrMake(ctx, tx, Invite{Owner: true}, who, name)
		if err != nil {
			return err
		}
		// Somebody may have been invited on the command line before anybody came in.
		if o.Owner, o.AcceptedAt, o.UpdatedAt = true, now, now; name != "" {
			o.Name = name
		}
		if err := tx.Operators().Update(ctx, o); err != nil {
			return err
		}
		in, err = s.signIn(ctx, tx, o, latchkey.LoginByURL, b)
		return err
	})
	return s.told(ctx, in, err)
}
