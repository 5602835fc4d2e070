package remind

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

const (
	// rest is how long an account is not written about again.
	rest = 7 * 24 * time.Hour
	// urlLife is how long the URL of a mail works after the mail was due.
	urlLife = 30 * 24 * time.Hour
	// mailLife is how long a mail is worth sending after it was due.
	mailLife = 3 * 24 * time.Hour
	// So many mails a day go to one address for an application, and to all for an application.
	perAddress     = 3
	perApplication = 2000
	day            = 24 * time.Hour
)

// Why a mail that was called for is not sent.
const (
	WithheldLimit  = "reconnect_email_limit"
	WithheldSender = string(errs.CodeNoSender)
)

// Mail is what the reader is to be told.
type Mail struct {
	ApplicationID latchkey.ApplicationID
	To, Locale    string
	Provider      latchkey.Provider
	// Account is what the reader knows the account by, with a part of it hidden.
	Account string
	Reason  latchkey.Reason
	Link    string
	// NotBefore and ExpiresAt are between what times the mail may leave; LinkEnds is when its link does.
	NotBefore, ExpiresAt, LinkEnds time.Time
	// Withheld is why the mail must never leave; empty sends it. What is withheld stands in the log of mails.
	Withheld string
}

// Outbox sends mail. Queue is errs.CodeNoSender where nobody would.
type Outbox interface {
	Queue(ctx context.Context, tx store.Tx, m Mail) (latchkey.MailID, error)
}

// Emitter writes an event in the transaction of what it reports.
type Emitter interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
}

// Config is what the service needs; all of it is required.
type Config struct {
	Mail   Outbox
	Events Emitter
	// URL is where a reconnect URL's token leads.
	URL func(token string) string
	Now func() time.Time
	Log *slog.Logger
}

// Service writes reminders. It is safe for concurrent use, and keeps nothing.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Changed hears of an account whose status is another than it was, after that is written and with the
// account's row locked.
func (s *Service) Changed(ctx context.Context, tx store.Tx, a *latchkey.Account, was latchkey.Account) error {
	switch needs := a.NeedsReconnect(); {
	case needs && !was.NeedsReconnect():
		return s.ask(ctx, tx, a)
	case !needs && was.NeedsReconnect():
		return s.TakeBack(ctx, tx, a)
	}
	return nil
}

// ask writes the mail, where the application wants it and nothing speaks against it.
func (s *Service) ask(ctx context.Context, tx store.Tx, a *latchkey.Account) error {
	if a.Notify.Email == "" {
		return nil
	}
	now := s.now()
	if since := now.Sub(a.Notify.MailedAt); since >= 0 && since < rest {
		return nil
	}
	app, err := tx.Applications().Get(ctx, a.ApplicationID)
	if err != nil {
		return fmt.Errorf("remind: the application of an account: %w", err)
	}
	if !app.ReconnectEmail.Enabled {
		return nil
	}
	to, err := address.Parse(a.Notify.Email)
	if err != nil { // it was checked when it was given
		s.cfg.Log.WarnContext(ctx, "nobody can be asked to reconnect at this address", slog.String("account_id", string(a.ID)))
		return nil //nolint:nilerr // an account's status does not wait for it
	}
	m := Mail{
		ApplicationID: app.ID, To: to.Typed, Locale: a.Notify.Locale, Provider: a.Provider, Account: mask(a.Shown()), Reason: a.Reason,
		NotBefore: now.Add(app.ReconnectEmail.After),
	}
	m.ExpiresAt, m.LinkEnds = m.NotBefore.Add(mailLife), m.NotBefore.Add(urlLife)
	if m.Withheld, err = s.limit(ctx, tx, app.ID, to.Bucket, now); err != nil {
		return err
	}
	url := latchkey.ReconnectURL{
		ID: latchkey.NewReconnectURLID(now), ApplicationID: app.ID, AccountID: a.ID, CreatedAt: now, ExpiresAt: m.LinkEnds,
		Terms: latchkey.LinkTerms{Locale: a.Notify.Locale},
	}
	var token string
	token, url.TokenHash = secret.NewToken()
	if m.Withheld == "" {
		m.Link = s.cfg.URL(token)
	}
	id, err := s.cfg.Mail.Queue(ctx, tx, m)
	if errs.Is(err, errs.CodeNoSender) {
		m.Withheld = WithheldSender
	} else if err != nil {
		return err
	}
	if m.Withheld == "" {
		if err := tx.ReconnectURLs().Create(ctx, url, latchkey.ReconnectURLsKept); err != nil {
			return err
		}
		a.Notify.MailID, a.Notify.URLID, a.Notify.MailedAt = id, url.ID, now
		if err := tx.Accounts().Update(ctx, *a); err != nil {
			return err
		}
	}
	s.cfg.Log.InfoContext(ctx, "end user asked by mail to reconnect", slog.String("account_id", string(a.ID)),
		slog.String("application_id", string(app.ID)), slog.String("mail_id", string(id)), slog.String("withheld", m.Withheld))
	return s.tell(ctx, tx, *a, id, m)
}

