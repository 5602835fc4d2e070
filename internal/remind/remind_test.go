package remind_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/mailer"
	"latchkey/internal/pgtest"
	"latchkey/internal/remind"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// house is a store, the accounts in it, and who asks their end users to reconnect.
type house struct {
	t        *testing.T
	store    *sqlstore.Store
	accounts *accounts.Service
	app      latchkey.Application
	at       time.Time
	sender   bool
	queued   []remind.Mail
}

type outbox struct {
	h      *house
	mailer *mailer.Service
}

// Queue writes the mail that is asked for with the real mailer.
func (o outbox) Queue(ctx context.Context, tx store.Tx, m remind.Mail) (latchkey.MailID, error) {
	o.h.queued = append(o.h.queued, m)
	return o.mailer.Queue(ctx, tx, mailer.Message{
		ApplicationID: m.ApplicationID, Kind: mailer.KindReconnect, To: m.To, Locale: m.Locale, NotBefore: m.NotBefore, ExpiresAt: m.ExpiresAt,
		Withheld: m.Withheld, Values: map[string]string{mailer.ValueAccount: m.Account, mailer.ValueLink: m.Link, mailer.ValueReason: string(m.Reason)},
	})
}

// emitter writes events as the real one does.
type emitter struct{ h *house }

func (e emitter) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	ev.ID, ev.CreatedAt = latchkey.NewEventID(e.h.at), e.h.at
	seq, _, err := tx.Accounts().NextSequence(ctx, ev.AccountID, ev.CreatedAt)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ev, err
	}
	ev.Sequence = seq
	return ev, tx.Events().Add(ctx, ev)
}

func newHouse(t *testing.T, url string, sender bool) *house {
	t.Helper()
	h := &house{t: t, at: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC), sender: sender}
	now := func() time.Time { return h.at }
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(t.Context(), sqlstore.Options{URL: url, Path: filepath.Join(t.TempDir(), "test.db"), Now: now, Log: log})
	h.must(err)
	ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), now)
	h.must(err)
	h.store, err = sqlstore.NewStore(db, ring)
	h.must(err)
	t.Cleanup(func() { h.must(h.store.Close()) })
	cfg := mailer.Config{Store: h.store, Now: now, Log: log, AppName: func(_ context.Context, _ store.Tx, a latchkey.Application) string { return a.Name }}
	if sender {
		cfg.Default = mailer.Relay{Host: "smtp.acme.test", Port: 25, Email: "login@acme.test"}
	}
	m, err := mailer.New(cfg)
	h.must(err)
	reminders := remind.New(remind.Config{
		Mail: outbox{h, m}, Events: emitter{h}, Now: now, Log: log, URL: func(token string) string { return "https://connect.test/r/" + token },
	})
	h.accounts = accounts.New(accounts.Config{Store: h.store, Events: emitter{h}, Seal: ring, Now: now, Log: log, Reminders: reminders})
	h.app = latchkey.Application{ID: latchkey.NewApplicationID(h.at), Name: "Acme", CreatedAt: h.at, ReconnectEmail: latchkey.ReconnectEmail{Enabled: true, After: time.Hour}}
	h.must(h.store.Applications().Create(t.Context(), h.app))
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) account(email string) latchkey.AccountID {
	h.t.Helper()
	a := latchkey.Account{
		ID: latchkey.NewAccountID(h.at), ApplicationID: h.app.ID, Provider: latchkey.IMAP, Identity: "maria@mail.test", Status: latchkey.AccountOK,
		StatusAt: h.at, CreatedAt: h.at, UpdatedAt: h.at, Secret: []byte("s"), Notify: latchkey.Notify{Email: email, Locale: "de"},
	}
	h.must(h.store.Accounts().Create(h.t.Context(), a))
	return a.ID
}

// found reports a status, a second after what was before.
func (h *house) found(id latchkey.AccountID, st latchkey.AccountStatus, r latchkey.Reason) {
	h.t.Helper()
	h.at = h.at.Add(time.Second)
	_, err := h.accounts.Report(h.t.Context(), h.app.ID, id, connector.Health{Status: st, Reason: r}, latchkey.CauseCheck)
	h.must(err)
}

