package e2e_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/telegram/sim"
)

const (
	phoneOfMaria = "+49 151 0000001"
	phoneOfBen   = "+49 151 0000002" // with a password, at another data centre
)

// chat is a simulated Telegram, and an installation that takes it for the real one.
type chat struct {
	*server
	sim      *sim.Sim
	backend  *receiver
	password string
	second   *server // another replica, on PostgreSQL; requests go to both by turns
}

// newChat starts both. The person's two-step password is one that the witness looks for.
func newChat(t *testing.T, postgres bool) *chat {
	t.Helper()
	in := newInstall(t)
	w := &chat{password: in.seen.password("telegram")}
	var err error
	if w.sim, err = sim.Start(sim.Config{Now: time.Now, ResendAfter: time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := w.sim.Overlaps(); n > 0 {
			t.Errorf("one key was used on two connections at a time, %d times", n)
		}
		_ = w.sim.Close()
	})
	for _, p := range []sim.Person{
		{Phone: phoneOfMaria, First: "Maria", Last: "Lindgren", Username: "maria"},
		{Phone: phoneOfBen, First: "Ben", Last: "Adeyemi", DC: 4, Password: w.password, Hint: "our first dog"},
	} {
		if _, err := w.sim.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	keys := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(keys, w.sim.PublicKeysPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	hash := strings.Repeat("0123456789abcdef", 2)
	for k, v := range map[string]string{
		"LATCHKEY_TELEGRAM_DCS": w.sim.DCs(), "LATCHKEY_TELEGRAM_PUBLIC_KEYS": keys,
		"LATCHKEY_TELEGRAM_API_ID": "4242", "LATCHKEY_TELEGRAM_API_HASH": hash, "LATCHKEY_APP_NAME": "Northwind",
	} {
		in.env[k] = v
	}
	if postgres {
		in.postgres()
	}
	if postgres {
		w.server, w.second = in.pair()
	} else {
		w.server = in.start()
	}
	w.backend = in.receive()
	// Before the witness looks, which the installation asked it to when it started.
	t.Cleanup(w.keys)
	return w
}

func (w *chat) link(t *testing.T, more ...fields) link {
	t.Helper()
	return w.api.link(t, append([]fields{{"providers": []string{"TELEGRAM"}, "notify_url": w.backend.url + "/notify"}}, more...)...)
}

// guest is somebody in front of Chromium.
type guest struct {
	*browser.Tab
	t    *testing.T
	w    *chat
	name string
	axe  string
}

func (w *chat) guest(t *testing.T, name string) *guest {
	t.Helper()
	tab := browser.Open(t)
	tab.View(390, 820, "light")
	return &guest{tab, t, w, name, browser.Axe(t)}
}

func (g *guest) at(step string) {
	g.t.Helper()
	g.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + step + `"] h1`)))
}

func (g *guest) press() { g.t.Helper(); g.Do(chromedp.Click(chromedp.CSS("main .btn"))) }

func (g *guest) does(action string) {
	g.t.Helper()
	// Not where the button was a moment ago: the page renews itself, and things move on it.
	browser.Eval[bool](g.Tab, `document.querySelector("main button[name=action][value=`+action+`]").click(), true`)
}

func (g *guest) types(field, value string) {
	g.t.Helper()
	g.Do(chromedp.SendKeys(chromedp.CSS(`input[name="`+field+`"]`), value))
}

// look keeps pictures of the page in both schemes, and has them checked.
func (g *guest) look(page string) {
	g.t.Helper()
	g.w.seen.hear(nil, []byte(browser.Eval[string](g.Tab, `document.documentElement.outerHTML`)))
	g.Inject(g.axe)
	for _, scheme := range []string{"light", "dark"} {
		g.View(390, 820, scheme)
		name := fmt.Sprintf("telegram-%s-%s-%s", g.name, page, scheme)
		for _, v := range g.Check() {
			g.t.Errorf("%s: %s (%s)\n%v", name, v.ID, v.Help, v.Nodes)
		}
		if wide := browser.Eval[int64](g.Tab, "document.documentElement.scrollWidth"); wide > 390 {
			g.t.Errorf("%s: the page is %d px wide", name, wide)
		}
		g.Shot(filepath.Join(browser.Root(g.t), "out", name+".png"))
	}
	g.View(390, 820, "light")
}

// scan reads the code off the flow as the page's script does, and lets somebody scan it.
func (g *guest) scan(phone string) {
	g.t.Helper()
	raw := browser.Eval[string](g.Tab, `(() => {
		const x = new XMLHttpRequest()
		x.open("GET", location.pathname + "/flow", false)
		x.setRequestHeader("Accept", "application/json")
		x.send()
		return x.responseText
	})()`)
	var f struct {
		Step struct {
			Payload string `json:"payload"`
		} `json:"step"`
	}
	if err := json.Unmarshal([]byte(raw), &f); err != nil || f.Step.Payload == "" {
		g.t.Fatalf("no code: %v, %s", err, raw)
	}
	if err := g.w.sim.Scan(phone, f.Step.Payload); err != nil {
		g.t.Fatal(err)
	}
}

// code types what reached the phone.
func (g *guest) code(phone string) {
	g.t.Helper()
	code, err := g.w.sim.Code(phone)
	if err != nil {
		g.t.Fatal(err)
	}
	g.types("code", code)
	g.press()
}

