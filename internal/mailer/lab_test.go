package mailer_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// logbook collects what is logged.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lab is a real store with one application, a mailer on it, and a mail host.
type lab struct {
	t      testing.TB
	store  *sqlstore.Store
	mailer *mailer.Service
	host   *mailertest.Server
	log    *logbook
	app    latchkey.Application
	stop   func()
}

const password = "CANARY-correct-horse"

func newHost(t testing.TB, cfg mailertest.Config) *mailertest.Server {
	t.Helper()
	h, err := mailertest.Start(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newLab runs a mailer whose default sender's host is given.
func newLab(t testing.TB, host *mailertest.Server, change func(*mailer.Config)) *lab {
	t.Helper()
	return newLabOn(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")}, host, change)
}

// newLabOn is newLab on a database of one's own choice.
func newLabOn(t testing.TB, o sqlstore.Options, host *mailertest.Server, change func(*mailer.Config)) *lab {
	t.Helper()
	l := &lab{t: t, host: host, log: &logbook{}}
	log := slog.New(slog.NewJSONHandler(l.log, nil))
	o.Now, o.Log = time.Now, log
	db, err := sqlstore.OpenDatabase(t.Context(), o)
	must(t, err)
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	must(t, err)
	l.store, err = sqlstore.NewStore(db, ring)
	must(t, err)
	t.Cleanup(func() { must(t, l.store.Close()) })
	l.app = latchkey.Application{ID: latchkey.NewApplicationID(time.Now()), Name: "Acme", CreatedAt: time.Now()}
	must(t, l.store.Applications().Create(t.Context(), l.app))
	egress, err := safehttp.New(safehttp.Config{AllowMail: []string{"127.0.0.0/8"}, AllowOAuth: []string{"127.0.0.0/8"}, RootCAs: host.Roots(), Now: time.Now, Log: log})
	must(t, err)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return egress.DialContext(ctx, safehttp.Mail, network, address)
	}
	cfg := mailer.Config{
		Store: l.store, Now: time.Now, Log: log, Dial: dial, DialRelay: dial, TLS: egress.TLSConfig, OAuth: egress.Client(safehttp.OAuth, safehttp.ClientOptions{}),
		Default: mailer.Relay{Host: "localhost", Port: host.Port(), Encryption: mailer.EncryptionSTARTTLS, Username: "relay", Password: password, Email: "login@latchkey.test", Name: "Latchkey"},
		AppName: func(context.Context, store.Tx, latchkey.Application) string { return "Acme & Söhne" },
		Poll:    20 * time.Millisecond, Jitter: func() float64 { return 0 },
	}
	if change != nil {
		change(&cfg)
	}
	l.mailer, err = mailer.New(cfg)
	must(t, err)
	l.restart()
	t.Cleanup(func() { l.stop() })
	return l
}

// restart runs the worker, until stop.
func (l *lab) restart() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.mailer.Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		must(l.t, <-ended)
	})
}

// queue writes one mail, and wakes the worker.
func (l *lab) queue(m mailer.Message) latchkey.MailID {
	l.t.Helper()
	if m.ExpiresAt.IsZero() {
		m.ExpiresAt = time.Now().Add(10 * time.Minute)
	}
	if m.Kind == "" {
		m.Kind = mailer.KindSignIn
	}
	if m.To == "" {
		m.To = "ada@example.com"
	}
	var id latchkey.MailID
	must(l.t, l.store.InTx(context.Background(), func(ctx context.Context, tx store.Tx) (err error) {
		id, err = l.mailer.Queue(ctx, tx, m)
		return err
	}))
	l.mailer.Wake()
	return id
}

// await waits until the mail has come to that status.
func (l *lab) await(app latchkey.ApplicationID, id latchkey.MailID, status latchkey.MailStatus) latchkey.Mail {
	l.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		m, err := l.store.Mails().Get(context.Background(), app, id)
		must(l.t, err)
		if m.Status == status {
			return m
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("the mail is %s (%s: %s), not %s\n%s", m.Status, m.Code, m.Detail, status, l.log.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// sender makes a sender of the application's, proved, and chooses it.
func (l *lab) sender(host *mailertest.Server, change func(*latchkey.Sender)) latchkey.Sender {
	l.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	s := latchkey.Sender{
		ID: latchkey.NewSenderID(now), ApplicationID: l.app.ID, Kind: latchkey.SenderBasic, Email: "hello@acme.test", Address: "hello@acme.test", Name: "Acme, Inc.",
		Host: "localhost", Port: host.Port(), Username: "acme", Password: password, Transport: latchkey.TransportSMTP, OwnedAt: now, CreatedAt: now, UpdatedAt: now,
	}
	if change != nil {
		change(&s)
	}
	must(l.t, l.store.Senders().Create(context.Background(), s))
	l.app.Sender = s.ID
	must(l.t, l.store.Applications().Update(context.Background(), l.app))
	return s
}

func users() mailertest.Config {
	return mailertest.Config{Users: map[string]string{"relay": password, "acme": password}}
}
