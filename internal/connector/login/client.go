package login

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"latchkey/internal/errs"
)

// Dialer is the only way out. It applies the operator's egress policy.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// DialFunc makes a function a Dialer.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext calls f.
func (f DialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// Default limits of time for one connection.
const (
	defaultDialTimeout  = 10 * time.Second
	defaultPhaseTimeout = 10 * time.Second
	defaultLoginTimeout = 20 * time.Second
	silenceTimeout      = 4 * time.Second
)

// Client reaches mail servers.
type Client struct {
	Dial Dialer
	// TLS returns the configuration for a server's name; nil means the system's roots.
	TLS func(serverName string) *tls.Config
	// AllowPlaintext lists hosts that may be spoken to without TLS.
	AllowPlaintext []string
	// DialTimeout, PhaseTimeout (handshake, greeting, STARTTLS) and LoginTimeout bound the parts of
	// a connection; zero means a default of 10, 10 and 20 seconds.
	DialTimeout, PhaseTimeout, LoginTimeout time.Duration
}

// MayBePlain tells whether the operator allowed the host to be spoken to without TLS.
func (c *Client) MayBePlain(host string) bool {
	for _, h := range c.AllowPlaintext {
		if strings.EqualFold(strings.TrimSuffix(strings.TrimSpace(h), "."), strings.TrimSuffix(host, ".")) {
			return true
		}
	}
	return false
}

// Probe tells whether the server speaks the protocol, encrypted as it says, under a certificate
// valid for its name. No login is tried.
func (c *Client) Probe(ctx context.Context, p Protocol, s Server) error {
	conn, err := c.open(ctx, p, s)
	if err != nil {
		return err
	}
	defer conn.close()
	return conn.phase(c.phaseTimeout(), p, func() error {
		if p == SMTP {
			return probeSMTP(conn)
		}
		_, err := conn.Write([]byte("z LOGOUT\r\n"))
		return err
	})
}

// Verify logs in, does one cheap thing to see that the login is usable, and logs out.
// It returns the server as it was really spoken to: a port and an encryption that do not go together
// (STARTTLS on 993) are repaired, and the other encryption is tried where the first was not
// understood; an encrypted connection is never given up for a plain one.
func (c *Client) Verify(ctx context.Context, p Protocol, s Server, user, password string) (Server, error) {
	var first *Error
	ways := c.encryptions(s)
	for i, e := range ways {
		try := Server{Host: s.Host, Port: s.Port, Encryption: e}
		// A server that waits for TLS says nothing to who waits for a greeting, and the other way round:
		// where there is another way to try, silence is not listened to for long.
		once := *c
		if i < len(ways)-1 {
			once.PhaseTimeout = min(c.phaseTimeout(), silenceTimeout)
		}
		err := once.verifyOnce(ctx, p, try, user, password)
		if err == nil {
			return try, nil
		}
		le := asError(err)
		if le.Refused() {
			return try, le
		}
		first = better(first, le)
		if !le.otherWay || ctx.Err() != nil {
			break
		}
	}
	if s.Encryption == None && !c.MayBePlain(s.Host) && first.Code == errs.CodeNoSTARTTLS {
		first.Code = errs.CodePlaintextRefused // it was asked for, and will not be
	}
	return s, first
}

func (c *Client) verifyOnce(ctx context.Context, p Protocol, s Server, user, password string) error {
	conn, err := c.open(ctx, p, s)
	if err != nil {
		return err
	}
	defer conn.close()
	err = conn.phase(c.loginTimeout(), p, func() error {
		if p == SMTP {
			return loginSMTP(conn, user, password)
		}
		return loginIMAP(conn, user, password)
	})
	if err != nil {
		return asError(err).without(user, password)
	}
	return nil
}

// encryptions lists what to try on a server, in order. RFC 8314 §3: implicit TLS before STARTTLS.
func (c *Client) encryptions(s Server) []Encryption {
	usual := UsualEncryption(s.Port)
	switch {
	case s.Encryption == None && c.MayBePlain(s.Host):
		return []Encryption{None}
	case s.Encryption == None && usual == Auto:
		return []Encryption{STARTTLS, TLS}
	case s.Encryption == Auto && usual == Auto:
		return []Encryption{TLS, STARTTLS}
	case s.Encryption == Auto || s.Encryption == None:
		return []Encryption{usual}
	case usual != Auto && usual != s.Encryption:
		return []Encryption{usual, s.Encryption}
	case usual == Auto && s.Encryption == STARTTLS:
		return []Encryption{STARTTLS, TLS}
	case usual == Auto:
		return []Encryption{TLS, STARTTLS}
	default:
		return []Encryption{s.Encryption}
	}
}

// better keeps the error that tells the reader more: of two failed ways, the first, unless the
// second got further.
func better(a, b *Error) *Error {
	if a == nil {
		return b
	}
	vague := a.Code == errs.CodeConnectionTimeout || a.Code == errs.CodeTLSFailed || a.Code == errs.CodeConnectionClosed
	if vague && !b.otherWay {
		return b
	}
	if a.Code == errs.CodeTLSFailed && b.Code != errs.CodeConnectionTimeout && b.Code != errs.CodeConnectionClosed {
		return b
	}
	return a
}

func (c *Client) dialTimeout() time.Duration  { return orDefault(c.DialTimeout, defaultDialTimeout) }
func (c *Client) phaseTimeout() time.Duration { return orDefault(c.PhaseTimeout, defaultPhaseTimeout) }
func (c *Client) loginTimeout() time.Duration { return orDefault(c.LoginTimeout, defaultLoginTimeout) }

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

func (c *Client) tlsConfig(host string) *tls.Config {
	if c.TLS != nil {
		return c.TLS(host)
	}
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}
