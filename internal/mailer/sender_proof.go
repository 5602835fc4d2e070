package mailer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// proofLife is how long the link in a proof mail works.
const proofLife = 24 * time.Hour

// Proof is the question to the owner of a sender's address.
type Proof struct {
	Sender      latchkey.Sender
	Application latchkey.Application
	// Done tells that it was answered.
	Done bool
}

// ask takes the proof of the address back, saves the sender, and writes the mail that asks for it anew.
func (s *Senders) ask(ctx context.Context, tx store.Tx, v *latchkey.Sender, locale string, save func(context.Context, latchkey.Sender) error) error {
	token, hash := secret.NewToken()
	ends := s.m.now().Add(proofLife)
	v.ProofHash, v.ProofExpiresAt, v.OwnedAt = hash, ends, time.Time{}
	if err := save(ctx, *v); err != nil {
		return err
	}
	_, err := s.m.Queue(ctx, tx, Message{
		ApplicationID: v.ApplicationID, SenderID: v.ID, Kind: KindSenderProof, To: v.Email, Locale: locale,
		Values: map[string]string{ValueLink: s.cfg.ProofURL(token)}, ExpiresAt: ends,
	})
	return err
}

// AskAgain sends the question to the sender's address once more; the link before ends.
func (s *Senders) AskAgain(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, locale string) (latchkey.Sender, error) {
	v, err := s.Get(ctx, app, id)
	if err != nil {
		return v, err
	}
	if !v.OwnedAt.IsZero() {
		return v, alreadyProved()
	}
	if err := s.countProof(ctx, v); err != nil {
		return v, err
	}
	err = s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := tx.Senders().ForUpdate(ctx, app, id)
		if err != nil {
			return knownSender(err)
		}
		if !now.OwnedAt.IsZero() {
			return alreadyProved()
		}
		v = now
		return s.ask(ctx, tx, &v, locale, tx.Senders().Update)
	})
	if err == nil {
		s.m.Wake()
	}
	return v, err
}

func alreadyProved() error {
	return errs.New(errs.Conflict, errs.CodeConflict, "The address has been confirmed already. There is nothing to ask.")
}

// countProof bounds what reaches an address from whoever sets senders up, over all applications.
func (s *Senders) countProof(ctx context.Context, v latchkey.Sender) error {
	if err := s.count(ctx, "sender_proof_app", string(v.ApplicationID), proofWindow, proofsOfApp); err != nil {
		return err
	}
	bucket := v.Address
	if a, err := address.Parse(v.Email); err == nil {
		bucket = a.Bucket
	}
	return s.count(ctx, "sender_proof", bucket, proofWindow, proofsOfTarget)
}

// Proof finds the question that a token belongs to. It changes nothing.
func (s *Senders) Proof(ctx context.Context, token string) (Proof, error) {
	v, err := s.m.cfg.Store.Senders().ByProof(ctx, secret.HashToken(token))
	if errors.Is(err, store.ErrNotFound) {
		return Proof{}, proofGone()
	}
	if err != nil {
		return Proof{}, err
	}
	app, err := s.m.cfg.Store.Applications().Get(ctx, v.ApplicationID)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Sender: v, Application: app, Done: !v.OwnedAt.IsZero()}
	if !s.m.now().Before(v.ProofExpiresAt) {
		return Proof{}, proofGone()
	}
	return p, nil
}

func proofGone() error {
	return errs.New(errs.Gone, errs.CodeProofExpired, "This link has ended, or a newer one was sent. Ask whoever set the sender up for a new one.")
}

// Prove answers the question with yes. Saying it again is fine.
func (s *Senders) Prove(ctx context.Context, token string) (Proof, error) {
	p, err := s.Proof(ctx, token)
	if err != nil || p.Done {
		return p, err
	}
	err = s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		v, err := tx.Senders().ForUpdate(ctx, p.Sender.ApplicationID, p.Sender.ID)
		if errors.Is(err, store.ErrNotFound) {
			return proofGone()
		}
		if err != nil {
			return err
		}
		if !secret.SameToken(token, v.ProofHash) || !s.m.now().Before(v.ProofExpiresAt) {
			return proofGone()
		}
		if !v.OwnedAt.IsZero() {
			p.Sender = v
			return nil
		}
		// Somebody may have become an operator since the sender was made.
		if err := s.mayBeSender(ctx, tx, v); err != nil {
			return err
		}
		v.OwnedAt = s.m.now()
		v.UpdatedAt = v.OwnedAt
		p.Sender = v
		if err := tx.Senders().Update(ctx, v); err != nil {
			return err
		}
		return s.m.tell(ctx, tx, v, latchkey.EventSenderProved, nil)
	})
	if err != nil {
		return Proof{}, err
	}
	p.Done = true
	s.m.cfg.Log.InfoContext(ctx, "a sender's address agreed", senderAttrs(p.Sender)...)
	return p, nil
}

