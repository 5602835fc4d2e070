package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/errs"
	"latchkey/internal/providerapps"
)

type providerAppCmd struct {
	Create providerAppCreateCmd `cmd:"" help:"Register an OAuth client."`
	List   providerAppListCmd   `cmd:"" help:"List an application's OAuth clients."`
	Verify providerAppVerifyCmd `cmd:"" help:"Ask the provider whether an OAuth client is set up right."`
	Delete providerAppDeleteCmd `cmd:"" help:"Forget an OAuth client."`
}

// withClients opens the installation with the services that know providers.
func withClients(c *console, cfg *config.Config, app string, do func(in *installation, app latchkey.Application) error) error {
	return withExisting(c, cfg, func(in *installation) error {
		if err := in.build(c.ctx); err != nil {
			return err
		}
		a, err := in.apps.Find(c.ctx, app)
		if err != nil {
			return err
		}
		return plain(do(in, a))
	})
}

// plain says every field that is wrong in its own line.
func plain(err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	var lines []error
	for _, f := range e.Fields {
		lines = append(lines, fmt.Errorf("%s: %s", f.Field, f.Message))
	}
	return errors.Join(lines...)
}

type providerAppCreateCmd struct {
	App      string `required:"" help:"Application, by id or name."`
	Provider string `required:"" help:"GOOGLE, MICROSOFT, LINKEDIN, INSTAGRAM or TELEGRAM."`
	Name     string `help:"For your own lists."`
	ClientID string `name:"client-id" help:"As the provider's console shows it."`
	// Secrets are taken from files: a command line can be read by everybody on the machine.
	ClientSecretFile   string   `placeholder:"FILE" help:"File that holds the client secret; - reads it from standard input."`
	ServiceAccountFile string   `placeholder:"FILE" help:"Google: JSON key file of a service account."`
	Tenant             string   `help:"Microsoft: common (default), organizations, consumers, or a tenant."`
	Cloud              string   `help:"Microsoft: global (default), gcc_high, dod or china."`
	Domain             string   `help:"Google: Workspace domain to which sign-in is limited."`
	ExtraScopes        []string `help:"Scopes to ask for besides those that are needed."`
	SkipScopes         []string `help:"Scopes not to ask for."`
	Protocol           string   `help:"imap (default for mail) or api."`
	Default            bool     `help:"Use it where a link names none."`
	JSON               bool     `name:"json" help:"Print JSON."`
}

type shownProviderApp struct {
	Object      string    `json:"object"`
	ID          string    `json:"id"`
	Application string    `json:"application_id"`
	Provider    string    `json:"provider"`
	Name        string    `json:"name"`
	ClientID    string    `json:"client_id"`
	Default     bool      `json:"default"`
	Flag        string    `json:"flag,omitempty"`
	RedirectURI string    `json:"redirect_uri"`
	CreatedAt   time.Time `json:"created_at"`
}

func (in *installation) showProviderApp(a latchkey.ProviderApp) shownProviderApp {
	return shownProviderApp{
		Object: "ProviderApp", ID: string(a.ID), Application: string(a.ApplicationID), Provider: string(a.Provider), Name: a.Name,
		ClientID: a.ClientID, Default: a.Default, Flag: a.Flag, RedirectURI: in.callbackURL(), CreatedAt: a.CreatedAt.UTC(),
	}
}

