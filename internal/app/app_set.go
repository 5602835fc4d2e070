package app

import (
	"errors"
	"net/http"

	"latchkey/internal/applications"
	"latchkey/internal/config"
	"latchkey/internal/hooks"
)

type appSetCmd struct {
	App           string  `required:"" help:"Application, by id or name."`
	AuthServerURL *string `name:"auth-server-url" placeholder:"URL" help:"Where the application's authentication server is; 'none' takes it away."`
}

// Run changes an application's settings.
func (a appSetCmd) Run(c *console, cfg *config.Config) error {
	if a.AuthServerURL == nil {
		return errors.New("nothing to change; see latchkey app set --help")
	}
	return withExisting(c, cfg, func(in *installation) error {
		app, err := in.apps.Find(c.ctx, a.App)
		if err != nil {
			return err
		}
		if *a.AuthServerURL == "none" {
			*a.AuthServerURL = ""
		}
		ctx, written := in.auditing(c.ctx, "change_application", app.ID, string(app.ID))
		app, err = in.apps.Change(ctx, app.ID, applications.Settings{AuthServerURL: a.AuthServerURL})
		written(err)
		if err != nil {
			return plain(err)
		}
		if app.AuthServerURL == "" {
			c.printf("Application %q has no authentication server.\n", app.Name)
			return nil
		}
		c.printf("Authentication server of application %q: %s\n", app.Name, app.AuthServerURL)
		return nil
	})
}

type appRotateCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	JSON bool   `name:"json" help:"Print JSON."`
}

type rotatedApplication struct {
	Object        string  `json:"object"`
	ApplicationID string  `json:"application_id"`
	Secret        string  `json:"secret"`
	OldUntil      instant `json:"old_secret_until"`
}

// Run rotates an application's own secret.
func (a appRotateCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		app, err := in.apps.Find(c.ctx, a.App)
		if err != nil {
			return err
		}
		ctx, written := in.auditing(c.ctx, "rotate_application_secret", app.ID, string(app.ID))
		// It sends nothing, and returns when servers beside it sign with the new secret.
		app, err = hooks.New(hooks.Config{
			Store: in.store, Client: &http.Client{}, Now: in.now, Log: in.log, Prepared: !cfg.WebhookSecret.IsZero(),
		}).RotateApplicationSecret(ctx, app.ID)
		written(err)
		if err != nil {
			return plain(err)
		}
		out := rotatedApplication{Object: "ApplicationSecret", ApplicationID: string(app.ID), Secret: app.WebhookSecret, OldUntil: instant(app.OldSecretUntil)}
		if a.JSON {
			return c.json(out)
		}
		c.printf("Application %q (%s)\n\n  webhook secret  %s\n\nIt is shown this once. The secret before signs beside it until %s UTC.\n", app.Name, out.ApplicationID, out.Secret, out.OldUntil)
		return nil
	})
}
