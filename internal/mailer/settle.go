package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

// withheld tells a mail that must never leave: it has a reason before it was ever tried. It goes through the
// outbox like any other, so that nobody can tell by the work, and its text is erased where others' is.
func withheld(m latchkey.Mail) bool { return m.Attempts == 0 && m.Code != "" }

// one sends one claimed mail and writes down what became of it. It returns only our own errors.
func (l *lane) one(ctx context.Context, m latchkey.Mail) error {
	// What is begun is finished, also when the process is told to stop.
	ctx = context.WithoutCancel(ctx)
	switch {
	case withheld(m):
		m.Status, m.UpdatedAt = latchkey.MailFailed, l.s.now()
		l.observe(m, "withheld", -1, 0)
		return l.finish(ctx, m, m.DueAt)
	case !l.s.now().Before(m.ExpiresAt):
		m.Status, m.UpdatedAt = latchkey.MailExpired, l.s.now()
		l.observe(m, "expired", -1, 0)
		return l.finish(ctx, m, m.DueAt)
	}
	var c content
	if err := json.Unmarshal(m.Body, &c); err != nil {
		return fmt.Errorf("mailer: the text of mail %s: %w", m.ID, err)
	}
	begun := l.s.now()
	l.mu.Lock()
	sender, from := l.sender, l.from
	l.mu.Unlock()
	err := l.deliver(ctx, m, c, sender, from)
	return l.settle(ctx, m, sender, begun, err)
}

// settle decides what follows from one try.
func (l *lane) settle(ctx context.Context, m latchkey.Mail, sender latchkey.Sender, begun time.Time, tryErr error) error {
	claim, now := m.DueAt, l.s.now()
	m.Attempts++
	m.UpdatedAt = now
	log := []slog.Attr{
		slog.String("mail_id", string(m.ID)), slog.String("application_id", string(m.ApplicationID)), slog.String("sender_id", string(l.id)),
		slog.String("kind", m.Kind), slog.Int("attempt", m.Attempts), slog.Duration("took", now.Sub(begun)),
	}
	if tryErr == nil {
		m.Status, m.Code, m.Detail = latchkey.MailAccepted, "", ""
		l.open()
		l.observe(m, "accepted", now.Sub(m.CreatedAt), now.Sub(begun))
		l.s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "mail accepted", append(log, slog.Duration("waited", now.Sub(m.CreatedAt)))...)
		return errors.Join(l.finish(ctx, m, claim), l.note(ctx, ""))
	}
	v := explain(tryErr)
	v.Detail = maskOne(mask(v.Detail, sender), l.s.cfg.Default.Username, l.s.cfg.Default.Password)
	m.Code, m.Detail = string(v.Code), v.Detail
	if v.Blame == ofSender || v.Blame == ofNobody {
		l.backOff()
	}
	mayFall := l.id != "" && sender.Fallback && l.s.cfg.Default.Set() && m.Kind != KindSenderProof && m.Kind != KindTest
	outcome := "retried"
	switch {
	case v.Blame == ofSender && !v.Temporary && mayFall:
		m.SenderID, m.DueAt, outcome = "", now, "by_default_sender"
		log = append(log, slog.Bool("by_default_sender", true))
		defer l.s.Wake()
	case v.Temporary, v.Blame == ofSender:
		// A login that is refused may be mended while the mail is still of use.
		m.DueAt = now.Add(l.retryIn(m.Attempts))
		if !m.DueAt.Before(m.ExpiresAt) {
			m.Status, outcome = latchkey.MailExpired, "expired"
		}
	default:
		m.Status, outcome = latchkey.MailFailed, "failed"
	}
	l.observe(m, outcome, -1, now.Sub(begun))
	l.s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "mail not accepted", append(log, slog.String("code", m.Code),
		slog.String("said", m.Detail), slog.String("mail_status", string(m.Status)))...)
	var noted error
	if v.Blame == ofSender && !v.Temporary {
		noted = l.note(ctx, string(v.Code))
	}
	return errors.Join(l.finish(ctx, m, claim), noted)
}

func (l *lane) observe(m latchkey.Mail, outcome string, waited, took time.Duration) {
	name := "own"
	if l.id == "" {
		name = "default"
	}
	l.s.cfg.Observe.Mail(name, m.Kind, outcome, m.Code, waited, took)
}

// finish writes; a claim that has ended is another's matter.
func (l *lane) finish(ctx context.Context, m latchkey.Mail, claim time.Time) error {
	if err := l.s.cfg.Store.Mails().Finish(ctx, m, claim); err != nil && !errors.Is(err, store.ErrStale) {
		return fmt.Errorf("mailer: writing down a mail: %w", err)
	}
	return nil
}

// note keeps what is wrong with the sender where the operator looks, when it changes.
func (l *lane) note(ctx context.Context, problem string) error {
	l.mu.Lock()
	same := l.id == "" || l.sender.Problem == problem
	l.sender.Problem = problem
	sender := l.sender
	l.mu.Unlock()
	if same {
		return nil
	}
	return l.s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := tx.Senders().ForUpdate(ctx, sender.ApplicationID, sender.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return l.s.noteProblem(ctx, tx, now, problem)
	})
}
