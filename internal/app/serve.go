package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
	"latchkey/internal/web"
	"latchkey/internal/web/api"
	"latchkey/internal/web/senderproof"
	websignin "latchkey/internal/web/signin"
	"latchkey/internal/web/ui"
	"latchkey/internal/web/wizard"
)

type serveCmd struct{}

// gcPercent is how much garbage may gather before it is collected, for what lives.
const gcPercent = 200

// Run serves until it is told to stop.
func (serveCmd) Run(c *console, cfg *config.Config) error {
	if os.Getenv("GOGC") == "" {
		// Little lives and every request makes garbage: half as many collections cost some megabytes
		// under load and none at rest.
		debug.SetGCPercent(gcPercent)
	}
	log := newLogger(cfg, c.err)
	in, err := open(c.ctx, cfg, log, c.now)
	if err != nil {
		return err
	}
	defer func() {
		if err := in.close(); err != nil {
			log.Error("closing", slog.String("cause", err.Error()))
		}
	}()
	if err := in.firstKey(c); err != nil {
		return err
	}
	if err := in.firstOperator(c); err != nil {
		return err
	}
	return in.serve(c.ctx, func(addr string) {
		log.InfoContext(c.ctx, "latchkey is ready", slog.String("listen", addr), slog.String("base_url", cfg.BaseURL),
			slog.String("database", in.store.Database().Engine()), slog.String("version", Version))
	})
}

// firstSecret tells that nobody can verify notifications yet. With a prepared key nothing is shown
// that the secret could stand beside; the operator has to choose one.
func (in *installation) firstSecret(ctx context.Context, d applications.Default) {
	if d.Created && d.FirstKey.IsZero() && in.cfg.WebhookSecret.IsZero() {
		in.log.WarnContext(ctx, "notifications are signed with a secret that nobody was shown; set LATCHKEY_WEBHOOK_SECRET to verify them")
	}
}

// firstKey sees to it that application "default" can be used. A key that is made here is shown on
// the terminal, once; without a terminal it goes to a file that only we can read.
func (in *installation) firstKey(c *console) error {
	d, err := in.apps.EnsureDefault(c.ctx, applications.Prepared{APIKey: in.cfg.APIKey, WebhookSecret: in.cfg.WebhookSecret})
	if err != nil {
		return err
	}
	if d.FirstKey.IsZero() {
		in.firstSecret(c.ctx, d)
		return nil
	}
	text := fmt.Sprintf("API key of application %q, shown this once:\n\n  %s\n\nwebhook secret: %s\n",
		d.Application.Name, d.FirstKey.Reveal(), d.Application.WebhookSecret)
	if isTerminal(c.out) {
		c.printf("\n%s\n", text)
		return nil
	}
	f, err := os.OpenFile(in.cfg.FirstKeyFile(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		// A key that nobody has seen must not stay.
		return errors.Join(fmt.Errorf("the first API key could not be written: %w", err), in.apps.DeleteKey(c.ctx, d.Application.ID, d.KeyID))
	}
	in.log.InfoContext(c.ctx, "the first API key was written; read it, then remove the file", slog.String("file", in.cfg.FirstKeyFile()))
	return nil
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// Wrong keys of one address: enough for a typing error, too few for guessing.
const (
	wrongKeyPerSecond = 1
	wrongKeyBurst     = 20
)

// burst is how many seconds' worth of requests may come at once.
const burst = 10

// limit makes a rate of the configuration a limit; zero limits nothing.
func limit(perSecond float64) web.Limit {
	return web.Limit{PerSecond: perSecond, Burst: int(min(max(perSecond*burst, burst), 1e9))}
}

const (
	tidyAfter    = 2 * time.Second
	shutdownTime = 20 * time.Second
	refreshEvery = secret.MaxStale / 3
	// jobTimeout has room for the slowest receiver of a notification (webhookTimeout). It is not
	// longer, since a job whose process was killed is run again after twice that.
	jobTimeout = webhookTimeout + 5*time.Second
	// maxWorkers is more than one slow receiver of notifications can hold (hooks bounds each).
	maxWorkers = 200
)

// serve listens and works until ctx ends, then stops in order: /readyz says so, no new requests, then
// Works and jobs, so that what was begun is ended or handed over.
func (in *installation) serve(ctx context.Context, ready func(addr string)) error {
	if err := in.build(ctx); err != nil {
		return err
	}
	if err := in.startTraces(ctx); err != nil {
		return err
	}
	if err := in.declareApps(ctx); err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", in.cfg.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", in.cfg.Listen, err)
	}
	if a, err := netip.ParseAddrPort(ln.Addr().String()); err == nil {
		in.listeners.add(a)
	}
	var stopping atomic.Bool
	handler, err := in.handler(stopping.Load)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	stopMetrics, err := in.serveMetrics(ctx)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	worker, err := in.store.Work(context.WithoutCancel(ctx), sqlstore.WorkConfig{
		Handlers: in.handlers(), Timeout: jobTimeout, MaxWorkers: maxWorkers,
		Periodic: []sqlstore.Periodic{{Kind: jobForget, Every: forgetEvery}, {Kind: jobSenders, Every: sendersEvery, RunOnStart: true}, {Kind: jobFunnel, Every: funnelEvery, RunOnStart: true}},
	})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	background, stopBackground := context.WithCancel(in.traces.With(context.WithoutCancel(ctx)))
	defer stopBackground()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in.background(background)
	}()
	srv := web.NewServer(handler, in.log)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	ready(ln.Addr().String())
	// The start leaves more garbage than an idle server makes in an hour.
	tidy := time.AfterFunc(tidyAfter, debug.FreeOSMemory)
	defer tidy.Stop()

	select {
	case err = <-failed:
	case <-ctx.Done():
		in.log.InfoContext(ctx, "stopping")
		stopping.Store(true)
		time.Sleep(in.cfg.DrainTime) // balancers that ask /readyz look once more, and send no more
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	in.stop(sctx, srv.Shutdown, func(ctx context.Context) error {
		stopBackground()
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, worker.Stop, func(ctx context.Context) error { return errors.Join(stopMetrics(ctx), in.traces.Close(ctx)) })
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// stop ends one thing after the other, all of them before ctx does.
func (in *installation) stop(ctx context.Context, requests, background, jobs, counting func(context.Context) error) {
	for _, part := range []struct {
		stop   func(context.Context) error
		unless string
	}{
		{requests, "requests were cut off"},
		{background, "works were cut off; they are taken up again"},
		{jobs, "jobs were cut off; they run again"},
		{counting, "the last metrics and traces were cut off"},
	} {
		if err := part.stop(ctx); err != nil {
			in.log.WarnContext(ctx, part.unless, slog.String("cause", err.Error()))
		}
	}
	in.log.InfoContext(ctx, "stopped")
}

// background runs what goes on beside requests and jobs.
func (in *installation) background(ctx context.Context) {
	var services sync.WaitGroup
	for what, run := range map[string]func(context.Context) error{"the flow engine": in.engine.Run, "the deliveries": in.hooks.Run, "the care of accounts": in.accounts.Run, "the outbox": in.mailer.Run, "the audit trail": in.trail.Run, "staying connected": in.kept.Run} {
		services.Go(func() {
			if err := run(ctx); err != nil {
				in.log.ErrorContext(ctx, what+" ended", slog.String("cause", err.Error()))
			}
		})
	}
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			services.Wait()
			return
		case <-tick.C:
			if err := in.ring.Refresh(ctx); err != nil && ctx.Err() == nil {
				in.log.ErrorContext(ctx, "keys not refreshed", slog.String("cause", err.Error()))
			}
		}
	}
}

