package app

import (
	"errors"
	"fmt"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/config"
	"latchkey/internal/mailer"
)

type senderCmd struct {
	List   senderListCmd   `cmd:"" help:"List an application's senders."`
	Show   senderShowCmd   `cmd:"" help:"Show a sender, what is worth knowing of it, and what to do at its provider."`
	Set    senderSetCmd    `cmd:"" help:"Make or change a sender. Its mail host is tried first."`
	Use    senderUseCmd    `cmd:"" help:"Have the application's login emails come from a sender, or from the default sender."`
	Check  senderCheckCmd  `cmd:"" help:"Try a sender on its mail host now, without sending anything."`
	Test   senderTestCmd   `cmd:"" help:"Send a test mail through a sender. A running server sends it."`
	Remove senderRemoveCmd `cmd:"" help:"Forget a sender."`
}

type shownSender struct {
	Object      string   `json:"object"`
	ID          string   `json:"id"`
	Application string   `json:"application_id"`
	Kind        string   `json:"kind"`
	Email       string   `json:"sender_email"`
	Name        string   `json:"sender_name,omitempty"`
	Host        string   `json:"host,omitempty"`
	Port        int      `json:"port,omitempty"`
	Username    string   `json:"username,omitempty"`
	Provider    string   `json:"provider,omitempty"`
	ClientID    string   `json:"client_id,omitempty"`
	Tenant      string   `json:"tenant_id,omitempty"`
	Transport   string   `json:"transport"`
	SecretEnds  *instant `json:"secret_expires_at,omitempty"`
	Fallback    bool     `json:"fallback"`
	Proven      bool     `json:"proven"`
	Chosen      bool     `json:"chosen"`
	Problem     string   `json:"problem,omitempty"`
	CreatedAt   instant  `json:"created_at"`
}

func showSender(app latchkey.Application, v latchkey.Sender) shownSender {
	out := shownSender{
		Object: "Sender", ID: string(v.ID), Application: string(v.ApplicationID), Kind: string(v.Kind), Email: v.Email, Name: v.Name, Host: v.Host, Port: v.Port,
		Username: v.Username, Provider: string(v.Provider), ClientID: v.ClientID, Tenant: v.Tenant, Transport: string(v.Transport), Fallback: v.Fallback,
		Proven: !v.OwnedAt.IsZero(), Chosen: app.Sender == v.ID, Problem: v.Problem, CreatedAt: instant(v.CreatedAt),
	}
	if !v.SecretExpiresAt.IsZero() {
		at := instant(v.SecretExpiresAt)
		out.SecretEnds = &at
	}
	return out
}

// state says in a few words where a sender stands.
func (s shownSender) state() string {
	switch {
	case !s.Proven:
		return "waits for its address to agree"
	case s.Problem != "":
		return "does not work: " + s.Problem
	case s.Chosen:
		return "login emails come from it"
	}
	return "ready"
}

type senderListCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists senders.
func (a senderListCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		all, err := in.senders.List(c.ctx, app.ID)
		if err != nil {
			return err
		}
		list := []shownSender{}
		for _, v := range all {
			list = append(list, showSender(app, v))
		}
		if a.JSON {
			return c.json(list)
		}
		for _, s := range list {
			c.printf("%s  %-30s %-6s %s\n", s.ID, s.Email, s.Kind, s.state())
		}
		if app.Sender == "" {
			if email, _ := in.mailer.Default(); email != "" {
				c.printf("Login emails of %q come from the default sender, %s.\n", app.Name, email)
			} else {
				c.printf("There is no default sender: no login emails of %q can be sent.\n", app.Name)
			}
		}
		return nil
	})
}

type senderShowCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	ID   string `arg:"" help:"Id of the sender (snd_…)."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows a sender. Its secrets are never shown.
func (a senderShowCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		v, err := in.senders.Get(c.ctx, app.ID, latchkey.SenderID(a.ID))
		if err != nil {
			return err
		}
		s := showSender(app, v)
		if a.JSON {
			return c.json(s)
		}
		c.printf("%s  %s  %s\n%s\n", s.ID, s.Kind, s.Email, s.state())
		for _, h := range in.senders.Hints(v) {
			c.printf("\n%s\n", h.Message)
		}
		for _, step := range in.senders.Setup(v) {
			c.printf("\n%s\n  %s\n", step.Title, step.Text)
			for _, line := range step.Commands {
				c.printf("    %s\n", line)
			}
		}
		return nil
	})
}

type senderUseCmd struct {
	App string `required:"" help:"Application, by id or name."`
	ID  string `arg:"" help:"Id of the sender (snd_…), or default."`
}

// Run chooses a sender.
func (a senderUseCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		id := latchkey.SenderID(a.ID)
		if id == "default" {
			id = ""
		}
		ctx, written := in.auditing(c.ctx, "change_application", app.ID, string(app.ID))
		_, err := in.apps.Change(ctx, app.ID, applications.Settings{Sender: &id})
		written(err)
		if err != nil {
			return err
		}
		if id == "" {
			c.printf("Login emails of %q come from the default sender.\n", app.Name)
			return nil
		}
		c.printf("Login emails of %q come from %s.\n", app.Name, id)
		return nil
	})
}

type senderCheckCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	ID   string `arg:"" help:"Id of the sender (snd_…)."`
	JSON bool   `name:"json" help:"Print JSON."`
}

type shownStage struct {
	Stage   string `json:"stage"`
	OK      bool   `json:"ok"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"`
}

// Run checks a sender. The exit status says whether all is well.
func (a senderCheckCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		ctx, written := in.auditing(c.ctx, "check_sender", app.ID, a.ID)
		_, check, err := in.senders.Check(ctx, app.ID, latchkey.SenderID(a.ID))
		written(err)
		if err != nil {
			return err
		}
		if err := c.stages(a.JSON, check); err != nil {
			return err
		}
		if !check.OK {
			return errors.New("the sender does not work")
		}
		return nil
	})
}

func (c *console) stages(asJSON bool, check mailer.Check) error {
	stages := []shownStage{}
	for _, f := range check.Findings {
		stages = append(stages, shownStage{f.Stage, f.OK, string(f.Code), f.Message, f.Detail})
	}
	if asJSON {
		return c.json(map[string]any{"object": "SenderCheck", "ok": check.OK, "findings": stages})
	}
	for _, s := range stages {
		mark := "✓"
		if !s.OK {
			mark = "✗"
		}
		c.printf("%s %-10s %s\n", mark, s.Stage, s.Message)
		if s.Detail != "" {
			c.printf("             it said: %s\n", s.Detail)
		}
	}
	return nil
}

type senderTestCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	ID   string `arg:"" help:"Id of the sender (snd_…)."`
	To   string `required:"" help:"Who gets the mail."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run queues a test mail, and waits a while for what a running server makes of it.
func (a senderTestCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		ctx, written := in.auditing(c.ctx, "test_sender", app.ID, a.ID)
		m, err := in.senders.Test(ctx, app.ID, latchkey.SenderID(a.ID), a.To, "")
		written(err)
		if err != nil {
			return err
		}
		if a.JSON {
			err = c.json(map[string]any{"object": "Mail", "id": string(m.ID), "to": m.To, "status": string(m.Status), "code": m.Code, "detail": m.Detail})
		} else {
			c.printf("Mail %s to %s: %s %s\n", m.ID, m.To, m.Status, m.Detail)
		}
		switch {
		case err != nil:
			return err
		case m.Status == latchkey.MailAccepted:
			return nil
		case m.Attempts == 0:
			return errors.New("nobody has sent it yet: is the server running?")
		}
		return fmt.Errorf("the mail host did not take it: %s", m.Code)
	})
}

type senderRemoveCmd struct {
	App string `required:"" help:"Application, by id or name."`
	ID  string `arg:"" help:"Id of the sender (snd_…)."`
}

// Run forgets a sender.
func (a senderRemoveCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		ctx, written := in.auditing(c.ctx, "delete_sender", app.ID, a.ID)
		err := in.senders.Delete(ctx, app.ID, latchkey.SenderID(a.ID))
		written(err)
		if err != nil {
			return err
		}
		c.printf("Sender %s is removed.\n", a.ID)
		return nil
	})
}

// day reads a day for --secret-expires-at; none takes it away.
func day(s string) (*time.Time, error) {
	switch s {
	case "":
		return nil, nil
	case "none":
		return &time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, errors.New("secret_expires_at: this must be a day, such as 2028-01-31")
	}
	return &t, nil
}
