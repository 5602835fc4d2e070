package oauthflow

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/login"
	"latchkey/internal/errs"
)

// verifyTurn tries once more to open the mailbox, with the tokens that were granted.
func (f *Flow) verifyTurn(s *state) connector.Turn {
	s.At = stepVerify
	return connector.Turn{State: s.bytes(), Work: &connector.Work{
		Name: workVerify, Input: s.bytes(), Deadline: exchangeDeadline, Interrupt: connector.Rerun, Show: *f.step(s),
	}}
}

// settle proves that the account opens, and is the one that it has to be. Only then is there a grant.
func (f *Flow) settle(ctx context.Context, s *state, r connector.Reporter) (connector.Turn, error) {
	s.At = stepVerify
	if err := r.Show(ctx, *f.step(s)); err != nil {
		return connector.Turn{}, err
	}
	if s.Secret.stale(f.now()) && (s.Secret.RefreshToken != "" || s.Secret.Kind != "") {
		renewed, err := f.renew(ctx, s.app(), *s.Secret)
		if err != nil {
			return f.failed(ctx, s, "the token was not renewed", err), nil
		}
		s.Secret = &renewed
	}
	if !f.Spec.Mail || s.app().Protocol == protocolAPI {
		return f.settleAPI(ctx, s)
	}
	return f.settleMail(ctx, s)
}

// protocolAPI is what an App says that wants no IMAP.
const protocolAPI = "api"

func (f *Flow) failed(ctx context.Context, s *state, what string, err error) connector.Turn {
	f.tell(ctx, s, what, err)
	if s.Direct {
		return f.directTrouble(s, err)
	}
	return f.trouble(s, err)
}

func (f *Flow) settleAPI(ctx context.Context, s *state) (connector.Turn, error) {
	person := *s.Person
	if box := f.delegated(s); box != "" {
		s.Secret.Mailbox, s.Secret.Shared = box, true
	}
	if f.Spec.Profile != nil {
		var err error
		if person, err = f.Spec.Profile(ctx, f.http, s.app(), *s.Secret, *s.Person); err != nil {
			return f.failed(ctx, s, "the profile does not open", err), nil
		}
	}
	s.Person = &person
	switch {
	case !f.Spec.Mail:
		if person.ID == "" {
			return forged("the profile has no id"), nil
		}
		if want := s.expected(); want != "" && !latchkey.SameIdentity(f.Spec.Provider, want, person.ID) {
			return f.wrongAccount(s)
		}
		return f.grant(s, person.ID, "PROFILE")
	case f.delegated(s) != "":
		return f.grant(s, f.delegated(s), "API")
	}
	box := f.pick(s, person.Aliases)
	if box == "" {
		return f.wrongAccount(s)
	}
	return f.grant(s, box, "API")
}

// pick is the address that the mailbox has to have, or the first; empty if it is not among them.
func (f *Flow) pick(s *state, addresses []string) string {
	want := s.expected()
	for _, a := range addresses {
		if want == "" || latchkey.SameIdentity(f.Spec.Provider, want, a) {
			return a
		}
	}
	return ""
}

// settleMail opens the mailbox by IMAP and SMTP. An address that a provider only claims is proved by
// it: the server lets a token into the mailboxes of its owner only.
func (f *Flow) settleMail(ctx context.Context, s *state) (connector.Turn, error) {
	candidates := s.Person.Aliases
	if box := f.delegated(s); box != "" {
		candidates = []string{box}
		s.Secret.Shared = true
	} else if s.expected() != "" {
		box := f.pick(s, candidates)
		if box == "" {
			return f.wrongAccount(s)
		}
		candidates = []string{box}
	}
	if len(candidates) == 0 {
		return f.failed(ctx, s, "there is no mailbox", &ProviderError{Problem: ProblemWrongType, Code: "no address"}), nil
	}
	var results [2]*login.Error
	for i, box := range candidates {
		s.Secret.Mailbox = box
		results = f.open(ctx, s.app(), *s.Secret, !s.ReadOnly)
		if err := ctx.Err(); err != nil {
			return connector.Turn{}, err
		}
		if results[0] == nil || results[0].Code != errs.CodeCredentialRejected || i == len(candidates)-1 {
			break
		}
	}
	return f.opened(ctx, s, results)
}

// open logs in to both servers at once.
func (f *Flow) open(ctx context.Context, app connector.App, secret Secret, smtp bool) [2]*login.Error {
	servers := f.Spec.Servers(app)
	var (
		results [2]*login.Error
		wg      sync.WaitGroup
	)
	wg.Go(func() {
		results[0] = login.AsError(f.login.VerifyToken(ctx, login.IMAP, servers.IMAP, secret.Mailbox, secret.AccessToken))
	})
	if smtp {
		wg.Go(func() {
			results[1] = login.AsError(f.login.VerifyToken(ctx, login.SMTP, servers.SMTP, secret.Mailbox, secret.AccessToken))
		})
	}
	wg.Wait()
	return results
}

