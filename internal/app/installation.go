package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/applications"
	"latchkey/internal/audit"
	"latchkey/internal/authserver"
	"latchkey/internal/branding"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/funnel"
	"latchkey/internal/hooks"
	"latchkey/internal/hosted"
	"latchkey/internal/keepalive"
	"latchkey/internal/mailer"
	"latchkey/internal/metrics"
	"latchkey/internal/operators"
	"latchkey/internal/providerapps"
	"latchkey/internal/remind"
	"latchkey/internal/safehttp"
	"latchkey/internal/secret"
	"latchkey/internal/signin"
	"latchkey/internal/store/sqlstore"
	"latchkey/internal/tracing"
)

// installation is everything that a command works with, opened.
type installation struct {
	cfg   *config.Config
	log   *slog.Logger
	now   func() time.Time
	store *sqlstore.Store
	ring  *secret.Keyring
	apps  *applications.Service
	trail *audit.Trail
	// traces is nil where nobody asked for them.
	traces *tracing.Provider
	// metrics counts always; whether anybody may read it, the configuration says.
	metrics *metrics.Metrics

	// watch stands between the engine and a connector where somebody looks on: the demo's phones.
	watch func(connector.Connector) connector.Connector

	// The rest is made by build: only the server needs it.
	egress     *safehttp.Egress
	listeners  listeners
	mailer     *mailer.Service
	signIns    *signin.Service
	senders    *mailer.Senders
	hooks      *hooks.Hooks
	accounts   *accounts.Service
	kept       *keepalive.Runner
	engine     *hosted.Engine
	connectors map[latchkey.Provider]connector.Connector
	clients    *providerapps.Service
	operators  *operators.Service
	funnel     *funnel.Counter
	lender     *authserver.Service
	brands     *branding.Service
	reminders  *remind.Service

	closersMu sync.Mutex
	closers   []func() error
}

// onClose has f called when the installation is closed.
func (in *installation) onClose(f func() error) {
	in.closersMu.Lock()
	defer in.closersMu.Unlock()
	in.closers = append(in.closers, f)
}

// listeners are the addresses that this process listens on, for the egress policy.
type listeners struct {
	mu    sync.Mutex
	addrs []netip.AddrPort
}

func (l *listeners) add(a netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addrs = append(l.addrs, a)
}

func (l *listeners) list() []netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]netip.AddrPort(nil), l.addrs...)
}

// open opens the database with its keys. It is what every command needs.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger, now func() time.Time) (*installation, error) {
	if !cfg.Postgres() {
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return nil, fmt.Errorf("the data folder cannot be made: %w", err)
		}
	}
	db, err := sqlstore.OpenDatabase(ctx, sqlstore.Options{
		URL: cfg.DatabaseURL.Reveal(), Path: cfg.DatabaseFile(), Now: now, Log: log,
	})
	if err != nil {
		return nil, err
	}
	ring, err := openKeys(ctx, cfg, db, log, now)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	count := metrics.New(metrics.Build{Version: Version, Engine: db.Engine()})
	st, err := sqlstore.NewStore(db, sealer{ring, count})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	in := &installation{cfg: cfg, log: log, now: now, store: st, ring: ring, metrics: count}
	in.trail = audit.New(audit.Config{Store: st, Now: now, Log: log})
	in.apps = applications.New(applications.Config{Store: st, Now: now, Log: log, NewWebhookSecret: hooks.NewSecret})
	if in.operators, err = in.newOperators(nil); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// openKeys unwraps the keyset with the configured master key, or with the one beside the database.
func openKeys(ctx context.Context, cfg *config.Config, db *sqlstore.Database, log *slog.Logger, now func() time.Time) (*secret.Keyring, error) {
	var master secret.MasterKey
	var err error
	if text := cfg.MasterKey.Reveal(); text != "" {
		master, err = secret.ParseMasterKey(text)
	} else {
		var created bool
		master, created, err = secret.MasterKeyFile(ctx, cfg.MasterKeyFile(), db.Keysets())
		if created {
			log.WarnContext(ctx, "a master key was made; keep a copy of it away from the database: without it nothing sealed can be read again",
				slog.String("file", cfg.MasterKeyFile()))
		}
	}
	if err != nil {
		return nil, err
	}
	return secret.LoadOrCreate(ctx, db.Keysets(), master, now)
}

