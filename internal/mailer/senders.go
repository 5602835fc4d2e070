package mailer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/mailer/maildns"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Operators are the people who look after applications.
type Operators interface {
	// EmailsOf returns the canonical addresses with which an application's people sign in to the dashboard.
	EmailsOf(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) ([]string, error)
}

// SendersConfig is what the senders need beside the mailer.
type SendersConfig struct {
	Mailer *Service
	// Operators may be nil where there is no dashboard.
	Operators Operators
	// DNS answers for the advice about a sender's domain.
	DNS maildns.Resolver
	// ProofURL makes the address that a proof's token is opened at.
	ProofURL func(token string) string
	// PortOpen tells whether the operator lists a port that is no port for submission; nil lists none.
	PortOpen func(port int) bool
}

// Senders looks after the senders of applications.
type Senders struct {
	m   *Service
	cfg SendersConfig
}

// NewSenders makes the service.
func NewSenders(cfg SendersConfig) *Senders { return &Senders{m: cfg.Mailer, cfg: cfg} }

// Create makes a sender, if its mail host takes it, and sends the question to its address.
func (s *Senders) Create(ctx context.Context, app latchkey.ApplicationID, w SenderSpec) (latchkey.Sender, error) {
	now := s.m.now()
	made, problems := s.Apply(latchkey.Sender{ID: latchkey.NewSenderID(now), ApplicationID: app, CreatedAt: now, UpdatedAt: now}, w)
	if err := s.ready(ctx, made, problems); err != nil {
		return latchkey.Sender{}, err
	}
	if err := s.tryToSave(ctx, &made); err != nil {
		return latchkey.Sender{}, err
	}
	if err := s.countProof(ctx, made); err != nil {
		return latchkey.Sender{}, err
	}
	err := s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		all, err := tx.Senders().List(ctx, app)
		if err != nil {
			return err
		}
		if len(all) >= maxSenders {
			return errs.New(errs.Conflict, errs.CodeConflict, "This application has as many senders as it may. Delete one first.")
		}
		if err := s.mayBeSender(ctx, tx, made); err != nil {
			return err
		}
		return s.ask(ctx, tx, &made, w.Locale, tx.Senders().Create)
	})
	if err != nil {
		return latchkey.Sender{}, err
	}
	s.m.Wake()
	s.m.cfg.Log.InfoContext(ctx, "sender created", senderAttrs(made)...)
	return made, nil
}

// ready refuses what is wrong, and what would be tried too often.
func (s *Senders) ready(ctx context.Context, v latchkey.Sender, problems []errs.FieldError) error {
	if len(problems) > 0 {
		return errs.InvalidFields(problems...)
	}
	// Who is refused for the address alone is told before a host is bothered.
	if err := s.mayBeSender(ctx, s.m.cfg.Store, v); err != nil {
		return err
	}
	return s.countCheck(ctx, v)
}

// tryToSave tries the sender on its host; what the host refuses is not saved.
func (s *Senders) tryToSave(ctx context.Context, v *latchkey.Sender) error {
	c, err := s.m.try(ctx, *v)
	if err != nil {
		return err
	}
	if f, bad := c.failed(); bad {
		s.m.cfg.Log.InfoContext(ctx, "a sender was not saved", append(senderAttrs(*v), slog.String("stage", f.Stage), slog.String("code", string(f.Code)), slog.String("said", f.Detail))...)
		message := f.Message
		if f.Detail != "" {
			message += " It said: " + f.Detail
		}
		return &errs.Error{
			Kind: errs.Invalid, Code: errs.CodeSenderCheck, Detail: "The sender was tried on its mail host and not saved; see errors.",
			Fields: []errs.FieldError{{Field: fieldOf(f, *v), Code: f.Code, Message: message}},
		}
	}
	v.CheckedAt, v.Problem = s.m.now(), ""
	return nil
}

// fieldOf is the field to look at after a failed stage.
func fieldOf(f Finding, v latchkey.Sender) string {
	switch {
	case f.Code == errs.CodeClientID, f.Code == errs.CodeConsentMissing && v.Provider == latchkey.Microsoft:
		return "client_id"
	case f.Code == errs.CodeClientSecret, f.Code == errs.CodeClientSecretExpired:
		return "client_secret"
	case f.Code == errs.CodeTenant:
		return "tenant_id"
	case v.Provider == latchkey.Google && (f.Stage == StageToken || f.Stage == StageAuth):
		return "service_account"
	case f.Stage == StageFrom, f.Stage == StageTo, f.Stage == StageMailbox:
		return "sender_email"
	case v.Kind == latchkey.SenderOAuth && f.Stage == StageAuth:
		return "client_id"
	case v.Kind == latchkey.SenderOAuth:
		return "provider"
	case f.Stage == StageAuth && f.Code == errs.CodeCredentialRejected, f.Code == errs.CodeAppPassword:
		return "password"
	case f.Stage == StageAuth:
		return "username"
	case f.Code == errs.CodePortNotAllowed, f.Code == errs.CodeNoSTARTTLS, f.Code == errs.CodeConnectionRefused:
		return "port"
	}
	return "host"
}

