package mailer_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/pgtest"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// people are operators of applications.
type people struct {
	mu     sync.Mutex
	emails map[latchkey.ApplicationID][]string
}

func (p *people) EmailsOf(_ context.Context, _ store.Tx, app latchkey.ApplicationID) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.emails[app], nil
}

func (p *people) add(app latchkey.ApplicationID, email string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.emails[app] = append(p.emails[app], email)
}

// told keeps events.
type told struct {
	mu     sync.Mutex
	events []latchkey.Event
}

func (e *told) Emit(_ context.Context, _ store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, ev)
	return ev, nil
}

func (e *told) of(typ latchkey.EventType) (out []map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.events {
		if ev.Type == typ {
			var data map[string]any
			_ = json.Unmarshal(ev.Data, &data) // an empty map fails the test that looks
			out = append(out, data)
		}
	}
	return out
}

// clock can be moved ahead.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// sendersOf looks after senders on a lab, with people and a clock.
type sendersOf struct {
	*lab
	senders *mailer.Senders
	people  *people
	events  *told
	clock   *clock
}

const proofBase = "https://connect.test/senders/"

func newSenders(t *testing.T, l *lab, events *told, c *clock) *sendersOf {
	t.Helper()
	p := &people{emails: map[latchkey.ApplicationID][]string{}}
	return &sendersOf{lab: l, people: p, events: events, clock: c, senders: mailer.NewSenders(mailer.SendersConfig{
		Mailer: l.mailer, Operators: p, ProofURL: func(token string) string { return proofBase + token }, PortOpen: func(int) bool { return true },
	})}
}

// sendersLab has a host that takes the user acme.
func sendersLab(t *testing.T) *sendersOf {
	t.Helper()
	return sendersLabOn(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")})
}

func sendersLabOn(t *testing.T, o sqlstore.Options) *sendersOf {
	t.Helper()
	events, c := &told{}, &clock{}
	return newSenders(t, newLabOn(t, o, newHost(t, users()), func(cfg *mailer.Config) { cfg.Events, cfg.Now = events, c.now }), events, c)
}

// engines runs a test of senders on SQLite and on PostgreSQL.
func engines(t *testing.T, test func(t *testing.T, l *sendersOf)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sendersLab(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, sendersLabOn(t, sqlstore.Options{URL: pgtest.URL(t)}))
	})
}

func ptr[T any](v T) *T { return &v }

// basic is the spec of a sender at the lab's host.
func (l *sendersOf) basic() mailer.SenderSpec {
	return mailer.SenderSpec{
		Kind: ptr("basic"), Email: ptr("Hello@Acme.test"), Name: ptr("Acme, Inc."), Host: ptr("localhost"), Port: ptr(l.host.Port()),
		Username: ptr("acme"), Password: ptr(password),
	}
}

func microsoft() mailer.SenderSpec {
	return mailer.SenderSpec{
		Kind: ptr("oauth"), Provider: ptr("microsoft"), Email: ptr("hello@acme.test"), ClientID: ptr(clientID), ClientSecret: ptr(password), Tenant: ptr(tenantID),
	}
}

var proofLink = regexp.MustCompile(regexp.QuoteMeta(proofBase) + `([A-Za-z0-9_-]{43})`)

// proofOf waits for the n-th mail that asks for a proof, and returns the token in it.
func (l *sendersOf) proofOf(n int) string {
	l.t.Helper()
	var tokens []string
	l.until("the question", func() bool {
		tokens = nil
		for _, m := range l.host.Messages() {
			if found := proofLink.FindStringSubmatch(unfold(m.Raw)); found != nil {
				tokens = append(tokens, found[1])
			}
		}
		return len(tokens) >= n
	})
	return tokens[n-1]
}

// unfold takes the soft breaks of quoted-printable away.
func unfold(raw []byte) string { return regexp.MustCompile(`=\r\n`).ReplaceAllString(string(raw), "") }

// proved makes a sender whose address has agreed.
func (l *sendersOf) proved(w mailer.SenderSpec) latchkey.Sender {
	l.t.Helper()
	v, err := l.senders.Create(l.t.Context(), l.app.ID, w)
	must(l.t, err)
	p, err := l.senders.Prove(l.t.Context(), l.proofOf(1))
	must(l.t, err)
	if p.Sender.ID != v.ID || !p.Done {
		l.t.Fatalf("%+v", p)
	}
	return p.Sender
}

func (l *sendersOf) choose(id latchkey.SenderID) {
	l.t.Helper()
	l.app.Sender = id
	must(l.t, l.store.Applications().Update(context.Background(), l.app))
}

func wantCode(t *testing.T, err error, code errs.Code) {
	t.Helper()
	if !errs.Is(err, code) {
		t.Errorf("%v, want %s", err, code)
	}
}

// field is the only field error of an error, as "field: code".
func field(err error) string {
	e := errs.As(err)
	if len(e.Fields) != 1 {
		return e.Error()
	}
	return e.Fields[0].Field + ": " + string(e.Fields[0].Code)
}