// mails are the states of the application's mails, oldest first, with the code of what was withheld.
func (h *house) mails() []string {
	h.t.Helper()
	all, err := h.store.Mails().List(h.t.Context(), h.app.ID, store.Page{Limit: 250})
	h.must(err)
	out := []string{}
	for _, m := range slices.Backward(all) {
		if (m.Status == latchkey.MailQueued) != (len(m.Body) > 0) && m.Status != latchkey.MailFailed {
			h.t.Errorf("a mail that is %s has %d bytes of text", m.Status, len(m.Body))
		}
		out = append(out, strings.TrimSpace(string(m.Status)+" "+m.Code))
	}
	return out
}

func (h *house) want(why string, mails ...string) {
	h.t.Helper()
	if d := cmp.Diff(append([]string{}, mails...), h.mails()); d != "" {
		h.t.Errorf("%s: %s", why, d)
	}
}

func (h *house) live(link string) bool {
	h.t.Helper()
	_, err := h.store.ReconnectURLs().ByToken(h.t.Context(), secret.HashToken(link[strings.LastIndexByte(link, '/')+1:]))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		h.t.Fatal(err)
	}
	return err == nil
}

func engines(t *testing.T, test func(t *testing.T, url string)) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			url := ""
			if engine == "postgres" {
				url = pgtest.URL(t)
			}
			test(t, url)
		})
	}
}

const (
	refused = latchkey.AccountCredentials
	changed = latchkey.ReasonPasswordChanged
)

// TestEndUserIsAskedOnce goes through the life of a broken account.
func TestEndUserIsAskedOnce(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		h := newHouse(t, url, true)
		id := h.account("maria.home@example.org")
		h.found(id, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable)
		h.found(id, latchkey.AccountError, latchkey.ReasonHostUnreachable)
		h.found(id, refused, latchkey.ReasonIMAPDisabled)
		h.want("nothing that the wizard mends")

		h.found(id, refused, changed)
		broke := h.at
		h.found(id, latchkey.AccountPermissions, latchkey.ReasonConsentRevoked)
		h.want("one break", "queued")
		first := h.queued[0]
		want := remind.Mail{
			ApplicationID: h.app.ID, To: "maria.home@example.org", Locale: "de", Provider: latchkey.IMAP, Account: "m•••@mail.test", Reason: changed,
			Link: first.Link, NotBefore: broke.Add(time.Hour), ExpiresAt: broke.Add(73 * time.Hour), LinkEnds: broke.Add(721 * time.Hour),
		}
		if d := cmp.Diff(want, first); d != "" {
			t.Error(d)
		}
		if !h.live(first.Link) {
			t.Error("the mail's URL is not there")
		}
		if lanes, err := h.store.Mails().Lanes(t.Context(), first.NotBefore.Add(-time.Second), 9); err != nil || len(lanes) != 0 {
			t.Errorf("the mail may leave early: %v, %v", lanes, err)
		}
		if lanes, err := h.store.Mails().Lanes(t.Context(), first.NotBefore, 9); err != nil || len(lanes) != 1 {
			t.Errorf("the mail may not leave: %v, %v", lanes, err)
		}

		h.found(id, latchkey.AccountOK, "")
		h.want("mended before it left", "canceled")
		if h.live(first.Link) {
			t.Error("a URL that nobody was sent lives on")
		}
		h.found(id, refused, changed)
		h.want("the next break, since nothing was sent", "canceled", "queued")
		sent, err := h.store.Mails().Claim(t.Context(), "", h.at.Add(2*time.Hour), h.at.Add(3*time.Hour), 1)
		h.must(err)
		claim := sent[0].DueAt
		sent[0].Status = latchkey.MailAccepted
		h.must(h.store.Mails().Finish(t.Context(), sent[0], claim))
		h.found(id, latchkey.AccountOK, "")
		if !h.live(h.queued[1].Link) {
			t.Error("the URL of a mail that was sent died when the account was mended")
		}
		h.found(id, refused, changed)
		h.want("not again within the week", "canceled", "accepted")
		h.found(id, latchkey.AccountOK, "")
		h.at = h.at.Add(7 * 24 * time.Hour)
		h.found(id, refused, changed)
		h.want("a week later", "canceled", "accepted", "queued")
		h.must(h.accounts.Delete(t.Context(), h.app.ID, string(id)))
		h.want("deleted", "canceled", "accepted", "canceled")
		if h.live(h.queued[2].Link) {
			t.Error("the URL of a deleted account lives on")
		}
		h.told(id)
	})
}

