package oauthflow

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Names of the Works.
const (
	workPrepare    = "prepare"
	workExchange   = "exchange"
	workVerify     = "verify"
	workAdopt      = "adopt"
	workUnattended = "unattended"
	workLent       = "lent"
)

const (
	prepareDeadline  = 20 * time.Second
	exchangeDeadline = 75 * time.Second
)

// maxCode is the longest code that is believed; the longest known ones are Microsoft's, with about
// two thousand characters.
const maxCode = 8 << 10

// Begin sends the browser to the provider.
func (f *Flow) Begin(start connector.Start) (connector.Turn, error) {
	if start.App == nil || start.App.ClientID == "" || start.CallbackURL == "" {
		return f.unavailable(), nil
	}
	return f.redirect(&state{Start: start}, start.Entropy)
}

func (f *Flow) unavailable() connector.Turn {
	return connector.Turn{Failure: &connector.Failure{
		Code: errs.CodeProviderUnavailable, Detail: "the application has no client for this provider",
	}}
}

// redirect begins an authorize request.
func (f *Flow) redirect(s *state, entropy []byte) (connector.Turn, error) {
	if err := s.fresh(entropy); err != nil {
		return connector.Turn{}, err
	}
	s.Start.Entropy = nil
	s.Asked = wanted(f.Spec.Scopes(s.app(), s.Start.Options), s.app())
	where, ok, err := f.ready(s.app())
	if err != nil {
		return f.operator(ProblemTenant, err.Error()), nil
	}
	if !ok {
		s.At = stepPrepare
		return connector.Turn{State: s.bytes(), Work: &connector.Work{
			Name: workPrepare, Input: s.bytes(), Deadline: prepareDeadline, Interrupt: connector.Rerun,
			Show: *f.step(s),
		}}, nil
	}
	s.Where = where
	return f.show(s, stepRedirect), nil
}

// wanted are the scopes to ask for: the provider's, with the operator's wishes.
func wanted(base []string, app connector.App) []string {
	var out []string
	for _, sc := range slices.Concat(base, app.ExtraScopes) {
		sc = strings.TrimSpace(sc)
		if sc != "" && !slices.Contains(app.SkipScopes, sc) && !slices.Contains(out, sc) {
			out = append(out, sc)
		}
	}
	return out
}

// authorizeURL is where the browser goes. The engine puts the state into it.
func (f *Flow) authorizeURL(s *state) string {
	app := s.app()
	conf := f.oauth(app, s.Where, s.Start.CallbackURL, s.Asked)
	var opts []oauth2.AuthCodeOption
	if f.Spec.PKCE {
		opts = append(opts, oauth2.S256ChallengeOption(s.Verifier))
	}
	if f.Spec.Nonce {
		opts = append(opts, oauth2.SetAuthURLParam("nonce", s.Nonce))
	}
	ask := Ask{App: app, Scopes: s.Asked, Chooser: s.Wish.Chooser, Consent: s.Wish.Consent, Fresh: s.Wish.Fresh}
	if f.Spec.LoginHint && !s.Wish.Chooser && f.delegated(s) == "" {
		ask.Hint = firstOf(s.expected(), s.Start.Email)
	}
	q := url.Values{}
	if ask.Hint != "" {
		q.Set("login_hint", ask.Hint)
	}
	if f.Spec.Authorize != nil {
		f.Spec.Authorize(q, ask)
	}
	for name := range q {
		opts = append(opts, oauth2.SetAuthURLParam(name, q.Get(name)))
	}
	return conf.AuthCodeURL(connector.StatePlaceholder, opts...)
}

func (f *Flow) oauth(app connector.App, e Endpoints, callback string, scopes []string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: app.ClientID, ClientSecret: app.ClientSecret, RedirectURL: callback, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: e.Authorize, TokenURL: e.Token, AuthStyle: e.AuthStyle},
	}
}

// Resume takes what came back from the provider, and what the end user chose on a page between.
func (f *Flow) Resume(raw []byte, in connector.Input) (connector.Turn, error) {
	s, err := decodeState(raw)
	if err != nil {
		return connector.Turn{}, err
	}
	if s.Direct {
		return f.show(s, stepDirect), nil
	}
	switch {
	case in.Action == connector.ActReturn && s.At == stepRedirect:
		return f.returned(s, in.Values)
	case in.Action == connector.ActSwitchMethod, in.Values["choice"] == choiceOther && f.chooses(s.At):
		s.Wish = wish{Chooser: true}
		return f.redirect(s, in.Entropy)
	case in.Action == connector.ActRefresh, in.Action == connector.ActBack:
		return f.redirect(s, in.Entropy)
	case in.Action != connector.ActSubmit:
		return f.show(s, s.At), nil
	case f.chooses(s.At):
		return f.chosen(s, in.Values["choice"]), nil
	case s.At == string(ProblemUnavailable) && s.Secret != nil:
		return f.verifyTurn(s), nil
	}
	s.Wish = wishAfter(Problem(s.At))
	return f.redirect(s, in.Entropy)
}

