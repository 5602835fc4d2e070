package mailer_test

import (
	"context"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
	"latchkey/internal/store"
)

// TestSenderThroughItsLife is tried, asks its address, sends nothing before it agrees, then sends as
// itself, and cannot be deleted while it is used.
func TestSenderThroughItsLife(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v, err := l.senders.Create(t.Context(), l.app.ID, l.basic())
		must(t, err)
		if v.Email != "Hello@acme.test" || v.Address != "hello@acme.test" || v.Host != "localhost" || v.CheckedAt.IsZero() || !v.OwnedAt.IsZero() {
			t.Errorf("%+v", v)
		}
		token := l.proofOf(1)
		question := l.host.Messages()[0]
		if question.User != "acme" || question.From != "Hello@acme.test" || question.To != "Hello@acme.test" {
			t.Errorf("%+v", question)
		}
		l.choose(v.ID)
		l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
		if m := l.host.Messages()[1]; m.User != "relay" {
			t.Errorf("a code left by %s before the address agreed", m.User)
		}
		for range 3 { // looking changes nothing
			p, err := l.senders.Proof(t.Context(), token)
			if must(t, err); p.Done || p.Application.ID != l.app.ID {
				t.Errorf("%+v", p)
			}
		}
		for range 2 { // a second click is as good as the first
			p, err := l.senders.Prove(t.Context(), token)
			if must(t, err); !p.Done || p.Sender.OwnedAt.IsZero() {
				t.Errorf("%+v", p)
			}
		}
		if got := l.events.of(latchkey.EventSenderProved); len(got) != 1 || got[0]["sender_id"] != string(v.ID) {
			t.Errorf("%v", got)
		}
		l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
		sent := l.host.Messages()[2]
		from, err := mail.ParseAddress(header(t, sent, "From"))
		must(t, err)
		if sent.User != "acme" || from.Name != "Acme, Inc." || from.Address != "Hello@acme.test" {
			t.Errorf("%+v %+v", sent, from)
		}
		wantCode(t, l.senders.Delete(t.Context(), l.app.ID, v.ID), errs.CodeConflict)
		l.choose("")
		must(t, l.senders.Delete(t.Context(), l.app.ID, v.ID))
		_, err = l.senders.Get(t.Context(), l.app.ID, v.ID)
		wantCode(t, err, errs.CodeNotFound)
		wantCode(t, l.senders.Delete(t.Context(), l.app.ID, v.ID), errs.CodeNotFound)
		if strings.Contains(l.log.String(), password) || strings.Contains(l.log.String(), token) {
			t.Error("the log holds a secret")
		}
	})
}

// TestForeignSendersAreUnknown, whatever is wanted of them.
func TestForeignSendersAreUnknown(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v := l.proved(l.basic())
		other := latchkey.NewApplicationID(time.Now())
		for what, err := range map[string]error{
			"get": func() error { _, err := l.senders.Get(t.Context(), other, v.ID); return err }(),
			"change": func() error {
				_, err := l.senders.Update(t.Context(), other, v.ID, mailer.SenderSpec{Name: ptr("x")})
				return err
			}(),
			"delete": l.senders.Delete(t.Context(), other, v.ID),
			"check":  func() error { _, _, err := l.senders.Check(t.Context(), other, v.ID); return err }(),
			"test":   func() error { _, err := l.senders.Test(t.Context(), other, v.ID, "", ""); return err }(),
			"ask":    func() error { _, err := l.senders.AskAgain(t.Context(), other, v.ID, ""); return err }(),
		} {
			if !errs.Is(err, errs.CodeNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestHeaderInjection: neither a name nor an address makes lines of its own.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		for _, w := range []mailer.SenderSpec{
			{Name: ptr("Acme\r\nBcc: eve@example.com")},
			{Name: ptr("Acme\u2028x")},
			{Name: ptr("Acme \u202egro.live")},
			{Email: ptr("a@acme.test\r\nBcc: eve@example.com")},
			{Email: ptr(`"a b"@acme.test`)},
			{Email: ptr("Acme <a@acme.test>")},
			{Email: ptr("a@acme.test, b@acme.test")},
			{Email: ptr("a@localhost")},
			{Username: ptr("acme\r\nRSET")},
			{Password: ptr("a\r\nb")},
			{Host: ptr("localhost\r\nx")},
		} {
			spec := l.basic()
			for _, f := range []struct{ to, from **string }{{&spec.Name, &w.Name}, {&spec.Email, &w.Email}, {&spec.Username, &w.Username}, {&spec.Password, &w.Password}, {&spec.Host, &w.Host}} {
				if *f.from != nil {
					*f.to = *f.from
				}
			}
			_, err := l.senders.Create(t.Context(), l.app.ID, spec)
			wantCode(t, err, errs.CodeInvalidParameters)
		}
		spec := l.basic()
		spec.Name = ptr(`Söhne "& Co" <eve@example.com>, x`)
		l.choose(l.proved(spec).ID)
		l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
		all := l.host.Messages()
		parsed, err := all[len(all)-1].Parse()
		must(t, err)
		if a, err := parsed.Header.AddressList("From"); err != nil || len(a) != 1 || a[0].Address != "Hello@acme.test" || a[0].Name != *spec.Name {
			t.Errorf("%v, %v", a, err)
		}
	})
}

