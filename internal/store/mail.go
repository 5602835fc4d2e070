package store

import (
	"context"
	"encoding/json"
	"time"

	"latchkey"
)

// Senders are few for each application.
type Senders interface {
	Create(ctx context.Context, s latchkey.Sender) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, error)
	// ForUpdate is Get that keeps others from changing it. Only inside InTx.
	ForUpdate(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, error)
	// List returns all of them, oldest first.
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Sender, error)
	// Update writes everything but ids and CreatedAt.
	Update(ctx context.Context, s latchkey.Sender) error
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) error
	// Ending lists senders whose secret ends and nobody was told: those that end before first and have
	// SecretTold 0, and those that end before last and have firstDays there. The next to end come first.
	Ending(ctx context.Context, first, last time.Time, firstDays, limit int) ([]latchkey.Sender, error)
	// ByProof finds the sender whose address is proved with the token, also when it has been.
	ByProof(ctx context.Context, hash []byte) (latchkey.Sender, error)
	// ProvedWith tells whether any application has a sender of that canonical address that has been proved.
	ProvedWith(ctx context.Context, address string) (bool, error)
}

// Mails are the outbox, and for a while the log of what became of it.
type Mails interface {
	Create(ctx context.Context, m latchkey.Mail) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID) (latchkey.Mail, error)
	// Lanes lists the senders that have mail that is due, those who wait longest first.
	Lanes(ctx context.Context, now time.Time, limit int) ([]latchkey.SenderID, error)
	// Claim takes queued mails of one lane that are due, oldest first, and moves their DueAt to until,
	// so that nobody else takes them before.
	Claim(ctx context.Context, lane latchkey.SenderID, now, until time.Time, limit int) ([]latchkey.Mail, error)
	// Finish writes what became of a claimed mail: Status, Attempts, Code, Detail, DueAt and SenderID. It
	// erases the Body unless the mail stays queued. ErrStale where the claim ended at another time than claim.
	Finish(ctx context.Context, m latchkey.Mail, claim time.Time) error
	// Cancel ends a mail that waits, and erases its Body. ErrStale where it does not wait any more.
	Cancel(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID, now time.Time) error
	List(ctx context.Context, app latchkey.ApplicationID, p Page) ([]latchkey.Mail, error)
	// ListByStatus is List of those in one status; ListEnded of those that failed or expired, by index.
	ListByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.MailStatus, p Page) ([]latchkey.Mail, error)
	ListEnded(ctx context.Context, app latchkey.ApplicationID, p Page) ([]latchkey.Mail, error)
	// CountQueued tells how many mails of a lane wait.
	CountQueued(ctx context.Context, lane latchkey.SenderID) (int, error)
	// DeleteFinished removes mails that ended before the time.
	DeleteFinished(ctx context.Context, before time.Time, limit int) (int, error)
	// TakeLane makes holder the only one who may work a lane until then, unless somebody else is.
	TakeLane(ctx context.Context, lane latchkey.SenderID, holder string, now, until time.Time) (bool, error)
}

// Setting is a small document of an application's, without secrets.
type Setting struct {
	ApplicationID latchkey.ApplicationID
	// Kind names the document, such as "template/en".
	Kind      string
	Body      json.RawMessage
	UpdatedAt time.Time
}

// Settings are read often and written seldom.
type Settings interface {
	Get(ctx context.Context, app latchkey.ApplicationID, kind string) (Setting, error)
	Put(ctx context.Context, s Setting) error
	Delete(ctx context.Context, app latchkey.ApplicationID, kind string) error
	// List returns those whose kind begins with the prefix, by kind.
	List(ctx context.Context, app latchkey.ApplicationID, prefix string) ([]Setting, error)
}
