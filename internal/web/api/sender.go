package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/maildns"
)

// Senders looks after the senders of applications.
type Senders interface {
	Create(ctx context.Context, app latchkey.ApplicationID, spec mailer.SenderSpec) (latchkey.Sender, error)
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Sender, error)
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, error)
	// Apply says all that would be wrong with a change.
	Apply(was latchkey.Sender, spec mailer.SenderSpec) (latchkey.Sender, []errs.FieldError)
	Update(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, spec mailer.SenderSpec) (latchkey.Sender, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) error
	Check(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID) (latchkey.Sender, mailer.Check, error)
	Test(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, to, locale string) (latchkey.Mail, error)
	AskAgain(ctx context.Context, app latchkey.ApplicationID, id latchkey.SenderID, locale string) (latchkey.Sender, error)
	DNS(ctx context.Context, v latchkey.Sender) (maildns.Advice, error)
	Hints(v latchkey.Sender) []mailer.Hint
	Setup(v latchkey.Sender) []mailer.SetupStep
}

// createSender answers POST /senders.
func (a *API) createSender(ctx context.Context, c *call) (answer, error) {
	spec, err := a.senderSpec(c, latchkey.Sender{})
	if err != nil {
		return answer{}, err
	}
	made, err := a.cfg.Senders.Create(ctx, c.app.ID, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, a.showSender(c, made)}, nil
}

// senderSpec reads a body, and gathers what is wrong with single fields and with the sender as a whole.
func (a *API) senderSpec(c *call, was latchkey.Sender) (mailer.SenderSpec, error) {
	f, err := c.object()
	if err != nil {
		return mailer.SenderSpec{}, err
	}
	spec := readSender(f)
	_, problems := a.cfg.Senders.Apply(was, spec)
	for _, p := range problems {
		if !f.failed(p.Field) {
			f.problem = append(f.problem, p)
		}
	}
	return spec, f.done()
}

// readSender reads the body of POST and PATCH; see senderRequest.
func readSender(f *fields) mailer.SenderSpec {
	spec := mailer.SenderSpec{
		Kind:           f.optional("kind", maxNameOf),
		Email:          f.optional("sender_email", mailer.MaxSenderEmail),
		Name:           f.optional("sender_name", mailer.MaxSenderName),
		Host:           f.optional("host", mailer.MaxHost),
		Username:       f.optional("username", mailer.MaxUsername),
		Password:       f.pasted("password", mailer.MaxSenderSecret),
		Provider:       f.optional("provider", maxNameOf),
		ClientID:       f.optional("client_id", mailer.MaxClientID),
		ClientSecret:   f.pasted("client_secret", mailer.MaxSenderSecret),
		Tenant:         f.optional("tenant_id", mailer.MaxHost),
		ServiceAccount: f.pasted("service_account", mailer.MaxServiceAccount),
		Transport:      f.optional("transport", maxNameOf),
		Locale:         f.locale(),
	}
	if n, ok := f.integer("port", 1, 65535); ok {
		spec.Port = &n
	}
	if v := f.get("fallback"); v != nil {
		yes := f.boolean("fallback", nil)
		spec.Fallback = &yes
	}
	if t, ok := f.instant("secret_expires_at", true); ok {
		spec.SecretExpiresAt = &t
	} else if raw, given := f.raw["secret_expires_at"]; given && isNull(raw) {
		spec.SecretExpiresAt = &time.Time{}
	}
	return spec
}

// listSenders answers GET /senders, newest first like every list.
func (a *API) listSenders(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("snd_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.Senders.List(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(x latchkey.Sender) bool { return page.Before != "" && string(x.ID) >= page.Before })
	slices.Reverse(all)
	all = all[:min(len(all), page.Limit+1)]
	all, cursor := paged(all, page.Limit, func(x latchkey.Sender) string { return string(x.ID) })
	out := senderList{Object: "SenderList", Items: make([]sender, len(all)), Cursor: cursor}
	for i, x := range all {
		out.Items[i] = a.showSender(c, x)
	}
	return answer{http.StatusOK, out}, nil
}

// senderOf finds the sender that the path names.
func (a *API) senderOf(ctx context.Context, c *call) (latchkey.Sender, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "snd_") {
		return latchkey.Sender{}, errs.NotFoundf("sender")
	}
	return a.cfg.Senders.Get(ctx, c.app.ID, latchkey.SenderID(id))
}

// getSender answers GET /senders/{id}.
func (a *API) getSender(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showSender(c, v)}, nil
}

// updateSender answers PATCH /senders/{id}.
func (a *API) updateSender(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	spec, err := a.senderSpec(c, v)
	if err != nil {
		return answer{}, err
	}
	if v, err = a.cfg.Senders.Update(ctx, c.app.ID, v.ID, spec); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showSender(c, v)}, nil
}

// deleteSender answers DELETE /senders/{id}.
func (a *API) deleteSender(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.cfg.Senders.Delete(ctx, c.app.ID, v.ID); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, senderDeleted{Object: "SenderDeleted"}}, nil
}

// checkSender answers POST /senders/{id}/check.
func (a *API) checkSender(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	_, check, err := a.cfg.Senders.Check(ctx, c.app.ID, v.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, showCheck(check)}, nil
}

// testSender answers POST /senders/{id}/test.
func (a *API) testSender(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	to, locale := f.str("to", text{max: mailer.MaxSenderEmail, emptyAbsent: true}), f.locale()
	if err := f.done(); err != nil {
		return answer{}, err
	}
	m, err := a.cfg.Senders.Test(ctx, c.app.ID, v.ID, to, locale)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, showMail(c, m)}, nil
}

// askSender answers POST /senders/{id}/proof.
func (a *API) askSender(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	locale := f.locale()
	if err := f.done(); err != nil {
		return answer{}, err
	}
	if v, err = a.cfg.Senders.AskAgain(ctx, c.app.ID, v.ID, locale); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showSender(c, v)}, nil
}

// senderSetup answers GET /senders/{id}/setup.
func (a *API) senderSetup(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	out := senderSetup{Object: "SenderSetup", Steps: []senderStep{}}
	for _, s := range a.cfg.Senders.Setup(v) {
		out.Steps = append(out.Steps, senderStep{Title: s.Title, Text: s.Text, URL: orNull(s.URL), Commands: append([]string{}, s.Commands...)})
	}
	return answer{http.StatusOK, out}, nil
}

// senderDNS answers GET /senders/{id}/dns.
func (a *API) senderDNS(ctx context.Context, c *call) (answer, error) {
	v, err := a.senderOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	advice, err := a.cfg.Senders.DNS(ctx, v)
	if err != nil {
		return answer{}, err
	}
	out := senderDNS{Object: "SenderDNS", Domain: advice.Domain, Service: orNull(advice.Service), Findings: []senderDNSFinding{}}
	for _, f := range advice.Findings {
		out.Findings = append(out.Findings, senderDNSFinding{
			Record: f.Record, Name: f.Name, OK: f.OK, Code: orNull(f.Code), Found: append([]string{}, f.Found...), Suggest: orNull(f.Suggest), Message: f.Message,
		})
	}
	return answer{http.StatusOK, out}, nil
}
