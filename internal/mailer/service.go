package mailer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Kinds of mail. Each has texts of its own.
const (
	KindSignIn      = "signin"
	KindSenderProof = "sender_proof"
	KindInvite      = "operator_invite"
	KindTest        = "test"
	// KindReconnect asks an end user to mend an account.
	KindReconnect = "reconnect"
)

// DialFunc connects under an egress policy.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Relay is the installation's own way to send, for applications without a sender: the default sender.
type Relay struct {
	Host               string
	Port               int
	Encryption         Encryption
	Username, Password string
	// Email and Name are what its mail comes from.
	Email, Name string
}

// Emitter writes an event in the transaction of what it reports.
type Emitter interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
}

// Observer counts what becomes of mails, try by try: accepted, retried, by_default_sender, failed, expired or
// withheld. Lane is default or own, code why it was not accepted. Took is how long the try was, waited the
// time from the mail's row to its acceptance, and negative for everything else.
type Observer interface {
	Mail(lane, kind, outcome, code string, waited, took time.Duration)
}

type unobserved struct{}

func (unobserved) Mail(string, string, string, string, time.Duration, time.Duration) {}

// Set tells whether there is one.
func (r Relay) Set() bool { return r.Host != "" && r.Email != "" }

// Config is what the service needs.
type Config struct {
	Store store.Store
	Now   func() time.Time
	Log   *slog.Logger
	// Dial goes out under the egress policy for mail; DialRelay reaches the operator's own relay.
	Dial, DialRelay DialFunc
	// TLS is the configuration for a server's name.
	TLS func(serverName string) *tls.Config
	// Plaintext tells whether a sender's host may be spoken to without TLS, if it offers none; nil
	// allows none.
	Plaintext func(host string) bool
	// Events may be nil where nobody wants to know of senders that break.
	Events Emitter
	// OAuth is the HTTP client for providers' token endpoints and Microsoft Graph.
	OAuth *http.Client
	// Default is the default sender; its zero value means that there is none.
	Default Relay
	// Providers are where Microsoft and Google are.
	Providers Providers
	// AppName is what readers know the application as; for the zero one, the installation.
	// It is asked inside a transaction, whose connection is the only one that it may use.
	AppName func(ctx context.Context, tx store.Tx, app latchkey.Application) string
	// Accent is the application's colour and what is written on it, as "#rrggbb"; empty for ours. It may
	// be nil.
	Accent func(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) (accent, ink string)
	// Poll is how often the outbox is looked at without being woken; 0 means every second.
	Poll time.Duration
	// Patience shortens how long a mail host is waited for; 0 leaves it at 20 s until we are logged in and
	// 30 s for each mail.
	Patience time.Duration
	// Observe may be nil.
	Observe Observer
	// Jitter returns a number in [0,1) that spreads retries; nil means a random one.
	Jitter func() float64
}

// Service sends mail. It is safe for concurrent use.
type Service struct {
	cfg    Config
	words  words
	tokens tokens
	holder string
	wake   chan struct{}
	// relayAddress is the default sender's, canonical.
	relayAddress string

	mu    sync.Mutex
	lanes map[latchkey.SenderID]*lane
}