// TestInternationalAddress keeps one form of an address, and says why a host cannot take it.
func TestInternationalAddress(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		spec := l.basic()
		spec.Email = ptr("Hallo@Bücher.Example")
		v := l.proved(spec)
		if v.Email != "Hallo@xn--bcher-kva.example" || v.Address != "hallo@xn--bcher-kva.example" {
			t.Errorf("%+v", v)
		}
		spec.Email = ptr("grüße@acme.test")
		u, err := l.senders.Create(t.Context(), l.app.ID, spec) // the host of the lab speaks SMTPUTF8
		if must(t, err); u.Address != "grüße@acme.test" {
			t.Errorf("%+v", u)
		}
	})
}

// TestDashboardLoginsAreNoSenders, in whatever way they are written; other applications' do not matter.
func TestDashboardLoginsAreNoSenders(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		other := latchkey.NewApplicationID(time.Now())
		l.people.add(other, "hello@acme.test")
		v, err := l.senders.Create(t.Context(), l.app.ID, l.basic())
		must(t, err)
		token := l.proofOf(1)
		l.people.add(l.app.ID, "HELLO@acme.TEST") // became an operator since
		if _, err := l.senders.Prove(t.Context(), token); field(err) != "sender_email: sender_is_login" {
			t.Errorf("%v", err)
		}
		if got, err := l.senders.Get(t.Context(), l.app.ID, v.ID); err != nil || !got.OwnedAt.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		logins := l.host.Logins()
		if _, err := l.senders.Create(t.Context(), l.app.ID, l.basic()); field(err) != "sender_email: sender_is_login" {
			t.Errorf("%v", err)
		}
		if l.host.Logins() != logins {
			t.Error("the host was bothered")
		}
		l.people.add(l.app.ID, "boss@bücher.example")
		if _, err := l.senders.Update(t.Context(), l.app.ID, v.ID, mailer.SenderSpec{Email: ptr("Boss@XN--BCHER-KVA.example")}); field(err) != "sender_email: sender_is_login" {
			t.Errorf("%v", err)
		}
		// The other way round: who asks whether an address may sign in is told of senders, and of the default one.
		addresses, err := l.mailer.SenderAddresses(t.Context(), l.store, l.app.ID)
		must(t, err)
		if diff := cmp.Diff([]string{"hello@acme.test", "login@latchkey.test"}, addresses); diff != "" {
			t.Error(diff)
		}
		addresses, err = l.mailer.SenderAddresses(t.Context(), l.store, other)
		must(t, err)
		if diff := cmp.Diff([]string{"login@latchkey.test"}, addresses); diff != "" {
			t.Errorf("one application's sender locks another's people out: %s", diff)
		}
	})
}

// TestProofEnds after a day, with a newer question, and with another address; what waits meanwhile is
// not sent from it.
func TestProofEnds(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v, err := l.senders.Create(t.Context(), l.app.ID, l.basic())
		must(t, err)
		first := l.proofOf(1)
		_, err = l.senders.AskAgain(t.Context(), l.app.ID, v.ID, "de")
		must(t, err)
		second := l.proofOf(2)
		_, err = l.senders.Proof(t.Context(), first)
		wantCode(t, err, errs.CodeProofExpired)
		_, err = l.senders.Prove(t.Context(), first)
		wantCode(t, err, errs.CodeProofExpired)
		_, err = l.senders.Prove(t.Context(), "made-up")
		wantCode(t, err, errs.CodeProofExpired)
		l.clock.advance(24*time.Hour + time.Minute)
		_, err = l.senders.Prove(t.Context(), second)
		wantCode(t, err, errs.CodeProofExpired)
		_, err = l.senders.AskAgain(t.Context(), l.app.ID, v.ID, "")
		must(t, err)
		_, err = l.senders.Prove(t.Context(), l.proofOf(3))
		must(t, err)
		_, err = l.senders.AskAgain(t.Context(), l.app.ID, v.ID, "")
		wantCode(t, err, errs.CodeConflict)

		l.choose(v.ID)
		l.stop() // a mail waits while the address is asked anew
		waiting := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}, ExpiresAt: l.clock.now().Add(time.Hour)})
		must(t, l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
			now, err := tx.Senders().ForUpdate(ctx, l.app.ID, v.ID)
			if err != nil {
				return err
			}
			now.OwnedAt, now.UpdatedAt = time.Time{}, now.UpdatedAt.Add(time.Millisecond)
			return tx.Senders().Update(ctx, now)
		}))
		l.restart()
		l.await(l.app.ID, waiting, latchkey.MailAccepted)
		if all := l.host.Messages(); all[len(all)-1].User != "relay" {
			t.Errorf("a code left by %s although the address has not agreed", all[len(all)-1].User)
		}
	})
}

