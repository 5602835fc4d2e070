package whatsapp

import (
	"context"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"

	"latchkey"
	"latchkey/internal/connector"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed icon.svg
var icon string

// Config is what the connector needs.
type Config struct {
	// Dial opens an encrypted connection to host:port, through the proxy where there is one; tests and
	// simulators may have nothing to encrypt.
	Dial func(ctx context.Context, via *latchkey.Proxy, hostport string) (net.Conn, error)
	// DeviceName is what the phone lists among its linked devices; "Latchkey" if empty.
	DeviceName string
	// FirstCode and NextCode are how long the first and each further QR code is shown; 60 and 20 s, as
	// the server has it, if zero.
	FirstCode, NextCode time.Duration
	Now                 func() time.Time
	Log                 *slog.Logger
}

// Connector implements connector.Connector, Keeper and Revoker.
type Connector struct{ cfg Config }

// New makes the connector.
func New(cfg Config) *Connector {
	if cfg.DeviceName == "" {
		cfg.DeviceName = "Latchkey"
	}
	if cfg.FirstCode == 0 {
		cfg.FirstCode = 60 * time.Second
	}
	if cfg.NextCode == 0 {
		cfg.NextCode = 20 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	hushed.Do(hush)
	return &Connector{cfg: cfg}
}

// hushed is done once, since the library's logger is one for the process.
var hushed sync.Once //nolint:gochecknoglobals // guards a global of the library

// hush keeps the library of Signal's cryptography from printing: unless told otherwise, it writes to
// standard output what it could not decrypt, and from whom.
func hush() {
	var l logger.Loggable = hushedLogger{}
	logger.Setup(&l)
}

type hushedLogger struct{}

func (hushedLogger) Debug(string, string)   {}
func (hushedLogger) Info(string, string)    {}
func (hushedLogger) Warning(string, string) {}
func (hushedLogger) Error(string, string)   {}
func (hushedLogger) Configure(string)       {}

// trusted guards the library's root key, which is one for the process.
var trusted sync.Mutex //nolint:gochecknoglobals // guards a global of the library

// TrustRoot makes the process trust a server vouched for by this key (64 hex digits) instead of
// WhatsApp's own: that of a simulator. Call it before anything connects.
func TrustRoot(hexKey string) error {
	raw, err := hex.DecodeString(hexKey)
	if err != nil || len(raw) != len(whatsmeow.WACertPubKey) {
		return errors.New("whatsapp: a root key has 64 hex digits")
	}
	trusted.Lock()
	defer trusted.Unlock()
	if [32]byte(raw) != whatsmeow.WACertPubKey {
		whatsmeow.WACertPubKey = [32]byte(raw)
	}
	return nil
}

// Describe implements connector.Connector.
func (c *Connector) Describe() connector.Descriptor {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		panic(err) // the folder is embedded above: a missing one does not compile
	}
	return connector.Descriptor{
		Provider: latchkey.WhatsApp, Texts: sub, Icon: icon, Checkpoints: true, OwnGrants: true, Proxies: true,
		Scopes: scopes(),
	}
}

// scopes is what a linked device can do: all of it, there is no less.
func scopes() []string { return []string{"messages.read", "messages.send", "contacts.read"} }

// Do implements connector.Connector.
func (c *Connector) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	s, err := decodeState(w.Input)
	if err != nil {
		return connector.Turn{}, err
	}
	if w.Name != workLink {
		return connector.Turn{}, fmt.Errorf("whatsapp: no work %q", w.Name)
	}
	return c.link(ctx, s, r)
}