// New makes the service; call Run to send.
func New(cfg Config) (*Service, error) {
	w, err := loadWords()
	if err != nil {
		return nil, err
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Observe == nil {
		cfg.Observe = unobserved{}
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	s := &Service{
		cfg: cfg, words: w, wake: make(chan struct{}, 1), lanes: map[latchkey.SenderID]*lane{},
		holder: string(latchkey.NewMailID(cfg.Now())), // any name that no other process has
	}
	s.tokens.ask = s.askToken
	if cfg.Default.Set() {
		if a, err := address.Parse(cfg.Default.Email); err == nil {
			s.relayAddress = a.Canonical // one that is none, such as login@localhost, nobody signs in with either
		}
	}
	return s, nil
}

// Message is a mail to be.
type Message struct {
	// ApplicationID is whose mail it is; empty means the installation's own.
	ApplicationID latchkey.ApplicationID
	// SenderID overrides the application's choice, for a proof or a test of that very sender.
	SenderID latchkey.SenderID
	Kind     string
	// To is one address, as package address returns it.
	To string
	// Locale is the reader's language, as far as it is known.
	Locale string
	// Values fill the texts: code, link, device, time … What is not there stands as nothing.
	Values map[string]string
	// NotBefore is when it may leave; zero for now.
	NotBefore time.Time
	// ExpiresAt is when it is not worth sending any more.
	ExpiresAt time.Time
	// Withheld is why the mail must never leave; empty sends it. The row is written all the same, and the
	// lane ends it as failed with this code: the operator sees why, and whoever counts our work sees nothing.
	Withheld string
}

// content is what a mail's Body holds.
type content struct {
	Locale  string `json:"locale"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// Queue writes a mail to the outbox, in the transaction of what it belongs to. Call Wake after the
// commit. Without any sender it is errs.CodeNoSender.
func (s *Service) Queue(ctx context.Context, tx store.Tx, m Message) (latchkey.MailID, error) {
	var app latchkey.Application
	if m.ApplicationID != "" {
		var err error
		if app, err = tx.Applications().Get(ctx, m.ApplicationID); err != nil {
			return "", fmt.Errorf("mailer: the application of a mail: %w", err)
		}
	}
	lane, err := s.choose(ctx, tx, m, app.Sender)
	if err != nil {
		return "", err
	}
	c, err := s.render(ctx, tx, m, s.cfg.AppName(ctx, tx, app))
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("mailer: %w", err)
	}
	now := s.now()
	mail := latchkey.Mail{
		ID: latchkey.NewMailID(s.cfg.Now()), ApplicationID: m.ApplicationID, SenderID: lane, Kind: m.Kind, To: m.To, Body: body,
		Status: latchkey.MailQueued, DueAt: now, ExpiresAt: m.ExpiresAt.UTC().Truncate(time.Millisecond), CreatedAt: now, UpdatedAt: now,
	}
	mail.Code = m.Withheld
	if m.NotBefore.After(now) {
		mail.DueAt = m.NotBefore.UTC().Truncate(time.Millisecond)
	}
	if err := tx.Mails().Create(ctx, mail); err != nil {
		return "", fmt.Errorf("mailer: writing to the outbox: %w", err)
	}
	return mail.ID, nil
}

// choose finds whose mail host takes the message. A sender that has not proved its address sends
// nothing but that question.
func (s *Service) choose(ctx context.Context, tx store.Tx, m Message, chosen latchkey.SenderID) (latchkey.SenderID, error) {
	id := chosen
	if m.SenderID != "" {
		id = m.SenderID
	}
	if id != "" {
		sender, err := tx.Senders().Get(ctx, m.ApplicationID, id)
		if err == nil && (!sender.OwnedAt.IsZero() || m.Kind == KindSenderProof) {
			return id, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", fmt.Errorf("mailer: the sender of a mail: %w", err)
		}
		if m.SenderID != "" {
			return "", errs.NotFoundf("sender")
		}
	}
	if !s.cfg.Default.Set() {
		return "", errs.New(errs.Conflict, errs.CodeNoSender, "There is no sender: choose one for the application, or set LATCHKEY_SMTP_URL and LATCHKEY_SMTP_FROM.")
	}
	return "", nil
}

// Lanes is how the lanes of this process are worked just now.
type Lanes struct {
	// Working have mail under way, Paused are left alone because their host refused us or hung, Idle are
	// the rest that have been used since the start.
	Working, Paused, Idle int
	// Warm is how many connections wait for mail.
	Warm int
}

// Lanes counts the lanes of this process.
func (s *Service) Lanes() (out Lanes) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		l.mu.Lock()
		switch {
		case now.Before(l.closed):
			out.Paused++
		case l.running:
			out.Working++
		default:
			out.Idle++
		}
		out.Warm += len(l.idle)
		l.mu.Unlock()
	}
	return out
}

// HasDefault tells whether the installation has a default sender.
func (s *Service) HasDefault() bool { return s.cfg.Default.Set() }

// Default is the address and the name of the default sender; both are empty where there is none.
func (s *Service) Default() (email, name string) {
	if !s.HasDefault() {
		return "", ""
	}
	return s.cfg.Default.Email, s.cfg.Default.Name
}

// Wake tells the worker of this process that there may be mail. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// SenderAddresses returns the canonical addresses of the application's senders: nobody signs in to
// the application with them. The default sender's is among them, for it sends for all.
func (s *Service) SenderAddresses(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) ([]string, error) {
	all, err := tx.Senders().List(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("mailer: senders: %w", err)
	}
	out := make([]string, 0, len(all)+1)
	for _, v := range all {
		out = append(out, v.Address)
	}
	if s.relayAddress != "" {
		out = append(out, s.relayAddress)
	}
	return out, nil
}

// SendsFrom tells whether mail of the application comes from the mailbox of an address.
func (s *Service) SendsFrom(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, canonical string) (bool, error) {
	all, err := s.SenderAddresses(ctx, tx, app)
	return slices.ContainsFunc(all, func(a string) bool { return address.SameMailbox(a, canonical) }), err
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }
