package mailhost

import (
	"net"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

type imapBackend struct {
	secure, plain     *imapserver.Server
	secureLn, plainLn *handed
}

func newIMAPBackend(h *Host, s Service) *imapBackend {
	session := func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
		return &imapSession{Session: imapmemserver.New().NewSession(), host: h, service: s}, nil, nil
	}
	b := &imapBackend{secureLn: newHanded(), plainLn: newHanded()}
	b.secure = imapserver.New(&imapserver.Options{NewSession: session, TLSConfig: h.startTLSConfig(s), Logger: quiet{}})
	b.plain = imapserver.New(&imapserver.Options{NewSession: session, InsecureAuth: true, Logger: quiet{}})
	h.wg.Go(func() { _ = b.secure.Serve(b.secureLn) })
	h.wg.Go(func() { _ = b.plain.Serve(b.plainLn) })
	// Only a server that serves can be closed without a race in the library.
	<-b.secureLn.serving
	<-b.plainLn.serving
	return b
}

func (b *imapBackend) serve(conn net.Conn, plain bool) {
	if plain {
		b.plainLn.hand(conn)
		return
	}
	b.secureLn.hand(conn)
}

func (b *imapBackend) close() {
	_ = b.secureLn.Close()
	_ = b.plainLn.Close()
	_ = b.secure.Close()
	_ = b.plain.Close()
}

// imapSession is a mailbox in memory behind our own check of the password.
type imapSession struct {
	imapserver.Session
	host    *Host
	service Service
}

func (s *imapSession) Login(user, password string) error {
	return s.enter(user, s.host.allows(user, password))
}

// enter opens the mailbox to whom the credential let in, if the fault of the day does.
func (s *imapSession) enter(user string, allowed bool) error {
	switch f := s.host.fault(s.service); f.Kind {
	case HangAtLogin:
		<-s.host.closed
		return net.ErrClosed
	case Refuse:
		s.host.imapRefused.Add(1)
		return &imap.Error{Type: imap.StatusResponseTypeNo, Text: f.Text}
	}
	if !allowed {
		s.host.imapRefused.Add(1)
		return imapserver.ErrAuthFailed
	}
	s.host.imapLogins.Add(1)
	box := imapmemserver.NewUser(user, "")
	if err := box.Create("INBOX", nil); err != nil {
		return err
	}
	s.Session = imapmemserver.NewUserSession(box)
	if f := s.host.fault(s.service); f.Kind == RefuseAfter {
		s.Session = &barred{Session: s.Session, text: f.Text}
	}
	return nil
}

// barred is a session that was let in and may do nothing.
type barred struct {
	imapserver.Session
	text string
}

func (b *barred) List(*imapserver.ListWriter, string, []string, *imap.ListOptions) error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Text: b.text}
}
