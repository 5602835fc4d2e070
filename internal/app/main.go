package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"latchkey/internal/config"
)

// Version is the product's. Releases set it with -ldflags.
var Version = "0.1.0-dev" //nolint:gochecknoglobals // the linker writes it

// cli is the whole command line. Configuration flags go before or after the command alike.
type cli struct {
	config.Config
	ConfigFile kong.ConfigFlag `name:"config" env:"LATCHKEY_CONFIG" placeholder:"FILE" help:"File with lines LATCHKEY_NAME=value."`

	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Demo        demoCmd        `cmd:"" help:"Run everything on loopback with a sample application and a sample mail host."`
	Listen      listenCmd      `cmd:"" help:"Print events as they happen, and forward them to an address of yours."`
	App         appCmd         `cmd:"" help:"Make and list applications."`
	Key         keyCmd         `cmd:"" help:"Make, list and delete API keys."`
	Operator    operatorCmd    `cmd:"" help:"Invite, list and remove the people who use the dashboard."`
	ProviderApp providerAppCmd `cmd:"" name:"provider-app" help:"Register, list, verify and delete OAuth clients (provider apps)."`
	Sender      senderCmd      `cmd:"" help:"List, set, check, test and remove the senders of login emails."`
	Keys        keysCmd        `cmd:"" help:"Rotate the keys that seal credentials."`
	Audit       auditCmd       `cmd:"" help:"Print who did what, with keys and on the command line."`
	Sim         simCmd         `cmd:"" help:"Run a simulated provider, for tests and demos."`
	Doctor      doctorCmd      `cmd:"" help:"Check the configuration and everything it names."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database up to date. serve does it by itself."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// console is where a command speaks.
type console struct {
	ctx context.Context //nolint:containedctx // the run's own context: it lives exactly as long
	out io.Writer
	err io.Writer
	now func() time.Time
}

func (c *console) printf(format string, args ...any) { _, _ = fmt.Fprintf(c.out, format, args...) }

// Main runs the command line and returns the exit status: 0, 1 where the work failed, 2 where the
// command line or configuration is wrong.
func Main(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once: nobody waits for it any more.
	context.AfterFunc(ctx, stop)
	var c cli
	exit := -1
	parser, err := kong.New(
		&c,
		kong.Name("latchkey"),
		kong.Description("Hosted account connection and login emails, in one binary that you own."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Configuration(config.File),
		kong.Resolvers(config.SecretFiles()),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exit = code }),
	)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "latchkey:", err)
		return 1
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "latchkey:", err)
		return 2
	}
	for _, name := range config.Unknown(os.Environ(), parser.Model) {
		_, _ = fmt.Fprintf(errOut, "latchkey: %s is set but is not a setting of this version; it is ignored\n", name)
	}
	if err := errors.Join(c.Check(), checkEgress(&c.Config), checkDeclared(&c.Config)); err != nil {
		_, _ = fmt.Fprintf(errOut, "latchkey: the configuration is not right:\n%s\n", indent(err.Error()))
		return 2
	}
	err = k.Run(&console{ctx: ctx, out: out, err: errOut, now: time.Now}, &c.Config)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 130
	}
	_, _ = fmt.Fprintf(errOut, "latchkey: %v\n", err)
	return 1
}

// checkEgress finds what is wrong with the lists of addresses, before anything is made.
func checkEgress(cfg *config.Config) error {
	_, err := newEgress(cfg, nil, nil, time.Now, slog.New(slog.DiscardHandler))
	return err
}

func checkDeclared(cfg *config.Config) error {
	_, err := declaredApps(cfg)
	return err
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(c *console) error {
	c.printf("latchkey %s\n", Version)
	return nil
}