// opened decides what follows from how the servers answered.
func (f *Flow) opened(ctx context.Context, s *state, results [2]*login.Error) (connector.Turn, error) {
	servers := f.Spec.Servers(s.app())
	s.Verdicts = nil
	for i, server := range []login.Server{servers.IMAP, servers.SMTP} {
		if i == 1 && s.ReadOnly {
			continue
		}
		v := connector.Verdict{Source: []string{"imap", "smtp"}[i], OK: results[i] == nil, Server: net.JoinHostPort(server.Host, strconv.Itoa(server.Port))}
		if results[i] != nil {
			v.Code, v.Args = results[i].Code, map[string]string{"host": server.Host, "port": strconv.Itoa(server.Port)}
			f.tell(ctx, s, "the mailbox does not open by "+v.Source, results[i])
		}
		s.Verdicts = append(s.Verdicts, v)
	}
	at := stepFor(results)
	switch {
	case at == "":
		s.Secret.ReadOnly = s.ReadOnly
		return f.grant(s, s.Secret.Mailbox, "IMAP", "SMTP")
	case s.Direct:
		return f.directRefused(s, results), nil
	default:
		return f.show(s, at), nil
	}
}

// stepFor names the step for how IMAP and SMTP answered; empty if both let us in.
func stepFor(results [2]*login.Error) string {
	imap, smtp := results[0], results[1]
	off := func(e *login.Error) bool {
		return e != nil && slices.Contains([]errs.Code{
			errs.CodeIMAPDisabled, errs.CodeSMTPDisabled, errs.CodeUseOAuth, errs.CodeNoAuthMethod, errs.CodeAccountBlocked,
		}, e.Code)
	}
	rejected := func(e *login.Error) bool { return e != nil && e.Code == errs.CodeCredentialRejected }
	switch {
	case imap == nil && smtp == nil:
		return ""
	case imap == nil && (off(smtp) || rejected(smtp)):
		return stepSMTPOff
	case off(imap) && (off(smtp) || rejected(smtp)):
		return stepMailOff
	case off(imap):
		return stepIMAPOff
	case rejected(imap):
		return string(ProblemRejected)
	default:
		return string(ProblemUnavailable)
	}
}

// wrongAccount tells whose account it is and whose it should be. The grant that was just made is given
// back by the engine: it knows whether another account stands on the same one.
func (f *Flow) wrongAccount(s *state) (connector.Turn, error) {
	if s.Direct {
		return connector.Turn{Failure: &connector.Failure{
			Code: errs.CodeWrongAccount, Args: map[string]string{"expected": s.expected(), "actual": s.Person.shown()},
		}}, nil
	}
	secret, err := s.Secret.encode()
	if err != nil {
		return connector.Turn{}, err
	}
	identity := s.Person.ID
	if f.Spec.Mail {
		identity = firstOf(append(slices.Clone(s.Person.Aliases), s.Person.Email)...)
	}
	s.Secret = nil
	turn := f.show(s, string(ProblemWrongAccount))
	turn.Unused = &connector.Grant{Identity: identity, Secret: secret}
	return turn, nil
}

// grant is the credential that was just seen to work.
func (f *Flow) grant(s *state, identity string, sources ...string) (connector.Turn, error) {
	s.Secret.Subject = firstOf(s.Person.ID, s.Secret.Subject)
	if f.Spec.Mail {
		s.Secret.Mailbox, s.Secret.Protocol = identity, firstOf(s.app().Protocol, "imap")
	}
	secret, err := s.Secret.encode()
	if err != nil {
		return connector.Turn{}, err
	}
	public, err := f.params(s, identity)
	if err != nil {
		return connector.Turn{}, err
	}
	g := &connector.Grant{
		Identity: identity, Proof: latchkey.ProofProvider, Name: firstOf(s.Person.Name, s.Person.Username, s.Start.Name),
		Params: public, Secret: secret, Scopes: splitScopes(firstOf(s.Secret.Scope, strings.Join(s.Asked, " "))), ExpiresAt: s.Secret.ExpiresAt,
	}
	for _, id := range sources {
		if id == "SMTP" && s.ReadOnly {
			g.Warnings = append(g.Warnings, "smtp_not_connected")
			continue
		}
		g.Sources = append(g.Sources, latchkey.Source{ID: id, Status: latchkey.AccountOK})
	}
	return connector.Turn{Grant: g}, nil
}

// params are what the API shows of the account.
func (f *Flow) params(s *state, identity string) ([]byte, error) {
	type named struct {
		ID       string `json:"id"`
		Username string `json:"username"`
	}
	if f.Spec.Mail {
		return json.Marshal(map[string]named{"mail": {identity, identity}})
	}
	return json.Marshal(map[string]named{"im": {identity, firstOf(s.Person.Username, s.Person.Name, identity)}})
}
