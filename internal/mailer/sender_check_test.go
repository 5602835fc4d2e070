package mailer_test

import (
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector/imap/dovecottest"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
)

// stages are a check's findings as "stage" or "stage!code".
func stages(c mailer.Check) string {
	var out []string
	for _, f := range c.Findings {
		s := f.Stage
		if !f.OK {
			s += "!"
		}
		if f.Code != "" {
			s += string(f.Code)
		}
		if f.Message == "" {
			s += " (says nothing)"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// TestRefusalsAreExplained: what a host says at each stage is a finding with what to do, nothing is
// saved, and nobody is shown the password.
func TestRefusalsAreExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at     mailertest.Stage
		fault  mailertest.Fault
		field  string
		stages string
		says   string
	}{
		"wrong password": {
			mailertest.StageAuth,
			mailertest.Fault{Code: 535, Text: "5.7.8 bad password " + password + " " + base64.StdEncoding.EncodeToString([]byte("\x00acme\x00"+password))},
			"password: credential_rejected", "resolve connect tls auth!credential_rejected", "username is not the address",
		},
		"microsoft, off for the tenant": {
			mailertest.StageAuth,
			mailertest.Fault{Code: 535, Text: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled"},
			"username: smtp_disabled", "resolve connect tls auth!smtp_disabled", "Set-TransportConfig",
		},
		"microsoft, no passwords": {
			mailertest.StageAuth,
			mailertest.Fault{Code: 550, Text: "5.7.30 Basic authentication is not supported for Client Submission."},
			"username: oauth_required", "resolve connect tls auth!oauth_required", "kind oauth",
		},
		"google": {
			mailertest.StageAuth,
			mailertest.Fault{Code: 534, Text: "5.7.9 Application-specific password required."},
			"password: app_password_required", "resolve connect tls auth!app_password_required", "two-step verification",
		},
		"not its address": {
			mailertest.StageFrom,
			mailertest.Fault{Code: 550, Text: "5.7.60 SMTP; Client does not have permissions to send as this sender"},
			"sender_email: sender_not_allowed", "resolve connect tls auth mail_from!sender_not_allowed", "may not send from this address",
		},
		"no such mailbox": {
			mailertest.StageTo,
			mailertest.Fault{Code: 550, Text: "5.1.1 User unknown"},
			"sender_email: recipient_refused", "resolve connect tls auth mail_from rcpt_to!recipient_refused", "mailbox exists",
		},
		"too many connections": {
			mailertest.StageAuth,
			mailertest.Fault{Code: 432, Text: "4.3.2 Concurrent connections limit exceeded"},
			"username: rate_limited", "resolve connect tls auth!rate_limited", "Wait",
		},
		"hangs up": {
			mailertest.StageFrom, mailertest.Fault{Close: true}, "sender_email: connection_closed", "resolve connect tls auth mail_from!connection_closed", "broke off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := sendersLab(t)
			l.host.Misbehave(c.at, c.fault)
			_, err := l.senders.Create(t.Context(), l.app.ID, l.basic())
			wantCode(t, err, errs.CodeSenderCheck)
			if got := field(err); got != c.field {
				t.Errorf("%s, want %s", got, c.field)
			}
			if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("\x00acme\x00"+password))) {
				t.Error("the password is shown")
			}
			if all, err := l.senders.List(t.Context(), l.app.ID); err != nil || len(all) > 0 {
				t.Errorf("it was saved: %v, %v", all, err)
			}
			v := l.sender(l.host, nil)
			now, check, err := l.senders.Check(t.Context(), l.app.ID, v.ID)
			must(t, err)
			if stages(check) != c.stages || check.OK || now.Problem == "" || now.CheckedAt.IsZero() {
				t.Errorf("%s, want %s; %+v", stages(check), c.stages, now)
			}
			last := check.Findings[len(check.Findings)-1]
			if !strings.Contains(last.Message, c.says) || strings.Contains(last.Detail, password) || (c.fault.Code != 0 && !strings.HasPrefix(last.Detail, strconv.Itoa(c.fault.Code))) {
				t.Errorf("%+v", last)
			}
			l.host.Misbehave(c.at, mailertest.Fault{})
			now, check, err = l.senders.Check(t.Context(), l.app.ID, v.ID)
			if must(t, err); !check.OK || now.Problem != "" || len(l.events.of(latchkey.EventSenderBroken)) != 1 || len(l.events.of(latchkey.EventSenderMended)) != 1 {
				t.Errorf("%s, %+v", stages(check), now)
			}
			if strings.Contains(l.log.String(), password) {
				t.Error("the log holds the password")
			}
			if len(l.host.Messages()) != 0 {
				t.Error("a check sent something")
			}
		})
	}
}

