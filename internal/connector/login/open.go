package login

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"latchkey/internal/errs"
)

// ehloName is what we call ourselves: an address literal (RFC 5321 §4.1.3), since a client has no
// name that would mean anything to the server.
const ehloName = "[127.0.0.1]"

const (
	maxLine  = 8 << 10 // a greeting's or answer's line
	maxLines = 64      // lines of one SMTP answer
)

// wire is an open connection whose greeting was seen. Reading from it begins with a greeting, also
// after STARTTLS, where servers send none: the protocol libraries expect one.
type wire struct {
	net.Conn
	guard *guard
}

func (w *wire) close() { _ = w.Close() }

// phase runs f and ends the connection if f takes longer than d.
func (w *wire) phase(d time.Duration, p Protocol, f func() error) error {
	return phase(w.guard, d, p, f)
}

func phase(g *guard, d time.Duration, p Protocol, f func() error) error {
	ctx, cancel := context.WithTimeout(g.ctx, d)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = g.Conn.Close() })
	defer stop()
	if err := f(); err != nil {
		return classify(ctx, g, p, err)
	}
	return nil
}

// open connects, encrypts and reads the greeting.
func (c *Client) open(ctx context.Context, p Protocol, s Server) (*wire, error) {
	if s.Encryption == None && !c.MayBePlain(s.Host) {
		return nil, &Error{Code: errs.CodePlaintextRefused}
	}
	dialCtx, cancel := context.WithTimeout(ctx, c.dialTimeout())
	defer cancel()
	conn, err := c.Dial.DialContext(dialCtx, "tcp", s.Address())
	if err != nil {
		return nil, classifyDial(dialCtx, err)
	}
	g := newGuard(ctx, conn)
	w := &wire{Conn: g, guard: g}
	if s.Encryption == TLS {
		if err := phase(g, c.phaseTimeout(), p, func() error { return w.handshake(ctx, c.tlsConfig(s.Host)) }); err != nil {
			w.close()
			return nil, mismatch(err)
		}
	}
	err = phase(g, c.phaseTimeout(), p, func() error {
		if s.Encryption == STARTTLS {
			return w.startTLS(ctx, p, c.tlsConfig(s.Host))
		}
		return w.readGreeting(p)
	})
	if err != nil {
		w.close()
		if s.Encryption == STARTTLS {
			err = mismatch(err)
		}
		return nil, err
	}
	return w, nil
}

// mismatch marks errors that come of speaking TLS to a server that waits to be greeted by us in plain,
// or the other way round: silence, a hang-up, or bytes that make no sense.
func mismatch(err error) error {
	e := asError(err)
	switch e.Code {
	case errs.CodeTLSFailed, errs.CodeConnectionTimeout, errs.CodeConnectionClosed, errs.CodeNotIMAP, errs.CodeNotSMTP:
		e.otherWay = true
	default:
	}
	return e
}

func (w *wire) handshake(ctx context.Context, cfg *tls.Config) error {
	conn := tls.Client(w.Conn, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return &tlsError{err}
	}
	w.Conn = conn
	return nil
}

// tlsError marks an error as one of the handshake.
type tlsError struct{ error }

func (e *tlsError) Unwrap() error { return e.error }

// readGreeting reads the greeting and puts it back.
func (w *wire) readGreeting(p Protocol) error {
	r := &lineReader{r: w.Conn}
	g, err := greeting(r, p)
	if err != nil {
		return err
	}
	w.Conn = &replay{Conn: w.Conn, before: append(g, r.rest()...)}
	return nil
}

// greeting reads and checks a greeting: one line in IMAP (RFC 3501 §7.1), an answer of 220 in SMTP.
func greeting(r *lineReader, p Protocol) ([]byte, error) {
	if p == SMTP {
		code, text, raw, err := readAnswer(r)
		if err != nil {
			return nil, err
		}
		if code != 220 {
			return nil, smtpGreetingError(code, text)
		}
		return raw, nil
	}
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	up := strings.ToUpper(string(line))
	switch {
	case strings.HasPrefix(up, "* OK"):
		return line, nil
	case strings.HasPrefix(up, "* BYE"):
		return nil, imapGreetingError(string(line[len("* BYE"):]))
	case strings.HasPrefix(up, "* PREAUTH"):
		// Somebody is logged in already, and it is not who typed the password.
		return nil, &Error{Code: errs.CodeNoAuthMethod, Text: clean(string(line))}
	default:
		return nil, &Error{Code: errs.CodeNotIMAP, Text: clean(string(line))}
	}
}

