package mock

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
)

const (
	beatsPerCode = 5
	scannedAfter = 7 // in the second code, so that a rotation is seen
	approvedAt   = 4
)

// Do implements connector.Connector.
func (c *Connector) Do(ctx context.Context, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	if c.cfg.OnWork != nil {
		c.cfg.OnWork(w.Name)
	}
	raw, password, _ := bytes.Cut(w.Input, []byte("\n"))
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return connector.Turn{}, fmt.Errorf("mock: work: %w", err)
	}
	switch w.Name {
	case "login":
		return c.doLogin(ctx, s, string(password), w, r)
	case "finish":
		return connector.Turn{Grant: grant(s)}, nil
	case "resend":
		return turn(codeStep(c.cfg.Now(), s, ""), s), nil
	case "scan":
		return c.doScan(s), nil
	case "pairing":
		return c.doPairing(s), nil
	case "approve":
		if s.Beat++; s.Beat >= approvedAt {
			return connector.Turn{Grant: grant(s)}, nil
		}
		return poll(s, "approve", approveStep(), c.cfg.Pace), nil
	case "live":
		return c.doLive(ctx, s, r)
	}
	return connector.Turn{}, fmt.Errorf("mock: no work %q", w.Name)
}

// doLogin checks the password, and leads to what the user name stands for.
func (c *Connector) doLogin(ctx context.Context, s state, password string, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	if password == "wrong" {
		return turn(withError(loginStep(s), "password", errs.CodeWrongPassword), s), nil
	}
	switch s.scenario() {
	case "2fa":
		return turn(codeStep(c.cfg.Now(), s, ""), s), nil
	case "choose":
		return turn(contractStep(), s), nil
	case "partial":
		return turn(partialStep(), s), nil
	case "notice":
		return turn(noticeStep(), s), nil
	case "captcha":
		return turn(captchaStep(), s), nil
	case "extension":
		return turn(extensionStep(), s), nil
	case "expired":
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeCodeExpired, Retryable: true}}, nil
	case "denied":
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeAccessDenied, Retryable: true}}, nil
	case "blocked":
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeAccountBlocked}}, nil
	case "crash":
		panic("mock: asked to crash")
	case "error":
		return connector.Turn{}, fmt.Errorf("mock: asked to fail")
	case "hang":
		<-ctx.Done()
		return connector.Turn{}, ctx.Err()
	case "slow":
		if err := c.slowly(ctx, w, r); err != nil {
			return connector.Turn{}, err
		}
	}
	return connector.Turn{Grant: grant(s)}, nil
}

// slowly reports one line of progress a beat.
func (c *Connector) slowly(ctx context.Context, w connector.Work, r connector.Reporter) error {
	show := w.Show
	for i := range show.Progress {
		lines := append([]connector.Progress(nil), show.Progress...)
		for j := range lines {
			switch {
			case j < i:
				lines[j].State = connector.ProgressOK
			case j == i:
				lines[j].State = connector.ProgressNow
			}
		}
		show.Progress = lines
		if err := r.Show(ctx, show); err != nil {
			return err
		}
		if err := c.beats(ctx, 3); err != nil {
			return err
		}
	}
	return nil
}

func (c *Connector) beats(ctx context.Context, n int) error {
	t := time.NewTimer(time.Duration(n) * c.cfg.Pace)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (c *Connector) doScan(s state) connector.Turn {
	s.Beat++
	if s.scenario() != "qr-never" && s.Beat >= scannedAfter {
		return connector.Turn{Grant: grant(s)}
	}
	if s.Beat >= codesShown*beatsPerCode {
		step := c.qrStep(state{Username: s.Username})
		step.Payload, step.ExpiresAt, step.Poll, step.Attempt = "", time.Time{}, 0, codesShown
		step.Actions = []connector.Action{connector.ActRefresh, connector.ActSwitchMethod, connector.ActBack}
		return turn(withError(step, "", errs.CodeCodeExpired), s)
	}
	return poll(s, "scan", c.qrStep(s), c.cfg.Pace)
}

func (c *Connector) doPairing(s state) connector.Turn {
	if s.Beat++; s.Beat >= approvedAt {
		return connector.Turn{Grant: grant(s)}
	}
	return poll(s, "pairing", c.pairingStep(s), c.cfg.Pace)
}

// doLive holds the phone's socket: it shows each code that comes, and ends when the phone has paired.
func (c *Connector) doLive(ctx context.Context, s state, r connector.Reporter) (connector.Turn, error) {
	if c.cfg.DialPhone == nil {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeProviderUnavailable}}, nil
	}
	conn, err := c.cfg.DialPhone(ctx)
	if err != nil {
		return connector.Turn{Failure: &connector.Failure{Code: errs.CodeConnectionRefused, Retryable: true, Detail: err.Error()}}, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "HELLO %s\n", s.scenario()); err != nil {
		return lostPhone(err), ctx.Err()
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "CODE": // CODE <n> <of> <milliseconds> <payload>
			f := strings.SplitN(rest, " ", 4)
			if len(f) != 4 {
				return lostPhone(fmt.Errorf("mock: bad line")), nil
			}
			n, _ := strconv.Atoi(f[0])
			of, _ := strconv.Atoi(f[1])
			ms, _ := strconv.Atoi(f[2])
			err = r.Show(ctx, liveStep(f[3], n, of, c.cfg.Now().Add(time.Duration(ms)*time.Millisecond)))
		case "CONFIRM":
			var in connector.Input
			if err = r.Show(ctx, confirmStep()); err == nil {
				if in, err = r.Next(ctx); err == nil {
					_, err = fmt.Fprintf(conn, "NUMBER %s\n", strings.ReplaceAll(in.Values["number"], "\n", ""))
				}
			}
		case "PAIRED":
			return connector.Turn{Grant: grant(s)}, nil
		case "EXPIRED":
			step := liveStep("", codesShown, codesShown, time.Time{})
			step.Actions = []connector.Action{connector.ActRefresh, connector.ActBack}
			return turn(withError(&step, "", errs.CodeCodeExpired), s), nil
		}
		if err != nil {
			return connector.Turn{}, err
		}
	}
	return lostPhone(lines.Err()), ctx.Err()
}

func lostPhone(err error) connector.Turn {
	f := &connector.Failure{Code: errs.CodeConnectionClosed, Retryable: true}
	if err != nil {
		f.Detail = err.Error()
	}
	return connector.Turn{Failure: f}
}

func grant(s state) *connector.Grant {
	params, err := json.Marshal(map[string]any{"mock": map[string]string{"username": s.Username}})
	if err != nil {
		panic(err) // a string always encodes
	}
	g := &connector.Grant{
		Identity: s.identity(), Proof: latchkey.ProofProvider, Name: "Mock " + s.Username, Params: params,
		Secret: []byte("mock-secret-of-" + s.Username), Scopes: []string{"mail.read", "mail.send"},
		Sources: []latchkey.Source{{ID: "MOCK", Status: latchkey.AccountOK}},
	}
	if s.scenario() == "warn" {
		g.Warnings = []string{"mock_warning"}
	}
	return g
}
