// Package config is what the operator decides: one struct, filled from flags, the environment and
// a file, in that order of precedence, and checked before anything starts. It knows no other
// package's types but secret.Text, so that a printed configuration never holds a secret.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"latchkey/internal/secret"
)

// Config is the whole configuration. The tags are read by kong; every value can be given as a flag,
// as an environment variable, or as a line of the file that --config names.
type Config struct {
	Listen  string `env:"LATCHKEY_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen."`
	BaseURL string `env:"LATCHKEY_BASE_URL" placeholder:"URL" help:"The public URL of this installation; every URL that is handed out begins with it. Default: http:// and the address of --listen."`
	Data    string `env:"LATCHKEY_DATA" default:"./data" type:"path" placeholder:"DIR" help:"Folder of the embedded database and of the master key."`

	DatabaseURL secret.Text `env:"LATCHKEY_DATABASE_URL" placeholder:"URL" help:"postgres://…; empty means the embedded SQLite database in --data."`
	MasterKey   secret.Text `env:"LATCHKEY_MASTER_KEY" placeholder:"KEY" help:"32 bytes in base64. Needed with PostgreSQL; otherwise made as master.key in --data at the first start."`

	APIKey        secret.Text `env:"LATCHKEY_API_KEY" placeholder:"KEY" help:"Key of application 'default' with all permissions, at least 32 characters. Changing it replaces it."`
	WebhookSecret secret.Text `env:"LATCHKEY_WEBHOOK_SECRET" placeholder:"WHSEC" help:"Secret (whsec_…) that signs what application 'default' is sent."`

	ProviderApps secret.Text `env:"LATCHKEY_PROVIDER_APPS" placeholder:"JSON" help:"Provider apps (OAuth clients) to have, as a JSON list; LATCHKEY_PROVIDER_APPS_FILE names a file of it."`

	AppName string `env:"LATCHKEY_APP_NAME" placeholder:"NAME" help:"What end users read as the name of application 'default'; default is the host of --base-url."`

	CAFile             string   `env:"LATCHKEY_CA_FILE" type:"path" placeholder:"FILE" help:"PEM roots to trust besides the system's, for all outgoing TLS."`
	AllowMail          []string `env:"LATCHKEY_ALLOW_MAIL" placeholder:"CIDR[:PORTS]" help:"Private addresses that mail connections may go to, such as 10.0.0.0/8:993,587."`
	AllowWebhook       []string `env:"LATCHKEY_ALLOW_WEBHOOK" placeholder:"CIDR[:PORTS]" help:"Private addresses that notifications may go to."`
	AllowOAuth         []string `name:"allow-oauth" env:"LATCHKEY_ALLOW_OAUTH" placeholder:"CIDR[:PORTS]" help:"Private addresses that OAuth providers may be at."`
	AllowProxy         []string `env:"LATCHKEY_ALLOW_PROXY" placeholder:"CIDR[:PORTS]" help:"Private addresses that proxies of accounts may be at."`
	AllowPlaintextMail []string `env:"LATCHKEY_ALLOW_PLAINTEXT_MAIL" placeholder:"HOST" help:"Mail hosts that may be given passwords without TLS."`
	TrustedProxies     []string `env:"LATCHKEY_TRUSTED_PROXIES" placeholder:"CIDR" help:"Reverse proxies whose X-Forwarded-For is believed."`
	ISPDBURL           string   `name:"ispdb-url" env:"LATCHKEY_ISPDB_URL" placeholder:"URL" help:"Mail settings database; default is Thunderbird's. 'off' asks none."`
	DNSServer          string   `env:"LATCHKEY_DNS_SERVER" placeholder:"IP:PORT" help:"DNS server for every look-up; default is the system's."`

	OAuth
	WhatsApp
	Mail
	Checks
	Telegram

	// Both hold off floods; people and backends stay far below. A burst may be ten times as large.
	AddressRate float64 `env:"LATCHKEY_ADDRESS_RATE" default:"1000" placeholder:"N" help:"Requests per second that one client address may make without a valid API key; 0 for no limit."`
	KeyRate     float64 `env:"LATCHKEY_KEY_RATE" default:"0" placeholder:"N" help:"Requests per second that one API key may make; 0 for no limit."`

	Operation

	LogLevel  string `env:"LATCHKEY_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat string `env:"LATCHKEY_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// minKey is how long a prepared key must be, in characters.
const minKey = 32

// Check finds what is wrong, all of it at once, and fills in what follows from the rest.
func (c *Config) Check() error {
	var bad []error
	add := func(variable, format string, args ...any) {
		bad = append(bad, fmt.Errorf("%s %s", variable, fmt.Sprintf(format, args...)))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		add("LATCHKEY_LISTEN", "must be HOST:PORT, such as 127.0.0.1:8080")
	}
	if c.BaseURL == "" {
		c.BaseURL = "http://" + reachable(c.Listen)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if u, err := url.Parse(c.BaseURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" {
		add("LATCHKEY_BASE_URL", "must be http(s)://host[:port] and nothing more, such as https://auth.example.com")
	}
	if k := c.APIKey.Reveal(); k != "" && len(k) < minKey {
		add("LATCHKEY_API_KEY", "must have at least %d characters; make one with: openssl rand -hex 32", minKey)
	}
	if k := c.MasterKey.Reveal(); k != "" {
		if _, err := secret.ParseMasterKey(k); err != nil {
			add("LATCHKEY_MASTER_KEY", "must be 32 bytes in base64; make one with: openssl rand -base64 32")
		}
	}
	if c.Postgres() && c.MasterKey.Reveal() == "" {
		add("LATCHKEY_MASTER_KEY", "must be given with PostgreSQL: every replica needs the same; make one with: openssl rand -base64 32")
	}
	if db := c.DatabaseURL.Reveal(); db != "" && !c.Postgres() {
		add("LATCHKEY_DATABASE_URL", "must begin with postgres://, or be empty for the embedded database")
	}
	if s := c.WebhookSecret.Reveal(); s != "" {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil || !strings.HasPrefix(s, "whsec_") || len(raw) < 24 {
			add("LATCHKEY_WEBHOOK_SECRET", "must be whsec_ and base64 of at least 24 bytes")
		}
	}
	if c.DNSServer != "" {
		if _, err := netip.ParseAddrPort(c.DNSServer); err != nil {
			add("LATCHKEY_DNS_SERVER", "must be IP:PORT, such as 127.0.0.1:5355")
		}
	}
	if u, err := url.Parse(c.ISPDBURL); c.ISPDBURL != "" && c.ISPDBURL != "off" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "") {
		add("LATCHKEY_ISPDB_URL", "must be an http(s) URL, or off")
	}
	if !(c.AddressRate >= 0) {
		add("LATCHKEY_ADDRESS_RATE", "must be a number of requests per second, or 0 for no limit")
	}
	if !(c.KeyRate >= 0) {
		add("LATCHKEY_KEY_RATE", "must be a number of requests per second, or 0 for no limit")
	}
	if _, err := c.Proxies(); err != nil {
		add("LATCHKEY_TRUSTED_PROXIES", "must list addresses or ranges, such as 10.0.0.0/8")
	}
	c.OAuth.check(add)
	c.WhatsApp.check(add)
	c.Operation.check(add)
	c.checkMail(add)
	c.Checks.check(add)
	c.Telegram.check(add)
	return errors.Join(bad...)
}

// reachable is where a browser on this machine finds a listener: one that takes every address has
// none of its own to be asked for.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen // Check has complained of it
	}
	if a, err := netip.ParseAddr(host); host == "" || (err == nil && a.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// Postgres tells whether the database is PostgreSQL.
func (c *Config) Postgres() bool {
	u := c.DatabaseURL.Reveal()
	return strings.HasPrefix(u, "postgres://") || strings.HasPrefix(u, "postgresql://")
}

// DatabaseFile is the embedded database; MasterKeyFile and FirstKeyFile stand beside it.
func (c *Config) DatabaseFile() string { return filepath.Join(c.Data, "latchkey.db") }

// MasterKeyFile is where the master key is made at the first start, if it is not configured.
func (c *Config) MasterKeyFile() string { return filepath.Join(c.Data, "master.key") }

// FirstOperatorFile is where the first operator's one-time link is written.
func (c *Config) FirstOperatorFile() string { return filepath.Join(c.Data, "first-operator") }

// FirstKeyFile is where the first API key is written if there is no terminal to show it on.
func (c *Config) FirstKeyFile() string { return filepath.Join(c.Data, "first-key") }

// Proxies parses TrustedProxies.
func (c *Config) Proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range c.TrustedProxies {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out, nil
}
