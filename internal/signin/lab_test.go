package signin_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
	"latchkey/internal/pgtest"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/signin"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

const base = "https://auth.acme.test"

// lab is sign-in over the real store, keyring and mailer, with a mail host behind it.
type lab struct {
	t      testing.TB
	store  *counted
	sql    *sqlstore.Store
	host   *mailertest.Server
	mailer *mailer.Service
	signin *signin.Service
	cfg    signin.Config
	app    latchkey.ApplicationID
	other  latchkey.ApplicationID
	known  []string

	mu   sync.Mutex
	late time.Duration
	last signin.Mail // what was queued last
	read int         // messages of the host that were looked at
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.late)
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late += d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// engines runs a test on a lab of each engine.
func engines(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newLab(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newLab(t, sqlstore.Options{URL: pgtest.URL(t)}))
	})
}

func newLab(t testing.TB, o sqlstore.Options) *lab {
	t.Helper()
	l := &lab{t: t}
	log := slog.New(slog.DiscardHandler)
	o.Now, o.Log = l.now, log
	db, err := sqlstore.OpenDatabase(t.Context(), o)
	must(t, err)
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	must(t, err)
	l.sql, err = sqlstore.NewStore(db, ring)
	must(t, err)
	t.Cleanup(func() { must(t, l.sql.Close()) })
	l.store = &counted{Store: l.sql}
	for _, id := range []*latchkey.ApplicationID{&l.app, &l.other} {
		*id = latchkey.NewApplicationID(time.Now())
		must(t, l.sql.Applications().Create(t.Context(), latchkey.Application{ID: *id, Name: string(*id), CreatedAt: time.Now()}))
	}
	l.host, err = mailertest.Start(mailertest.Config{})
	must(t, err)
	t.Cleanup(func() { must(t, l.host.Close()) })
	egress, err := safehttp.New(safehttp.Config{AllowMail: []string{"127.0.0.0/8"}, RootCAs: l.host.Roots(), Now: time.Now, Log: log})
	must(t, err)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return egress.DialContext(ctx, safehttp.Mail, network, address)
	}
	l.mailer, err = mailer.New(mailer.Config{
		Store: l.sql, Now: l.now, Log: log, Dial: dial, DialRelay: dial, TLS: egress.TLSConfig,
		Default: mailer.Relay{Host: "localhost", Port: l.host.Port(), Encryption: mailer.EncryptionSTARTTLS, Email: "login@latchkey.test", Name: "Latchkey"},
		AppName: func(context.Context, store.Tx, latchkey.Application) string { return "Acme" }, Poll: 20 * time.Millisecond,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.mailer.Run(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-ended) })
	l.cfg = signin.Config{
		Store: l.store, Mail: outbox{l.mailer, l}, Events: hooks.New(hooks.Config{Store: l.sql, Client: egress.Client(safehttp.Webhook, safehttp.ClientOptions{}), Now: l.now, Log: log}), MAC: ring, BaseURL: base, Now: l.now, Log: log,
		Refused: l.mailer.SendsFrom,
		Known: func(ctx context.Context, tx store.Tx, canonical string) (bool, error) {
			_, err := tx.Applications().List(ctx) // a query, as the real one has
			return slices.Contains(l.known, canonical), err
		},
	}
	l.signin = signin.New(l.cfg)
	return l
}

// replica is another process on the same database.
func (l *lab) replica() *signin.Service { return signin.New(l.cfg) }

type outbox struct {
	*mailer.Service
	lab *lab
}

func (o outbox) Queue(ctx context.Context, tx store.Tx, m signin.Mail) error {
	o.lab.mu.Lock()
	o.lab.last = m
	o.lab.mu.Unlock()
	_, err := o.Service.Queue(ctx, tx, mailer.Message{
		ApplicationID: m.ApplicationID, Kind: mailer.KindSignIn, To: m.To, Locale: m.Locale, ExpiresAt: m.ExpiresAt, Withheld: m.Withheld,
		Values: map[string]string{mailer.ValueCode: m.Code, mailer.ValueLink: m.Link, mailer.ValueDevice: m.Device},
	})
	return err
}

// counted tells how many transactions were begun.
type counted struct {
	*sqlstore.Store
	mu  sync.Mutex
	txs int
}

func (c *counted) InTx(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	c.mu.Lock()
	c.txs++
	c.mu.Unlock()
	return c.Store.InTx(ctx, fn)
}

// letter is what a mail held.
type letter struct{ to, code, link, raw string }

var (
	codeLine = regexp.MustCompile(`(?m)^(\d{6})\r?$`)
	linkLine = regexp.MustCompile(regexp.QuoteMeta(base) + `/signin/link/(\S+)`)
)

// mail waits for the next mail.
func (l *lab) mail() letter {
	l.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		arrived := l.host.Arrived()
		all := l.host.Messages()
		if len(all) > l.read {
			m := all[l.read]
			l.read++
			text := plainText(l.t, m.Raw)
			code, link := codeLine.FindStringSubmatch(text), linkLine.FindStringSubmatch(text)
			if code == nil || link == nil {
				l.t.Fatalf("no code and link in:\n%s", text)
			}
			return letter{to: m.To, code: code[1], link: link[1], raw: string(m.Raw)}
		}
		select {
		case <-arrived:
		case <-deadline:
			l.t.Fatal("no mail came")
		}
	}
}

func plainText(t testing.TB, raw []byte) string {
	t.Helper()
	m, err := mailertest.Message{Raw: raw}.Parse()
	must(t, err)
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	must(t, err)
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	must(t, err)
	var body io.Reader = part
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(part)
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(body)
	must(t, err)
	return b.String()
}

const browser = "b23456789-b23456789-b23456789-b23456789-abc"

// begin begins a sign-in as a backend, or as a browser.
func (l *lab) begin(email, by string) latchkey.SignIn {
	l.t.Helper()
	v, err := l.signin.Begin(l.t.Context(), signin.Request{ApplicationID: l.app, Email: email, By: signin.By{Browser: by}, RedirectURI: "https://app.acme.test/in?x=1", State: "s t"})
	must(l.t, err)
	return v
}

func wantCode(t testing.TB, what string, err error, code errs.Code) {
	t.Helper()
	if !errs.Is(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// fate waits until the application's newest mail has come to its end.
func (l *lab) fate(app latchkey.ApplicationID) latchkey.Mail {
	l.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		all, err := l.sql.Mails().List(l.t.Context(), app, store.Page{Limit: 1})
		must(l.t, err)
		if len(all) == 1 && all[0].Status != latchkey.MailQueued {
			return all[0]
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("the outbox holds %+v", all)
		}
		time.Sleep(time.Millisecond)
	}
}

// wrong is a code that is not the given one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}
