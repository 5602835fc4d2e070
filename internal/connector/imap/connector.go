package imap

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed icon.svg
var icon string

// Config is what the connector needs of the installation.
type Config struct {
	// Dial, Resolve and Fetch apply the egress policy: mail, discovery and discovery.
	Dial    login.Dialer
	Resolve settings.Resolver
	Fetch   settings.Fetcher
	// TLS returns the configuration for a server's name, with the operator's roots.
	TLS func(serverName string) *tls.Config
	// AllowPlaintext lists hosts that may be spoken to without TLS.
	AllowPlaintext []string
	// ISPDBURL is empty for Thunderbird's database, "off" for none.
	ISPDBURL string
	Now      func() time.Time
	Log      *slog.Logger
	// Tries counts over all replicas; nil counts in this process alone.
	Tries TryCounter
	// Limits are the caps on tries; zero fields have defaults.
	Limits Limits
	// Lend gives credentials that applications keep themselves; nil gives none.
	Lend connector.Lender
}

// Connector connects mailboxes by password.
type Connector struct {
	login  *login.Client
	finder *settings.Finder
	tries  *limiter
	lend   connector.Lender
	log    *slog.Logger
}

var (
	_ connector.Connector       = (*Connector)(nil)
	_ connector.Checker         = (*Connector)(nil)
	_ connector.Placer          = (*Connector)(nil)
	_ connector.DirectConnector = (*Connector)(nil)
)

// New makes the connector.
func New(cfg Config) *Connector {
	client := &login.Client{Dial: cfg.Dial, TLS: cfg.TLS, AllowPlaintext: cfg.AllowPlaintext}
	return &Connector{
		login: client,
		finder: settings.NewFinder(settings.Config{
			Resolve: cfg.Resolve, Fetch: cfg.Fetch, Probe: client, ISPDBURL: cfg.ISPDBURL, Now: cfg.Now, Log: cfg.Log,
		}),
		tries: newLimiter(cfg.Tries, cfg.Limits, cfg.Now),
		lend:  cfg.Lend,
		log:   cfg.Log,
	}
}

// Describe says what the connector is.
func (c *Connector) Describe() connector.Descriptor {
	dir, err := fs.Sub(texts, "texts")
	if err != nil {
		dir = texts // cannot be: the name is a constant
	}
	return connector.Descriptor{
		Provider: latchkey.IMAP, Texts: dir, Icon: icon, Capabilities: []string{"password", "detection"},
		Scopes: []string{scopeRead, scopeSend},
	}
}

// Scopes of a mailbox.
const (
	scopeRead = "mail.read"
	scopeSend = "mail.send"
)

// Names of the Works.
const (
	workDetect = "detect"
	workVerify = "verify"
)

const (
	// detectDeadline is the finder's budget and a little for everything around it.
	detectDeadline = 5 * time.Second
	verifyDeadline = 45 * time.Second
)

var errWork = errors.New("imap: a work that this connector does not know")

// Do does one Work.
func (c *Connector) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	s, err := decodeState(w.Input)
	if err != nil {
		return connector.Turn{}, err
	}
	switch w.Name {
	case workDetect:
		return c.detect(ctx, s, r)
	case workVerify:
		return c.verify(ctx, s, r)
	default:
		return connector.Turn{}, fmt.Errorf("%w: %q", errWork, w.Name)
	}
}