// readerName is shownName, and for the zero application the installation's own name.
func (in *installation) readerName(ctx context.Context, tx store.Tx, app latchkey.Application, base *url.URL) string {
	if app.ID == "" {
		return base.Hostname()
	}
	return in.shownName(ctx, tx, app, base)
}

// shownName is what end users read as the application's name: the one of its branding, else its own.
// "default" is nobody's name.
func (in *installation) shownName(ctx context.Context, tx store.Tx, app latchkey.Application, base *url.URL) string {
	own := in.brands.LookIn(ctx, tx, app.ID).Name
	switch {
	case own != "":
		return own
	case app.Name != applications.DefaultName:
		return app.Name
	case in.cfg.AppName != "":
		return in.cfg.AppName
	}
	return base.Hostname()
}

// nameShown is shownName at the configured address, which Check has seen to be one.
func (in *installation) nameShown(ctx context.Context, tx store.Tx, app latchkey.Application) string {
	base, err := url.Parse(in.cfg.BaseURL)
	if err != nil {
		return app.Name
	}
	return in.shownName(ctx, tx, app, base)
}

// handler puts the pages and the API behind the edge.
func (in *installation) handler(stopping func() bool) (http.Handler, error) {
	base, err := url.Parse(in.cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	proxies, err := in.cfg.Proxies()
	if err != nil {
		return nil, err
	}
	var descriptors []connector.Descriptor
	for _, conn := range in.connectors {
		descriptors = append(descriptors, conn.Describe())
	}
	theme := in.themes(base)
	proofs, err := senderproof.New(senderproof.Config{
		Proofs: in.senders, Origin: base.Scheme + "://" + base.Host, Theme: theme, Now: in.now, Log: in.log,
	})
	if err != nil {
		return nil, err
	}
	pages, err := wizard.New(wizard.Config{
		Engine: in.engine, Connectors: descriptors, BaseURL: in.cfg.BaseURL, Now: in.now, Log: in.log,
		Theme: theme,
	})
	if err != nil {
		return nil, err
	}
	v1 := api.New(api.Config{
		BaseURL: base, Now: in.now, Log: in.log, Keys: in.apps, Links: in.engine, Direct: in.engine, Accounts: in.accounts,
		Applications: in.apps,
		Events:       in.store.Events(), Funnel: in.funnel, Trail: in.trail, AuditLog: in.store.Audit(), Answers: in.store.Idempotency(), MAC: in.ring, ProviderApps: in.clients, Branding: in.brands, Senders: in.senders, Mails: in.mailer, SignIns: in.signIns, OpenID: in.signIns, Webhooks: in.hooks, Version: Version,
		KeyLimit:      limit(in.cfg.KeyRate),
		WrongKeyLimit: web.Limit{PerSecond: wrongKeyPerSecond, Burst: wrongKeyBurst},
	})
	signIns, err := websignin.New(websignin.Config{
		SignIns: in.signIns, Provider: in.signIns, Application: in.apps.Get, BaseURL: in.cfg.BaseURL, Now: in.now, Log: in.log,
		Theme: theme,
	})
	if err != nil {
		return nil, err
	}
	board, err := in.newDashboard(base, signIns, pages.Preview)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	pages.Register(mux)
	ui.RegisterImages(mux, in.brands, in.log)
	signIns.Register(mux)
	board.Register(mux)
	if err := proofs.Register(mux); err != nil {
		return nil, err
	}
	v1.Register(mux)
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", in.ready(stopping))
	edge := web.NewEdge(web.EdgeConfig{
		BaseURL: base, Log: in.log, Now: in.now, TrustedProxies: proxies,
		Uploads:      uploads,
		AddressLimit: limit(in.cfg.AddressRate), Vouched: v1.Vouches, Observe: in.metrics, Trace: in.tracer(),
	})
	return edge.Wrap(mux), nil
}