// TestWaysThatFail before anybody can log in.
func TestWaysThatFail(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		plain := newHost(t, mailertest.Config{Users: map[string]string{"acme": password}, Plain: true})
		foreign := newHost(t, users()) // under a root that nobody trusts
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		must(t, closed.Close())
		at := func(host string, port int) func(*latchkey.Sender) {
			return func(s *latchkey.Sender) { s.Host, s.Port = host, port }
		}
		for want, change := range map[string]func(*latchkey.Sender){
			"resolve!host_not_found":                       at("no-such-host.invalid", 587),
			"resolve connect!host_not_allowed":             at("10.0.0.1", 587),
			"resolve connect!connection_refused":           at("127.0.0.1", closed.Addr().(*net.TCPAddr).Port),
			"resolve connect tls!starttls_unavailable":     at("localhost", plain.Port()),
			"resolve connect tls!certificate_invalid":      at("localhost", foreign.Port()),
			"resolve connect tls auth!credential_rejected": func(s *latchkey.Sender) { s.Password = "wrong-password" },
		} {
			v := l.sender(l.host, change)
			_, check, err := l.senders.Check(t.Context(), l.app.ID, v.ID)
			if must(t, err); stages(check) != want {
				t.Errorf("%s, want %s: %+v", stages(check), want, check.Findings[len(check.Findings)-1])
			}
		}
		if got := plain.Logins(); got != 0 {
			t.Error("a password went over the wire in the clear")
		}
	})
}

// TestGreylisting does not keep a sender from being saved.
func TestGreylisting(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		l.host.Misbehave(mailertest.StageTo, mailertest.Fault{Code: 451, Text: "4.7.1 Greylisted, try again", Times: 1})
		_, err := l.senders.Create(t.Context(), l.app.ID, l.basic())
		must(t, err)
		l.proofOf(1)
	})
}

// TestPlaintextByTheOperator: a host without TLS is spoken to only where the operator says so.
func TestPlaintextByTheOperator(t *testing.T) {
	t.Parallel()
	host := newHost(t, mailertest.Config{Users: map[string]string{"acme": password}, Plain: true})
	l := newSenders(t, newLab(t, host, func(c *mailer.Config) { c.Plaintext = func(h string) bool { return h == "localhost" } }), &told{}, &clock{})
	v := l.proved(l.basic())
	_, check, err := l.senders.Check(t.Context(), l.app.ID, v.ID)
	if must(t, err); stages(check) != "resolve connect tlsstarttls_unavailable auth mail_from rcpt_to" {
		t.Error(stages(check))
	}
}

func entraLab(t *testing.T) (*sendersOf, *entra) {
	t.Helper()
	l, e, _ := microsoftLab(t, nil)
	return newSenders(t, l, &told{}, &clock{}), e
}