// trialWait is how long the caller of a test waits for what becomes of the mail; trialLife is how long
// the mail is worth sending.
const (
	trialWait  = 15 * time.Second
	trialLife  = 10 * time.Minute
	trialSteps = 100 * time.Millisecond
)

// Test sends a real mail through a sender whose address has agreed, and waits a while for what becomes
// of it. Its words are ours, so that nobody can say anything with it to whom they write.
func (s *Senders) Test(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, to, locale string) (latchkey.Mail, error) {
	v, err := s.Get(ctx, app, id)
	if err != nil {
		return latchkey.Mail{}, err
	}
	if to == "" {
		to = v.Email
	}
	target, err := address.Parse(to)
	if err != nil {
		return latchkey.Mail{}, errs.InvalidFields(errs.FieldError{Field: "to", Code: errs.CodeInvalidEmail, Message: "This must be one email address."})
	}
	if v.OwnedAt.IsZero() {
		return latchkey.Mail{}, errs.New(errs.Conflict, errs.CodeSenderUnproven, "Nothing is sent from this address until its owner opens the link that was sent there, and agrees.")
	}
	if err := s.count(ctx, "sender_test_app", string(app), proofWindow, trialsOfApp); err != nil {
		return latchkey.Mail{}, err
	}
	if err := s.count(ctx, "sender_test", target.Bucket, proofWindow, trialsOfTarget); err != nil {
		return latchkey.Mail{}, err
	}
	var mail latchkey.MailID
	err = s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		mail, err = s.m.Queue(ctx, tx, Message{
			ApplicationID: app, SenderID: id, Kind: KindTest, To: target.Typed, Locale: locale, ExpiresAt: s.m.now().Add(trialLife),
		})
		return err
	})
	if err != nil {
		return latchkey.Mail{}, err
	}
	s.m.Wake()
	return s.fate(ctx, app, mail)
}

// fate waits until a mail was tried, which another replica may do: the row is what both know.
func (s *Senders) fate(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID) (latchkey.Mail, error) {
	waiting, cancel := context.WithTimeout(ctx, trialWait)
	defer cancel()
	tick := time.NewTicker(trialSteps)
	defer tick.Stop()
	for {
		m, err := s.m.cfg.Store.Mails().Get(ctx, app, id)
		if err != nil || m.Status != latchkey.MailQueued || m.Attempts > 0 || waiting.Err() != nil {
			return m, err
		}
		select {
		case <-waiting.Done():
		case <-tick.C:
		}
	}
}

// Days before the end of a secret at which somebody is told.
const (
	firstWarning = 30
	lastWarning  = 7
	warnings     = 100
	day          = 24 * time.Hour
)

// Remind tells of client secrets that end soon, once 30 and once 7 days before. It is called now and then.
func (s *Senders) Remind(ctx context.Context) error {
	now := s.m.now()
	due, err := s.m.cfg.Store.Senders().Ending(ctx, now.Add(firstWarning*day), now.Add(lastWarning*day), firstWarning, warnings)
	if err != nil {
		return err
	}
	for _, v := range due {
		if err := s.remind(ctx, v, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Senders) remind(ctx context.Context, seen latchkey.Sender, now time.Time) error {
	return s.m.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		v, err := tx.Senders().ForUpdate(ctx, seen.ApplicationID, seen.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if v.SecretTold != seen.SecretTold || !v.SecretExpiresAt.Equal(seen.SecretExpiresAt) {
			return nil // another replica was faster, or there is a new secret
		}
		v.SecretTold = firstWarning
		if !v.SecretExpiresAt.After(now.Add(lastWarning * day)) {
			v.SecretTold = lastWarning
		}
		if err := tx.Senders().Update(ctx, v); err != nil {
			return err
		}
		s.m.cfg.Log.WarnContext(ctx, "a sender's client secret ends soon", append(senderAttrs(v), slog.Time("ends", v.SecretExpiresAt))...)
		return s.m.tell(ctx, tx, v, latchkey.EventSenderSecretExpiring, map[string]any{"secret_expires_at": v.SecretExpiresAt.Format("2006-01-02T15:04:05.000Z07:00")})
	})
}