// told has each mail told by an event right after the change that it was written for.
func (h *house) told(id latchkey.AccountID) {
	h.t.Helper()
	h.at = h.at.Add(time.Minute)
	evs, err := h.store.Events().List(h.t.Context(), h.app.ID, store.EventFilter{}, "", 100)
	h.must(err)
	slices.SortFunc(evs, func(a, b latchkey.Event) int { return int(a.Sequence - b.Sequence) })
	n := 0
	for i, ev := range evs {
		if ev.Type != latchkey.EventReconnectEmail {
			continue
		}
		n++
		var data map[string]any
		h.must(json.Unmarshal(ev.Data, &data))
		if evs[i-1].Type != latchkey.EventAccountStatusChanged || evs[i-1].Sequence != ev.Sequence-1 || data["mail_id"] == nil || data["send_at"] == nil || ev.AccountID != id {
			h.t.Errorf("event %+v %s after %s", ev, ev.Data, evs[i-1].Type)
		}
		if strings.Contains(string(ev.Data), "/r/") || strings.Contains(string(ev.Data), "example.org") {
			h.t.Errorf("an event tells the URL or the address: %s", ev.Data)
		}
	}
	if n != 3 {
		h.t.Errorf("%d events for 3 mails", n)
	}
}

// TestNobodyIsAsked where nobody wants it, or nobody said where.
func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", true)
	h.found(h.account(""), refused, changed)
	h.app.ReconnectEmail.Enabled = false
	h.must(h.store.Applications().Update(t.Context(), h.app))
	h.found(h.account("a@example.org"), refused, changed)
	h.want("nobody")
	none := newHouse(t, "", false)
	id := none.account("a@example.org")
	none.found(id, refused, changed)
	none.want("no sender")
	evs, err := none.store.Events().List(t.Context(), none.app.ID, store.EventFilter{Type: latchkey.EventReconnectEmail}, "", 9)
	if err != nil || len(evs) != 1 || !strings.Contains(string(evs[0].Data), `"withheld":"sender_missing"`) {
		t.Errorf("%+v, %v", evs, err)
	}
	if a, err := none.accounts.Get(t.Context(), none.app.ID, string(id)); err != nil || a.Status != refused || a.Notify.MailID != "" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAddressIsNotFlooded has accounts of one address break, whatever its tag and case.
func TestAddressIsNotFlooded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", true)
	for _, email := range []string{"a@example.org", "A+1@example.org", "a+2@EXAMPLE.org", "a+3@example.org", "b@example.org"} {
		h.found(h.account(email), refused, changed)
	}
	h.want("three a day", "queued", "queued", "queued", "queued reconnect_email_limit", "queued")
	h.at = h.at.Add(24 * time.Hour)
	h.found(h.account("a@example.org"), refused, changed)
	h.want("the next day", "queued", "queued", "queued", "queued reconnect_email_limit", "queued", "queued")
}

// TestAddressChanges takes back what waits for another address.
func TestAddressChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", true)
	id := h.account("a@example.org")
	h.found(id, refused, changed)
	same, other, bad, locale := "a@example.org", "b@example.org", "nobody", "fr"
	change := func(c accounts.Change) error {
		_, err := h.accounts.Change(t.Context(), h.app.ID, string(id), c)
		return err
	}
	h.must(change(accounts.Change{NotifyEmail: &same, NotifyLocale: &locale}))
	h.want("the same", "queued")
	if change(accounts.Change{NotifyEmail: &bad}) == nil {
		t.Error("anything is an address")
	}
	h.must(change(accounts.Change{NotifyEmail: &other}))
	h.want("another", "canceled")
	a, err := h.accounts.Get(t.Context(), h.app.ID, string(id))
	if err != nil || a.Notify != (latchkey.Notify{Email: other, Locale: locale}) {
		t.Errorf("%+v, %v", a.Notify, err)
	}
	if _, err := h.accounts.Change(t.Context(), latchkey.NewApplicationID(h.at), string(id), accounts.Change{NotifyLocale: &locale}); err == nil {
		t.Error("another application's account was changed")
	}
}
