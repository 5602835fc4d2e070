package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// Encryption is how a connection to a mail host is secured.
type Encryption string

// The ways, as in CONTRACT: TLS from the first byte, STARTTLS before anything is said, or none
// (only where the operator allowed the host).
const (
	EncryptionTLS      Encryption = "tls"
	EncryptionSTARTTLS Encryption = "starttls"
	EncryptionNone     Encryption = "none"
)

// Times of one connection. Whatever hangs is cut off.
const (
	connectTime = 20 * time.Second
	sendTime    = 30 * time.Second
	quitTime    = 2 * time.Second
	// surelyAlive is how long a connection is used again without a look whether the host has hung up.
	surelyAlive = time.Second
	// maxSaid bounds what a host may say while we connect, and during each mail. Replies have a few lines;
	// the rest is TLS.
	maxSaid = 1 << 20
)

var errTalksTooMuch = errors.New("the host says more than any host needs to")

// bounded is a connection whose other end cannot fill our memory: replies of SMTP have no length.
type bounded struct {
	net.Conn
	left atomic.Int64
}

func (b *bounded) Read(p []byte) (int, error) {
	left := b.left.Load()
	if left <= 0 {
		return 0, errTalksTooMuch
	}
	n, err := b.Conn.Read(p[:min(int64(len(p)), left)])
	b.left.Add(-int64(n))
	return n, err
}

// route is how to reach a mail host and what to say there.
type route struct {
	dial       DialFunc
	tls        *tls.Config
	host       string
	port       int
	encryption Encryption
	username   string
	// password, or with token an access token for XOAUTH2.
	password string
	token    bool
	// plaintext lets a host without STARTTLS be spoken to nevertheless: the operator's word.
	plaintext bool
	patience  patience
}

// patience is how long a host is waited for: until we are logged in, and for each mail.
type patience struct{ connect, send time.Duration }

// heloName is what we call ourselves: an address literal (RFC 5321 §4.1.3). A client has no name that
// would mean anything to the host.
const heloName = "[127.0.0.1]"

// stage is where a conversation was when it failed.
type stage string

const (
	stageConnect stage = "connect"
	stageTLS     stage = "tls"
	stageAuth    stage = "auth"
	stageFrom    stage = "mail_from"
	stageTo      stage = "rcpt_to"
	stageData    stage = "data"
)

// stageError is an error with where it happened.
type stageError struct {
	stage stage
	err   error
}

func (e *stageError) Error() string { return string(e.stage) + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

func at(s stage, err error) error {
	if err == nil {
		return nil
	}
	return &stageError{stage: s, err: err}
}

var (
	errNoSTARTTLS = errors.New("the host does not offer STARTTLS")
	errBusy       = errors.New("the host was busy for a moment")
	errNoAuth     = errors.New("the host offers no way to log in that we speak")
)

// wire is a connection that is logged in.
type wire struct {
	conn       net.Conn
	said       *bounded
	patience   time.Duration
	client     *smtp.Client
	pipelining bool
	utf8       bool
	encrypted  bool
	sent       int
	idleSince  time.Time
}

// connect dials, encrypts and logs in.
func connect(ctx context.Context, r route) (_ *wire, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience.connect)
	defer cancel()
	dialed, err := r.dial(ctx, "tcp", net.JoinHostPort(r.host, fmt.Sprint(r.port)))
	if err != nil {
		return nil, at(stageConnect, err)
	}
	said := &bounded{Conn: dialed}
	said.left.Store(maxSaid)
	conn := net.Conn(said)
	// A host that says nothing is left when the time is over.
	stop := context.AfterFunc(ctx, func() { _ = said.Close() })
	defer func() {
		if !stop() && err == nil {
			err = at(stageConnect, ctx.Err())
		}
		if err != nil {
			_ = conn.Close()
			if ctx.Err() != nil {
				err = errors.Join(err, ctx.Err())
			}
		}
	}()
	if r.encryption == EncryptionTLS {
		secured := tls.Client(conn, r.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, at(stageTLS, err)
		}
		conn = secured
	}
	client, err := smtp.NewClient(conn, r.host)
	if err != nil {
		return nil, at(stageConnect, err)
	}
	if err := client.Hello(heloName); err != nil {
		return nil, at(stageConnect, err)
	}
	if r.encryption == EncryptionSTARTTLS {
		ok, _ := client.Extension("STARTTLS")
		switch {
		case ok:
			if err := client.StartTLS(r.tls); err != nil {
				return nil, at(stageTLS, err)
			}
		case r.plaintext:
			r.encryption = EncryptionNone
		default:
			return nil, whyNoSTARTTLS(client)
		}
	}
	if err := authenticate(client, r); err != nil {
		return nil, at(stageAuth, err)
	}
	w := &wire{conn: conn, said: said, patience: r.patience.send, client: client, encrypted: r.encryption != EncryptionNone}
	w.pipelining, _ = client.Extension("PIPELINING")
	w.utf8, _ = client.Extension("SMTPUTF8")
	return w, nil
}

