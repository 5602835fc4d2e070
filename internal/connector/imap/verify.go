package imap

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// outcome is what came of one side.
type outcome struct {
	protocol login.Protocol
	server   login.Server
	err      *login.Error
}

// verify logs in on both sides at once, and decides what follows.
func (c *Connector) verify(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	if s.Start.Lent != "" {
		return c.verifyLent(ctx, s, r)
	}
	return c.verifyMail(ctx, s, r)
}

func (c *Connector) verifyMail(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	pass, wait, err := c.tries.enter(ctx, s.Start.ApplicationID, s.Start.LinkID, s.Mail)
	if err != nil {
		return connector.Turn{}, err
	}
	if wait > 0 {
		issue := connector.FieldIssue{Code: errs.CodeTooManyTries, Args: map[string]string{"minutes": wait.minutes()}}
		return c.again(s, issue), nil
	}
	defer pass.leave()
	results, err := c.tryBoth(ctx, s, r)
	if err != nil {
		return connector.Turn{}, err
	}
	for _, o := range results {
		if err := pass.settle(ctx, o.protocol, o.err, c.finder.Table().ByHost(o.server.Host) != nil); err != nil {
			return connector.Turn{}, err
		}
	}
	tried := s.Mail.clone()
	s.Verdicts = nil
	failed := 0
	for _, o := range results {
		s.Verdicts = append(s.Verdicts, s.verdict(o))
		if o.err != nil {
			failed++
			c.log.InfoContext(ctx, "mail login failed", slog.String("link_id", string(s.Start.LinkID)),
				slog.String("protocol", string(o.protocol)), slog.String("host", o.server.Host), slog.Int("port", o.server.Port),
				slog.String("code", string(o.err.Code)), slog.String("server_text", o.err.Text))
			continue
		}
		s.Mail.set(o.protocol, s.Mail.of(o.protocol).at(o.server))
	}
	switch {
	case failed == 0:
		return s.grant()
	case failed < len(results) && !s.Direct:
		s.Alternatives = c.alternatives(ctx, results)
		return s.ask(s.partialStep()), nil
	default:
		return c.refused(s, tried, results), nil
	}
}

// tryBoth tries each side, and tells of each as it is done.
func (c *Connector) tryBoth(ctx context.Context, s *state, r connector.Reporter) ([]outcome, error) {
	var (
		mu      sync.Mutex
		results []outcome
		lost    error
		wg      sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range protocols() {
		d := s.Mail.of(p)
		if d == nil {
			continue
		}
		wg.Go(func() {
			server, err := c.logIn(ctx, p, *d)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, outcome{p, server, login.AsError(err)})
			if err := r.Show(ctx, s.verifyStep(results)); err != nil && lost == nil {
				lost = err
				cancel()
			}
		})
	}
	wg.Wait()
	if lost != nil {
		return nil, lost
	}
	if err := ctx.Err(); err != nil {
		for _, o := range results {
			if o.err != nil && o.err.Code == errs.CodeCanceled {
				return nil, err
			}
		}
	}
	slices.SortFunc(results, func(a, b outcome) int {
		return slices.Index(protocols(), a.protocol) - slices.Index(protocols(), b.protocol)
	})
	return results, nil
}

func (s *state) verdict(o outcome) connector.Verdict {
	v := connector.Verdict{Source: string(o.protocol), OK: o.err == nil, Server: address(o.server.Host, o.server.Port)}
	if o.err != nil {
		v.Code, v.Detail = o.err.Code, o.err.Text
		v.Args = failureArgs(s, o.protocol, s.Mail.of(o.protocol))
	}
	return v
}

// refused shows the form again, each error on its field.
func (c *Connector) refused(s *state, tried mail, results []outcome) connector.Turn {
	own := s.Direct || contains(s.passwordFields(), "imap_password") || contains(s.passwordFields(), "smtp_password") ||
		(tried.IMAP != nil && tried.SMTP != nil && tried.IMAP.Password != tried.SMTP.Password)
	if s.Form == "" {
		s.Form = stepSettings
	}
	var issues []connector.FieldIssue
	for _, o := range results {
		if o.err == nil {
			continue
		}
		issue := s.failureIssue(o.protocol, tried.of(o.protocol), o.err, own)
		same := func(i connector.FieldIssue) bool {
			return i.Field == issue.Field && (i.Field == "password" || i.Code == issue.Code)
		}
		if !slices.ContainsFunc(issues, same) {
			issues = append(issues, issue)
		}
	}
	if _, ok := s.oauthOffered(); ok && slices.ContainsFunc(issues, func(i connector.FieldIssue) bool { return i.Code == errs.CodeUseOAuth }) {
		s.Mail = s.Mail.withoutSecrets()
		return s.ask(s.oauthStep(), issues...)
	}
	return c.again(s, issues...)
}

// probeBudget bounds the search for another door.
const probeBudget = 6 * time.Second

// alternatives finds doors that are open where the one typed was not: the page offers what it knows to
// speak, never a guess.
func (c *Connector) alternatives(ctx context.Context, results []outcome) []alternative {
	ctx, cancel := context.WithTimeout(ctx, probeBudget)
	defer cancel()
	var (
		mu  sync.Mutex
		out []alternative
		wg  sync.WaitGroup
	)
	for _, o := range results {
		if o.err == nil || o.err.Refused() || o.err.Code == errs.CodeHostNotFound || o.err.Code == errs.CodeHostNotAllowed {
			continue
		}
		for _, server := range alternativesFor(o.protocol, o.server) {
			wg.Go(func() {
				if c.login.Probe(ctx, o.protocol, server) != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				out = append(out, alternative{ID: "port_" + strconv.Itoa(server.Port), Protocol: o.protocol, Server: server})
			})
		}
	}
	wg.Wait()
	// TLS from the first byte first.
	slices.SortFunc(out, func(a, b alternative) int {
		if a.Server.Encryption != b.Server.Encryption {
			if a.Server.Encryption == login.TLS {
				return -1
			}
			return 1
		}
		return a.Server.Port - b.Server.Port
	})
	return out
}

// verifyStep is what is shown meanwhile.
func (s *state) verifyStep(done []outcome) connector.Step {
	step := connector.Step{Kind: connector.KindWait, ID: stepVerify, Args: s.args(), Actions: []connector.Action{connector.ActBack}}
	for _, p := range protocols() {
		d := s.Mail.of(p)
		if d == nil {
			continue
		}
		line := connector.Progress{Code: "imap_login_" + string(p), State: connector.ProgressNow, Args: map[string]string{"host": d.Host}}
		if i := slices.IndexFunc(done, func(o outcome) bool { return o.protocol == p }); i >= 0 {
			line.State = connector.ProgressOK
			line.Code = "imap_done_" + string(p)
			if done[i].err != nil {
				line.Code = "imap_failed_" + string(p)
			}
		}
		step.Progress = append(step.Progress, line)
	}
	return step
}