func TestTelegramJourneys(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newChat(t, engine == "postgres")

			// By QR code.
			g := w.guest(t, engine)
			l := w.link(t)
			g.Do(chromedp.Navigate(l.url))
			g.at("link.start")
			g.look("1-start")
			g.press()
			g.at("telegram.qr")
			g.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
			g.look("2-qr")
			g.scan(phoneOfMaria)
			g.at("flow.done")
			g.look("3-done")
			maria := w.connected(t, l, "CREATION_SUCCESS")
			if maria.text("name") != "Maria Lindgren" || maria.text("connection_params.im.username") != "maria" {
				t.Errorf("account %s", maria.body)
			}
			devices, err := w.sim.Sessions(phoneOfMaria)
			if err != nil || len(devices) != 1 || devices[0].Device != "Northwind" {
				t.Errorf("the phone lists %+v, %v", devices, err)
			}

			// By phone number, with a code and the password.
			g = w.guest(t, engine)
			l = w.link(t)
			g.Do(chromedp.Navigate(l.url))
			g.at("link.start")
			g.press()
			g.at("telegram.qr")
			g.does("switch_method")
			g.at("telegram.phone")
			g.types("phone", "0151 5")
			g.press()
			g.Do(chromedp.WaitVisible(chromedp.CSS(`input[name=phone][aria-invalid=true]`)))
			g.look("4-phone")
			g.Do(chromedp.SetValue(chromedp.CSS(`input[name=phone]`), phoneOfBen))
			g.press()
			g.at("telegram.code")
			g.look("5-code")
			g.types("code", "00000x")
			g.press()
			g.Do(chromedp.WaitVisible(chromedp.CSS(`input[name=code][aria-invalid=true]`)))
			g.code(phoneOfBen)
			g.at("telegram.password")
			g.look("6-password")
			g.types("password", w.password)
			g.press()
			g.at("flow.done")
			w.connected(t, l, "CREATION_SUCCESS")

			// Unlinked on the phone, found out by a check, healed under the same id.
			id := maria.text("id")
			if err := w.sim.Unlink(phoneOfMaria); err != nil {
				t.Fatal(err)
			}
			if got := w.api.check(t, id, "CREDENTIALS"); got.text("reason") != "session_terminated" || got.text("action") != "reconnect" {
				t.Errorf("unlinked: %s", got.body)
			}
			g = w.guest(t, engine)
			l = w.link(t, fields{"type": "reconnect", "reconnect_account": id})
			g.Do(chromedp.Navigate(l.url))
			g.at("link.start")
			g.press()
			g.at("telegram.qr")
			g.scan(phoneOfMaria)
			g.at("flow.done")
			if again := w.connected(t, l, "RECONNECTED"); again.text("id") != id {
				t.Errorf("reconnected as %s", again.body)
			}
			w.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+id, nil)
			w.gone(t, phoneOfMaria)
		})
	}
}

// connected waits for the notification of a link, and returns the account.
func (w *chat) connected(t *testing.T, l link, status string) response {
	t.Helper()
	n := w.backend.await(t, l.id, status)
	res := w.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+n.AccountID, nil)
	if res.text("status") != "OK" || res.text("type") != "TELEGRAM" || res.text("identity_proof") != "provider" {
		t.Errorf("the account is %s", res.body)
	}
	return res
}

// keys tells the witness which sessions must lie nowhere in clear.
func (w *chat) keys() {
	for _, k := range w.sim.Keys() {
		w.seen.token(base64.StdEncoding.EncodeToString(k))
		w.seen.token(hex.EncodeToString(k))
	}
}

// gone waits until the phone lists no device of the person.
func (w *chat) gone(t *testing.T, phone string) {
	t.Helper()
	for {
		devices, err := w.sim.Sessions(phone)
		if err != nil {
			t.Fatal(err)
		}
		if len(devices) == 0 {
			return
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("the phone still lists %+v", devices)
		}
	}
}

// TestTelegramByAPI is an application with screens of its own, behind two replicas: each request goes
// to the other one.
func TestTelegramByAPI(t *testing.T) {
	t.Parallel()
	w := newChat(t, true)
	ask := func(path string, body fields) response {
		t.Helper()
		res, err := w.api.call(t.Context(), http.MethodPost, path, body)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	began := time.Now()
	res := ask("/v1/accounts", fields{"provider": "TELEGRAM", "account_id": "crm-7"})
	t.Logf("first code after %v", time.Since(began))
	if res.status != http.StatusAccepted || res.text("checkpoint.kind") != "display" || !strings.HasPrefix(res.text("checkpoint.payload"), "tg://login") {
		t.Fatalf("%d %s", res.status, res.body)
	}
	id := res.text("account_id")
	if err := w.sim.Scan(phoneOfBen, res.text("checkpoint.payload")); err != nil {
		t.Fatal(err)
	}
	for res.text("checkpoint.id") != "telegram.password" {
		if res = ask("/v1/accounts/checkpoint", fields{"account_id": id}); res.status != http.StatusAccepted {
			t.Fatalf("%d %s", res.status, res.body)
		}
		if err := sleep(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if res = ask("/v1/accounts/checkpoint", fields{"account_id": id, "code": "wrong"}); res.text("checkpoint.errors.0.code") != "wrong_password" {
		t.Errorf("%d %s", res.status, res.body)
	}
	res = ask("/v1/accounts/checkpoint", fields{"account_id": id, "code": w.password})
	if res.status != http.StatusCreated || res.text("account_id") != id {
		t.Fatalf("%d %s", res.status, res.body)
	}
	if acc := w.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/crm-7", nil); acc.text("id") != id || acc.text("name") != "Ben Adeyemi" {
		t.Errorf("%s", acc.body)
	}
}
