package mailer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
)

// Stages of a check, in the order in which they are tried.
const (
	StageToken   = "token"
	StageResolve = "resolve"
	StageConnect = "connect"
	StageTLS     = "tls"
	StageAuth    = "auth"
	StageFrom    = "mail_from"
	StageTo      = "rcpt_to"
	StageMailbox = "mailbox"
)

// Finding is what came of one stage.
type Finding struct {
	Stage string
	OK    bool
	// Code says what is wrong, or what is worth knowing although it is OK; empty for neither.
	Code errs.Code
	// Message says what to do. Detail is what the host said, without our secrets.
	Message string
	Detail  string
}

// Check is what a mail host said when it was tried.
type Check struct {
	OK       bool
	Findings []Finding
}

// failed is the finding at which the check ended.
func (c Check) failed() (Finding, bool) {
	i := slices.IndexFunc(c.Findings, func(f Finding) bool { return !f.OK })
	if i < 0 {
		return Finding{}, false
	}
	return c.Findings[i], true
}

// checkTime bounds a check: somebody waits for it.
const checkTime = 30 * time.Second

// try goes the whole way of a mail but for its text: a token, a connection, a login, and whether the
// host would take mail from the sender's address to itself, where the proof goes.
func (s *Service) try(ctx context.Context, v latchkey.Sender) (Check, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	t := &trier{s: s, v: v}
	if v.Kind == latchkey.SenderOAuth {
		t.token(ctx)
	}
	switch {
	case t.over:
	case v.Transport == latchkey.TransportGraph:
		t.mailbox(ctx)
	default:
		t.smtp(ctx)
	}
	if err := caller.Err(); err != nil {
		return Check{}, err // who asked has gone: what was found says nothing of the host
	}
	return Check{OK: !t.over, Findings: t.found}, nil
}

// trier gathers findings.
type trier struct {
	s      *Service
	v      latchkey.Sender
	access string
	found  []Finding
	over   bool
}

func (t *trier) good(stages ...string) {
	for _, x := range stages {
		t.found = append(t.found, Finding{Stage: x, OK: true, Message: goodWords(x)})
	}
}

func (t *trier) bad(stage string, err error) {
	v := explain(err)
	t.over = true
	t.found = append(t.found, Finding{
		Stage: stage, Code: v.Code, Message: t.s.advise(stage, t.v, v), Detail: mask(v.Detail, t.v, t.access),
	})
}

func (t *trier) token(ctx context.Context) {
	token, err := t.s.askToken(ctx, t.v)
	if err != nil {
		t.bad(StageToken, err)
		return
	}
	t.access = token.AccessToken
	want := "SMTP.SendAsApp"
	if t.v.Transport == latchkey.TransportGraph {
		want = "Mail.Send"
	}
	if roles, known := rolesOf(t.access); known && t.v.Provider == latchkey.Microsoft && !slices.Contains(roles, want) {
		t.over = true
		t.found = append(t.found, Finding{
			Stage: StageToken, Code: errs.CodeConsentMissing,
			Message: "The client id and its secret are right, but the token does not hold the application permission " + want + ". " + grantWords(want),
		})
		return
	}
	t.good(StageToken)
}

// rolesOf reads the application permissions that Microsoft puts into a token. known is false where the
// token cannot be read, which is its owner's right: nothing follows from that.
func rolesOf(token string) (roles []string, known bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	var claims struct {
		Audience string   `json:"aud"`
		Roles    []string `json:"roles"`
	}
	if json.Unmarshal(raw, &claims) != nil || claims.Audience == "" {
		return nil, false
	}
	return claims.Roles, true
}

func (t *trier) smtp(ctx context.Context) {
	r := t.s.routeOf(t.v)
	if r.token {
		r.password = t.access
	}
	w, err := connect(ctx, r)
	if err != nil {
		reached := map[stage][]string{
			stageConnect: {}, stageTLS: {StageResolve, StageConnect}, stageAuth: {StageResolve, StageConnect, StageTLS},
		}
		at := stageOf(err)
		name := string(at)
		if at == stageConnect {
			name = StageConnect
			if explain(err).Code == errs.CodeHostNotFound {
				name = StageResolve
			} else {
				t.good(StageResolve)
			}
		}
		t.good(reached[at]...)
		t.bad(name, err)
		return
	}
	defer w.close()
	t.good(StageResolve, StageConnect)
	t.tls(w)
	t.good(StageAuth)
	err = w.rehearse(ctx, t.v.Email)
	switch {
	case err == nil:
		t.good(StageFrom, StageTo)
	case stageOf(err) == stageFrom:
		t.bad(StageFrom, err)
	default:
		t.good(StageFrom)
		t.recipient(err)
	}
}

