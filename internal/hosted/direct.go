package hosted

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// DirectSpec is a connection without the wizard: the application has the credential already.
type DirectSpec struct {
	Provider   latchkey.Provider
	ExternalID string
	Name       string
	Email      string
	// NotifyEmail is where the end user is told by mail when the account breaks; empty for nowhere.
	NotifyEmail      string
	Metadata         map[string]string
	ExpectedIdentity string
	// Reconnect is the account to mend, by our id or the application's; empty makes a new one.
	Reconnect string
	// ProviderApp is the OAuth client to use; empty means the default one.
	ProviderApp string
	// AuthServer says that the application's authentication server keeps the credential. It knows the
	// account by its ExternalID, or by our id on a reconnect of one that has none.
	AuthServer bool
	// Proxy is what every connection of the account is to go through. Nil keeps the account's own.
	Proxy *latchkey.Proxy
	// Values are the connector's own fields.
	Values map[string]string
}

// DirectResult is the account, and whether it is "new" or "existing"; or what is asked now.
type DirectResult struct {
	Account latchkey.Account
	State   string
	// Reconnected tells that the account was mended, and not made.
	Reconnected bool
	// Checkpoint is set where the connection is not at its end: somebody has to answer.
	Checkpoint *Checkpoint
}

// directTimeout bounds a direct connection: the caller waits for it.
const directTimeout = 60 * time.Second

// maxDirectTurns ends a connector that never comes to an end.
const maxDirectTurns = 8