// wishAfter is what the next request should be like, after a problem.
func wishAfter(p Problem) wish {
	switch p {
	case ProblemScopes, ProblemOffline:
		return wish{Consent: true}
	case ProblemAgain:
		return wish{Fresh: true}
	case ProblemWrongAccount, ProblemWrongType, ProblemRejected:
		return wish{Chooser: true}
	default:
		return wish{}
	}
}

func (f *Flow) chosen(s *state, choice string) connector.Turn {
	switch {
	case choice == choiceAgain:
		return f.verifyTurn(s)
	case choice == choiceReadOnly && s.At == stepSMTPOff:
		s.ReadOnly = true
		return f.verifyTurn(s)
	default:
		turn := f.show(s, s.At)
		turn.Step.Errors = []connector.FieldIssue{{Field: "choice", Code: errs.CodeInvalidValue}}
		return turn
	}
}

// returned takes the query of the callback (RFC 6749 §4.1.2).
func (f *Flow) returned(s *state, values map[string]string) (connector.Turn, error) {
	if detail := issuerMatches(s.Where, values); detail != "" {
		return forged(detail), nil
	}
	if values["error"] != "" {
		e := newProviderError(0, values["error"], firstOf(values["error_subcode"], values["error_reason"]), values["error_description"])
		return f.trouble(s, e), nil
	}
	// Instagram puts an empty fragment's mark behind its code.
	code := strings.TrimSuffix(values["code"], "#_")
	switch {
	case code == "":
		return f.trouble(s, &ProviderError{Problem: ProblemAgain, Code: "no code"}), nil
	case len(code) > maxCode:
		return forged("the code is too long"), nil
	}
	s.Code = code
	s.At = stepExchange
	return connector.Turn{State: s.withoutCode().bytes(), Work: &connector.Work{
		Name: workExchange, Input: s.bytes(), Deadline: exchangeDeadline, Interrupt: connector.Restart, Show: *f.step(s),
	}}, nil
}

func (s *state) withoutCode() *state {
	c := *s
	c.Code = ""
	return &c
}

// issuerMatches checks who says that it sent the browser back (RFC 9207 §2.4): an answer that another
// provider gave must not reach this one's token endpoint.
func issuerMatches(e Endpoints, values map[string]string) string {
	iss, ok := values["iss"]
	switch {
	case !ok && e.AnswersIssuer:
		return "the provider did not name itself in the callback"
	case !ok || iss == e.Issuer:
		return ""
	}
	if before, after, templated := strings.Cut(e.Issuer, tenantMark); templated {
		rest, ok := strings.CutPrefix(iss, before)
		tenant, ok2 := strings.CutSuffix(rest, after)
		if ok && ok2 && isGUID(tenant) {
			return ""
		}
	}
	return "the callback names another issuer"
}

// forged ends a try in which something came back that nobody here asked for.
func forged(detail string) connector.Turn {
	return connector.Turn{Failure: &connector.Failure{Code: errs.CodeCredentialRejected, Retryable: true, Detail: detail}}
}

// operator ends a try that the end user cannot mend.
func (f *Flow) operator(p Problem, detail string) connector.Turn {
	return connector.Turn{Failure: &connector.Failure{
		Code: errs.CodeProviderUnavailable, Retryable: true, Detail: string(p) + ": " + detail, RefusedApp: string(p),
	}}
}

// trouble turns an error into what the end user is told.
func (f *Flow) trouble(s *state, err error) connector.Turn {
	p := f.problemOf(err)
	switch {
	case p.OfApp():
		return f.operator(p, said(err))
	case p == ProblemForged:
		return forged(said(err))
	case p == ProblemNone, p == ProblemRejected && s.Secret == nil:
		p = ProblemAgain
	}
	return f.show(s, string(p))
}

// said is an error for the operator's log: what the provider said, in one line, and never a body.
func said(err error) string {
	if e := asProviderError(err); e != nil {
		return e.Error()
	}
	return clean(withoutURL(err).Error(), 300)
}

// Do does one Work.
func (f *Flow) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	s, err := decodeState(w.Input)
	if err != nil {
		return connector.Turn{}, err
	}
	switch w.Name {
	case workPrepare:
		return f.prepare(ctx, s), nil
	case workExchange:
		return f.exchange(ctx, s, r)
	case workVerify:
		if s.Secret == nil || s.Person == nil {
			return connector.Turn{}, errState
		}
		return f.settle(ctx, s, r)
	case workAdopt:
		return f.adopt(ctx, s, r)
	case workLent:
		return f.lent(ctx, s)
	case workUnattended:
		return f.unattended(ctx, s, r)
	default:
		return connector.Turn{}, fmt.Errorf("%w: %q", errWork, w.Name)
	}
}

// prepare reads the discovery document.
func (f *Flow) prepare(ctx context.Context, s *state) connector.Turn {
	where, err := f.endpoints(ctx, s.app())
	if err != nil {
		f.tell(ctx, s, "discovery failed", err)
		return f.show(s, string(ProblemUnavailable))
	}
	s.Where = where
	return f.show(s, stepRedirect)
}
