package mock

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed icon.svg
var icon string

// Config is what the connector needs.
type Config struct {
	// Now is the clock.
	Now func() time.Time
	// Pace is the length of one beat: how long slow things take, and how often polls come. 400 ms if zero.
	Pace time.Duration
	// DialPhone opens the socket of the "live" method; see Phone. Without it the method fails.
	DialPhone func(ctx context.Context) (net.Conn, error)
	// OnRevoke, if set, hears of each credential that is revoked.
	OnRevoke func(identity string)
	// OnWork, if set, hears of each Work that is begun.
	OnWork func(name string)
}

// Connector implements connector.Connector, Checker, Revoker and DirectConnector.
type Connector struct{ cfg Config }

// New makes the connector.
func New(cfg Config) *Connector {
	if cfg.Pace == 0 {
		cfg.Pace = 400 * time.Millisecond
	}
	return &Connector{cfg: cfg}
}

// Describe implements connector.Connector.
func (c *Connector) Describe() connector.Descriptor {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		panic(err) // the folder is embedded above: a missing one does not compile
	}
	return connector.Descriptor{
		Provider: latchkey.Mock, TestOnly: true, Checkpoints: true, Texts: sub, Icon: icon, Scopes: []string{"mail.read", "mail.send"},
	}
}

// state is what the connector keeps between turns.
type state struct {
	Mode     connector.Mode `json:"mode"`
	Prior    string         `json:"prior,omitempty"`
	Callback string         `json:"callback,omitempty"`
	Username string         `json:"username"`
	Wrong    int            `json:"wrong,omitempty"`
	Beat     int            `json:"beat,omitempty"`
}

func (s state) encode() []byte {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return out
}

// identity is whose account the user name stands for.
func (s state) identity() string {
	if s.Username == "wrong-account" {
		return "someone-else@mock.test"
	}
	if strings.Contains(s.Username, "@") {
		return strings.ToLower(s.Username)
	}
	return strings.ToLower(s.Username) + "@mock.test"
}

// scenario is the magic part of the user name: "2fa" of "2fa", "2fa+anything" and "2fa@example.com".
func (s state) scenario() string {
	name, _, _ := strings.Cut(s.Username, "@")
	name, _, _ = strings.Cut(name, "+")
	return name
}

// Begin implements connector.Connector.
func (c *Connector) Begin(start connector.Start) (connector.Turn, error) {
	s := state{Mode: start.Mode, Callback: start.CallbackURL, Username: start.Email}
	if start.Prior != nil {
		s.Prior, s.Username = start.Prior.Identity, start.Prior.Identity
	}
	return connector.Turn{Step: loginStep(s), State: s.encode()}, nil
}

// Direct implements connector.DirectConnector.
func (c *Connector) Direct(start connector.Start, values map[string]string) (connector.Turn, error) {
	s := state{Mode: start.Mode, Username: values["username"]}
	if start.Prior != nil {
		s.Prior, s.Username = start.Prior.Identity, start.Prior.Identity
	}
	return c.login(s, values), nil
}

// Resume implements connector.Connector.
func (c *Connector) Resume(raw []byte, in connector.Input) (connector.Turn, error) {
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return connector.Turn{}, fmt.Errorf("mock: state: %w", err)
	}
	if in.Action == connector.ActBack {
		return connector.Turn{Step: loginStep(s), State: s.encode()}, nil
	}
	switch in.StepID {
	case stepLogin:
		if s.Prior == "" {
			s.Username = strings.TrimSpace(in.Values["username"])
		}
		return c.login(s, in.Values), nil
	case stepCode:
		return c.code(s, in), nil
	case stepMethod:
		return turn(codeStep(c.cfg.Now(), s, in.Values["method"]), s), nil
	case stepContract, stepPartial, stepNotice:
		return work(s, "finish", waitStep("mock.check")), nil
	case stepCaptcha:
		if in.Values["solution"] != "pass" {
			return turn(withError(captchaStep(), "solution", errs.CodeCaptchaFailed), s), nil
		}
		return work(s, "finish", waitStep("mock.check")), nil
	case stepExtension:
		return work(s, "finish", waitStep("mock.check")), nil
	case stepQR:
		if in.Action == connector.ActSwitchMethod {
			s.Beat = 0
			return poll(s, "pairing", c.pairingStep(s), c.cfg.Pace), nil
		}
		s.Beat = 0
		return poll(s, "scan", c.qrStep(s), c.cfg.Pace), nil
	case stepPairing:
		s.Beat = 0
		return poll(s, "scan", c.qrStep(s), c.cfg.Pace), nil
	case stepRedirect:
		return c.returned(s, in), nil
	case stepLive:
		return c.live(s), nil // refresh after the last code
	}
	return connector.Turn{}, fmt.Errorf("mock: no step %q", in.StepID)
}

