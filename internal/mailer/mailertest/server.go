// Package mailertest is a submission server for tests: it takes mail and shows it, asks for a login
// by password or token, and misbehaves at any stage when it is told to. It knows nothing of package
// mailer.
package mailertest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Stage is where a server can misbehave.
type Stage string

// The stages of a submission.
const (
	// StageBanner is before the first word, StageConnect at EHLO, StageTLS in the handshake.
	StageBanner  Stage = "banner"
	StageConnect Stage = "connect"
	StageTLS     Stage = "tls"
	StageAuth    Stage = "auth"
	StageFrom    Stage = "mail_from"
	StageTo      Stage = "rcpt_to"
	StageData    Stage = "data"
	// StageQuit is the answer to QUIT, of servers without TLS.
	StageQuit Stage = "quit"
)

// Fault is what goes wrong at a stage.
type Fault struct {
	// Code and Text are answered instead of yes, where Code is not 0.
	Code int
	Text string
	// Hang never answers; Close hangs up without an answer. At StageData the text has been read.
	Hang, Close bool
	// Taken keeps the mail nevertheless, at StageData: only the answer goes wrong.
	Taken bool
	// Times is how often it goes wrong; 0 means always.
	Times int
}

// Message is a mail that was taken.
type Message struct {
	User, From, To string
	Raw            []byte
	At             time.Time
}

// Parse reads the message's header and body.
func (m Message) Parse() (*mail.Message, error) { return mail.ReadMessage(bytes.NewReader(m.Raw)) }

// Config is what a server needs; the zero value takes mail without a login, over STARTTLS.
type Config struct {
	// Users maps names to passwords; Tokens tells whether a token is a user's.
	Users  map[string]string
	Tokens func(user, token string) bool
	// ImplicitTLS speaks TLS from the first byte; Plain offers none.
	ImplicitTLS, Plain bool
	// Delay is added to every answer, as a distance would.
	Delay time.Duration
	Now   func() time.Time
}

// Server is a running submission server.
type Server struct {
	cfg Config
	srv *smtp.Server
	ln  net.Listener
	ca  []byte

	mu       sync.Mutex
	faults   map[Stage]*Fault
	hangFor  string
	messages []Message
	arrived  chan struct{}
	conns    int
	peak     int
	logins   int
	done     chan struct{}
}

// Start starts a server on a free port of 127.0.0.1, for the name localhost.
func Start(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, faults: map[Stage]*Fault{}, arrived: make(chan struct{}), done: make(chan struct{})}
	cert, ca, err := certificate(cfg.Now())
	if err != nil {
		return nil, err
	}
	s.ca = ca
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("mailertest: %w", err)
	}
	s.ln = ln
	s.srv = smtp.NewServer(smtp.BackendFunc(s.session))
	s.srv.Domain = "localhost"
	s.srv.EnableSMTPUTF8 = true
	s.srv.ErrorLog = quiet{}
	s.srv.AllowInsecureAuth = cfg.Plain
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, s.fault(StageTLS, h.Conn)
	}}
	if !cfg.Plain && !cfg.ImplicitTLS {
		s.srv.TLSConfig = tlsConfig
	}
	front := net.Listener(&counted{Listener: ln, s: s})
	if cfg.ImplicitTLS {
		front = tls.NewListener(front, tlsConfig)
	}
	go func() { _ = s.srv.Serve(front) }() // it ends with Close
	return s, nil
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Close ends the server and every connection.
func (s *Server) Close() error {
	s.mu.Lock()
	select {
	case <-s.done:
		s.mu.Unlock()
		return nil
	default:
	}
	close(s.done)
	s.mu.Unlock()
	return errors.Join(s.srv.Close(), ignoreClosed(s.ln.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Port is where it listens; CAPEM is the root of its certificate.
func (s *Server) Port() int { return s.ln.Addr().(*net.TCPAddr).Port } //nolint:forcetypeassert // it listens on TCP

// CAPEM is the root under which the server's certificate for localhost is valid.
func (s *Server) CAPEM() []byte { return s.ca }

// Roots holds CAPEM.
func (s *Server) Roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(s.ca)
	return p
}

// Misbehave sets what goes wrong at a stage; a zero Fault ends it.
func (s *Server) Misbehave(at Stage, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults, at)
	if f != (Fault{}) {
		s.faults[at] = &f
	}
}

// HangFor never answers where mail comes from an address.
func (s *Server) HangFor(from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangFor = from
}

// Messages are the mails taken so far.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Arrived is closed when the next mail is taken.
func (s *Server) Arrived() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived
}

// Peak is the largest number of connections at one time so far; Logins counts those that were let in.
func (s *Server) Peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