// build makes the services that the server runs.
func (in *installation) build(ctx context.Context) error {
	var err error
	if in.egress, err = newEgress(in.cfg, in.listeners.list, in.metrics, in.now, in.log); err != nil {
		return err
	}
	if in.brands, err = in.newBranding(); err != nil {
		return err
	}
	in.hooks = hooks.New(hooks.Config{
		Store: in.store, Watch: in.store, Now: in.now, Log: in.log, Owner: owner(), Sole: !in.cfg.Postgres(),
		Prepared: !in.cfg.WebhookSecret.IsZero(),
		Client:   in.egress.Client(safehttp.Webhook, safehttp.ClientOptions{Timeout: webhookTimeout, IdlePerHost: webhookIdle}),
		Observe:  in.metrics,
	})
	in.lender = authserver.New(authserver.Config{
		Store: in.store, Sign: hooks.SignRequest, Now: in.now, Log: in.log,
		// The address is the application's choice, like a notify URL: the same policy holds for both.
		Client: in.egress.Client(safehttp.Webhook, safehttp.ClientOptions{Timeout: authserver.Timeout, MaxBody: authserver.MaxAnswer}),
	})
	if err := in.connect(ctx); err != nil {
		return err
	}
	in.funnel = funnel.New(funnel.Config{Store: in.store, Now: in.now, Expired: func(n int) { in.metrics.Link("expired", n) }})
	if in.mailer, err = in.newMailer(); err != nil {
		return err
	}
	if in.signIns, err = in.newSignIns(); err != nil {
		return err
	}
	if in.operators, err = in.newOperators(invitations{in.mailer}); err != nil {
		return err
	}
	in.senders = in.newSenders()
	callback := in.callbackURL()
	in.clients = providerapps.New(providerapps.Config{
		Store: in.store, Connectors: in.connectors, Events: in.hooks, CallbackURL: callback, Now: in.now, Log: in.log,
	})
	in.kept = keepalive.New(keepalive.Config{
		Store: in.store, Connectors: in.connectors, Accounts: noting{in}, Owner: owner(), Now: in.now, Log: in.log,
	})
	in.reminders = in.newReminders()
	in.accounts = accounts.New(accounts.Config{
		Store: in.store, Connectors: in.connectors, Events: in.hooks, Seal: in.ring, Now: in.now, Log: in.log,
		Apps: in.clients, Sessions: in.kept, Reminders: in.reminders, Lend: in.lender, RefreshRate: in.cfg.RefreshRate, Observe: in.metrics,
		CheckEvery: checkEvery(in.cfg.CheckEvery), CheckPatience: in.cfg.CheckPatience, CheckRate: in.cfg.CheckRate,
	})
	in.engine = hosted.New(hosted.Config{
		Store: in.store, Connectors: in.connectors, Herald: herald{in.hooks}, Revocations: in.accounts,
		FirstCheck: in.accounts.FirstCheck, Owner: owner(), CallbackURL: callback, Apps: in.clients, Kept: in.kept, Listeners: in.hooks, Now: in.now, Log: in.log,
		Observe: in.metrics, AppName: in.nameShown, Reminders: in.reminders,
	})
	return nil
}

// checkEvery is the configured pause as the service takes it: nothing configured means no checks.
func checkEvery(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func newEgress(cfg *config.Config, own func() []netip.AddrPort, count *metrics.Metrics, now func() time.Time, log *slog.Logger) (*safehttp.Egress, error) {
	return safehttp.New(safehttp.Config{
		AllowMail: cfg.AllowMail, AllowWebhook: cfg.AllowWebhook, AllowOAuth: cfg.AllowOAuth, AllowProxy: cfg.AllowProxy,
		AllowTelegram: simulated(cfg), AllowWhatsApp: simulators(cfg), CAFile: cfg.CAFile, DNSServer: cfg.DNSServer, OwnListeners: own, Now: now, Log: log,
		Observe: count,
	})
}

const (
	webhookTimeout = 15 * time.Second
	// webhookIdle is how many connections to a receiver are kept for the next deliveries.
	webhookIdle = 64
)

// owner names this process among the replicas, in leases and in the log.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%d", host, os.Getpid(), time.Now().UnixNano())
}

// close ends everything that was opened, the store last.
func (in *installation) close() error {
	in.closersMu.Lock()
	defer in.closersMu.Unlock()
	var out []error
	for i := len(in.closers) - 1; i >= 0; i-- {
		out = append(out, in.closers[i]())
	}
	return errors.Join(append(out, in.store.Close())...)
}

// newLogger writes to w as the configuration says.
func newLogger(cfg *config.Config, w interface{ Write([]byte) (int, error) }) *slog.Logger {
	var level slog.Level
	// Check has allowed the four names only.
	_ = level.UnmarshalText([]byte(cfg.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// indent sets the lines of a message apart.
func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// callbackURL is the redirect URI of this host: there is one for all providers.
func (in *installation) callbackURL() string { return in.cfg.BaseURL + "/oauth/callback" }

// simulators are the addresses that stand for chat providers.
func simulators(cfg *config.Config) []string {
	if cfg.WhatsAppAddr == "" {
		return nil
	}
	return []string{cfg.WhatsAppAddr}
}