func (t *trier) tls(w *wire) {
	if w.encrypted {
		t.good(StageTLS)
		return
	}
	t.found = append(t.found, Finding{
		Stage: StageTLS, OK: true, Code: errs.CodeNoSTARTTLS, Message: "The host offers no TLS. The operator allows that for this host.",
	})
}

// recipient reads a refusal of the address to which the proof will go. A host that only asks to wait
// (greylisting) is no reason not to save.
func (t *trier) recipient(err error) {
	if v := explain(err); v.Temporary && protocol(err) != nil {
		t.found = append(t.found, Finding{
			Stage: StageTo, OK: true, Code: v.Code, Detail: mask(v.Detail, t.v, t.access),
			Message: "The host asks to come back later. That is usual for an address that it has not seen before; mail is tried again by itself.",
		})
		return
	}
	t.bad(StageTo, err)
}

var errNoUTF8 = errors.New("the host takes no addresses outside ASCII (no SMTPUTF8)")

// rehearse asks whether the host takes mail from an address to itself, and takes it back.
func (w *wire) rehearse(ctx context.Context, email string) error {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = w.said.Close() })
	defer stop()
	params := ""
	if !ascii(email) {
		if !w.utf8 {
			return at(stageFrom, errNoUTF8)
		}
		params = " SMTPUTF8"
	}
	for _, c := range []struct {
		line  string
		want  int
		stage stage
	}{{"MAIL FROM:<" + email + ">" + params, 250, stageFrom}, {"RCPT TO:<" + email + ">", 25, stageTo}} {
		if err := w.client.Text.PrintfLine("%s", c.line); err != nil {
			return at(c.stage, errors.Join(err, ctx.Err()))
		}
		if _, _, err := w.client.Text.ReadResponse(c.want); err != nil {
			return at(c.stage, errors.Join(w.reset(err), ctx.Err()))
		}
	}
	return w.reset(nil)
}

// mailbox asks Microsoft Graph for the mailbox. The permission to send does not include reading, so
// that a refusal to show it says nothing.
func (t *trier) mailbox(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	to := t.s.cfg.Providers.graph() + "/v1.0/users/" + url.PathEscape(t.v.Address) + "?$select=mail"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		t.bad(StageMailbox, err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+t.access)
	res, err := t.s.cfg.OAuth.Do(req)
	if err != nil {
		t.bad(StageMailbox, at(stageConnect, err))
		return
	}
	defer func() { _ = res.Body.Close() }() // the answer has been read as far as it is wanted
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxGraphAnswer))
	switch {
	case err != nil:
		t.bad(StageMailbox, at(stageConnect, err))
	case res.StatusCode == http.StatusOK:
		t.good(StageMailbox)
	case res.StatusCode == http.StatusForbidden:
		t.found = append(t.found, Finding{
			Stage: StageMailbox, OK: true,
			Message: "Only the token could be checked: the client may send but not look at mailboxes, and needs no more. Whether it may send for this mailbox shows with the first mail.",
		})
	default:
		t.bad(StageMailbox, graphRefusal(res.StatusCode, raw))
	}
}

// mask takes our secrets out of what a host said, in the forms in which it was given them.
func mask(said string, v latchkey.Sender, more ...string) string {
	for _, secret := range append([]string{v.Password, v.ClientSecret, v.ServiceAccount}, more...) {
		said = maskOne(said, v.Username, secret)
	}
	return said
}

func maskOne(said, user, secret string) string {
	const shortest = 4 // what is shorter would take innocent words away
	if len(secret) < shortest {
		return said
	}
	for _, form := range []string{
		secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + secret)),
		base64.StdEncoding.EncodeToString([]byte(user + "\x00" + user + "\x00" + secret)), clean(secret),
	} {
		said = strings.ReplaceAll(said, form, "***")
	}
	return said
}
