package telegram

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/gotd/td/exchange"

	"latchkey"
	"latchkey/internal/connector"
)

//go:embed texts/*.json
var texts embed.FS

// ownKeys are the public keys of Telegram's servers, as it publishes them at my.telegram.org.
//
//go:embed keys.pem
var ownKeys []byte

//go:embed icon.svg
var icon string

// Dialer connects to a data centre, under the policy for outgoing connections, and through the proxy
// where there is one.
type Dialer interface {
	DialVia(ctx context.Context, via *latchkey.Proxy, hostport string) (net.Conn, error)
}

// Counter counts what strangers can repeat, over all replicas.
type Counter interface {
	// Count adds one to the bucket and returns how many there are in the window that now lies in.
	Count(ctx context.Context, bucket string, window time.Duration, now time.Time) (int, error)
}

// Config is what the connector needs of the installation.
type Config struct {
	Dial  Dialer
	Tries Counter
	// APIID and APIHash (my.telegram.org) are of all applications that have no provider app of their
	// own. Without them, only applications that have one are offered Telegram.
	APIID   int
	APIHash string
	// DCs and PublicKeys replace Telegram's own addresses and keys, for a simulated Telegram.
	DCs        map[int]string
	PublicKeys []*rsa.PublicKey
	// Version is ours, as the list of devices on the phone shows it.
	Version string
	// CallTimeout bounds one call; 10 seconds if zero.
	CallTimeout time.Duration
	Now         func() time.Time
	Log         *slog.Logger
}

// Connector connects Telegram accounts. It keeps nothing of anybody between calls.
type Connector struct {
	cfg  Config
	dcs  map[int]string
	keys []exchange.PublicKey
	// groups are known to be groups: the one thing that is remembered.
	groups groups
}

var (
	_ connector.Connector       = (*Connector)(nil)
	_ connector.Checker         = (*Connector)(nil)
	_ connector.Revoker         = (*Connector)(nil)
	_ connector.DirectConnector = (*Connector)(nil)
)

// firstDC is where a login begins, if Telegram does not say otherwise.
const firstDC = 2

// ownDCs are Telegram's addresses. They are as old as the protocol; what has moved is said by the
// servers themselves, as an error that names the data centre.
func ownDCs() map[int]string {
	return map[int]string{
		1: "149.154.175.53:443", 2: "149.154.167.41:443", 3: "149.154.175.100:443", 4: "149.154.167.91:443", 5: "91.108.56.191:443",
	}
}

// New makes the connector.
func New(cfg Config) *Connector {
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 10 * time.Second
	}
	c := &Connector{cfg: cfg, dcs: cfg.DCs}
	if len(c.dcs) == 0 {
		c.dcs = ownDCs()
	}
	keys := cfg.PublicKeys
	if len(keys) == 0 {
		keys = ParseKeys(ownKeys)
	}
	for _, k := range keys {
		c.keys = append(c.keys, exchange.PublicKey{RSA: k})
	}
	return c
}

// ParseKeys reads the keys of servers: PEM, PKCS #1. What is no such key is left out.
func ParseKeys(raw []byte) []*rsa.PublicKey {
	var out []*rsa.PublicKey
	for {
		block, rest := pem.Decode(raw)
		if block == nil {
			return out
		}
		if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil && block.Type == "RSA PUBLIC KEY" {
			out = append(out, k)
		}
		raw = rest
	}
}

// Describe implements connector.Connector.
func (c *Connector) Describe() connector.Descriptor {
	words, err := fs.Sub(texts, "texts")
	if err != nil {
		words = texts // cannot be: the name is a constant
	}
	return connector.Descriptor{
		Provider: latchkey.Telegram, Texts: words, Icon: icon, NeedsApp: c.cfg.APIID == 0, AppOptional: true, Checkpoints: true, OwnGrants: true, Proxies: true,
		Scopes: []string{"profile.read", "contacts.read", "messages.read", "messages.send"},
	}
}

// Begin implements connector.Connector. On a phone the number comes first: nobody can scan his own
// screen.
func (c *Connector) Begin(start connector.Start) (connector.Turn, error) {
	s, err := c.begin(start)
	if err != nil {
		return connector.Turn{}, err
	}
	if start.Handheld {
		return show(phoneStep(s), s), nil
	}
	return c.openQR(s), nil
}

// Direct implements connector.DirectConnector: the application shows the steps itself.
func (c *Connector) Direct(start connector.Start, values map[string]string) (connector.Turn, error) {
	s, err := c.begin(start)
	if err != nil {
		return connector.Turn{}, err
	}
	switch method := values["method"]; {
	case method == methodPhone && values["phone"] != "", method == "" && values["phone"] != "":
		return c.takePhone(s, values["phone"]), nil
	case method == methodPhone:
		return show(phoneStep(s), s), nil
	case method == "" || method == methodQR:
		return c.openQR(s), nil
	}
	return show(withError(phoneStep(s), "", codeUnsupportedMethod), s), nil
}

func (c *Connector) begin(start connector.Start) (state, error) {
	s := state{Link: string(start.LinkID), Application: string(start.ApplicationID), Device: start.ApplicationName, Proxy: start.Proxy}
	s.API = apiKey{ID: c.cfg.APIID, Hash: c.cfg.APIHash}
	if start.App != nil {
		id, err := strconv.Atoi(start.App.ClientID)
		if err != nil {
			return s, fmt.Errorf("telegram: the provider app's client_id is no api_id: %w", err)
		}
		s.API = apiKey{ID: id, Hash: start.App.ClientSecret}
	}
	if s.API.ID == 0 {
		return s, errors.New("telegram: there is no api_id")
	}
	if start.Prior != nil {
		s.Prior, s.PriorSecret = start.Prior.Identity, start.Prior.Secret
		if was, err := readCredential(start.Prior.Secret); err == nil && s.Proxy == nil { // else there is none to keep
			s.Proxy = was.Proxy
		}
	}
	return s, nil
}
