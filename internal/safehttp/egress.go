package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/idna"

	"latchkey/internal/tracing"
)

// Purpose says what a connection is for. It decides the ports and the operator's list.
type Purpose int

// The purposes.
const (
	// Mail is IMAP and SMTP: mail ports of public addresses, and AllowMail.
	Mail Purpose = iota + 1
	// Webhook is what applications asked us to call: ports 80, 443 and from 1024 up of public
	// addresses, and AllowWebhook.
	Webhook
	// OAuth is providers' endpoints, chosen by the operator: any port of public addresses, and
	// AllowOAuth.
	OAuth
	// Discovery is looking for mail settings over HTTP: ports 80 and 443 of public addresses, and
	// AllowMail, so that a lab's mail host can serve its own settings.
	Discovery
	// Relay is the operator's own mail relay: any address but those that are never reached. No
	// application chooses it.
	Relay
	// Telegram is its data centres: port 443 of public addresses, and AllowTelegram.
	Telegram
	// WhatsApp is its servers, whose names are ours: port 443 of public addresses, and AllowWhatsApp.
	WhatsApp
	// Proxy is what an application has an account's connections go through: ports 80, 443 and from 1024
	// up of public addresses, and AllowProxy.
	Proxy
)

// String names the purpose in logs.
func (p Purpose) String() string {
	switch p {
	case Mail:
		return "mail"
	case Webhook:
		return "webhook"
	case OAuth:
		return "oauth"
	case Discovery:
		return "discovery"
	case Relay:
		return "relay"
	case Telegram:
		return "telegram"
	case WhatsApp:
		return "whatsapp"
	case Proxy:
		return "proxy"
	}
	return "unknown"
}

// Config is what the operator decides.
type Config struct {
	// AllowMail, AllowWebhook, AllowOAuth and AllowProxy list what else may be reached, by address and never
	// by name: "127.0.0.0/8", "10.0.0.0/8:993,587", "192.168.1.5", "[fd00::5]:993".
	AllowMail    []string
	AllowWebhook []string
	AllowOAuth   []string
	AllowProxy   []string
	// AllowTelegram lists the data centres of a simulated Telegram.
	AllowTelegram []string
	// AllowWhatsApp lists the address of a simulated WhatsApp.
	AllowWhatsApp []string
	// CAFile is a PEM file of roots to trust besides the system's (or besides RootCAs, where set).
	CAFile  string
	RootCAs *x509.CertPool
	// DNSServer ("127.0.0.1:5355") answers every look-up; empty means the system's.
	DNSServer string
	// OwnListeners are the addresses that this process listens on. They are never reached.
	OwnListeners func() []netip.AddrPort
	// Now decides whether a certificate is in its time.
	Now func() time.Time
	Log *slog.Logger
	// Observe may be nil.
	Observe Observer
}

// Observer counts outgoing HTTP requests by purpose: answered, or the code with which they failed.
type Observer interface {
	Egress(purpose, outcome string)
}

// Times and counts that bound a dial.
const (
	dialTimeout = 10 * time.Second
	// maxAddresses is how many addresses of one name are tried: a name with hundreds would make us
	// a port scanner.
	maxAddresses = 8
)

// Egress connects. It is safe for concurrent use.
type Egress struct {
	policy   policy
	resolver *net.Resolver
	roots    *x509.CertPool // nil: the system's
	now      func() time.Time
	log      *slog.Logger
	observe  Observer // may be nil
}

// New reads the lists and the roots; what is wrong with them is for the operator.
func New(cfg Config) (*Egress, error) {
	if cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("safehttp: Now and Log must be given")
	}
	e := &Egress{resolver: newResolver(cfg.DNSServer), now: cfg.Now, log: cfg.Log, observe: cfg.Observe}
	var bad [2]error
	e.policy, bad[0] = newPolicy(cfg)
	e.roots, bad[1] = loadRoots(cfg)
	if err := errors.Join(bad[:]...); err != nil {
		return nil, err
	}
	return e, nil
}

func loadRoots(cfg Config) (*x509.CertPool, error) {
	if cfg.CAFile == "" {
		return cfg.RootCAs, nil
	}
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("safehttp: reading the file of extra roots: %w", err)
	}
	pool := cfg.RootCAs
	if pool == nil {
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("safehttp: loading the system's roots: %w", err)
		}
	} else {
		pool = pool.Clone()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("safehttp: there is no PEM certificate in %s", cfg.CAFile)
	}
	return pool, nil
}

// TLSConfig verifies serverName against the system's roots and the operator's, with TLS 1.2 or later.
// Each call returns a config of its own.
func (e *Egress) TLSConfig(serverName string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName, RootCAs: e.roots, Time: e.now}
}

// DialContext connects to hostport ("mail.example.com:993") over "tcp", "tcp4" or "tcp6", if the
// policy lets the purpose. Its errors are *errs.Error with the codes that Explain lists, or ctx's own
// where the caller gave up.
func (e *Egress) DialContext(ctx context.Context, p Purpose, network, hostport string) (net.Conn, error) {
	dial, span := tracing.Start(ctx, "connect "+p.String(), "latchkey.purpose", p.String())
	conn, err := e.dial(dial, p, network, hostport)
	if err != nil {
		span.End(outcome(err))
	} else {
		span.End("")
	}
	return conn, err
}

func (e *Egress) dial(ctx context.Context, p Purpose, network, hostport string) (net.Conn, error) {
	target, err := parseTarget(network, hostport)
	if err != nil {
		return nil, e.refused(ctx, p, hostport, err)
	}
	var tried atomic.Int64
	d := net.Dialer{
		Timeout:  dialTimeout,
		Resolver: e.resolver,
		ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			if tried.Add(1) > maxAddresses {
				return errTooManyAddresses
			}
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return e.refused(ctx, p, hostport, &refusal{rule: "unreadable address", code: codeHost})
			}
			if err := e.policy.check(p, ap); err != nil {
				return e.refused(ctx, p, hostport, err)
			}
			return nil
		},
	}
	conn, err := d.DialContext(ctx, network, target)
	if err != nil {
		return nil, explainDial(ctx, err)
	}
	return conn, nil
}

// parseTarget refuses what net.Dial would understand in ways of its own (an empty host is this
// machine, a zone picks an interface, a port may be a name), and roots the name, so that no search
// domain of ours is appended to a stranger's name.
func parseTarget(network, hostport string) (string, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return "", &refusal{rule: "network " + strconv.Quote(network), code: codeHost}
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil || host == "" || strings.Contains(host, "%") {
		return "", &refusal{rule: "not a host and port", code: codeHost}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", &refusal{rule: "not a port", code: codePort}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(host, port), nil
	}
	// RFC 5891 §5: what is looked up is the A-label form.
	host, err = idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil || host == "" {
		return "", errBadName
	}
	return net.JoinHostPort(rooted(host), port), nil
}

// refused tells the operator of a refusal, and passes it on.
func (e *Egress) refused(ctx context.Context, p Purpose, hostport string, err error) error {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return explainDial(ctx, err)
	}
	attrs := []slog.Attr{
		slog.String("purpose", p.String()),
		slog.String("destination", hostport),
		slog.String("rule", r.rule),
	}
	if r.addr.IsValid() {
		attrs = append(attrs, slog.String("address", r.addr.String()))
	}
	if r.hint != "" {
		attrs = append(attrs, slog.String("hint", r.hint))
	}
	e.log.LogAttrs(ctx, slog.LevelWarn, "egress refused", attrs...)
	return r.explain()
}
