package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/mailer"
	"latchkey/internal/operators"
	"latchkey/internal/store"
	"latchkey/internal/web"
	"latchkey/internal/web/dashboard"
)

// invitations lets operators be invited by mail: neither knows the other.
type invitations struct{ mail *mailer.Service }

func (i invitations) CanSend() bool { return i.mail.HasDefault() }

func (i invitations) Wake() { i.mail.Wake() }

func (i invitations) QueueInvite(ctx context.Context, tx store.Tx, m operators.InviteMail) error {
	_, err := i.mail.Queue(ctx, tx, mailer.Message{
		Kind: mailer.KindInvite, To: m.To, Locale: m.Locale, ExpiresAt: m.ExpiresAt,
		Values: map[string]string{"link": m.URL, "inviter": m.Inviter, "time": m.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC")},
	})
	return err
}

func (in *installation) newOperators(mail operators.Mailer) (*operators.Service, error) {
	return operators.New(operators.Config{Store: in.store, Mail: mail, BaseURL: in.cfg.BaseURL, Now: in.now, Log: in.log})
}

// What one address may send without being signed in: enough for a slip or two.
const (
	strangerPerSecond = 0.5
	strangerBurst     = 20
)

func (in *installation) newDashboard(base *url.URL, codes dashboard.Codes, preview previewFunc) (*dashboard.Dashboard, error) {
	if !in.mailer.HasDefault() {
		codes = nil // nothing would be sent
	}
	return dashboard.New(dashboard.Config{
		BaseURL: base, Codes: codes, Now: in.now, Log: in.log, Operators: in.operators, Applications: in.apps, Links: in.engine, Accounts: in.accounts,
		Webhooks: in.hooks, ProviderApps: in.clients, Senders: in.senders, Mails: in.mailer, Branding: in.brands, Preview: preview, Funnel: in.funnel, Trail: in.trail, Audit: in.store.Audit(),
		SignIns: in.signIns, OpenID: in.signIns,
		StrangerLimit: web.Limit{PerSecond: strangerPerSecond, Burst: strangerBurst},
	})
}

// firstOperator lets the first operator in, while nobody has come in yet: a URL that works once, for an
// hour, goes to the terminal, or to a file that only we can read.
func (in *installation) firstOperator(c *console) error {
	u, err := in.operators.First(c.ctx)
	if err != nil || u.IsZero() {
		return err
	}
	text := fmt.Sprintf("Nobody has signed in to the dashboard yet. This link makes you its owner. It works once, for an hour:\n\n  %s\n", u.Reveal())
	if isTerminal(c.out) {
		c.printf("\n%s\n", text)
		return nil
	}
	name := in.cfg.FirstOperatorFile()
	if err := os.MkdirAll(in.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("the first operator's link could not be written: %w", err)
	}
	// A file that is there already could be somebody else's to read, or lead elsewhere.
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the first operator's link could not be written: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("the first operator's link could not be written: %w", err)
	}
	in.log.InfoContext(c.ctx, "nobody has signed in to the dashboard yet; a link for the first operator was written", slog.String("file", name))
	return nil
}

type operatorCmd struct {
	Invite operatorInviteCmd `cmd:"" help:"Print a one-time link that signs somebody in to the dashboard. It works for an hour."`
	List   operatorListCmd   `cmd:"" help:"List operators."`
	Remove operatorRemoveCmd `cmd:"" help:"Remove an operator, with logins and passkeys."`
}

type operatorInviteCmd struct {
	Email string `arg:"" help:"Email address of the operator."`
	Name  string `help:"Name that others see."`
	App   string `help:"Application, by id or name. Default: an owner of the whole installation."`
	Role  string `enum:"owner,developer,viewer" default:"developer" help:"Role in the application of --app: owner, developer or viewer."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

type shownInvitation struct {
	Object     string  `json:"object"`
	OperatorID string  `json:"operator_id"`
	Email      string  `json:"email"`
	URL        string  `json:"url"`
	ExpiresAt  instant `json:"expires_at"`
}

// Run invites an operator, or lets one in again who has lost every passkey.
func (a operatorInviteCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		want := operators.Invite{Email: a.Email, Name: a.Name, Owner: a.App == "", Again: true}
		if a.App != "" {
			app, err := in.apps.Find(c.ctx, a.App)
			if err != nil {
				return err
			}
			want.ApplicationID, want.Role = app.ID, latchkey.Role(a.Role)
		}
		ctx, done := in.auditing(c.ctx, "invite_operator", want.ApplicationID, "")
		made, err := in.operators.Invite(ctx, want)
		done(err)
		if err != nil {
			return err
		}
		if a.JSON {
			return c.json(shownInvitation{"Invitation", string(made.Operator.ID), made.Operator.Email, made.URL.Reveal(), instant(made.ExpiresAt)})
		}
		c.printf("This link signs %s in to the dashboard. It works once, until %s UTC:\n\n  %s\n", made.Operator.Email, instant(made.ExpiresAt), made.URL.Reveal())
		return nil
	})
}

type operatorListCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

type shownOperator struct {
	Object     string            `json:"object"`
	ID         string            `json:"id"`
	Email      string            `json:"email"`
	Name       string            `json:"name"`
	Owner      bool              `json:"owner"`
	Roles      map[string]string `json:"roles"`
	AcceptedAt *instant          `json:"accepted_at"`
	CreatedAt  instant           `json:"created_at"`
}

// Run lists operators.
func (a operatorListCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		all, err := in.operators.List(c.ctx)
		if err != nil {
			return err
		}
		list := []shownOperator{}
		for _, o := range all {
			x := shownOperator{Object: "Operator", ID: string(o.ID), Email: o.Email, Name: o.Name, Owner: o.Owner, Roles: map[string]string{}, CreatedAt: instant(o.CreatedAt)}
			if !o.AcceptedAt.IsZero() {
				at := instant(o.AcceptedAt)
				x.AcceptedAt = &at
			}
			roles, err := in.store.Operators().Memberships(c.ctx, o.ID)
			if err != nil {
				return err
			}
			for _, m := range roles {
				x.Roles[string(m.ApplicationID)] = string(m.Role)
			}
			list = append(list, x)
		}
		if a.JSON {
			return c.json(list)
		}
		for _, x := range list {
			kind, state := fmt.Sprintf("%d roles", len(x.Roles)), "invited"
			if x.Owner {
				kind = "owner"
			}
			if x.AcceptedAt != nil {
				state = "in since " + time.Time(*x.AcceptedAt).Format(time.DateTime)
			}
			c.printf("%s  %-30s %-10s %s\n", x.ID, x.Email, kind, state)
		}
		return nil
	})
}

type operatorRemoveCmd struct {
	Email string `arg:"" help:"Email address of the operator."`
}

// Run removes an operator.
func (a operatorRemoveCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		ctx, done := in.auditing(c.ctx, "remove_operator", "", "")
		gone, err := in.operators.Remove(ctx, a.Email)
		done(err)
		if err != nil {
			return err
		}
		c.printf("%s is no operator any more. Their logins have ended.\n", gone.Email)
		return nil
	})
}
