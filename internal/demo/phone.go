package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Providers that are connected by a phone, as the API names them.
const (
	whatsApp = "WHATSAPP"
	telegram = "TELEGRAM"
)

// banned is how long a simulated ban lasts.
const banned = 10 * time.Minute

// Phone is a simulated phone that lies on the page, for visitors who would rather not use their own.
type Phone struct {
	// ID names it in URLs.
	ID string
	// Provider is WHATSAPP or TELEGRAM.
	Provider string
	Owner    string
	Number   string // with its plus
	// Password is the two-step password, where the account has one.
	Password string
	// Passkey says that the account's new devices are vouched for with a passkey.
	Passkey bool
	// Control holds the phone, by HTTP: the one of the provider's simulator.
	Control http.Handler
	// Screen is the code that stands on a screen now: what the camera sees.
	Screen func() string
}

// phone is a Phone with what was last done with it.
type phone struct {
	Phone
	mu   sync.Mutex
	said answer
}

type answer struct {
	Text string
	Bad  bool
	// Copy is something to be carried to another page.
	Copy string
}

// hold does one thing with the phone.
func (p *phone) hold(ctx context.Context, method, path string, order, out any) error {
	raw, err := json.Marshal(order)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	p.Control.ServeHTTP(w, req)
	if w.status >= http.StatusBadRequest {
		var said struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(w.body.Bytes(), &said) // without words it is refused all the same
		return errors.New("the phone says: " + said.Error)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(w.body.Bytes(), out)
}

// recorder takes a handler's answer without a network.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// digits is the number as WhatsApp has it.
func (p *phone) digits() string { return p.Number[1:] }

// who is the order that every simulator understands.
func (p *phone) who(more ...string) map[string]any {
	out := map[string]any{}
	if p.Provider == whatsApp {
		out["number"] = p.digits()
	} else {
		out["phone"] = p.Number
	}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// Scan holds the camera before a code.
func (p *phone) Scan(ctx context.Context, code string) error {
	return p.hold(ctx, http.MethodPost, "/scan", p.who("qr", code), nil)
}

// TypeCode types a pairing code (WhatsApp).
func (p *phone) TypeCode(ctx context.Context, code string) error {
	return p.hold(ctx, http.MethodPost, "/code", p.who("code", code), nil)
}

// LoginCode reads the code that was sent to the phone (Telegram).
func (p *phone) LoginCode(ctx context.Context) (string, error) {
	var out struct{ Code string }
	err := p.hold(ctx, http.MethodGet, "/code?phone="+url.QueryEscape(p.Number), nil, &out)
	return out.Code, err
}

// Unlink ends what is linked.
func (p *phone) Unlink(ctx context.Context) error {
	return p.hold(ctx, http.MethodPost, "/unlink", p.who(), nil)
}

// Ban shuts the account out, or lets it in again.
func (p *phone) Ban(ctx context.Context, out bool) error {
	order := p.who()
	if p.Provider == telegram {
		order["lift"] = !out
	} else {
		seconds := 0
		if out {
			seconds = int(banned.Seconds())
		}
		order["ban_code"], order["seconds"] = banCode, seconds
	}
	return p.hold(ctx, http.MethodPost, "/ban", order, nil)
}

// banCode is WhatsApp's for "sent too many messages".
const banCode = 101

// Vouch proves with the passkey that its owner links the device (WhatsApp).
func (p *phone) Vouch(ctx context.Context) (string, error) {
	var out struct{ Assertion string }
	err := p.hold(ctx, http.MethodPost, "/passkey", p.who(), &out)
	return out.Assertion, err
}

// linked is a device in the phone's list.
type linked struct {
	Device string `json:"device"`
	Online bool   `json:"online"`
}

// Linked lists the devices, and tells whether the account is banned.
func (p *phone) Linked(ctx context.Context) (devices []linked, shut bool, err error) {
	if p.Provider == telegram {
		var all []struct {
			Phone    string   `json:"phone"`
			Banned   bool     `json:"banned"`
			Sessions []linked `json:"sessions"`
		}
		err = p.hold(ctx, http.MethodGet, "/people", nil, &all)
		for _, x := range all {
			if x.Phone == p.Number {
				return x.Sessions, x.Banned, err
			}
		}
		return nil, false, err
	}
	var all struct {
		Phones []struct {
			Number  string   `json:"number"`
			Banned  bool     `json:"banned"`
			Devices []linked `json:"devices"`
		} `json:"phones"`
	}
	err = p.hold(ctx, http.MethodGet, "/state", nil, &all)
	for _, x := range all.Phones {
		if x.Number == p.digits() {
			return x.Devices, x.Banned, err
		}
	}
	return nil, false, err
}

// Actions of the buttons on a phone.
const (
	actScan    = "scan"
	actCode    = "code"
	actPasskey = "passkey"
	actUnlink  = "unlink"
	actBan     = "ban"
	actLift    = "lift"
)

// press does what a button says, and remembers what came of it.
func (a *Application) press(w http.ResponseWriter, r *http.Request) {
	p := a.phones[r.PathValue("id")]
	if p == nil {
		http.NotFound(w, r)
		return
	}
	said, err := p.act(r.Context(), r.PostFormValue("do"), r.PostFormValue("code"))
	if err != nil {
		said = answer{Text: err.Error(), Bad: true}
	}
	p.mu.Lock()
	p.said = said
	p.mu.Unlock()
	http.Redirect(w, r, "/#"+p.ID, http.StatusSeeOther)
}

func (p *phone) act(ctx context.Context, do, code string) (answer, error) {
	switch do {
	case actScan:
		shown := p.Screen()
		if shown == "" {
			return answer{}, errors.New("there is no code on the screen: press Connect first, and let the page show one")
		}
		return answer{Text: "Scanned the code on the screen."}, p.Scan(ctx, shown)
	case actCode:
		return answer{Text: "Typed the code."}, p.TypeCode(ctx, code)
	case actPasskey:
		proof, err := p.Vouch(ctx)
		return answer{Text: "Vouched. Copy this into the wizard's page:", Copy: proof}, err
	case actUnlink:
		return answer{Text: "Logged every linked device out."}, p.Unlink(ctx)
	case actBan:
		return answer{Text: "The account is banned."}, p.Ban(ctx, true)
	case actLift:
		return answer{Text: "The account is let in again."}, p.Ban(ctx, false)
	}
	return answer{}, errors.New("the phone has no such button")
}

// phoneView is a phone as the page shows it.
type phoneView struct {
	*phone
	WhatsApp bool
	Linked   []linked
	Banned   bool
	Message  string // the code that was sent to it
	Said     answer
}

func (a *Application) phoneViews(ctx context.Context) []phoneView {
	var out []phoneView
	for _, given := range a.cfg.Phones {
		p := a.phones[given.ID]
		v := phoneView{phone: p, WhatsApp: p.Provider == whatsApp}
		var err error
		if v.Linked, v.Banned, err = p.Linked(ctx); err != nil {
			v.Said = answer{Text: err.Error(), Bad: true}
		}
		p.mu.Lock()
		if p.said.Text != "" {
			v.Said = p.said
		}
		p.mu.Unlock()
		if !v.WhatsApp {
			if code, err := p.LoginCode(ctx); err == nil { // most of the time there is none
				v.Message = code
			}
		}
		out = append(out, v)
	}
	return out
}

// live is what changes on the page by itself: HTML by the id of the element that it belongs in.
func (a *Application) live(w http.ResponseWriter, r *http.Request) {
	m := a.model(r.Context())
	out := map[string]string{}
	put := func(id, name string, data any) {
		var b bytes.Buffer
		if a.pages.ExecuteTemplate(&b, name, data) == nil { // what cannot be rendered stays as it was
			out[id] = b.String()
		}
	}
	put("received", "received", m.Received)
	put("accounts", "accounts", m.Accounts)
	for _, p := range m.Phones {
		put(p.ID+"-screen", "screen", p)
	}
	w.Header().Set("Content-Type", "application/json")
	raw, err := json.Marshal(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(raw))
}
