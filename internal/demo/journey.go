package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// teller says what somebody does, and when.
func (a *Application) teller(out io.Writer) func(who, format string, args ...any) {
	began := a.cfg.Now()
	return func(who, format string, args ...any) {
		_, _ = fmt.Fprintf(out, "  %7s  %-10s %s\n", fmt.Sprintf("%d ms", a.cfg.Now().Sub(began).Milliseconds()), who, fmt.Sprintf(format, args...))
	}
}

// Journey goes the whole way once, as backend and as end user, and says each step as it happens.
func (a *Application) Journey(ctx context.Context, out io.Writer) error {
	say := a.teller(out)
	link, err := a.link(ctx, a.cfg.Latchkey, "/notify", linkRequest{Type: "create", Providers: []string{"IMAP"}})
	if err != nil {
		return err
	}
	say("backend", "POST /v1/hosted/accounts/link → %s", link.ID)
	v, err := newVisitor(a.cfg.Latchkey.Base, link.URL)
	if err != nil {
		return err
	}
	flow, err := a.walk(ctx, v, say)
	if err != nil {
		return err
	}
	say("end user", "connected; goes back to %s", strings.TrimPrefix(flow.Result.RedirectURL, a.URL()))
	got, err := a.Await(ctx, link.ID)
	if err != nil {
		return err
	}
	say("backend", "notified, signature verified: %s", got.Body)
	var state linkState
	if err := a.cfg.Latchkey.call(ctx, "GET", "/v1/links/"+link.ID, nil, &state); err != nil {
		return err
	}
	var acc accountState
	if err := a.cfg.Latchkey.call(ctx, "GET", "/v1/accounts/"+got.AccountID, nil, &acc); err != nil {
		return err
	}
	say("backend", "GET /v1/accounts/%s → %s, %s", acc.ID, acc.Identity, acc.Status)
	if state.Status != "completed" || acc.Status != "OK" || got.AccountID != flow.Result.AccountID {
		return errors.New("the journey ended otherwise than it should")
	}
	return nil
}

// walk answers the wizard's questions: first with a wrong password, to see what it says.
func (a *Application) walk(ctx context.Context, v *visitor, say func(who, format string, args ...any)) (flowState, error) {
	flow, err := v.look(ctx)
	if err != nil {
		return flow, err
	}
	say("end user", "opens the link: %q", flow.Step.Title)
	passwords := []string{"not the password", a.cfg.Password}
	last := ""
	for range 200 {
		switch {
		case flow.Status == "completed":
			return flow, nil
		case flow.Status == "created":
			flow, err = v.answer(ctx, 0, "start", nil)
		case flow.Step.Kind == "wait":
			for _, p := range flow.Step.Progress {
				if p.State == "now" && p.Text != last {
					last = p.Text
					say("wizard", "%s", p.Text)
				}
			}
			if err = sleep(ctx, 50*time.Millisecond); err == nil {
				flow, err = v.look(ctx)
			}
		case flow.Step.ID == "imap.email":
			say("end user", "types %s", a.cfg.Email)
			flow, err = v.answer(ctx, flow.Version, "submit", map[string]any{"email": a.cfg.Email})
		case flow.Step.ID == "imap.password" && len(passwords) > 0:
			for _, e := range flow.Step.Errors {
				say("wizard", "%s", e.Message)
			}
			if len(passwords) == 2 {
				say("wizard", "found %s for receiving and %s for sending", flow.field("imap_host"), flow.field("smtp_host"))
				say("end user", "types a wrong password")
			} else {
				say("end user", "types the right one")
			}
			values := map[string]any{"password": passwords[0]}
			passwords = passwords[1:]
			flow, err = v.answer(ctx, flow.Version, "submit", values)
		default:
			return flow, fmt.Errorf("unexpected step %s (%s): %v", flow.Step.ID, flow.Status, flow.Step.Errors)
		}
		if err != nil {
			return flow, err
		}
	}
	return flow, errors.New("the wizard does not come to an end")
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
