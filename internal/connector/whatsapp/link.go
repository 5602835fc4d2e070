package whatsapp

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

// Bounds of linking.
const (
	// firstWord is how long the server may take to offer codes.
	firstWord = 20 * time.Second
	// passkeyTime is how long the server waits for a passkey.
	passkeyTime = 10 * time.Minute
	maxProof    = 16 << 10
	// farewell is how long a linked device waits for the server to end the socket it was linked over.
	farewell = 2 * time.Second
	// nearEnd is how near to its end a code counts as expired when the server hangs up.
	nearEnd = 5 * time.Second
)

// codeName is how the server wants a device that asks for a pairing code to name itself.
const codeName = "Chrome (Linux)"

// linker links one device over one socket.
type linker struct {
	conn  *Connector
	state state
	r     connector.Reporter
	cl    *client
	names []byte
	mem   *ram

	codes   []string
	shown   int
	until   time.Time
	timer   *time.Timer
	passkey bool
}

// link does the Work: it shows codes until a phone agrees.
func (c *Connector) link(ctx context.Context, s state, r connector.Reporter) (connector.Turn, error) {
	l := &linker{conn: c, state: s, r: r, names: newNames(), mem: newRAM(), timer: time.NewTimer(firstWord)}
	defer l.timer.Stop()
	d := newDevice(l.names, l.mem, quiet{c.cfg.Log})
	cl, err := c.open(ctx, d, s.Proxy, s.Device)
	if err != nil {
		return l.ended(ctx, err)
	}
	l.cl = cl
	turn, err := l.run(ctx)
	if turn.Grant == nil {
		cl.close()
		return turn, err
	}
	// The server ends the socket itself once it has read our signature.
	go cl.part()
	return turn, err
}

// part waits until the server has ended the socket.
func (cl *client) part() {
	limit := time.NewTimer(farewell)
	defer limit.Stop()
	select {
	case <-cl.lost:
	case <-limit.C:
	}
	cl.close()
}

// ended is what becomes of a Work whose connection failed or broke.
func (l *linker) ended(ctx context.Context, err error) (connector.Turn, error) {
	if ctx.Err() != nil {
		return connector.Turn{}, ctx.Err()
	}
	return l.over(codeOf(err)), nil
}

// over ends the codes with a word why, and offers new ones.
func (l *linker) over(code errs.Code) connector.Turn {
	switch code {
	case errs.CodeClientOutdated, errs.CodeProxyNotAllowed, errs.CodeProxyCredentials, errs.CodeProxyRefused:
		return connector.Turn{Failure: &connector.Failure{Code: code}}
	case errs.CodeAccountBlocked, errs.CodeProxyUnreachable:
		return connector.Turn{Failure: &connector.Failure{Code: code, Retryable: true}}
	}
	return ask(l.state.over(code), l.state)
}