// Connect connects an account with what the application has, verified like any other. Nothing is
// stored before the credential has worked.
func (e *Engine) Connect(ctx context.Context, app latchkey.Application, d DirectSpec) (DirectResult, error) {
	tgt, start, provider, err := e.directTarget(ctx, app, d)
	if err != nil {
		return DirectResult{}, err
	}
	direct, ok := e.cfg.Connectors[provider].(connector.DirectConnector)
	if !ok || (e.descs[provider].TestOnly && !app.Test) {
		return DirectResult{}, errs.New(errs.Conflict, errs.CodeProviderUnavailable, "This provider cannot be connected without the wizard; make a link instead.")
	}
	if err := e.canProxy(d.Proxy, provider); err != nil {
		return DirectResult{}, err
	}
	if desc := e.descs[provider]; desc.NeedsApp || desc.AppOptional {
		if start.App, err = e.directApp(ctx, app, provider, d, tgt); err != nil && !(desc.AppOptional && d.ProviderApp == "" && errs.Is(err, errs.CodeProviderUnavailable)) {
			return DirectResult{}, err
		}
		tgt.client = start.App
	}
	start.Entropy = entropy()
	turn, err := direct.Direct(start, d.Values)
	if err != nil {
		return DirectResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	turn, err = e.runDirect(ctx, provider, turn)
	if err != nil {
		return DirectResult{}, err
	}
	if e.needsEndUser(provider, turn) {
		return e.open(ctx, tgt, provider, d, start, turn)
	}
	if turn.Grant == nil {
		return DirectResult{}, directProblem(turn)
	}
	return e.keepDirect(ctx, tgt, provider, *turn.Grant)
}

func (e *Engine) directTarget(ctx context.Context, app latchkey.Application, d DirectSpec) (target, connector.Start, latchkey.Provider, error) {
	tgt := target{app: app, externalID: d.ExternalID, expected: d.ExpectedIdentity, name: d.Name, metadata: d.Metadata, authServer: d.AuthServer, notify: latchkey.Notify{Email: d.NotifyEmail}}
	start := connector.Start{
		Mode: connector.ModeCreate, ApplicationID: app.ID, ApplicationName: e.cfg.AppName(ctx, e.cfg.Store, app), Name: d.Name, Email: d.Email, ExpectedIdentity: d.ExpectedIdentity,
		Proxy: d.Proxy,
	}
	if d.AuthServer {
		start.Lent = d.ExternalID
	}
	if d.Reconnect == "" {
		return tgt, start, d.Provider, nil
	}
	acc, err := e.cfg.Store.Accounts().Get(ctx, app.ID, d.Reconnect)
	if errors.Is(err, store.ErrNotFound) {
		return tgt, start, "", errs.NotFoundf("account")
	}
	if err != nil {
		return tgt, start, "", err
	}
	tgt.reconnect, tgt.prior = acc.ID, acc.ProviderApp
	if d.AuthServer {
		start.Lent = cmp.Or(acc.ExternalID, string(acc.ID))
	}
	start.Mode = connector.ModeReconnect
	// The application's backend may move an account to other servers: it owns the account.
	start.AllowServerChange = true
	start.Prior = &connector.Prior{
		AccountID: acc.ID, Identity: acc.Identity, Name: acc.Name, Status: acc.Status, Reason: acc.Reason,
		Sources: acc.Sources, Params: acc.Params, Secret: acc.Secret,
	}
	return tgt, start, acc.Provider, nil
}

// directApp finds the OAuth client of a direct connection.
func (e *Engine) directApp(ctx context.Context, app latchkey.Application, p latchkey.Provider, d DirectSpec, tgt target) (*connector.App, error) {
	if e.cfg.Apps == nil {
		return nil, errs.New(errs.Conflict, errs.CodeProviderUnavailable, "This provider is not set up here.")
	}
	id := d.ProviderApp
	if id == "" {
		id = string(tgt.prior)
	}
	c, err := e.cfg.Apps.For(ctx, app.ID, p, id)
	if errs.Is(err, errs.CodeNotFound) && d.AuthServer && d.ProviderApp == "" {
		return &connector.App{Provider: p}, nil // who brings tokens needs no client
	}
	if errs.Is(err, errs.CodeNotFound) {
		return nil, errs.New(errs.Conflict, errs.CodeProviderUnavailable, "This provider is not set up for the application: register a provider app first.")
	}
	return c, err
}

// runDirect does the Works of a direct connection one after the other.
func (e *Engine) runDirect(ctx context.Context, p latchkey.Provider, turn connector.Turn) (connector.Turn, error) {
	for range maxDirectTurns {
		if turn.Work == nil || e.needsEndUser(p, turn) {
			return turn, nil
		}
		if turn.Work.Live || turn.Work.Repeat > 0 {
			return turn, errs.New(errs.Conflict, errs.CodeProviderUnavailable, "This provider needs the end user; make a link instead.")
		}
		w := *turn.Work
		wctx, cancel := context.WithTimeout(ctx, w.Deadline)
		next, err := e.callDo(wctx, p, w, silent{})
		timeout := wctx.Err() != nil
		cancel()
		switch {
		case err != nil && timeout:
			return connector.Turn{Failure: &connector.Failure{Code: errs.CodeTimedOut, Retryable: true}}, nil //nolint:nilerr // that is what it means
		case err != nil:
			return turn, err
		}
		turn = next
	}
	return turn, fmt.Errorf("hosted: %s: no end to a direct connection", p)
}

// directProblem says in the API's words what a connector would have asked or shown.
func directProblem(turn connector.Turn) error {
	if f := turn.Failure; f != nil {
		kind := errs.Invalid
		switch f.Code {
		case errs.CodeTooManyTries, errs.CodeRateLimited:
			kind = errs.TooMany
		case errs.CodeAuthServerUnreachable:
			kind = errs.Unavailable
		case errs.CodeAuthServerRefused:
			kind = errs.Conflict
		}
		if field, ok := proxyField(f.Code); ok {
			return errs.InvalidFields(errs.FieldError{Field: field, Code: f.Code, Message: FieldMessage(f.Code, f.Args)})
		}
		return errs.New(kind, f.Code, "The account could not be connected: "+FieldMessage(f.Code, f.Args))
	}
	if turn.Step == nil || (len(turn.Step.Errors) == 0 && len(turn.Step.Verdicts) == 0) {
		return errs.New(errs.Conflict, errs.CodeProviderUnavailable, "This account needs the end user; make a link instead.")
	}
	var fields []errs.FieldError
	for _, x := range turn.Step.Errors {
		if err := wholeProblem(x); err != nil {
			return err
		}
		fields = append(fields, errs.FieldError{Field: x.Field, Code: x.Code, Message: FieldMessage(x.Code, x.Args)})
	}
	if len(fields) == 0 {
		for _, v := range turn.Step.Verdicts {
			if !v.OK {
				fields = append(fields, errs.FieldError{Field: v.Source, Code: v.Code, Message: FieldMessage(v.Code, v.Args)})
			}
		}
	}
	return errs.InvalidFields(fields...)
}

// wholeProblem is an issue that no field of the request can mend; nil for all others.
func wholeProblem(x connector.FieldIssue) error {
	switch x.Code {
	case errs.CodeTooManyTries:
		wait, err := strconv.Atoi(x.Args["minutes"])
		if err != nil {
			wait = 1
		}
		e := errs.New(errs.TooMany, x.Code, FieldMessage(x.Code, x.Args))
		e.RetryAfter = time.Duration(wait) * time.Minute
		return e
	case errs.CodeWrongAccount:
		return wrongIdentity(x.Args["actual"], x.Args["expected"])
	default:
		return nil
	}
}

func wrongIdentity(actual, expected string) error {
	return errs.New(errs.Conflict, errs.CodeWrongAccount,
		fmt.Sprintf("This is the account of %s, but it has to be that of %s. Nothing was stored.", actual, expected))
}

// keepDirect stores the grant; one of another account is withdrawn.
func (e *Engine) keepDirect(ctx context.Context, tgt target, p latchkey.Provider, g connector.Grant) (DirectResult, error) {
	var out stored
	err := e.inTx(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if out, err = e.keep(ctx, tx, tgt, p, g, ""); err != nil || out.expected == "" {
			return err
		}
		return e.revoke(ctx, tx, p, tgt.app.ID, tgt.client, g)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return DirectResult{}, errs.NotFoundf("account")
	case err != nil:
		return DirectResult{}, err
	case out.expected != "":
		return DirectResult{}, wrongIdentity(g.Identity, out.expected)
	}
	return DirectResult{Account: out.account, State: out.state, Reconnected: tgt.reconnect != ""}, nil
}

// silent is the Reporter of a connection that nobody watches.
type silent struct{}

func (silent) Show(context.Context, connector.Step) error { return nil }

func (silent) Next(ctx context.Context) (connector.Input, error) {
	<-ctx.Done()
	return connector.Input{}, ctx.Err()
}

// FieldMessage is what an API caller reads beside a code; the wizard has its own words.
func FieldMessage(c errs.Code, args map[string]string) string {
	host := args["host"]
	if host == "" {
		host = "the server"
	}
	switch c {
	case errs.CodeRequired:
		return "This field is required."
	case errs.CodeWrongPassword:
		return host + " did not accept this login and password."
	case errs.CodeAppPassword:
		return host + " wants an app password here, not the account's normal password."
	case errs.CodeHostNotFound:
		return "There is no host of this name."
	case errs.CodeConnectionRefused, errs.CodeConnectionTimeout, errs.CodeConnectionClosed:
		return "There was no connection to " + host + "."
	case errs.CodeTLSFailed, errs.CodeCertificateInvalid:
		return "There was no safe connection to " + host + ": its TLS or certificate is not right."
	case errs.CodeNoSTARTTLS, errs.CodePlaintextRefused:
		return host + " offers no encryption here, and passwords are never sent without."
	case errs.CodeIMAPDisabled:
		return "IMAP is switched off for this mailbox."
	case errs.CodeSMTPDisabled:
		return "Sending by SMTP is switched off for this mailbox."
	case errs.CodeHostNotAllowed, errs.CodePortNotAllowed:
		return "This installation does not connect to that address or port."
	case errs.CodeNothingFound:
		return "No mail server was found for this domain. Name the servers: imap_host, smtp_host."
	case errs.CodeServerLocked:
		return "The servers of this account cannot be changed here."
	case errs.CodeNotIMAP, errs.CodeNotSMTP, errs.CodeProtocolError:
		return "What answers there does not speak mail as it should. Check the port."
	case errs.CodeTooManyConnections, errs.CodeRateLimited:
		return host + " asks for a pause. Try again in a quarter of an hour."
	case errs.CodeTooManyTries:
		return "There were too many tries; wait a while."
	case errs.CodeProxyNotAllowed:
		return "Connections to this proxy are not allowed here. The operator lists private ones in LATCHKEY_ALLOW_PROXY."
	case errs.CodeProxyUnreachable:
		return "There was no connection to the proxy. Check its host, port and protocol."
	case errs.CodeProxyCredentials:
		return "The proxy did not accept this user name and password."
	case errs.CodeProxyRefused:
		return "The proxy answers, but does not connect to the provider."
	case errs.CodeAuthServerUnreachable:
		return "the authentication server gave no answer. Try again in a while."
	case errs.CodeAuthServerRefused:
		return "the authentication server lends nothing that can be used. Its answers are described in docs/authentication-server.md."
	}
	return "This did not work; the code says why."
}