// TestChangesAskAgain where the address, or who handles its mail, is another; a name is only a name.
func TestChangesAskAgain(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v := l.proved(l.basic())
		logins := l.host.Logins()
		v, err := l.senders.Update(t.Context(), l.app.ID, v.ID, mailer.SenderSpec{Name: ptr("Other"), Fallback: ptr(true)})
		if must(t, err); v.OwnedAt.IsZero() || v.Name != "Other" || !v.Fallback || v.Password != password || l.host.Logins() != logins {
			t.Errorf("%+v", v)
		}
		if _, err := l.senders.Update(t.Context(), l.app.ID, v.ID, mailer.SenderSpec{Password: ptr("wrong-password")}); field(err) != "password: credential_rejected" {
			t.Errorf("%v", err)
		}
		v, err = l.senders.Update(t.Context(), l.app.ID, v.ID, mailer.SenderSpec{Email: ptr("login@acme.test")})
		if must(t, err); !v.OwnedAt.IsZero() {
			t.Errorf("%+v", v)
		}
		token := l.proofOf(2)
		v, err = l.senders.Update(t.Context(), l.app.ID, v.ID, mailer.SenderSpec{Host: ptr("127.0.0.1"), Password: ptr(password)})
		if must(t, err); v.Host != "127.0.0.1" {
			t.Errorf("%+v", v)
		}
		_, err = l.senders.Prove(t.Context(), token)
		wantCode(t, err, errs.CodeProofExpired)
	})
}

// TestSecretsAreGivenAgain when they would reach somebody else, and never reach them.
func TestSecretsAreGivenAgain(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		thief := newHost(t, mailertest.Config{Users: map[string]string{"acme": password}})
		v := l.proved(l.basic())
		for what, w := range map[string]mailer.SenderSpec{
			"host": {Host: ptr("127.0.0.1")}, "port": {Port: ptr(thief.Port())}, "username": {Username: ptr("eve")},
		} {
			if _, err := l.senders.Update(t.Context(), l.app.ID, v.ID, w); field(err) != "password: required" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if thief.Peak() != 0 {
			t.Error("another host was spoken to")
		}
		same := l.basic()
		same.Password = nil
		if _, err := l.senders.Update(t.Context(), l.app.ID, v.ID, same); err != nil {
			t.Errorf("nothing changed, but %v", err)
		}
		was, problems := l.senders.Apply(latchkey.Sender{}, microsoft())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for what, w := range map[string]mailer.SenderSpec{"client": {ClientID: ptr(tenantID)}, "tenant": {Tenant: ptr("eve.example")}} {
			if next, problems := l.senders.Apply(was, w); len(problems) != 1 || problems[0].Field != "client_secret" || next.ClientSecret != "" {
				t.Errorf("%s: %v", what, problems)
			}
		}
	})
}