func (l *linker) run(ctx context.Context) (connector.Turn, error) {
	answers := make(chan connector.Input)
	go func() {
		for {
			in, err := l.r.Next(ctx)
			if err != nil {
				return
			}
			select {
			case answers <- in:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		var turn *connector.Turn
		var err error
		select {
		case <-ctx.Done():
			return connector.Turn{}, ctx.Err()
		case ev := <-l.cl.events:
			turn, err = l.hear(ctx, ev)
		case in := <-answers:
			turn, err = l.answer(ctx, in)
		case <-l.timer.C:
			turn, err = l.next(ctx)
		case <-l.cl.lost:
			turn, err = l.lost(ctx)
		}
		if err != nil {
			return connector.Turn{}, err
		}
		if turn != nil {
			return *turn, nil
		}
	}
}

// lost reads what the server said before it hung up, if it did.
func (l *linker) lost(ctx context.Context) (*connector.Turn, error) {
	limit := time.NewTimer(lastWord)
	defer limit.Stop()
	for {
		select {
		case ev := <-l.cl.events:
			if turn, err := l.hear(ctx, ev); turn != nil || err != nil {
				return turn, err
			}
		case <-limit.C:
			code := errs.CodeConnectionClosed
			if l.shown > 0 && (l.shown >= len(l.codes) || l.state.Phone != "") && l.until.Sub(l.conn.cfg.Now()) < nearEnd {
				code = errs.CodeCodeExpired
			}
			turn := l.over(code)
			return &turn, nil
		}
	}
}

// hear takes one event of the library. A Turn ends the Work.
func (l *linker) hear(ctx context.Context, ev any) (*connector.Turn, error) {
	switch e := ev.(type) {
	case *events.QR:
		if l.shown > 0 || l.passkey {
			return nil, nil //nolint:nilnil // nothing to do
		}
		l.codes = e.Codes
		if l.state.Phone != "" {
			return l.makeCode(ctx)
		}
		return l.next(ctx)
	case *events.PairSuccess:
		turn, err := l.granted()
		return &turn, err
	case *events.PairError:
		turn := l.over(errs.CodeProtocolError)
		return &turn, nil
	case *events.PairPasskeyRequest:
		return l.askPasskey(ctx, e.PublicKey)
	case *events.PairPasskeyConfirmation:
		if e.SkipHandoffUX {
			return l.confirmed(ctx)
		}
		return nil, l.r.Show(ctx, *confirmStep(e.Code))
	case *events.PairPasskeyError:
		turn := l.over(errs.CodeCredentialRejected)
		return &turn, nil
	case *events.QRScannedWithoutMultidevice:
		step := l.state.over(errs.CodeUnsupported)
		turn := ask(step, l.state)
		return &turn, nil
	case *events.ClientOutdated:
		turn := l.over(errs.CodeClientOutdated)
		return &turn, nil
	case *events.TemporaryBan, *events.LoggedOut:
		turn := l.over(errs.CodeAccountBlocked)
		return &turn, nil
	case *events.ConnectFailure:
		turn := l.over(failureCode(e.Reason))
		return &turn, nil
	case *events.StreamError:
		turn := l.over(errs.CodeProtocolError)
		return &turn, nil
	}
	return nil, nil //nolint:nilnil // of no concern while linking
}

func failureCode(r events.ConnectFailureReason) errs.Code {
	if r >= 500 {
		return errs.CodeConnectionClosed
	}
	if r == 429 {
		return errs.CodeRateLimited
	}
	return errs.CodeProtocolError
}

// next shows the next QR code, or says that there is none left.
func (l *linker) next(ctx context.Context) (*connector.Turn, error) {
	if l.codes == nil {
		turn := l.over(errs.CodeConnectionTimeout)
		return &turn, nil
	}
	if l.passkey || l.state.Phone != "" || l.shown >= len(l.codes) {
		turn := l.over(errs.CodeCodeExpired)
		return &turn, nil
	}
	lasts := l.conn.cfg.NextCode
	if l.shown == 0 {
		lasts = l.conn.cfg.FirstCode
	}
	step := l.state.display()
	step.Payload = l.codes[l.shown]
	l.shown++
	l.last(lasts)
	step.Attempt, step.Attempts, step.ExpiresAt = l.shown, len(l.codes), l.until
	return nil, l.r.Show(ctx, *step)
}

// last sets when what is shown now ends.
func (l *linker) last(d time.Duration) {
	l.until = l.conn.cfg.Now().Add(d)
	l.timer.Reset(d)
}

// makeCode asks the server for a pairing code. It lasts as long as the QR codes would.
func (l *linker) makeCode(ctx context.Context) (*connector.Turn, error) {
	lasts := l.conn.cfg.FirstCode + time.Duration(max(len(l.codes)-1, 0))*l.conn.cfg.NextCode
	var code string
	err := l.cl.request(ctx, func(ctx context.Context) (err error) {
		code, err = l.cl.PairPhone(ctx, l.state.Phone, true, whatsmeow.PairClientChrome, codeName)
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		turn := l.refusedCode(err)
		return &turn, nil
	}
	step := l.state.display()
	step.Payload = code
	l.shown = 1
	l.last(lasts)
	step.ExpiresAt = l.until
	return nil, l.r.Show(ctx, *step)
}

// refusedCode says why there is no pairing code.
func (l *linker) refusedCode(err error) connector.Turn {
	var iq *whatsmeow.IQError
	if !errors.As(err, &iq) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, whatsmeow.ErrIQTimedOut) {
			return l.over(errs.CodeConnectionTimeout)
		}
		return l.over(errs.CodeConnectionClosed)
	}
	switch {
	case iq.Code == 429:
		return l.over(errs.CodeRateLimited)
	case iq.Code >= 500:
		return l.over(errs.CodeConnectionClosed)
	}
	s := l.state
	s.Typed = "+" + s.Phone
	step := phoneStep(s)
	step.Errors = []connector.FieldIssue{{Field: "phone", Code: errs.CodeInvalidPhone}}
	return ask(step, s)
}

// granted makes the Grant of a device that the phone has signed.
func (l *linker) granted() (connector.Turn, error) {
	d := l.cl.Store
	secret, err := encodeDevice(d, l.names, l.mem.seeds(), l.state.Proxy)
	if err != nil {
		return connector.Turn{}, err
	}
	params, err := publicParams(d, l.state.Proxy)
	if err != nil {
		return connector.Turn{}, err
	}
	t := connector.Turn{Grant: &connector.Grant{
		Identity: d.ID.User, Proof: latchkey.ProofProvider, Name: d.BusinessName, Params: params, Secret: secret,
		Scopes:  scopes(),
		Sources: []latchkey.Source{{ID: sourceID, Status: latchkey.AccountOK}},
	}}
	if l.state.Prior == d.ID.User && len(l.state.PriorSecret) > 0 {
		// The phone would list the device that this one replaces until it is two weeks silent.
		t.Unused = &connector.Grant{Identity: l.state.Prior, Secret: l.state.PriorSecret}
	}
	return t, nil
}

// publicParams is what is shown of an account.
func publicParams(d *store.Device, via *latchkey.Proxy) ([]byte, error) {
	im := map[string]any{"phone_number": "+" + d.ID.User}
	if d.BusinessName != "" {
		im["business_name"] = d.BusinessName
	}
	if via != nil {
		im["proxy"] = via.Shown()
	}
	return json.Marshal(map[string]any{"im": im})
}

// askPasskey shows what only a browser on WhatsApp's site can answer.
func (l *linker) askPasskey(ctx context.Context, ask *types.WebAuthnPublicKey) (*connector.Turn, error) {
	l.passkey = true
	l.last(passkeyTime)
	step, err := passkeyStep(ask, l.until)
	if err != nil {
		return nil, err
	}
	return nil, l.r.Show(ctx, *step)
}

// answer takes what the end user answered while the socket is open: a passkey's proof, or that the
// phone shows the code.
func (l *linker) answer(ctx context.Context, in connector.Input) (*connector.Turn, error) {
	switch in.StepID {
	case stepPasskey:
		return l.prove(ctx, in.Values["proof"])
	case stepConfirm:
		return l.confirmed(ctx)
	}
	return nil, nil //nolint:nilnil // an answer to a step that has gone
}

func (l *linker) prove(ctx context.Context, text string) (*connector.Turn, error) {
	var proof types.WebAuthnResponse
	if len(text) > maxProof || json.Unmarshal([]byte(text), &proof) != nil || len(proof.RawID) == 0 || len(proof.Response.Signature) == 0 {
		turn := l.over(errs.CodeCredentialRejected)
		return &turn, nil //nolint:nilerr // that is what it means
	}
	if err := l.r.Show(ctx, *waitingStep(l.state)); err != nil {
		return nil, err
	}
	err := l.cl.request(ctx, func(ctx context.Context) error { return l.cl.SendPasskeyResponse(ctx, &proof) })
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		turn := l.over(errs.CodeCredentialRejected)
		return &turn, nil
	}
	return nil, nil //nolint:nilnil // the server goes on
}

func (l *linker) confirmed(ctx context.Context) (*connector.Turn, error) {
	if err := l.r.Show(ctx, *waitingStep(l.state)); err != nil {
		return nil, err
	}
	if err := l.cl.request(ctx, l.cl.SendPasskeyConfirmation); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		turn := l.over(errs.CodeConnectionClosed)
		return &turn, nil
	}
	return nil, nil //nolint:nilnil // the server goes on
}
