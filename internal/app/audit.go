package app

import (
	"context"
	"os"
	"os/user"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/store"
)

// auditing returns a context whose first transaction also writes who did this on the command line. The
// function writes the line where no transaction has, with the outcome.
func (in *installation) auditing(ctx context.Context, action string, app latchkey.ApplicationID, target string) (context.Context, func(error)) {
	e := operating()
	e.Action, e.ApplicationID, e.Target = action, app, target
	ctx, note := store.WithAudit(ctx, in.trail.Fill(e))
	return ctx, func(err error) {
		if !note.Pending() {
			return
		}
		e := note.Entry()
		if err != nil {
			e.Outcome = "failed"
		}
		in.trail.Write(ctx, e)
	}
}

// operating is whoever runs this command, as the operating system knows them.
func operating() latchkey.AuditEntry {
	e := latchkey.AuditEntry{Actor: latchkey.ActorCLI, ActorID: "unknown"}
	if u, err := user.Current(); err == nil {
		e.ActorID = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && by != e.ActorID {
		e.ActorName = "sudo by " + by
	}
	if host, err := os.Hostname(); err == nil {
		e.Address = host
	}
	return e
}

type auditCmd struct {
	App   string `help:"Application, by id or name. Default: the whole installation."`
	Limit int    `default:"50" help:"How many lines, the newest first; 250 at most."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

type shownAudit struct {
	Object      string  `json:"object"`
	ID          string  `json:"id"`
	At          instant `json:"at"`
	Application string  `json:"application_id,omitempty"`
	ActorKind   string  `json:"actor_kind"`
	ActorID     string  `json:"actor_id"`
	ActorName   string  `json:"actor_name,omitempty"`
	Action      string  `json:"action"`
	Target      string  `json:"target,omitempty"`
	Address     string  `json:"address,omitempty"`
	RequestID   string  `json:"request_id,omitempty"`
	Outcome     string  `json:"outcome"`
	Count       int     `json:"count"`
}

// Run prints the audit trail.
func (a auditCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		var app latchkey.Application
		if a.App != "" {
			var err error
			if app, err = in.apps.Find(c.ctx, a.App); err != nil {
				return err
			}
		}
		entries, err := in.store.Audit().List(c.ctx, app.ID, store.Page{Limit: a.Limit})
		if err != nil {
			return err
		}
		list := []shownAudit{}
		for _, e := range entries {
			list = append(list, shownAudit{
				"AuditEntry", string(e.ID), instant(e.At), string(e.ApplicationID), string(e.Actor), e.ActorID, e.ActorName,
				e.Action, e.Target, e.Address, e.RequestID, e.Outcome, e.Count,
			})
		}
		if a.JSON {
			return c.json(list)
		}
		for _, e := range list {
			c.printf("%s  %s %s  %s %s  %s  ×%d  %s\n", e.At, e.ActorKind, e.ActorID, e.Action, e.Target, e.Outcome, e.Count, e.Address)
		}
		return nil
	})
}