// fileOf reads a secret from a file, or from standard input.
func fileOf(path string) (*string, error) {
	var raw []byte
	var err error
	switch path {
	case "":
		return nil, nil
	case "-":
		raw, err = io.ReadAll(io.LimitReader(os.Stdin, providerapps.MaxServiceAccount+1))
	default:
		raw, err = os.ReadFile(path)
	}
	text := string(raw)
	return &text, err
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (a providerAppCreateCmd) spec() (providerapps.Spec, error) {
	spec := providerapps.Spec{
		Provider: &a.Provider, Name: given(a.Name), ClientID: given(a.ClientID), Tenant: given(a.Tenant), Cloud: given(a.Cloud),
		Domain: given(a.Domain), Protocol: given(a.Protocol), ExtraScopes: &a.ExtraScopes, SkipScopes: &a.SkipScopes, Default: &a.Default,
	}
	var err error
	if spec.ClientSecret, err = fileOf(a.ClientSecretFile); err != nil {
		return spec, err
	}
	spec.ServiceAccount, err = fileOf(a.ServiceAccountFile)
	return spec, err
}

// Run registers an OAuth client.
func (a providerAppCreateCmd) Run(c *console, cfg *config.Config) error {
	spec, err := a.spec()
	if err != nil {
		return err
	}
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		ctx, written := in.auditing(c.ctx, "create_provider_app", app.ID, "")
		made, err := in.clients.Create(ctx, app.ID, spec)
		written(err)
		if err != nil {
			return err
		}
		out := in.showProviderApp(made)
		if a.JSON {
			return c.json(out)
		}
		c.printf("Provider app %q (%s) of application %q.\n\nRegister this redirect URI at the provider, exactly:\n\n  %s\n\nThen run: latchkey provider-app verify --app %q %s\n",
			out.Name, out.ID, app.Name, out.RedirectURI, app.Name, out.ID)
		return nil
	})
}

type providerAppListCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists OAuth clients.
func (a providerAppListCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		all, err := in.clients.List(c.ctx, app.ID)
		if err != nil {
			return err
		}
		list := []shownProviderApp{}
		for _, x := range all {
			list = append(list, in.showProviderApp(x))
		}
		if a.JSON {
			return c.json(list)
		}
		for _, x := range list {
			note := ""
			if x.Default {
				note = "  default"
			}
			if x.Flag != "" {
				note += "  refused by the provider: " + x.Flag
			}
			c.printf("%s  %-10s %s  %s%s\n", x.ID, x.Provider, x.CreatedAt.Format(time.DateTime), x.Name, note)
		}
		return nil
	})
}

type providerAppVerifyCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	ID   string `arg:"" help:"Id of the provider app (pap_…)."`
	JSON bool   `name:"json" help:"Print JSON."`
}

type shownFinding struct {
	Code   string `json:"code"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Run asks the provider. The exit status says whether all is well.
func (a providerAppVerifyCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		ctx, written := in.auditing(c.ctx, "verify_provider_app", app.ID, a.ID)
		v, err := in.clients.Verify(ctx, app.ID, latchkey.ProviderAppID(a.ID))
		written(err)
		if err != nil {
			return err
		}
		findings := []shownFinding{}
		for _, f := range v.Findings {
			findings = append(findings, shownFinding(f))
		}
		if a.JSON {
			err = c.json(map[string]any{"object": "ProviderAppVerification", "ok": v.OK, "redirect_uri": in.callbackURL(), "findings": findings})
		} else {
			for _, f := range findings {
				mark := "✓"
				if !f.OK {
					mark = "✕"
				}
				c.printf("%s\n", strings.TrimSuffix(mark+" "+f.Code+": "+f.Detail, ": "))
			}
		}
		if err == nil && !v.OK {
			err = errors.New("the provider app is not set up right")
		}
		return err
	})
}

type providerAppDeleteCmd struct {
	App string `required:"" help:"Application, by id or name."`
	ID  string `arg:"" help:"Id of the provider app (pap_…)."`
}

// Run forgets an OAuth client.
func (a providerAppDeleteCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		ctx, written := in.auditing(c.ctx, "delete_provider_app", app.ID, a.ID)
		err := in.clients.Delete(ctx, app.ID, latchkey.ProviderAppID(a.ID))
		written(err)
		if err != nil {
			return err
		}
		c.printf("Provider app %s is deleted. Accounts that were connected through it work until their tokens end.\n", a.ID)
		return nil
	})
}
