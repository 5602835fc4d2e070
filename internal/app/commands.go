package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/config"
)

type appCmd struct {
	Create appCreateCmd `cmd:"" help:"Make an application, with its first key."`
	List   appListCmd   `cmd:"" help:"List applications."`
	Set    appSetCmd    `cmd:"" help:"Change an application's settings."`
	Rotate appRotateCmd `cmd:"" name:"rotate-secret" help:"Give an application a new webhook secret, for notify URLs and its authentication server. It is shown once."`
}

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key. It is shown once."`
	List   keyListCmd   `cmd:"" help:"List an application's keys."`
	Delete keyDeleteCmd `cmd:"" help:"Delete a key. It stops working within seconds."`
}

// withExisting is with for commands that only make sense where there is something already: a misspelt
// folder must not become an empty installation.
func withExisting(c *console, cfg *config.Config, do func(in *installation) error) error {
	if !cfg.Postgres() {
		if _, err := os.Stat(cfg.DatabaseFile()); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database at %s; name its folder with --data, or make one with latchkey serve", cfg.DatabaseFile())
		}
	}
	return with(c, cfg, do)
}

// with opens the installation for one short command.
func with(c *console, cfg *config.Config, do func(in *installation) error) error {
	quiet := *cfg
	if quiet.LogLevel == "info" {
		quiet.LogLevel = "warn" // a command speaks for itself
	}
	in, err := open(c.ctx, cfg, newLogger(&quiet, c.err), c.now)
	if err != nil {
		return err
	}
	err = do(in)
	if cerr := in.close(); err == nil {
		err = cerr
	}
	return err
}

func (c *console) json(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type appCreateCmd struct {
	Name string `required:"" help:"Name; end users see it on the pages."`
	Test bool   `help:"A test application: it has provider MOCK, and everything in it is marked as a test for ever."`
	JSON bool   `name:"json" help:"Print JSON."`
}

type createdApplication struct {
	Object        string `json:"object"`
	ID            string `json:"id"`
	Name          string `json:"name"`
	Test          bool   `json:"test"`
	Key           string `json:"key"`
	KeyID         string `json:"key_id"`
	WebhookSecret string `json:"webhook_secret"`
}

// Run makes an application.
func (a appCreateCmd) Run(c *console, cfg *config.Config) error {
	return with(c, cfg, func(in *installation) error {
		ctx, written := in.auditing(c.ctx, "create_application", "", "")
		created, err := in.apps.Create(ctx, applications.Spec{Name: a.Name, Test: a.Test})
		written(err)
		if err != nil {
			return err
		}
		out := createdApplication{
			Object: "Application", ID: string(created.Application.ID), Name: created.Application.Name, Test: created.Application.Test,
			Key: created.Key.Reveal(), KeyID: string(created.APIKey.ID), WebhookSecret: created.Application.WebhookSecret,
		}
		if a.JSON {
			return c.json(out)
		}
		kind := "Application"
		if out.Test {
			kind = "Test application"
		}
		c.printf("%s %q (%s)\n\n  API key         %s\n  webhook secret  %s\n\nBoth are shown this once.\n", kind, out.Name, out.ID, out.Key, out.WebhookSecret)
		return nil
	})
}

type appListCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

type listedApplication struct {
	Object    string  `json:"object"`
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Test      bool    `json:"test"`
	CreatedAt instant `json:"created_at"`
}

// instant is a time as the API writes it: in UTC, always with milliseconds.
type instant time.Time

// MarshalText writes the time.
func (i instant) MarshalText() ([]byte, error) {
	return []byte(time.Time(i).UTC().Format("2006-01-02T15:04:05.000Z07:00")), nil
}

func (i instant) String() string { return time.Time(i).UTC().Format(time.DateTime) }

// Run lists applications.
func (a appListCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		apps, err := in.apps.List(c.ctx)
		if err != nil {
			return err
		}
		list := []listedApplication{}
		for _, x := range apps {
			list = append(list, listedApplication{"Application", string(x.ID), x.Name, x.Test, instant(x.CreatedAt)})
		}
		if a.JSON {
			return c.json(list)
		}
		for _, x := range list {
			test := ""
			if x.Test {
				test = "  test"
			}
			c.printf("%s  %s  %s%s\n", x.ID, x.CreatedAt, x.Name, test)
		}
		return nil
	})
}