// mayBeSender refuses an address with which one of the application's people signs in to the dashboard:
// whoever reads a sender's mailbox would read that one's codes. Other applications' people do not
// matter, or one application could lock out another's.
func (s *Senders) mayBeSender(ctx context.Context, tx store.Tx, v latchkey.Sender) error {
	if s.cfg.Operators == nil {
		return nil
	}
	emails, err := s.cfg.Operators.EmailsOf(ctx, tx, v.ApplicationID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(emails, func(e string) bool { return address.SameMailbox(e, v.Address) }) {
		return errs.InvalidFields(errs.FieldError{
			Field: "sender_email", Code: errs.CodeSenderIsLogin,
			Message: "Somebody signs in to the dashboard of this application with this address. Use one that nobody signs in with, such as login@ your domain.",
		})
	}
	return nil
}

// Get finds a sender.
func (s *Senders) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, error) {
	v, err := s.m.cfg.Store.Senders().Get(ctx, app, id)
	return v, knownSender(err)
}

// List returns the application's senders, oldest first.
func (s *Senders) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Sender, error) {
	return s.m.cfg.Store.Senders().List(ctx, app)
}

// Waiting counts the mails that wait for a sender.
func (s *Senders) Waiting(ctx context.Context, v latchkey.Sender) (int, error) {
	return s.m.cfg.Store.Mails().CountQueued(ctx, v.ID)
}

// Update changes what the spec names. A change of how mail is sent is tried first; a change of the
// address, or of who handles its mail, puts the question to the address again.
func (s *Senders) Update(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, w SenderSpec) (latchkey.Sender, error) {
	was, err := s.Get(ctx, app, id)
	if err != nil {
		return latchkey.Sender{}, err
	}
	next, problems := s.Apply(was, w)
	if len(problems) > 0 {
		return latchkey.Sender{}, errs.InvalidFields(problems...)
	}
	if sends(was, next) {
		if err := s.ready(ctx, next, nil); err != nil {
			return latchkey.Sender{}, err
		}
		if err := s.tryToSave(ctx, &next); err != nil {
			return latchkey.Sender{}, err
		}
	}
	asks := consents(was, next)
	if asks {
		if err := s.countProof(ctx, next); err != nil {
			return latchkey.Sender{}, err
		}
	}
	var saved latchkey.Sender
	err = s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := tx.Senders().ForUpdate(ctx, app, id)
		if err != nil {
			return knownSender(err)
		}
		if !now.UpdatedAt.Equal(was.UpdatedAt) {
			return errs.New(errs.Conflict, errs.CodeConflict, "Somebody else changed the sender meanwhile. Read it again, then change it.")
		}
		saved = merge(was, next, now)
		saved.UpdatedAt = s.m.now()
		if !asks {
			return tx.Senders().Update(ctx, saved)
		}
		if err := s.mayBeSender(ctx, tx, saved); err != nil {
			return err
		}
		return s.ask(ctx, tx, &saved, w.Locale, tx.Senders().Update)
	})
	if err != nil {
		return latchkey.Sender{}, err
	}
	s.m.Wake()
	s.m.cfg.Log.InfoContext(ctx, "sender changed", append(senderAttrs(saved), slog.Bool("proof_asked", asks))...)
	return saved, nil
}

// merge keeps what moved on while a change was tried on the host: a proof, a finding of the lane, a
// word about the secret.
func merge(was, next, now latchkey.Sender) latchkey.Sender {
	if !sends(was, next) {
		next.CheckedAt, next.Problem = now.CheckedAt, now.Problem
	}
	if next.SecretExpiresAt.Equal(was.SecretExpiresAt) {
		next.SecretTold = now.SecretTold
	}
	next.OwnedAt, next.ProofHash, next.ProofExpiresAt = now.OwnedAt, now.ProofHash, now.ProofExpiresAt
	return next
}

