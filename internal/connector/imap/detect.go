package imap

import (
	"cmp"
	"context"
	"errors"

	"latchkey/internal/connector"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// detect finds the servers of the address, telling what happens as it happens.
func (c *Connector) detect(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	wait, err := c.tries.lookup(ctx, s.Start.LinkID)
	if err != nil {
		return connector.Turn{}, err
	}
	if wait > 0 {
		return c.tooManyLookups(s, wait), nil
	}
	lost, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found, err := c.finder.Find(lost, s.Email, func(p settings.Progress) {
		if err := r.Show(lost, s.detectStep(p)); err != nil {
			cancel(err) // somebody else has the flow
		}
	})
	if err != nil {
		return connector.Turn{}, errors.Join(err, context.Cause(lost))
	}
	s.Found = &found
	if s.Direct {
		return c.directFound(s), nil
	}
	s.Mail = fromFound(&found)
	if p := found.Provider; p != nil && p.Bridge && found.IMAP == nil && found.SMTP == nil {
		return s.ask(s.bridgeStep()), nil
	}
	if _, ok := s.oauthOffered(); ok && !s.reconnecting() {
		return s.ask(s.oauthStep()), nil
	}
	return c.form(s), nil
}

func (c *Connector) tooManyLookups(s *state, wait over) connector.Turn {
	args := map[string]string{"minutes": wait.minutes()}
	if s.isFixed() || s.Direct {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeTooManyTries, Args: args, Retryable: true}}
	}
	return s.ask(s.emailStep(), connector.FieldIssue{Field: "email", Code: errs.CodeTooManyTries, Args: args})
}

// detectStep is what is shown meanwhile: only what happened, and what is happening.
func (s *state) detectStep(p settings.Progress) connector.Step {
	a := map[string]string{"domain": s.Email.Shown, "email": s.Email.String()}
	line := func(code string, st connector.ProgressState, args map[string]string) connector.Progress {
		return connector.Progress{Code: code, State: st, Args: args}
	}
	lines := []connector.Progress{line("imap_lookup", connector.ProgressNow, a)}
	if p.LookedUp {
		lines[0].State = connector.ProgressOK
	}
	if p.Hosted != "" {
		lines = append(lines, line("imap_hosted", connector.ProgressOK, map[string]string{"provider": p.Hosted}))
	}
	hello := connector.ProgressNext
	code, args := "imap_hello_soon", map[string]string(nil)
	switch {
	case p.IMAP != "" && p.SMTP != "" && p.IMAP != p.SMTP:
		hello, code, args = connector.ProgressNow, "imap_hello_both", map[string]string{"imap": p.IMAP, "smtp": p.SMTP}
	case p.IMAP != "" || p.SMTP != "":
		hello, code, args = connector.ProgressNow, "imap_hello", map[string]string{"host": cmp.Or(p.IMAP, p.SMTP)}
	}
	lines = append(lines, line(code, hello, args), line("imap_ready", connector.ProgressNext, nil))
	step := connector.Step{Kind: connector.KindWait, ID: stepDetect, Args: a, Progress: lines, Actions: s.withBack()}
	if !s.locked() && !s.Direct {
		step.Actions = append(step.Actions, connector.ActSwitchMethod)
	}
	return step
}

// directFound goes on where an application's backend gave no servers.
func (c *Connector) directFound(s *state) connector.Turn {
	m := fromFound(s.Found)
	for _, p := range protocols() {
		d, given := m.of(p), s.Mail.of(p)
		if d == nil || given == nil {
			m.set(p, nil)
			continue
		}
		d.User = cmp.Or(given.User, d.User)
		d.Password = given.Password
	}
	if m.IMAP == nil && m.SMTP == nil {
		s.Form, s.Mail = stepSettings, mail{}
		args := map[string]string{"domain": s.Email.Shown}
		return s.ask(s.formStep(), connector.FieldIssue{Field: "imap_host", Code: errs.CodeNothingFound, Args: args})
	}
	s.Mail = m
	return s.verifyTurn()
}

// alternativesFor lists other doors of a host at which a protocol is usually served.
func alternativesFor(p login.Protocol, tried login.Server) []login.Server {
	var out []login.Server
	for _, e := range []login.Encryption{login.STARTTLS, login.TLS} {
		s := login.Server{Host: tried.Host, Port: login.UsualPort(p, e), Encryption: e}
		if s.Port != tried.Port {
			out = append(out, s)
		}
	}
	return out
}