// login leads from the user name to its scenario.
func (c *Connector) login(s state, values map[string]string) connector.Turn {
	var missing []connector.FieldIssue
	if s.Username == "" {
		missing = append(missing, connector.FieldIssue{Field: "username", Code: errs.CodeRequired})
	}
	if values["password"] == "" {
		missing = append(missing, connector.FieldIssue{Field: "password", Code: errs.CodeRequired})
	}
	if len(missing) > 0 {
		step := loginStep(s)
		step.Errors = missing
		return turn(step, s)
	}
	switch s.scenario() {
	case "qr", "qr-never":
		return poll(s, "scan", c.qrStep(s), c.cfg.Pace)
	case "code":
		return poll(s, "pairing", c.pairingStep(s), c.cfg.Pace)
	case "approve":
		return poll(s, "approve", approveStep(), c.cfg.Pace)
	case "live", "live-manual":
		return c.live(s)
	case "redirect":
		return turn(redirectStep(s.Callback+"?code=mock&state="+connector.StatePlaceholder), s)
	case "redirect-denied":
		return turn(redirectStep(s.Callback+"?error=access_denied&state="+connector.StatePlaceholder), s)
	}
	w := work(s, "login", waitStep("mock.reach", "mock.check", "mock.finish"))
	w.Work.Input = append(w.Work.Input, []byte("\n"+values["password"])...)
	return w
}

func (c *Connector) code(s state, in connector.Input) connector.Turn {
	switch in.Action {
	case connector.ActResend:
		return work(s, "resend", waitStep("mock.resend"))
	case connector.ActSwitchMethod:
		return turn(methodStep(), s)
	}
	switch in.Values["code"] {
	case "123456":
		return work(s, "finish", waitStep("mock.check"))
	case "000000":
		return turn(withError(codeStep(c.cfg.Now(), s, ""), "code", errs.CodeCodeExpired), s)
	}
	s.Wrong++
	if s.Wrong >= 3 {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeTooManyTries, Retryable: true}}
	}
	return turn(withError(codeStep(c.cfg.Now(), s, ""), "code", errs.CodeWrongCode), s)
}

func (c *Connector) returned(s state, in connector.Input) connector.Turn {
	if in.Action != connector.ActReturn {
		return turn(loginStep(s), s)
	}
	if in.Values["error"] != "" {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeAccessDenied, Retryable: true, Detail: in.Values["error"]}}
	}
	return work(s, "finish", waitStep("mock.check"))
}

func (c *Connector) live(s state) connector.Turn {
	t := work(s, "live", waitStep("mock.reach"))
	t.Work.Live, t.Work.Interrupt = true, connector.Restart
	t.Work.LiveActions = []connector.Action{connector.ActSubmit}
	t.Work.Show.Actions = []connector.Action{connector.ActBack}
	return t
}

func turn(step *connector.Step, s state) connector.Turn {
	return connector.Turn{Step: step, State: s.encode()}
}

func work(s state, name string, show *connector.Step) connector.Turn {
	return connector.Turn{State: s.encode(), Work: &connector.Work{
		Name: name, Input: s.encode(), Show: *show, Deadline: 20 * time.Second, Interrupt: connector.Ask,
	}}
}

func poll(s state, name string, show *connector.Step, every time.Duration) connector.Turn {
	t := work(s, name, show)
	t.Work.Repeat, t.Work.Interrupt = every, connector.Rerun
	return t
}

// Check implements connector.Checker: the identity says what it finds.
func (c *Connector) Check(_ context.Context, a connector.Credential) (connector.Health, error) {
	name, _, _ := strings.Cut(a.Identity, "@")
	switch name {
	case "broken":
		return connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonPasswordChanged}, nil
	case "down":
		return connector.Health{Status: latchkey.AccountConnecting, Reason: latchkey.ReasonHostUnreachable}, nil
	}
	return connector.Health{Status: latchkey.AccountOK}, nil
}

// Revoke implements connector.Revoker.
func (c *Connector) Revoke(_ context.Context, a connector.Credential) error {
	if c.cfg.OnRevoke != nil {
		c.cfg.OnRevoke(a.Identity)
	}
	if strings.HasPrefix(a.Identity, "revoke-fails") {
		return fmt.Errorf("mock: revocation refused")
	}
	return nil
}
