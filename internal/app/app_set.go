package app

import (
	"errors"

	"latchkey/internal/applications"
	"latchkey/internal/config"
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