// startTLS asks for TLS on a plain connection. Nothing that came before the handshake is believed
// afterwards, and bytes that came along with the consent are refused: somebody in the middle could
// have put them there to be read as if they had been encrypted (RFC 3207 §6, RFC 9051 §6.2.1).
func (w *wire) startTLS(ctx context.Context, p Protocol, cfg *tls.Config) error {
	r := &lineReader{r: w.Conn}
	if _, err := greeting(r, p); err != nil {
		return err
	}
	ask := w.askIMAP
	if p == SMTP {
		ask = w.askSMTP
	}
	if err := ask(r); err != nil {
		return err
	}
	if len(r.rest()) > 0 {
		return &Error{Code: errs.CodeTLSFailed, Cause: errors.New("login: plain text after STARTTLS")}
	}
	if err := w.handshake(ctx, cfg); err != nil {
		return err
	}
	hello := "* OK\r\n"
	if p == SMTP {
		hello = "220 ready\r\n"
	}
	w.Conn = &replay{Conn: w.Conn, before: []byte(hello)}
	return nil
}

func (w *wire) askIMAP(r *lineReader) error {
	if _, err := io.WriteString(w.Conn, "s1 STARTTLS\r\n"); err != nil {
		return err
	}
	for range maxLines {
		line, err := r.line()
		if err != nil {
			return err
		}
		up := strings.ToUpper(string(line))
		switch {
		case strings.HasPrefix(up, "S1 OK"):
			return nil
		case strings.HasPrefix(up, "S1 "):
			return &Error{Code: errs.CodeNoSTARTTLS, Text: clean(string(line[3:]))}
		case !strings.HasPrefix(up, "* "):
			return &Error{Code: errs.CodeNotIMAP, Text: clean(string(line))}
		}
	}
	return &Error{Code: errs.CodeProtocolError}
}

func (w *wire) askSMTP(r *lineReader) error {
	if _, err := io.WriteString(w.Conn, "EHLO "+ehloName+"\r\n"); err != nil {
		return err
	}
	code, text, raw, err := readAnswer(r)
	if err != nil {
		return err
	}
	if code != 250 {
		return &Error{Code: errs.CodeProtocolError, Text: clean(text)}
	}
	if !offersSTARTTLS(raw) {
		return &Error{Code: errs.CodeNoSTARTTLS}
	}
	if _, err := io.WriteString(w.Conn, "STARTTLS\r\n"); err != nil {
		return err
	}
	code, text, _, err = readAnswer(r)
	if err != nil {
		return err
	}
	if code != 220 {
		return &Error{Code: errs.CodeNoSTARTTLS, Text: clean(text)}
	}
	return nil
}

func offersSTARTTLS(raw []byte) bool {
	for line := range bytes.Lines(raw) {
		if len(line) > 4 && strings.EqualFold(strings.TrimSpace(string(line[4:])), "STARTTLS") {
			return true
		}
	}
	return false
}

// readAnswer reads an SMTP answer of one or more lines (RFC 5321 §4.2.1).
func readAnswer(r *lineReader) (code int, text string, raw []byte, err error) {
	for range maxLines {
		line, err := r.line()
		if err != nil {
			return 0, "", nil, err
		}
		raw = append(raw, line...)
		s := strings.TrimRight(string(line), "\r\n")
		if len(s) < 3 {
			return 0, "", nil, &Error{Code: errs.CodeNotSMTP, Text: clean(s)}
		}
		if n, err := fmt.Sscanf(s[:3], "%3d", &code); n != 1 || err != nil || code < 200 || code > 599 ||
			(len(s) > 3 && s[3] != ' ' && s[3] != '-') {
			return 0, "", nil, &Error{Code: errs.CodeNotSMTP, Text: clean(s)}
		}
		if len(s) > 3 {
			text = strings.TrimSpace(text + " " + s[4:])
		}
		if len(s) == 3 || s[3] == ' ' {
			return code, text, raw, nil
		}
	}
	return 0, "", nil, &Error{Code: errs.CodeProtocolError}
}

// lineReader reads lines and gives back what it read too much.
type lineReader struct {
	r   io.Reader
	buf []byte
}

var errLongLine = errors.New("login: the server's line has no end")

// line returns the next line with its end.
func (l *lineReader) line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf, '\n'); i >= 0 {
			line := l.buf[: i+1 : i+1]
			l.buf = l.buf[i+1:]
			return line, nil
		}
		if len(l.buf) >= maxLine {
			return nil, errLongLine
		}
		var chunk [1024]byte
		n, err := l.r.Read(chunk[:])
		l.buf = append(l.buf, chunk[:n]...)
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

func (l *lineReader) rest() []byte { return l.buf }