type keyCreateCmd struct {
	App         string   `required:"" help:"Application, by id or name."`
	Name        string   `default:"key" help:"Name of the key, for lists."`
	Permissions []string `help:"What the key may do: links, accounts, access_tokens, webhooks, settings, signins. Default: everything."`
	JSON        bool     `name:"json" help:"Print JSON."`
}

type shownKey struct {
	Object      string   `json:"object"`
	ID          string   `json:"id"`
	Application string   `json:"application_id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Key         string   `json:"key,omitempty"`
	Prepared    bool     `json:"prepared"`
	CreatedAt   instant  `json:"created_at"`
}

func showKey(k latchkey.APIKey) shownKey {
	out := shownKey{Object: "APIKey", ID: string(k.ID), Application: string(k.ApplicationID), Name: k.Name, Prepared: k.Prepared, CreatedAt: instant(k.CreatedAt)}
	for _, p := range k.Permissions {
		out.Permissions = append(out.Permissions, string(p))
	}
	return out
}

// Run makes a key.
func (a keyCreateCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		app, err := in.apps.Find(c.ctx, a.App)
		if err != nil {
			return err
		}
		var perms []latchkey.Permission
		for _, p := range a.Permissions {
			perms = append(perms, latchkey.Permission(p))
		}
		ctx, written := in.auditing(c.ctx, "create_key", app.ID, "")
		k, text, err := in.apps.CreateKey(ctx, app.ID, a.Name, perms)
		written(err)
		if err != nil {
			return err
		}
		out := showKey(k)
		out.Key = text.Reveal()
		if a.JSON {
			return c.json(out)
		}
		c.printf("Key %q (%s) of application %q, shown this once:\n\n  %s\n\nIt may use: %s.\n", out.Name, out.ID, app.Name, out.Key, strings.Join(out.Permissions, ", "))
		return nil
	})
}

type keyListCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists keys.
func (a keyListCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		app, err := in.apps.Find(c.ctx, a.App)
		if err != nil {
			return err
		}
		keys, err := in.apps.Keys(c.ctx, app.ID)
		if err != nil {
			return err
		}
		list := []shownKey{}
		for _, k := range keys {
			list = append(list, showKey(k))
		}
		if a.JSON {
			return c.json(list)
		}
		for _, k := range list {
			c.printf("%s  %s  %-20s %s\n", k.ID, k.CreatedAt, k.Name, strings.Join(k.Permissions, ","))
		}
		return nil
	})
}

type keyDeleteCmd struct {
	App string `required:"" help:"Application, by id or name."`
	ID  string `arg:"" help:"Id of the key (key_…)."`
}

// Run deletes a key.
func (a keyDeleteCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		app, err := in.apps.Find(c.ctx, a.App)
		if err != nil {
			return err
		}
		ctx, written := in.auditing(c.ctx, "delete_key", app.ID, a.ID)
		err = in.apps.DeleteKey(ctx, app.ID, latchkey.KeyID(a.ID))
		written(err)
		if err != nil {
			return err
		}
		c.printf("Key %s is deleted. Running servers refuse it within seconds.\n", a.ID)
		return nil
	})
}

type migrateCmd struct{}

// Run brings the database up to date: opening it does.
func (migrateCmd) Run(c *console, cfg *config.Config) error {
	return with(c, cfg, func(in *installation) error {
		c.printf("The %s database is up to date.\n", in.store.Database().Engine())
		in.log.DebugContext(c.ctx, "migrated", slog.String("engine", in.store.Database().Engine()))
		return nil
	})
}