// TestSenderProblemsAllAtOnce, and no value in them.
func TestSenderProblemsAllAtOnce(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		strict := mailer.NewSenders(mailer.SendersConfig{Mailer: l.mailer})
		for name, c := range map[string]struct {
			spec mailer.SenderSpec
			want []string
		}{
			"nothing":    {mailer.SenderSpec{}, []string{"kind: required", "sender_email: required"}},
			"basic":      {mailer.SenderSpec{Kind: ptr("basic")}, []string{"sender_email: required", "host: required", "port: required", "username: required", "password: required"}},
			"oauth":      {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test")}, []string{"provider: required"}},
			"microsoft":  {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test"), Provider: ptr("microsoft")}, []string{"client_id: required", "tenant_id: required", "client_secret: required"}},
			"google":     {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test"), Provider: ptr("GOOGLE"), ClientID: ptr("x"), Transport: ptr("graph")}, []string{"transport: unsupported", "client_id: unsupported", "service_account: required"}},
			"mixed":      {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test"), Provider: ptr("imap"), Host: ptr("h"), Password: ptr("CANARY")}, []string{"provider: invalid_value", "host: unsupported", "password: unsupported"}},
			"wrong":      {mailer.SenderSpec{Kind: ptr("basic"), Email: ptr("CANARY"), Host: ptr("https://CANARY/"), Port: ptr(8025), Username: ptr("u"), Password: ptr("CANARY\x00"), ClientID: ptr("x")}, []string{"sender_email: invalid_email", "host: invalid_value", "port: port_not_allowed", "password: invalid_value", "client_id: unsupported"}},
			"secret id":  {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test"), Provider: ptr("microsoft"), ClientID: ptr("CANARY"), Tenant: ptr("common"), ClientSecret: ptr(tenantID)}, []string{"client_id: invalid_value", "tenant_id: invalid_value", "client_secret: invalid_value"}},
			"an account": {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test"), Provider: ptr("google"), ServiceAccount: ptr(`{"type":"CANARY"}`)}, []string{"service_account: invalid_value"}},
			"far end":    {mailer.SenderSpec{Kind: ptr("oauth"), Email: ptr("a@b.test"), Provider: ptr("microsoft"), ClientID: ptr(clientID), Tenant: ptr(tenantID), ClientSecret: ptr("s"), SecretExpiresAt: ptr(time.Now().AddDate(30, 0, 0))}, []string{"secret_expires_at: out_of_range"}},
		} {
			_, err := strict.Create(t.Context(), l.app.ID, c.spec)
			var got []string
			for _, f := range errs.As(err).Fields {
				got = append(got, f.Field+": "+string(f.Code))
				if f.Message == "" || strings.Contains(f.Message, "CANARY") {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		for _, port := range []int{25, 465, 587, 2465, 2525, 2587} {
			spec := l.basic()
			spec.Port = ptr(port)
			if _, problems := strict.Apply(latchkey.Sender{}, spec); len(problems) > 0 {
				t.Errorf("%d: %v", port, problems)
			}
		}
	})
}

// TestRemind tells of a secret's end 30 and 7 days before, once each, and of a new one's anew.
func TestRemind(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v := l.sender(l.host, func(s *latchkey.Sender) {
			s.SecretExpiresAt = time.Now().Add(40 * 24 * time.Hour).Truncate(time.Millisecond)
		})
		remind := func(want int) {
			t.Helper()
			var all sync.WaitGroup
			for range 4 { // replicas
				all.Go(func() {
					if err := l.senders.Remind(context.Background()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got := l.events.of(latchkey.EventSenderSecretExpiring); len(got) != want {
				t.Errorf("told %d times, want %d", len(got), want)
			}
		}
		remind(0)
		l.clock.advance(11 * 24 * time.Hour)
		remind(1)
		l.clock.advance(10 * 24 * time.Hour)
		remind(1)
		l.clock.advance(14 * 24 * time.Hour)
		remind(2)
		l.clock.advance(30 * 24 * time.Hour)
		remind(2)
		now, err := l.senders.Get(t.Context(), l.app.ID, v.ID)
		must(t, err)
		now.Kind, now.Provider = latchkey.SenderOAuth, latchkey.Microsoft
		next, _ := l.senders.Apply(now, mailer.SenderSpec{ClientSecret: ptr("new"), SecretExpiresAt: ptr(l.clock.now().Add(5 * 24 * time.Hour))})
		if next.SecretTold != 0 {
			t.Errorf("%+v", next)
		}
		must(t, l.store.Senders().Update(t.Context(), next))
		remind(3)
	})
}

// TestLimits hold what can be repeated.
func TestLimits(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v := l.proved(l.basic())
		refused := func(what string, most int, f func() error) {
			t.Helper()
			for i := range most + 1 {
				if err := f(); errs.Is(err, errs.CodeTooManyRequests) {
					if errs.As(err).RetryAfter <= 0 {
						t.Errorf("%s: no time to wait", what)
					}
					return
				} else if err != nil {
					t.Fatalf("%s, %d: %v", what, i, err)
				}
			}
			t.Errorf("%s was never refused", what)
		}
		refused("test", 10, func() error {
			_, err := l.senders.Test(t.Context(), l.app.ID, v.ID, "ada+1@example.com", "")
			return err
		})
		refused("check", 12, func() error { _, _, err := l.senders.Check(t.Context(), l.app.ID, v.ID); return err })
		u := l.sender(l.host, func(s *latchkey.Sender) { s.OwnedAt = time.Time{} })
		refused("proof", 5, func() error { _, err := l.senders.AskAgain(t.Context(), l.app.ID, u.ID, ""); return err })
	})
}
