package mailhost

import (
	"errors"
	"io"
	"net"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

type smtpBackend struct {
	secure, plain     *smtp.Server
	secureLn, plainLn *handed
}

func newSMTPBackend(h *Host, s Service) *smtpBackend {
	be := smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &smtpSession{host: h, service: s}, nil })
	server := func() *smtp.Server {
		srv := smtp.NewServer(be)
		srv.Domain = "localhost"
		srv.ErrorLog = quiet{}
		srv.MaxMessageBytes = 1 << 20
		return srv
	}
	b := &smtpBackend{secure: server(), plain: server(), secureLn: newHanded(), plainLn: newHanded()}
	if s == Submission {
		b.secure.TLSConfig = h.startTLSConfig(s)
	}
	b.plain.AllowInsecureAuth = true
	h.wg.Go(func() { _ = b.secure.Serve(b.secureLn) })
	h.wg.Go(func() { _ = b.plain.Serve(b.plainLn) })
	// Only a server that serves can be closed without a race in the library.
	<-b.secureLn.serving
	<-b.plainLn.serving
	return b
}

func (b *smtpBackend) serve(conn net.Conn, plain bool) {
	if plain {
		b.plainLn.hand(conn)
		return
	}
	b.secureLn.hand(conn)
}

func (b *smtpBackend) close() {
	_ = b.secure.Close()
	_ = b.plain.Close()
	_ = b.secureLn.Close()
	_ = b.plainLn.Close()
}

type smtpSession struct {
	host    *Host
	service Service
	user    string
}

func (s *smtpSession) AuthMechanisms() []string {
	if s.host.tokens == nil {
		return []string{sasl.Plain}
	}
	return []string{sasl.Plain, "XOAUTH2"}
}

func (s *smtpSession) Auth(mech string) (sasl.Server, error) {
	if mech == "XOAUTH2" && s.host.tokens != nil {
		return &xoauth2{login: func(user, token string) error { return s.enter(user, s.host.accepts(user, token)) }}, nil
	}
	if mech != sasl.Plain {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return sasl.NewPlainServer(func(identity, user, password string) error {
		if identity != "" && identity != user {
			return errors.New("acting for others is not possible")
		}
		return s.login(user, password)
	}), nil
}

func (s *smtpSession) login(user, password string) error {
	return s.enter(user, s.host.allows(user, password))
}

// enter lets in whom the credential did, if the fault of the day does.
func (s *smtpSession) enter(user string, allowed bool) error {
	switch f := s.host.fault(s.service); f.Kind {
	case HangAtLogin:
		<-s.host.closed
		return net.ErrClosed
	case Refuse:
		s.host.smtpRefused.Add(1)
		code := f.Code
		if code == 0 {
			code = 535
		}
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: f.Text}
	}
	if !allowed {
		s.host.smtpRefused.Add(1)
		return smtp.ErrAuthFailed
	}
	s.host.smtpLogins.Add(1)
	s.user = user
	return nil
}

func (s *smtpSession) Mail(string, *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *smtpSession) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *smtpSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.host.messages.Add(1)
	return nil
}

func (s *smtpSession) Reset()        {}
func (s *smtpSession) Logout() error { return nil }