// limit counts the mail, and says why it must not leave where there were too many.
func (s *Service) limit(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, to string, now time.Time) (string, error) {
	sum := sha256.Sum256([]byte(string(app) + "|" + to))
	for _, l := range []struct {
		bucket string
		most   int
	}{{"remind:" + base64.RawURLEncoding.EncodeToString(sum[:15]), perAddress}, {"reminds:" + string(app), perApplication}} {
		n, err := tx.Tries().Count(ctx, l.bucket, day, now)
		if err != nil {
			return "", fmt.Errorf("remind: counting mails: %w", err)
		}
		if n > l.most {
			return WithheldLimit, nil
		}
	}
	return "", nil
}

func (s *Service) tell(ctx context.Context, tx store.Tx, a latchkey.Account, id latchkey.MailID, m Mail) error {
	data := map[string]any{"account_id": a.ID, "account_type": a.Provider, "name": a.Name}
	if id != "" {
		data["mail_id"] = id
	}
	if m.Withheld != "" {
		data["withheld"] = m.Withheld
	} else {
		data["send_at"] = m.NotBefore
	}
	if a.ExternalID != "" {
		data["external_id"] = a.ExternalID
	}
	if a.Test {
		data["test"] = true
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{
		ApplicationID: a.ApplicationID, Type: latchkey.EventReconnectEmail, AccountID: a.ID, Data: raw,
	})
	return err
}

// TakeBack ends the account's mail that waits, and its URL, which nobody has seen. One that is being sent
// just now, or was, stays what it is. The account's row is locked by the caller.
func (s *Service) TakeBack(ctx context.Context, tx store.Tx, a *latchkey.Account) error {
	if a.Notify.MailID == "" {
		return nil
	}
	waited, err := s.cancel(ctx, tx, *a)
	if err != nil {
		return err
	}
	if waited {
		if err := tx.ReconnectURLs().Delete(ctx, a.ApplicationID, a.Notify.URLID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("remind: a URL that is not needed: %w", err)
		}
		a.Notify.MailedAt = time.Time{}
	}
	a.Notify.MailID, a.Notify.URLID = "", ""
	return tx.Accounts().Update(ctx, *a)
}

// Gone is TakeBack for an account that is being deleted, with its URLs.
func (s *Service) Gone(ctx context.Context, tx store.Tx, a latchkey.Account) error {
	if a.Notify.MailID == "" {
		return nil
	}
	_, err := s.cancel(ctx, tx, a)
	return err
}

func (s *Service) cancel(ctx context.Context, tx store.Tx, a latchkey.Account) (waited bool, err error) {
	err = tx.Mails().Cancel(ctx, a.ApplicationID, a.Notify.MailID, s.now())
	if errors.Is(err, store.ErrStale) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remind: taking a mail back: %w", err)
	}
	return true, nil
}

// mask hides a part of what the reader knows the account by: a mail may be read over a shoulder, and its
// address is the application's word. Of an address the domain and the first letter stay, of a number
// its end.
func mask(s string) string {
	if local, domain, ok := strings.Cut(s, "@"); ok {
		_, n := utf8.DecodeRuneInString(local)
		return local[:n] + "•••@" + domain
	}
	if digits := strings.TrimLeft(s, "+"); len(digits) >= 6 && strings.Trim(digits, "0123456789 ") == "" {
		return "•••" + digits[len(digits)-3:]
	}
	return s
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }
