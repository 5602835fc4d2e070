package login_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

const (
	user     = "maria@demo.test"
	password = "pass phrase \"\\ with quotes"
	unicode  = "Grüße-пароль-密码"
)

type plainDialer struct{ net.Dialer }

func newHost(t *testing.T) *mailhost.Host {
	t.Helper()
	h, err := mailhost.Start(mailhost.Config{
		Users: map[string]string{user: password, "ünï@demo.test": unicode}, Names: []string{"mail.demo.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func newClient(t *testing.T, h *mailhost.Host) *login.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(h.CAPEM()) {
		t.Fatal("no CA")
	}
	return &login.Client{
		Dial: &plainDialer{},
		TLS: func(name string) *tls.Config {
			return &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS12}
		},
		DialTimeout: time.Second, PhaseTimeout: 400 * time.Millisecond, LoginTimeout: 2 * time.Second,
	}
}

func at(h *mailhost.Host, s mailhost.Service, e login.Encryption) login.Server {
	return login.Server{Host: "127.0.0.1", Port: h.Port(s), Encryption: e}
}

func protocolOf(s mailhost.Service) login.Protocol {
	if s == mailhost.SMTPS || s == mailhost.Submission {
		return login.SMTP
	}
	return login.IMAP
}

func code(err error) errs.Code {
	if err == nil {
		return ""
	}
	return login.AsError(err).Code
}

func TestVerifyGood(t *testing.T) {
	h := newHost(t)
	c := newClient(t, h)
	for _, tc := range []struct {
		service mailhost.Service
		typed   login.Encryption
		real    login.Encryption
	}{
		{mailhost.IMAPS, login.TLS, login.TLS},
		{mailhost.IMAP, login.STARTTLS, login.STARTTLS},
		{mailhost.SMTPS, login.TLS, login.TLS},
		{mailhost.Submission, login.STARTTLS, login.STARTTLS},
		// The wrong encryption for the port repairs itself.
		{mailhost.IMAPS, login.STARTTLS, login.TLS},
		{mailhost.IMAP, login.TLS, login.STARTTLS},
		{mailhost.SMTPS, login.STARTTLS, login.TLS},
		{mailhost.Submission, login.TLS, login.STARTTLS},
		{mailhost.IMAPS, login.None, login.TLS},
		{mailhost.Submission, login.None, login.STARTTLS},
		{mailhost.IMAP, login.Auto, login.STARTTLS},
	} {
		for _, who := range [][2]string{{user, password}, {"ünï@demo.test", unicode}} {
			got, err := c.Verify(t.Context(), protocolOf(tc.service), at(h, tc.service, tc.typed), who[0], who[1])
			if err != nil || got.Encryption != tc.real {
				t.Errorf("service %d typed %q as %s: %q, %v; want %q", tc.service, tc.typed, who[0], got.Encryption, err, tc.real)
			}
		}
	}
	n := h.Counts()
	if n.IMAPLogins == 0 || n.SMTPLogins == 0 || n.IMAPRefused+n.SMTPRefused != 0 {
		t.Errorf("counts %+v: repairs must not cost logins", n)
	}
}

func TestVerifyBadDays(t *testing.T) {
	type day struct {
		fault      mailhost.Fault
		imap, smtp errs.Code
	}
	for name, d := range map[string]day{
		"hangs at the greeting": {mailhost.Fault{Kind: mailhost.HangAtGreeting}, errs.CodeConnectionTimeout, errs.CodeConnectionTimeout},
		"hangs at the login":    {mailhost.Fault{Kind: mailhost.HangAtLogin}, errs.CodeConnectionTimeout, errs.CodeConnectionTimeout},
		"resets":                {mailhost.Fault{Kind: mailhost.Reset}, errs.CodeConnectionClosed, errs.CodeConnectionClosed},
		"wrong certificate":     {mailhost.Fault{Kind: mailhost.WrongCertificate}, errs.CodeCertificateInvalid, errs.CodeCertificateInvalid},
		"blocked": {
			mailhost.Fault{Kind: mailhost.Refuse, Text: "Your account is locked."},
			errs.CodeAccountBlocked, errs.CodeAccountBlocked,
		},
		"app password": {
			mailhost.Fault{Kind: mailhost.Refuse, Code: 534, Text: "5.7.9 Application-specific password required."},
			errs.CodeAppPassword, errs.CodeAppPassword,
		},
		"imap off": {
			mailhost.Fault{Kind: mailhost.Refuse, Text: "Your account is not enabled for IMAP use."},
			errs.CodeIMAPDisabled, errs.CodeIMAPDisabled,
		},
		"smtp off": {
			mailhost.Fault{Kind: mailhost.Refuse, Text: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."},
			errs.CodeSMTPDisabled, errs.CodeSMTPDisabled,
		},
		"too many connections": {
			mailhost.Fault{Kind: mailhost.Refuse, Code: 421, Text: "4.7.0 Too many connections from your address"},
			errs.CodeTooManyConnections, errs.CodeTooManyConnections,
		},
		"rate limited": {
			mailhost.Fault{Kind: mailhost.Refuse, Code: 454, Text: "Too many login attempts, please try again later"},
			errs.CodeRateLimited, errs.CodeRateLimited,
		},
		"oauth only": {
			mailhost.Fault{Kind: mailhost.Refuse, Text: "5.7.139 Authentication unsuccessful, basic authentication is disabled."},
			errs.CodeUseOAuth, errs.CodeUseOAuth,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			c := newClient(t, h)
			for _, s := range []mailhost.Service{mailhost.IMAPS, mailhost.IMAP, mailhost.SMTPS, mailhost.Submission} {
				h.Misbehave(s, d.fault)
				enc := login.TLS
				if s == mailhost.IMAP || s == mailhost.Submission {
					enc = login.STARTTLS
				}
				want := d.imap
				if protocolOf(s) == login.SMTP {
					want = d.smtp
				}
				_, err := c.Verify(t.Context(), protocolOf(s), at(h, s, enc), user, password)
				if code(err) != want {
					t.Errorf("service %d: %v, want %s", s, err, want)
				}
				if err != nil && strings.Contains(err.Error(), password) {
					t.Errorf("the error holds the password: %v", err)
				}
			}
		})
	}
}

func TestVerifyWrongPassword(t *testing.T) {
	h := newHost(t)
	c := newClient(t, h)
	for s := range mailhost.Submission + 1 {
		enc := login.TLS
		if s == mailhost.IMAP || s == mailhost.Submission {
			enc = login.STARTTLS
		}
		if _, err := c.Verify(t.Context(), protocolOf(s), at(h, s, enc), user, "wrong"); code(err) != errs.CodeWrongPassword {
			t.Errorf("service %d: %v", s, err)
		}
	}
	if n := h.Counts(); n.IMAPRefused != 2 || n.SMTPRefused != 2 {
		t.Errorf("counts %+v: a wrong password must be tried once", n)
	}
}

func TestPlaintext(t *testing.T) {
	h := newHost(t)
	c := newClient(t, h)
	for _, s := range []mailhost.Service{mailhost.IMAP, mailhost.Submission} {
		h.Misbehave(s, mailhost.Fault{Kind: mailhost.NoSTARTTLS})
	}
	h.Misbehave(mailhost.IMAPS, mailhost.Fault{Kind: mailhost.PlainOnly})
	for _, tc := range []struct {
		s    mailhost.Service
		e    login.Encryption
		want errs.Code
	}{
		{mailhost.IMAP, login.STARTTLS, errs.CodeNoSTARTTLS},
		{mailhost.IMAP, login.None, errs.CodePlaintextRefused},
		{mailhost.Submission, login.STARTTLS, errs.CodeNoSTARTTLS},
		{mailhost.Submission, login.None, errs.CodePlaintextRefused},
		{mailhost.IMAPS, login.TLS, errs.CodeNoSTARTTLS},
	} {
		if _, err := c.Verify(t.Context(), protocolOf(tc.s), at(h, tc.s, tc.e), user, password); code(err) != tc.want {
			t.Errorf("service %d %q: %v, want %s", tc.s, tc.e, err, tc.want)
		}
	}
	if n := h.Counts(); n.IMAPLogins+n.SMTPLogins+n.IMAPRefused+n.SMTPRefused != 0 {
		t.Fatalf("a password went over an unencrypted connection: %+v", n)
	}
	c.AllowPlaintext = []string{"127.0.0.1"}
	for _, s := range []mailhost.Service{mailhost.IMAP, mailhost.Submission} {
		if got, err := c.Verify(t.Context(), protocolOf(s), at(h, s, login.None), user, password); err != nil || got.Encryption != login.None {
			t.Errorf("listed host: %+v, %v", got, err)
		}
		// Listed or not, a wish for encryption is never given up.
		if _, err := c.Verify(t.Context(), protocolOf(s), at(h, s, login.STARTTLS), user, password); code(err) != errs.CodeNoSTARTTLS {
			t.Errorf("downgrade: %v", err)
		}
	}
}

func TestFloodAndGarbageAreCutOff(t *testing.T) {
	h := newHost(t)
	c := newClient(t, h)
	c.AllowPlaintext = []string{"127.0.0.1"}
	for _, kind := range []mailhost.FaultKind{mailhost.Flood, mailhost.Garbage} {
		for s := range mailhost.Submission + 1 {
			h.Misbehave(s, mailhost.Fault{Kind: kind})
			for _, e := range []login.Encryption{login.TLS, login.STARTTLS, login.None} {
				start := time.Now()
				_, err := c.Verify(t.Context(), protocolOf(s), at(h, s, e), user, password)
				if err == nil || time.Since(start) > 2*time.Second {
					t.Errorf("kind %d service %d %q: %v after %v", kind, s, e, err, time.Since(start))
				}
			}
		}
	}
	if err := c.Probe(t.Context(), login.IMAP, at(h, mailhost.IMAP, login.STARTTLS)); code(err) != errs.CodeNotIMAP {
		t.Errorf("garbage: %v", err)
	}
	if err := c.Probe(t.Context(), login.SMTP, at(h, mailhost.Submission, login.STARTTLS)); code(err) != errs.CodeNotSMTP {
		t.Errorf("garbage: %v", err)
	}
}

func TestSTARTTLSInjection(t *testing.T) {
	h := newHost(t)
	h.Misbehave(mailhost.IMAP, mailhost.Fault{Kind: mailhost.Inject})
	_, err := newClient(t, h).Verify(t.Context(), login.IMAP, at(h, mailhost.IMAP, login.STARTTLS), user, password)
	if code(err) != errs.CodeTLSFailed {
		t.Errorf("plain text behind STARTTLS was taken: %v", err)
	}
}

func TestProbe(t *testing.T) {
	h := newHost(t)
	c := newClient(t, h)
	ok := map[mailhost.Service]login.Encryption{
		mailhost.IMAPS: login.TLS, mailhost.IMAP: login.STARTTLS, mailhost.SMTPS: login.TLS, mailhost.Submission: login.STARTTLS,
	}
	for s, e := range ok {
		if err := c.Probe(t.Context(), protocolOf(s), at(h, s, e)); err != nil {
			t.Errorf("service %d: %v", s, err)
		}
	}
	if err := c.Probe(t.Context(), login.SMTP, at(h, mailhost.IMAPS, login.TLS)); code(err) != errs.CodeNotSMTP {
		t.Errorf("an IMAP server passed for SMTP: %v", err)
	}
	if err := c.Probe(t.Context(), login.IMAP, at(h, mailhost.SMTPS, login.TLS)); code(err) != errs.CodeNotIMAP {
		t.Errorf("an SMTP server passed for IMAP: %v", err)
	}
}

// TestAnswers lets raw servers say what real ones say.
func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		p     login.Protocol
		lines []string // answers, one per line received, the first is the greeting
		want  errs.Code
	}{
		"imap bye":            {login.IMAP, []string{"* BYE Too many simultaneous connections\r\n"}, errs.CodeTooManyConnections},
		"imap bye no reason":  {login.IMAP, []string{"* BYE\r\n"}, errs.CodeUnavailable},
		"imap preauth":        {login.IMAP, []string{"* PREAUTH hello\r\n"}, errs.CodeNoAuthMethod},
		"http":                {login.IMAP, []string{"HTTP/1.1 400 Bad Request\r\n"}, errs.CodeNotIMAP},
		"imap no mechanism":   {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n"}, errs.CodeNoAuthMethod},
		"imap oauth only":     {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2] x\r\n"}, errs.CodeUseOAuth},
		"imap unavailable":    {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] x\r\n", "T1 NO [UNAVAILABLE] later\r\n"}, errs.CodeUnavailable},
		"imap web login":      {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] x\r\n", "* NO [WEBALERT https://a.test/x] Web login required.\r\nT1 NO [ALERT] Please log in via your web browser: https://a.test (Failure)\r\n"}, errs.CodeAppPassword},
		"imap echo":           {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN LOGINDISABLED] x\r\n", "T1 BAD what is ECHO\r\n"}, errs.CodeProtocolError},
		"imap not connected":  {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] x\r\n", "T1 OK [CAPABILITY IMAP4rev1] in\r\n", "T2 BAD User is authenticated but not connected.\r\n"}, errs.CodeIMAPDisabled},
		"imap closes":         {login.IMAP, []string{"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] x\r\n", ""}, errs.CodeConnectionClosed},
		"smtp greeting 554":   {login.SMTP, []string{"554 no service for you\r\n"}, errs.CodeProtocolError},
		"smtp greeting 421":   {login.SMTP, []string{"421 4.7.0 try again later\r\n"}, errs.CodeUnavailable},
		"smtp no auth":        {login.SMTP, []string{"220 x\r\n", "250 x\r\n"}, errs.CodeNoAuthMethod},
		"smtp oauth only":     {login.SMTP, []string{"220 x\r\n", "250-x\r\n250 AUTH XOAUTH2\r\n"}, errs.CodeUseOAuth},
		"smtp tls first":      {login.SMTP, []string{"220 x\r\n", "250-x\r\n250 AUTH PLAIN\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n", "501 x\r\n"}, errs.CodePlaintextRefused},
		"smtp temporary":      {login.SMTP, []string{"220 x\r\n", "250-x\r\n250 AUTH PLAIN\r\n", "454 4.7.0 Temporary authentication failure\r\n", "501 x\r\n"}, errs.CodeUnavailable},
		"smtp old style":      {login.SMTP, []string{"220 x\r\n", "250-x\r\n250 AUTH=PLAIN LOGIN\r\n", "535 no\r\n", "501 x\r\n"}, errs.CodeWrongPassword},
		"smtp login":          {login.SMTP, []string{"220 x\r\n", "250-x\r\n250 AUTH LOGIN\r\n", "334 VXNlciBuYW1lOg==\r\n", "334 UGFzczo=\r\n", "235 ok\r\n", "250 ok\r\n", "221 bye\r\n"}, ""},
		"smtp is really pop":  {login.SMTP, []string{"+OK POP3 ready\r\n"}, errs.CodeNotSMTP},
		"smtp endless answer": {login.SMTP, []string{strings.Repeat("220-x\r\n", 100)}, errs.CodeProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rawServer(t, tc.lines)
			c := &login.Client{Dial: &plainDialer{}, AllowPlaintext: []string{"127.0.0.1"}, PhaseTimeout: time.Second, LoginTimeout: 3 * time.Second}
			_, err := c.Verify(t.Context(), tc.p, s, user, password)
			if code(err) != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
			if err != nil && strings.Contains(login.AsError(err).Text, "ECHO") {
				t.Errorf("what was echoed was kept: %v", err)
			}
		})
	}
}