// Logins counts logins that were let in.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// fault does what goes wrong at a stage; nil means that nothing does.
func (s *Server) fault(at Stage, conn net.Conn) error {
	if s.cfg.Delay > 0 {
		t := time.NewTimer(s.cfg.Delay)
		defer t.Stop()
		<-t.C
	}
	s.mu.Lock()
	f := s.faults[at]
	if f == nil {
		s.mu.Unlock()
		return nil
	}
	now := *f
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			delete(s.faults, at)
		}
	}
	s.mu.Unlock()
	switch {
	case now.Hang:
		<-s.done
		return net.ErrClosed
	case now.Close:
		_ = conn.Close()
		return net.ErrClosed
	}
	return &smtp.SMTPError{Code: now.Code, EnhancedCode: smtp.NoEnhancedCode, Message: now.Text}
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	if err := s.fault(StageConnect, c.Conn()); err != nil {
		return nil, err
	}
	return &session{s: s, conn: c.Conn(), open: s.cfg.Users == nil && s.cfg.Tokens == nil}, nil
}

type session struct {
	s              *Server
	conn           net.Conn
	open           bool
	user, from, to string
}

func (x *session) AuthMechanisms() []string {
	if x.s.cfg.Tokens != nil {
		return []string{sasl.Plain, sasl.Login, "XOAUTH2"}
	}
	return []string{sasl.Plain, sasl.Login}
}

func (x *session) Auth(mech string) (sasl.Server, error) {
	switch mech {
	case "XOAUTH2":
		return &xoauth2{x}, nil
	case sasl.Login:
		return &plainLogin{x: x}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return x.login(user, x.s.cfg.Users[user] == password) }), nil
}

func (x *session) login(user string, right bool) error {
	if err := x.s.fault(StageAuth, x.conn); err != nil {
		return err
	}
	if _, known := x.s.cfg.Users[user]; !right || (!known && x.s.cfg.Tokens == nil) {
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Authentication credentials invalid"}
	}
	x.open, x.user = true, user
	x.s.mu.Lock()
	x.s.logins++
	x.s.mu.Unlock()
	return nil
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	if !x.open {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 57}, Message: "Client not authenticated to send mail"}
	}
	x.from = from
	x.s.mu.Lock()
	hangs := x.s.hangFor == from && from != ""
	x.s.mu.Unlock()
	if hangs {
		<-x.s.done
		return net.ErrClosed
	}
	return x.s.fault(StageFrom, x.conn)
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.to = to
	return x.s.fault(StageTo, x.conn)
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := Message{User: x.user, From: x.from, To: x.to, Raw: raw, At: x.s.cfg.Now()}
	taken := x.s.takes()
	if taken {
		x.s.keep(m)
	}
	if err := x.s.fault(StageData, x.conn); err != nil || taken {
		return err
	}
	x.s.keep(m)
	return nil
}

// takes tells whether a mail is kept although its answer goes wrong.
func (s *Server) takes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults[StageData] != nil && s.faults[StageData].Taken
}

func (s *Server) keep(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	close(s.arrived)
	s.arrived = make(chan struct{})
}

func (x *session) Reset()        {}
func (x *session) Logout() error { return nil }

// plainLogin is LOGIN: a name, then a password.
type plainLogin struct {
	x    *session
	step int
	user string
}

func (l *plainLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.x.login(l.user, l.x.s.cfg.Users[l.user] == string(response))
}

// xoauth2 answers a refusal as Microsoft does: a challenge of JSON, an empty line, then 535.
type xoauth2 struct{ x *session }

func (a *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if len(response) == 0 {
		return nil, true, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 3}, Message: "Authentication unsuccessful"}
	}
	rest, ok := strings.CutPrefix(string(response), "user=")
	user, rest, ok2 := strings.Cut(rest, "\x01auth=Bearer ")
	token, _, ok3 := strings.Cut(rest, "\x01\x01")
	if ok && ok2 && ok3 && a.x.s.cfg.Tokens(user, token) {
		return nil, true, a.x.login(user, true)
	}
	return []byte(base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer"}`))), false, nil
}

// counted counts connections.
type counted struct {
	net.Listener
	s *Server
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.conns++
	c.s.peak = max(c.s.peak, c.s.conns)
	return &tracked{Conn: conn, s: c.s}, nil
}

type tracked struct {
	net.Conn
	s     *Server
	once  sync.Once
	spoke bool
}

// Write is where the server speaks: its first word is the banner.
func (t *tracked) Write(p []byte) (int, error) {
	stage := Stage("")
	switch {
	case !t.spoke:
		stage = StageBanner
	case bytes.HasPrefix(p, []byte("221 ")):
		stage = StageQuit
	}
	t.spoke = true
	if stage != "" && !t.s.cfg.ImplicitTLS {
		if err := t.s.fault(stage, t.Conn); err != nil {
			if refusal, ok := errors.AsType[*smtp.SMTPError](err); ok {
				_, _ = fmt.Fprintf(t.Conn, "%d %s\r\n", refusal.Code, refusal.Message) // then it hangs up
				_ = t.Conn.Close()
			}
			return 0, err
		}
	}
	return t.Conn.Write(p)
}

func (t *tracked) Close() error {
	t.once.Do(func() {
		t.s.mu.Lock()
		t.s.conns--
		t.s.mu.Unlock()
	})
	return t.Conn.Close()
}

// certificate is for localhost and 127.0.0.1, under a root of its own.
func certificate(now time.Time) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("mailertest: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("mailertest: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