// whyNoSTARTTLS asks once more. The library greets with HELO where EHLO is refused, also by a host that
// was only busy.
func whyNoSTARTTLS(client *smtp.Client) error {
	if err := client.Text.PrintfLine("EHLO %s", heloName); err != nil {
		return at(stageConnect, err)
	}
	_, said, err := client.Text.ReadResponse(250)
	if p := protocol(err); err != nil && (p == nil || p.Code < 500) {
		return at(stageConnect, err)
	}
	if strings.Contains(strings.ToUpper(said), "STARTTLS") {
		return at(stageConnect, errBusy)
	}
	return at(stageTLS, errNoSTARTTLS)
}

// authenticate logs in by what the host offers. PLAIN before LOGIN, and a token by XOAUTH2 alone.
func authenticate(client *smtp.Client, r route) error {
	if r.username == "" && r.password == "" {
		return nil // a relay that knows us by our address
	}
	_, offered := client.Extension("AUTH")
	offers := func(mechanism string) bool {
		for m := range strings.FieldsSeq(offered) {
			if strings.EqualFold(m, mechanism) {
				return true
			}
		}
		return false
	}
	plainAllowed := r.encryption == EncryptionNone
	switch {
	case r.token && offers("XOAUTH2"):
		return client.Auth(smtp.XOAuth2Auth(r.username, r.password))
	case r.token:
		return errNoAuth
	case offers("PLAIN"):
		return client.Auth(smtp.PlainAuth("", r.username, r.password, r.host, plainAllowed))
	case offers("LOGIN"):
		return client.Auth(smtp.LoginAuth(r.username, r.password, r.host, plainAllowed))
	}
	return errNoAuth
}

// send hands one message over. from and to are addresses without brackets, checked by package address.
// taken tells that the host has said yes to the text: whatever follows, it must not be sent again.
func (w *wire) send(ctx context.Context, from, to string, message io.WriterTo) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = w.said.Close() })
	defer func() {
		if !stop() && err != nil {
			err = errors.Join(err, ctx.Err())
		}
	}()
	w.said.left.Store(maxSaid)
	t := w.client.Text
	params := ""
	if w.utf8 && !ascii(from+to) {
		params = " SMTPUTF8"
	}
	mail, rcpt := "MAIL FROM:<"+from+">"+params, "RCPT TO:<"+to+">"
	if err := w.envelope(t, mail, rcpt); err != nil {
		return false, err
	}
	body := t.DotWriter()
	if _, err := message.WriteTo(body); err != nil {
		return false, at(stageData, err)
	}
	if err := body.Close(); err != nil {
		return false, at(stageData, err)
	}
	if _, _, err := t.ReadResponse(250); err != nil {
		return false, at(stageData, err)
	}
	w.sent++
	return true, nil
}

// envelope says MAIL, RCPT and DATA: in one go where the host takes that (RFC 2920 §3.1), which saves
// two round trips a mail.
func (w *wire) envelope(t *textproto.Conn, mail, rcpt string) error {
	if !w.pipelining {
		for _, c := range []struct {
			line  string
			want  int
			stage stage
		}{{mail, 250, stageFrom}, {rcpt, 25, stageTo}, {"DATA", 354, stageData}} {
			if err := t.PrintfLine("%s", c.line); err != nil {
				return at(c.stage, err)
			}
			if _, _, err := t.ReadResponse(c.want); err != nil {
				return at(c.stage, w.reset(err))
			}
		}
		return nil
	}
	if _, err := fmt.Fprintf(t.W, "%s\r\n%s\r\nDATA\r\n", mail, rcpt); err != nil {
		return at(stageFrom, err)
	}
	if err := t.W.Flush(); err != nil {
		return at(stageFrom, err)
	}
	_, _, fromErr := t.ReadResponse(250)
	_, _, toErr := t.ReadResponse(25)
	_, _, dataErr := t.ReadResponse(354)
	if fromErr == nil && toErr == nil {
		if dataErr != nil {
			dataErr = w.reset(dataErr)
		}
		return at(stageData, dataErr)
	}
	if dataErr == nil {
		// The host wants a text although nobody is to get it; RFC 2920 §3.1 ends that with a lone dot.
		if err := t.PrintfLine("."); err == nil {
			_, _, _ = t.ReadResponse(0) // whatever it says: nothing was sent
		}
	}
	if fromErr != nil {
		return at(stageFrom, w.reset(fromErr))
	}
	return at(stageTo, w.reset(toErr))
}

// reset makes the connection ready for the next mail after a refusal; err is passed through.
func (w *wire) reset(err error) error {
	if protocol(err) == nil {
		return err // the connection is gone
	}
	if w.client.Text.PrintfLine("RSET") == nil {
		if _, _, e := w.client.Text.ReadResponse(250); e != nil {
			_ = w.conn.Close()
		}
	}
	return err
}

// close says goodbye; a host that does not answer is left.
func (w *wire) close() {
	if w.conn.SetDeadline(time.Now().Add(quitTime)) == nil { //nolint:forbidigo // the socket's own clock
		_ = w.client.Quit() // it is over either way
	}
	_ = w.conn.Close()
}

// alive tells whether a connection that was idle can still be used: a host that has hung up has sent
// something, or closed.
func (w *wire) alive() bool {
	if err := w.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil { //nolint:forbidigo // the socket's own clock
		return false
	}
	_, err := w.conn.Read(make([]byte, 1))
	if e := w.conn.SetReadDeadline(time.Time{}); e != nil {
		return false
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// protocol is the host's own refusal in err, or nil.
func protocol(err error) *textproto.Error {
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return e
	}
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