// rawServer answers each line it receives with the next of lines; "" closes. ECHO says back what came.
func rawServer(t *testing.T, lines []string) login.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		buf := make([]byte, 4096)
		last := ""
		for i, l := range lines {
			if i > 0 {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				f := strings.Fields(string(buf[:n]))
				last = f[len(f)-1]
			}
			if l == "" {
				return
			}
			if _, err := io.WriteString(conn, strings.ReplaceAll(l, "ECHO", last)); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	}()
	addr, _ := ln.Addr().(*net.TCPAddr)
	return login.Server{Host: "127.0.0.1", Port: addr.Port, Encryption: login.None}
}

func TestEchoedSecretsAreMasked(t *testing.T) {
	s := rawServer(t, []string{"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN LOGINDISABLED] x\r\n", "T1 NO I got ECHO\r\n"})
	c := &login.Client{Dial: &plainDialer{}, AllowPlaintext: []string{"127.0.0.1"}}
	_, err := c.Verify(t.Context(), login.IMAP, s, user, password)
	if e := login.AsError(err); e == nil || e.Text != "I got ***" {
		t.Errorf("%v", err)
	}
}

func TestDialErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want errs.Code
	}{
		"policy":    {errs.New(errs.Forbidden, errs.CodeHostNotAllowed, "no"), errs.CodeHostNotAllowed},
		"port":      {&net.OpError{Op: "dial", Err: errs.New(errs.Forbidden, errs.CodePortNotAllowed, "no")}, errs.CodePortNotAllowed},
		"not found": {&net.DNSError{IsNotFound: true}, errs.CodeHostNotFound},
		"dns slow":  {&net.DNSError{IsTimeout: true}, errs.CodeConnectionTimeout},
		"refused":   {errors.New("connection refused"), errs.CodeConnectionRefused},
		"deadline":  {context.DeadlineExceeded, errs.CodeConnectionTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			c := &login.Client{Dial: login.DialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, tc.err })}
			if err := c.Probe(t.Context(), login.IMAP, login.Server{Host: "x.test", Port: 993, Encryption: login.TLS}); code(err) != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestCanceled(t *testing.T) {
	h := newHost(t)
	h.Misbehave(mailhost.IMAPS, mailhost.Fault{Kind: mailhost.HangAtGreeting})
	c := newClient(t, h)
	c.PhaseTimeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Verify(ctx, login.IMAP, at(h, mailhost.IMAPS, login.TLS), user, password); code(err) != errs.CodeCanceled {
		t.Errorf("%v", err)
	}
}
