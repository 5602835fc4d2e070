package mailer_test

import (
	"context"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
	"latchkey/internal/store"
)

func header(t *testing.T, m mailertest.Message, name string) string {
	t.Helper()
	parsed, err := m.Parse()
	must(t, err)
	s, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get(name))
	must(t, err)
	return s
}

// body is the message's text, all parts of it.
func body(t *testing.T, m mailertest.Message) string {
	t.Helper()
	raw, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(m.Raw))))
	if err != nil { // the header is no quoted-printable
		return string(m.Raw)
	}
	return string(raw)
}

// TestDefaultSender sends through the installation's relay, in the reader's language.
func TestDefaultSender(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Locale: "de-AT", Values: map[string]string{
		mailer.ValueCode: "493021", mailer.ValueLink: "https://auth.acme.test/s/x?a=1&b=2", mailer.ValueDevice: "Chrome <b>\r\nBcc: eve@example.com", mailer.ValueTime: "21.11.2026", mailer.ValueOrigin: "acme.test",
	}})
	m := l.await(l.app.ID, id, latchkey.MailAccepted)
	if len(m.Body) != 0 || m.Attempts != 1 || m.Code != "" {
		t.Errorf("%+v", m)
	}
	got := l.host.Messages()[0]
	if got.From != "login@latchkey.test" || got.To != "ada@example.com" || got.User != "relay" {
		t.Errorf("%+v", got)
	}
	from, err := mail.ParseAddress(header(t, got, "From"))
	must(t, err)
	if from.Name != "Latchkey" || header(t, got, "Subject") != "Ihr Anmeldecode für Acme & Söhne" || header(t, got, "Auto-Submitted") != "auto-generated" ||
		header(t, got, "Message-Id") != "<"+string(id)+"@latchkey.test>" || header(t, got, "X-Mailer")+header(t, got, "User-Agent")+header(t, got, "Bcc") != "" {
		t.Errorf("%s", got.Raw)
	}
	text := body(t, got)
	for _, want := range []string{"493021", "@acme.test #493021", `href="https://auth.acme.test/s/x?a=1&amp;b=2"`, "Chrome &lt;b&gt; Bcc: eve@example.com", "10 Minuten", `lang="de"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, secret := range []string{"493021", "auth.acme.test/s/x", password} {
		if strings.Contains(l.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestOwnSender comes from the application's own address, by its own host.
func TestOwnSender(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	l.sender(l.host, nil)
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	l.await(l.app.ID, id, latchkey.MailAccepted)
	got := l.host.Messages()[0]
	from, err := mail.ParseAddress(header(t, got, "From"))
	must(t, err)
	if got.User != "acme" || got.From != "hello@acme.test" || from.Name != "Acme, Inc." || from.Address != "hello@acme.test" {
		t.Errorf("%+v %+v", got, from)
	}
}

// TestSenderWithoutName shows its address.
func TestSenderWithoutName(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	l.sender(l.host, func(s *latchkey.Sender) { s.Name = "" })
	l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}}), latchkey.MailAccepted)
	if from := header(t, l.host.Messages()[0], "From"); !strings.Contains(from, "hello@acme.test") || strings.Contains(from, "Latchkey") {
		t.Error(from)
	}
}

// TestUnprovenSender sends nothing but the question.
func TestUnprovenSender(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	s := l.sender(l.host, func(s *latchkey.Sender) { s.OwnedAt = time.Time{} })
	l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}}), latchkey.MailAccepted)
	l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, SenderID: s.ID, Kind: mailer.KindSenderProof, To: s.Email, Values: map[string]string{mailer.ValueLink: "https://x.test"}}), latchkey.MailAccepted)
	got := l.host.Messages()
	if got[0].User != "relay" || got[1].User != "acme" || got[1].To != "hello@acme.test" {
		t.Errorf("%+v", got)
	}
}

func TestNoSender(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), func(c *mailer.Config) { c.Default = mailer.Relay{} })
	err := l.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := l.mailer.Queue(ctx, tx, mailer.Message{ApplicationID: l.app.ID, Kind: mailer.KindSignIn, To: "a@b.test", ExpiresAt: time.Now().Add(time.Hour)})
		return err
	})
	if !errs.Is(err, errs.CodeNoSender) {
		t.Errorf("%v", err)
	}
}

// TestRefusals tells whose matter a refusal is, and what becomes of the mail.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		at     mailertest.Stage
		fault  mailertest.Fault
		status latchkey.MailStatus
		code   errs.Code
		// problem is what the sender shows.
		problem errs.Code
	}{
		{"try again later", mailertest.StageTo, mailertest.Fault{Code: 451, Text: "4.7.1 greylisted", Times: 1}, latchkey.MailAccepted, "", ""},
		{"busy", mailertest.StageConnect, mailertest.Fault{Code: 421, Text: "4.3.2 too many connections", Times: 1}, latchkey.MailAccepted, "", ""},
		{"closes after the text", mailertest.StageData, mailertest.Fault{Close: true, Times: 1}, latchkey.MailAccepted, "", ""},
		{"no such mailbox", mailertest.StageTo, mailertest.Fault{Code: 550, Text: "5.1.1 no such user"}, latchkey.MailFailed, errs.CodeRecipientRefused, ""},
		{"not liked", mailertest.StageData, mailertest.Fault{Code: 554, Text: "5.7.1 spam\r\nX-Injected: yes"}, latchkey.MailFailed, errs.CodeMessageRefused, ""},
		{"not this sender", mailertest.StageFrom, mailertest.Fault{Code: 550, Text: "5.7.60 Client does not have permissions to send as this sender"}, latchkey.MailQueued, errs.CodeSenderNotAllowed, errs.CodeSenderNotAllowed},
		{"wrong password", mailertest.StageAuth, mailertest.Fault{Code: 535, Text: "5.7.8 no"}, latchkey.MailQueued, errs.CodeCredentialRejected, errs.CodeCredentialRejected},
		{"SMTP is off", mailertest.StageAuth, mailertest.Fault{Code: 535, Text: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant"}, latchkey.MailQueued, errs.CodeSMTPDisabled, errs.CodeSMTPDisabled},
		{"passwords are over", mailertest.StageAuth, mailertest.Fault{Code: 550, Text: "5.7.30 Basic authentication is not supported"}, latchkey.MailQueued, errs.CodeUseOAuth, errs.CodeUseOAuth},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, newHost(t, users()), nil)
			s := l.sender(l.host, nil)
			l.host.Misbehave(c.at, c.fault)
			id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
			var m latchkey.Mail
			if c.status == latchkey.MailQueued {
				m = l.awaitCode(id, c.code)
			} else {
				m = l.await(l.app.ID, id, c.status)
			}
			if m.Code != string(c.code) || strings.ContainsAny(m.Detail, "\r\n") {
				t.Errorf("%+v", m)
			}
			got, err := l.store.Senders().Get(t.Context(), l.app.ID, s.ID)
			must(t, err)
			if c.problem != "" {
				l.awaitProblem(s, string(c.problem))
			} else if got.Problem != "" {
				t.Errorf("the sender is blamed: %s", got.Problem)
			}
		})
	}
}

func (l *lab) awaitCode(id latchkey.MailID, code errs.Code) latchkey.Mail {
	l.t.Helper()
	var m latchkey.Mail
	l.until("code "+string(code), func() bool {
		var err error
		m, err = l.store.Mails().Get(context.Background(), l.app.ID, id)
		must(l.t, err)
		return m.Code == string(code) && m.Attempts > 0
	})
	if m.Status != latchkey.MailQueued || len(m.Body) == 0 {
		l.t.Errorf("it does not wait: %+v", m)
	}
	return m
}

func (l *lab) awaitProblem(s latchkey.Sender, problem string) {
	l.t.Helper()
	l.until("the sender's problem", func() bool {
		got, err := l.store.Senders().Get(context.Background(), l.app.ID, s.ID)
		must(l.t, err)
		return got.Problem == problem
	})
}

// TestMendedSender clears its problem.
func TestMendedSender(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	s := l.sender(l.host, nil)
	l.host.Misbehave(mailertest.StageAuth, mailertest.Fault{Code: 535, Text: "5.7.8 no", Times: 1})
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	l.await(l.app.ID, id, latchkey.MailAccepted)
	l.awaitProblem(s, "")
}

// TestFallback leaves by the default sender what the own one cannot send, where that is allowed.
func TestFallback(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	l.sender(l.host, func(s *latchkey.Sender) { s.Fallback, s.Password = true, "wrong" })
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	m := l.await(l.app.ID, id, latchkey.MailAccepted)
	if m.SenderID != "" || l.host.Messages()[0].From != "login@latchkey.test" {
		t.Errorf("%+v", m)
	}
}

// TestExpired does not send a code that has ended.
func TestExpired(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}, ExpiresAt: time.Now().Add(-time.Second)})
	if m := l.await(l.app.ID, id, latchkey.MailExpired); len(m.Body) > 0 || len(l.host.Messages()) > 0 {
		t.Errorf("%+v", m)
	}
}

// TestHangingHostHoldsUpNobodyElse has one application's host hang at every stage, and another's mail
// go out meanwhile.
func TestHangingHostHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	for _, at := range []mailertest.Stage{mailertest.StageConnect, mailertest.StageAuth, mailertest.StageFrom, mailertest.StageTo, mailertest.StageData} {
		hanging := newHost(t, mailertest.Config{Users: users().Users, Plain: false})
		hanging.Misbehave(at, mailertest.Fault{Hang: true})
		other := latchkey.Application{ID: latchkey.NewApplicationID(time.Now()), Name: "stuck " + string(at), CreatedAt: time.Now()}
		must(t, l.store.Applications().Create(t.Context(), other))
		stuck := *l
		stuck.app = other
		stuck.sender(hanging, nil)
		for range 20 {
			stuck.queue(mailer.Message{ApplicationID: other.ID, Values: map[string]string{mailer.ValueCode: "1"}})
		}
	}
	for range 20 {
		l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}}), latchkey.MailAccepted)
	}
	// The test ends without waiting for the hosts: they hang up when they are closed.
}

// TestWarmConnection sends many mails over few logins.
func TestWarmConnection(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	for range 30 {
		l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}}), latchkey.MailAccepted)
	}
	if n := l.host.Logins(); n > 8 {
		t.Errorf("%d logins for 30 mails", n)
	}
}

// TestBurst sends each of many mails once.
func TestBurst(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	seen := map[string]int{}
	ids := make([]latchkey.MailID, 300)
	for i := range ids {
		ids[i] = l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	}
	for _, id := range ids {
		l.await(l.app.ID, id, latchkey.MailAccepted)
	}
	for _, m := range l.host.Messages() {
		seen[header(t, m, "Message-Id")]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if len(seen) != len(ids) || l.host.Peak() > 8 {
		t.Errorf("%d of %d mails over %d connections at once", len(seen), len(ids), l.host.Peak())
	}
}

// TestPlaintextIsRefused gives no password to a host without TLS.
func TestPlaintextIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, mailertest.Config{Users: users().Users, Plain: true}), nil)
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	l.awaitCode(id, errs.CodeNoSTARTTLS)
	if l.host.Logins() != 0 {
		t.Error("a password was sent in clear")
	}
}

func (l *lab) until(what string, done func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			l.t.Fatalf("%s did not come\n%s", what, l.log.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