// TestMicrosoftSender is made with client credentials, and every refusal of the token says what to do.
func TestMicrosoftSender(t *testing.T) {
	t.Parallel()
	l, e := entraLab(t)
	e.roles = []string{"SMTP.SendAsApp"}
	v := l.proved(microsoft())
	l.choose(v.ID)
	l.await(l.app.ID, l.codeMail(), latchkey.MailAccepted)
	for description, want := range map[string]string{
		"AADSTS7000215: Invalid client secret provided.":              "client_secret: client_secret_wrong",
		"AADSTS7000222: The provided client secret keys are expired.": "client_secret: client_secret_expired",
		"AADSTS700016: Application with identifier was not found.":    "client_id: client_id_unknown",
		"AADSTS90002: Tenant not found.":                              "tenant_id: tenant_unknown",
	} {
		e.mu.Lock()
		e.refuse = description
		e.mu.Unlock()
		_, err := l.senders.Create(t.Context(), l.app.ID, microsoft())
		if got := field(err); got != want || !strings.Contains(errs.As(err).Fields[0].Message, "AADSTS") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	e.mu.Lock()
	e.refuse, e.roles = "", []string{"User.Read.All"}
	e.mu.Unlock()
	_, err := l.senders.Create(t.Context(), l.app.ID, microsoft())
	if got := field(err); got != "client_id: admin_consent_missing" || !strings.Contains(errs.As(err).Fields[0].Message, "Grant admin consent") {
		t.Errorf("%v", err)
	}
	e.mu.Lock()
	e.roles = nil // a token that cannot be read says nothing
	e.mu.Unlock()
	spec := microsoft()
	spec.Email = ptr("other@acme.test") // Exchange does not know the client for that mailbox
	_, err = l.senders.Create(t.Context(), l.app.ID, spec)
	if got := field(err); got != "client_id: credential_rejected" || !strings.Contains(errs.As(err).Fields[0].Message, "New-ServicePrincipal") {
		t.Errorf("%v", err)
	}
	if strings.Contains(l.log.String(), password) || strings.Contains(l.log.String(), e.valid) {
		t.Error("the log holds a secret")
	}
}

// TestGraphSender is checked by its token, and by its mailbox where it may be looked at.
func TestGraphSender(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		http.StatusOK: "token mailbox", http.StatusForbidden: "token mailbox", http.StatusNotFound: "token mailbox!mailbox_not_found",
		http.StatusServiceUnavailable: "token mailbox!service_unavailable",
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			l, e := entraLab(t)
			e.mailbox = status
			spec := microsoft()
			spec.Transport = ptr("graph")
			_, err := l.senders.Create(t.Context(), l.app.ID, spec)
			if status == http.StatusOK || status == http.StatusForbidden {
				must(t, err)
				l.until("the question", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.mails) == 1 })
			} else if field(err) != "sender_email: "+strings.SplitN(want, "!", 2)[1] {
				t.Errorf("%v", err)
			}
			v := l.sender(l.host, func(s *latchkey.Sender) {
				s.Kind, s.Provider, s.Transport, s.ClientID, s.ClientSecret, s.Tenant = latchkey.SenderOAuth, latchkey.Microsoft, latchkey.TransportGraph, clientID, password, tenantID
			})
			_, check, err := l.senders.Check(t.Context(), l.app.ID, v.ID)
			if must(t, err); stages(check) != want {
				t.Error(stages(check))
			}
			if last := check.Findings[len(check.Findings)-1]; status == http.StatusForbidden && !strings.Contains(last.Message, "Only the token") {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestDovecot is the way of a real submission server, with a password and with a token.
func TestDovecot(t *testing.T) {
	t.Parallel()
	e := newEntra(t)
	server := dovecottest.Start(t, dovecottest.Config{Users: map[string]string{"acme": password}, Introspection: e.URL + "/introspect"})
	_, port, err := net.SplitHostPort(server.Submission)
	must(t, err)
	n, err := strconv.Atoi(port)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.CAPEM)
	egress, err := safehttp.New(safehttp.Config{AllowMail: []string{"127.0.0.0/8"}, RootCAs: roots, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	l := newSenders(t, newLab(t, newHost(t, users()), func(c *mailer.Config) {
		c.TLS = egress.TLSConfig
		c.Providers = mailer.Providers{MicrosoftAuthority: e.URL, MicrosoftSMTP: mailer.Server{Host: "localhost", Port: n, Encryption: mailer.EncryptionSTARTTLS}}
	}), &told{}, &clock{})
	spec := l.basic()
	spec.Port = ptr(n)
	for what, w := range map[string]mailer.SenderSpec{"password": spec, "token": microsoft()} {
		v, err := l.senders.Create(t.Context(), l.app.ID, w)
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, server.Log())
		}
		l.until("the question", func() bool {
			mails, err := l.mailer.Mails(t.Context(), l.app.ID, store.Page{Limit: 10})
			must(t, err)
			return slices.ContainsFunc(mails, func(m latchkey.Mail) bool {
				return m.SenderID == v.ID && m.Status == latchkey.MailAccepted && m.Body == nil
			})
		})
		_, check, err := l.senders.Check(t.Context(), l.app.ID, v.ID)
		if must(t, err); !check.OK {
			t.Errorf("%s: %s", what, stages(check))
		}
	}
	spec.Password = ptr("wrong-password")
	if _, err := l.senders.Create(t.Context(), l.app.ID, spec); field(err) != "password: credential_rejected" {
		t.Errorf("%v", err)
	}
}

// TestTestMail says what became of it, and goes nowhere before the address has agreed.
func TestTestMail(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, l *sendersOf) {
		t.Helper()
		v := l.sender(l.host, nil)
		m, err := l.senders.Test(t.Context(), l.app.ID, v.ID, "Ada@Example.com", "de")
		must(t, err)
		if m.Status != latchkey.MailAccepted || m.To != "Ada@example.com" || m.Kind != mailer.KindTest || header(t, l.host.Messages()[0], "Subject") != "Acme & Söhne: eine Test-E-Mail" {
			t.Errorf("%+v", m)
		}
		m, err = l.senders.Test(t.Context(), l.app.ID, v.ID, "", "")
		if must(t, err); m.To != v.Email {
			t.Errorf("%+v", m)
		}
		_, err = l.senders.Test(t.Context(), l.app.ID, v.ID, "a@b.test, c@d.test", "")
		if field(err) != "to: invalid_email" {
			t.Error(err)
		}
		l.host.Misbehave(mailertest.StageTo, mailertest.Fault{Code: 550, Text: "5.1.1 no such user", Times: 1})
		m, err = l.senders.Test(t.Context(), l.app.ID, v.ID, "nobody@example.com", "")
		if must(t, err); m.Status != latchkey.MailFailed || m.Code != string(errs.CodeRecipientRefused) || !strings.Contains(m.Detail, "no such user") {
			t.Errorf("%+v", m)
		}
		unproven := l.sender(l.host, func(s *latchkey.Sender) { s.OwnedAt = time.Time{} })
		_, err = l.senders.Test(t.Context(), l.app.ID, unproven.ID, "", "")
		wantCode(t, err, errs.CodeSenderUnproven)
	})
}