// Delete forgets a sender. One that the application uses stays until it uses another.
func (s *Senders) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) error {
	var gone latchkey.Sender
	err := s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		// The sender's row keeps this apart from whoever chooses it just now.
		var err error
		if gone, err = tx.Senders().ForUpdate(ctx, app, id); err != nil {
			return knownSender(err)
		}
		a, err := tx.Applications().Get(ctx, app)
		if err != nil {
			return err
		}
		if a.Sender == id {
			return errs.New(errs.Conflict, errs.CodeConflict, "The application's mail comes from this sender. Choose another one, or none, before you delete it.")
		}
		return tx.Senders().Delete(ctx, app, id)
	})
	if err == nil {
		s.m.cfg.Log.InfoContext(ctx, "sender deleted", senderAttrs(gone)...)
	}
	return knownSender(err)
}

// Check tries a saved sender, and notes what came of it.
func (s *Senders) Check(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, Check, error) {
	v, err := s.Get(ctx, app, id)
	if err != nil {
		return v, Check{}, err
	}
	if err := s.countCheck(ctx, v); err != nil {
		return v, Check{}, err
	}
	c, err := s.m.try(ctx, v)
	if err != nil {
		return v, Check{}, err
	}
	problem := ""
	if f, bad := c.failed(); bad {
		problem = string(f.Code)
	}
	err = s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := tx.Senders().ForUpdate(ctx, app, id)
		if err != nil {
			return knownSender(err)
		}
		if !now.UpdatedAt.Equal(v.UpdatedAt) {
			return nil // what was found is another's
		}
		now.CheckedAt = s.m.now()
		v = now
		v.Problem = problem
		return s.m.noteProblem(ctx, tx, now, problem)
	})
	s.m.cfg.Log.InfoContext(ctx, "sender checked", append(senderAttrs(v), slog.Bool("ok", c.OK), slog.String("code", problem))...)
	return v, c, err
}

// noteProblem writes what is wrong with a sender, or that nothing is, and tells of the change.
// UpdatedAt stays: connections and tokens are still its own.
func (s *Service) noteProblem(ctx context.Context, tx store.Tx, v latchkey.Sender, problem string) error {
	changed := v.Problem != problem
	v.Problem = problem
	if err := tx.Senders().Update(ctx, v); err != nil || !changed {
		return err
	}
	if problem == "" {
		return s.tell(ctx, tx, v, latchkey.EventSenderMended, nil)
	}
	return s.tell(ctx, tx, v, latchkey.EventSenderBroken, map[string]any{"code": problem})
}

func (s *Service) tell(ctx context.Context, tx store.Tx, v latchkey.Sender, typ latchkey.EventType, data map[string]any) error {
	if s.cfg.Events == nil {
		return nil
	}
	all := map[string]any{"sender_id": v.ID, "sender_email": v.Email}
	for k, x := range data {
		all[k] = x
	}
	enc, err := json.Marshal(all)
	if err != nil {
		return err
	}
	_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{ApplicationID: v.ApplicationID, Type: typ, Data: enc})
	return err
}

func knownSender(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("sender")
	}
	return err
}

func senderAttrs(v latchkey.Sender) []any {
	return []any{
		slog.String("application_id", string(v.ApplicationID)), slog.String("sender_id", string(v.ID)), slog.String("kind", string(v.Kind)),
		slog.String("host", v.Host), slog.String("provider", string(v.Provider)),
	}
}

// Bounds of what can be repeated. A login that is tried often is somebody's guessing.
const (
	checkWindow    = 10 * time.Minute
	checksOfApp    = 40
	checksOfLogin  = 12
	proofWindow    = time.Hour
	proofsOfTarget = 5
	proofsOfApp    = 30
	trialsOfTarget = 10
	trialsOfApp    = 60
	dnsOfApp       = 60
)

// count refuses what came too often within the window, over all replicas.
func (s *Senders) count(ctx context.Context, what, who string, window time.Duration, most int) error {
	now := s.m.now()
	n, err := s.m.cfg.Store.Tries().Count(ctx, what+":"+base64.RawURLEncoding.EncodeToString(secret.HashToken(who)), window, now) // no address stands in the table
	if err != nil || n <= most {
		return err
	}
	return &errs.Error{
		Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: now.Truncate(window).Add(window).Sub(now),
		Detail: "That was too often in a short time. Wait as long as Retry-After says, then go on.",
	}
}

func (s *Senders) countCheck(ctx context.Context, v latchkey.Sender) error {
	if err := s.count(ctx, "sender_check", string(v.ApplicationID), checkWindow, checksOfApp); err != nil {
		return err
	}
	login := v.Host + "\x00" + v.Username + "\x00" + string(v.Provider) + "\x00" + v.ClientID + "\x00" + v.Tenant
	return s.count(ctx, "sender_login", login, checkWindow, checksOfLogin)
}
