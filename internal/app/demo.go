package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"latchkey/internal/applications"
	"latchkey/internal/config"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/demo"
	"latchkey/internal/secret"
)

type demoCmd struct {
	Once bool `help:"Make the journey once, without a browser, and exit."`
	Keep bool `help:"Keep the data in --data instead of a folder that is removed at the end."`
}

// The sample mailbox.
const (
	demoDomain   = "example-mail.test"
	demoEmail    = "maria@" + demoDomain
	demoPassword = "seven-quiet-otters"
	demoListen   = "127.0.0.1:8081"
)

// Run starts a mail host, two chat providers with phones, an installation and a sample application, all on loopback.
func (d demoCmd) Run(c *console, cfg *config.Config) error {
	demoCfg := *cfg
	dir := cfg.Data
	if !d.Keep {
		var err error
		if dir, err = os.MkdirTemp("", "latchkey-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	demoCfg.Data, demoCfg.DatabaseURL, demoCfg.LogLevel = dir, secret.Text{}, "error"
	mail, names, err := sampleMail(&demoCfg, dir)
	if err != nil {
		return err
	}
	defer mail.Close()
	defer names.Close()
	phones, err := startPhones(&demoCfg, dir, c.now)
	if err != nil {
		return err
	}
	defer phones.Close()
	return d.run(c, &demoCfg, phones)
}

// sampleMail starts the mail host and a name server that leads to it, and lets the installation
// reach both.
func sampleMail(cfg *config.Config, dir string) (*mailhost.Host, *mailhost.DNS, error) {
	name := "mail." + demoDomain
	host, err := mailhost.Start(mailhost.Config{Users: map[string]string{demoEmail: demoPassword}, Names: []string{name}})
	if err != nil {
		return nil, nil, err
	}
	names, err := mailhost.StartDNS("", host.Zone(demoDomain, name)...)
	if err != nil {
		return nil, nil, errors.Join(err, host.Close())
	}
	ca := filepath.Join(dir, "sample-ca.pem")
	if err := os.WriteFile(ca, host.CAPEM(), 0o600); err != nil {
		names.Close()
		return nil, nil, errors.Join(err, host.Close())
	}
	cfg.CAFile, cfg.DNSServer, cfg.ISPDBURL = ca, names.Addr(), "off"
	cfg.AllowMail = []string{fmt.Sprintf("127.0.0.0/8:%d,%d,%d,%d", host.Port(mailhost.IMAPS), host.Port(mailhost.IMAP), host.Port(mailhost.SMTPS), host.Port(mailhost.Submission))}
	cfg.AllowWebhook = []string{"127.0.0.0/8"}
	return host, names, nil
}

func (d demoCmd) run(c *console, cfg *config.Config, phones *samplePhones) error {
	if d.Once || !free(cfg.Listen) {
		cfg.Listen = "127.0.0.1:" + freePort()
	}
	cfg.BaseURL = "http://" + cfg.Listen
	log := newLogger(cfg, c.err)
	in, err := open(c.ctx, cfg, log, c.now)
	if err != nil {
		return err
	}
	defer in.close()
	in.watch = phones.watch
	app, err := d.sampleApplication(c, in, phones.list)
	if err != nil {
		return err
	}
	defer app.Close()
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	var journey error
	err = in.serve(ctx, func(string) {
		if !d.Once {
			d.greet(c, cfg, app)
			return
		}
		go func() {
			defer stop()
			journey = d.once(ctx, c, app)
		}()
	})
	if err == nil {
		err = journey
	}
	if d.Once && err == nil {
		c.printf("\nThat is the whole journey. `make demo` shows it in your browser.\n")
	}
	return err
}

const onceTimeout = time.Minute

func (d demoCmd) once(ctx context.Context, c *console, app *demo.Application) error {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	c.printf("\nA backend asks for a link, an end user connects a mailbox, the backend is told:\n\n")
	if err := app.Journey(ctx, c.out); err != nil {
		return err
	}
	c.printf("\nWhatsApp and Telegram, with simulated phones:\n\n")
	return app.ChatJourney(ctx, c.out)
}

func (d demoCmd) greet(c *console, cfg *config.Config, app *demo.Application) {
	c.printf(`
Latchkey is running, with everything it needs, on this machine only.

  Open       %s
             a sample application that connects a mailbox, WhatsApp and Telegram;
             simulated phones lie on its page

  Mailbox    %s
  Password   %s

  API        %s/docs

Ctrl-C stops it%s.
`, app.URL(), demoEmail, demoPassword, cfg.BaseURL, map[bool]string{true: "; its data stays in " + cfg.Data, false: " and removes its data"}[d.Keep])
}

// sampleApplication makes the two applications that the sample uses, with their keys.
func (d demoCmd) sampleApplication(c *console, in *installation, phones []demo.Phone) (*demo.Application, error) {
	name := func(base string) string { return base }
	if d.Keep { // names are unique, and the last run's may be there
		name = func(base string) string { return fmt.Sprintf("%s (%s)", base, c.now().Format(time.DateTime)) }
	}
	live, err := in.apps.Create(c.ctx, applications.Spec{Name: name("Northwind CRM")})
	if err != nil {
		return nil, err
	}
	test, err := in.apps.Create(c.ctx, applications.Spec{Name: name("Northwind CRM, test"), Test: true})
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 30 * time.Second}
	listen := demoListen
	if d.Once || !free(listen) {
		listen = "127.0.0.1:0"
	}
	app, err := demo.Start(demo.Config{
		Listen:   listen,
		Latchkey: demo.Client{Base: in.cfg.BaseURL, Key: live.Key.Reveal(), HTTP: client}, WebhookSecret: live.Application.WebhookSecret,
		TestProvider: demo.Client{Base: in.cfg.BaseURL, Key: test.Key.Reveal(), HTTP: client}, TestSecret: test.Application.WebhookSecret,
		Email: demoEmail, Password: demoPassword, Phones: phones, Now: c.now,
	})
	if err != nil {
		return nil, err
	}
	in.log.DebugContext(c.ctx, "sample application", slog.String("url", app.URL()))
	return app, nil
}

// free tells whether an address can be listened on.
func free(addr string) bool {
	ln, err := net.Listen("tcp", addr) //nolint:noctx // closed at once
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

func freePort() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "8080"
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
