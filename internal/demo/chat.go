package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ways of linking a phone.
const (
	byQR   = "QR code"
	byCode = "code"
)

// ChatJourney connects an account by each phone: one of every provider by QR code, the others by a
// code. Then a phone ends what was linked, and the account is mended under its own id.
func (a *Application) ChatJourney(ctx context.Context, out io.Writer) error {
	say := a.teller(out)
	var mend *phone
	var mended string
	seen := map[string]bool{}
	for _, given := range a.cfg.Phones {
		p, way := a.phones[given.ID], byQR
		if p.Passkey {
			continue // a passkey needs a browser
		}
		if seen[p.Provider] {
			way = byCode
		}
		seen[p.Provider] = true
		id, err := a.chat(ctx, say, p, way, linkRequest{Type: "create", Providers: []string{p.Provider}})
		if err != nil {
			return fmt.Errorf("%s by %s: %w", p.Provider, way, err)
		}
		if mend == nil {
			mend, mended = p, id
		}
	}
	if mend == nil {
		return nil
	}
	say("phone", "%s ends it: Linked devices, Log out", mend.Owner)
	if err := mend.Unlink(ctx); err != nil {
		return err
	}
	acc, err := a.awaitStatus(ctx, mended, "CREDENTIALS")
	if err != nil {
		return err
	}
	say("backend", "GET /v1/accounts/%s → %s (%s), what helps: %s", acc.ID, acc.Status, acc.Reason, acc.Action)
	again, err := a.chat(ctx, say, mend, byQR, linkRequest{Type: "reconnect", Reconnect: mended})
	if err == nil && again != mended {
		err = errors.New("the account has another id than before")
	}
	return err
}

// chat connects or mends one account by a phone, and returns its id.
func (a *Application) chat(ctx context.Context, say func(who, format string, args ...any), p *phone, way string, ask linkRequest) (string, error) {
	link, err := a.link(ctx, a.cfg.Latchkey, "/notify", ask)
	if err != nil {
		return "", err
	}
	say("backend", "asks for a link: %s %s", ask.Type, p.Provider)
	v, err := newVisitor(a.cfg.Latchkey.Base, link.URL)
	if err != nil {
		return "", err
	}
	c := chatter{a: a, v: v, p: p, way: way, say: say}
	if err := c.walk(ctx); err != nil {
		return "", err
	}
	got, err := a.Await(ctx, link.ID)
	if err != nil {
		return "", err
	}
	acc, err := a.awaitStatus(ctx, got.AccountID, "OK")
	if err != nil {
		return "", err
	}
	devices, _, err := p.Linked(ctx)
	if err != nil {
		return "", err
	}
	say("backend", "%s: %s of %s is %s, id %s; the phone lists %d device", got.Status, acc.Type, acc.Identity, acc.Status, acc.ID, len(devices))
	return acc.ID, nil
}

// awaitStatus waits until an account is as it should be.
func (a *Application) awaitStatus(ctx context.Context, id, status string) (accountState, error) {
	var acc accountState
	for {
		if err := a.cfg.Latchkey.call(ctx, http.MethodGet, "/v1/accounts/"+id, nil, &acc); err != nil {
			return acc, err
		}
		if acc.Status == status {
			return acc, nil
		}
		if err := sleep(ctx, look); err != nil {
			return acc, fmt.Errorf("the account is %s, not %s: %w", acc.Status, status, err)
		}
	}
}

// look is the pause between two looks at what others do.
const look = 50 * time.Millisecond

// chatter is an end user with a phone in hand.
type chatter struct {
	a   *Application
	v   *visitor
	p   *phone
	way string
	say func(who, format string, args ...any)
	did map[string]bool
}

// once says something the first time only.
func (c *chatter) once(what, who, format string, args ...any) bool {
	if c.did == nil {
		c.did = map[string]bool{}
	}
	if c.did[what] {
		return false
	}
	c.did[what] = true
	c.say(who, format, args...)
	return true
}

// walk goes through the wizard's pages until the account is connected.
func (c *chatter) walk(ctx context.Context) error {
	flow, err := c.v.look(ctx)
	for range 1000 {
		var late refusal
		if errors.As(err, &late) && late.status == http.StatusConflict {
			flow, err = c.v.look(ctx) // the page had moved on
		}
		if err != nil {
			return err
		}
		switch flow.Status {
		case "completed":
			return nil
		case "created":
			flow, err = c.v.answer(ctx, 0, "start", nil)
			continue
		}
		if len(flow.Step.Errors) > 0 {
			return fmt.Errorf("the wizard says at %s: %s", flow.Step.ID, flow.Step.Errors[0].Message)
		}
		flow, err = c.step(ctx, flow)
	}
	return errors.New("the wizard does not come to an end")
}

// step does what one page asks for.
func (c *chatter) step(ctx context.Context, flow flowState) (flowState, error) {
	answer := func(action string, values map[string]any) (flowState, error) {
		return c.v.answer(ctx, flow.Version, action, values)
	}
	var err error
	switch id := flow.Step.ID; id {
	case "whatsapp.qr", "telegram.qr":
		if c.way == byCode {
			return answer("switch_method", nil)
		}
		if flow.Step.Payload != "" && c.once(id, "phone", "%s scans the QR code", c.p.Owner) {
			err = c.p.Scan(ctx, flow.Step.Payload)
		}
	case "whatsapp.phone", "telegram.phone":
		c.once(id, "end user", "types the number %s", c.p.Number)
		return answer("submit", map[string]any{"phone": c.p.Number})
	case "whatsapp.code":
		if flow.Step.Payload != "" && c.once(id, "phone", "%s types the code %s", c.p.Owner, flow.Step.Payload) {
			err = c.p.TypeCode(ctx, flow.Step.Payload)
		}
	case "telegram.code":
		code, err := c.p.LoginCode(ctx)
		if err != nil {
			return flow, err
		}
		c.once(id, "end user", "types the code that came to the phone, %s", code)
		return answer("submit", map[string]any{"code": code})
	case "telegram.password":
		c.once(id, "end user", "types the two-step password")
		return answer("submit", map[string]any{"password": c.p.Password})
	default:
		if flow.Step.Kind != "wait" {
			return flow, fmt.Errorf("unexpected step %s (%s)", id, flow.Status)
		}
	}
	if err == nil {
		err = sleep(ctx, look)
	}
	if err != nil {
		return flow, err
	}
	return c.v.look(ctx)
}
